"""Law 4: a tenant's commands touch only that tenant's keys, and a script only the keys it declares."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import redis

from fature_kv import scripts, tenants, wiring
from fature_kv.access import tokens
from fature_kv.archive.rebuild import rebuild_from_journal
from fature_kv.archive.undo import undo_run, void_rows
from fature_kv.commission import configuration
from fature_kv.domain.commission import DEFAULT
from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from fature_kv.errors import FatureError
from fature_kv.ingest import retry
from fature_kv.settings import Settings
from fature_kv.sources import sample_small
from fature_kv.sources.files import open_all
from fature_kv.store import Store
from tests.laws.service import SETTINGS, Service
from tests.model.answers import everything
from tests.model.model import DEFAULT_CONFIG_VERSIONS
from tests.model.strategies import DAY, instant
from tests.support.fenced import FencedStore, pattern

BEGIN = instant("2025-06-01")
NOW = BEGIN + 40 * DAY


def person(number: int, status: str = "active", at: int = BEGIN, updated: int | None = None) -> Person:
    return Person(number, f"Pessoa {number}", f"p{number}@example.com", "", status, at, updated)


def windows() -> list[tuple[int, list[Row | BadRow]]]:
    """(now, rows): everything the write path does, in a small forest."""
    chance = random.Random(4)
    people: list[Row | BadRow] = [person(n) for n in range(1, 25)]
    chain: list[Row | BadRow] = [Link(n, n - 1, BEGIN + n) for n in range(2, 9)]
    money: list[Row | BadRow] = [
        Money("depositos", n, 1 + n % 20, 1500 + n, "approved", BEGIN + chance.randrange(30) * DAY)
        for n in range(1, 90)
    ]
    bets: list[Row | BadRow] = [
        Bet(n if n % 7 else n * 1_000_003, 1 + n % 15, 2_000, n, BEGIN + chance.randrange(30) * DAY)
        for n in range(1, 200)
    ]
    many: list[Row | BadRow] = [Bet(2_000_000 + n, 3, 1, 0, BEGIN) for n in range(700)]  # a page becomes a bitmap
    return [
        (NOW, people + chain + money + bets),
        (NOW, many),
        (NOW, [Link(n, 8 - n % 3, BEGIN + n) for n in range(9, 21)]),  # late links below the chain
        (NOW, [Link(1, 21, BEGIN), Link(21, 22, BEGIN)]),  # the whole of it hangs under somebody else
        (NOW, [Money("depositos", 2, 9, 77_777, "reversed", BEGIN, NOW), Money("bonus", 3, 12, 10, "", BEGIN, NOW)]),
        (NOW, [Bet(900, 40, 5, 5, BEGIN), Link(40, 20, BEGIN), Link(23, 41, BEGIN), Bet(901, 1, 5, 5, NOW + 2 * DAY)]),
        (NOW, [BadRow("bonus", "5", "bad_money", {"id": "5"}), Link(8, 1, BEGIN), Link(22, 8, BEGIN)]),
        (NOW, [person(40), person(41), Money("bonus", 5, 1, 100, "approved", BEGIN)]),  # release; quarantine cleared
        (NOW, [person(7, "blocked", updated=NOW), person(7, "blocked", updated=NOW)]),
        (NOW + 5 * DAY, []),  # what waited for its day
    ]  # fmt: skip


def carried_out(service: Service) -> dict[str, Any]:
    for now, rows in windows():
        service.feed(rows, now)
    days = [date(2025, 6, 1) + timedelta(days=n) for n in range(0, 45, 5)]
    return everything(service, [1, 3, 8, 12, 20, 22, 40], days)


def decide(service: Service) -> None:
    """Every kind of decision, each taken back at the end, so that figures are what they were."""
    service.feed([Bet(7_000_001, 3, 5, 5, BEGIN), Link(24, 2, BEGIN)], NOW, "wrong")
    session = service.session()
    session.move(23, 3, "a test")
    session.declare(12, BEGIN // DAY, "a test")
    session.declare(12, None, "a test")
    session.move(23, 41, "back")
    undo_run(service.store, service.slug, SETTINGS, "wrong", "a test", clock=lambda: NOW)
    void_rows(service.store, service.slug, SETTINGS, [("bonus", "999")], "a test", clock=lambda: NOW)
    retry.quarantine(service.store, service.slug, SETTINGS, Mapping(), clock=lambda: NOW)
    retry.parked(service.store, service.slug, SETTINGS, clock=lambda: NOW)


@pytest.fixture
def fenced(redis_url: str) -> Iterator[tuple[Store, FencedStore, Service]]:
    """A store that may do anything, one that is fenced, and a service on the latter."""
    admin = Store(redis_url, timeout=30)
    plain = Service(admin, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS)
    admin.call("FLUSHALL")
    store = FencedStore(redis_url, admin, plain.slug)
    service = Service.__new__(Service)
    service.__dict__.update(plain.__dict__ | {"store": store})
    tenants.create(store, plain.slug, name="", timezone="America/Sao_Paulo", currency="BRL", now_us=0)
    configuration.set_configuration(store, plain.slug, msgspec.to_builtins(DEFAULT), None, today=0, now_us=0)
    yield admin, store, service
    store.leave()
    admin.close()


def test_scripts_touch_declared_keys_only(fenced: tuple[Store, FencedStore, Service]) -> None:
    admin, store, service = fenced
    tokens.create(store, service.slug, "owner", now_us=0)
    found = carried_out(service)
    decide(service)
    rebuild_from_journal(store, service.slug, SETTINGS)
    for day in ("2025-06-20", "2025-07-10"):
        assert service.dashboard(8, day) is not None
    assert set(store.ran) == set(scripts.names()), "a script that no fence was put around"
    assert carried_out(Service(admin, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS)) == found


@pytest.mark.parametrize("other", ["fkv:{%s}:1:affiliate:2", "fkv:{other}:1:affiliate:1", "fkv:global:tenants"])
@pytest.mark.parametrize("command", ["GET", "DEL"])
def test_the_fence_holds(fenced: tuple[Store, FencedStore, Service], other: str, command: str) -> None:
    _, store, service = fenced
    key = other % service.slug if "%s" in other else other
    source = f"return redis.call('{command}', ARGV[1])"
    digest = store.call("SCRIPT", "LOAD", source).decode()
    declared = [f"fkv:{{{service.slug}}}:1:affiliate:1"]
    peek = scripts.Script("peek", source, digest, False)
    assert store.run(peek, declared, declared) in (None, 0)
    with pytest.raises(FatureError, match=r"(?i)noperm|permission|acl|can.t access"):
        store.run(peek, declared, [key])


def test_a_declared_key_is_taken_as_it_is() -> None:
    assert pattern("a*[b]?\\c{d}") == "~a\\*\\[b\\]\\?\\\\c{d}"


def test_a_fenced_connection_reaches_no_other_tenant(fenced: tuple[Store, FencedStore, Service]) -> None:
    _, store, _ = fenced
    with pytest.raises(FatureError, match=r"(?i)noperm|permission|acl|can.t access"):
        store.call("GET", "fkv:{other}:profile")


# -- what goes over the wire ----------------------------------------------------------------------------------------


class Watched:
    """The words of every command that a server carried out, those of scripts too."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []


@contextmanager
def monitored(url: str) -> Iterator[Watched]:
    """What MONITOR tells while the block runs."""
    watched, ended = Watched(), "end-of-what-is-watched"
    client = redis.Redis.from_url(url)
    with client.monitor() as monitor:

        def listen() -> None:
            for told in monitor.listen():
                words = told["command"].split(" ")
                if ended in words:
                    return
                watched.commands.append(words)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield watched
        finally:
            with redis.Redis.from_url(url) as other:
                other.echo(ended)
            thread.join(30)
    client.close()


KEYLESS = {
    "MULTI",
    "EXEC",
    "UNWATCH",
    "HELLO",
    "AUTH",
    "CLIENT",
    "SCRIPT",
    "EVALSHA",
    "EVALSHA_RO",
    "WAITAOF",
    "ECHO",
    "SCAN",
    "SELECT",
}


def keys_of(words: Sequence[str]) -> list[str]:
    """Words of a command that are keys of ours, or would be ones."""
    if words[0].upper() in ("EVALSHA", "EVALSHA_RO"):
        return list(words[3 : 3 + int(words[2])])
    if words[0].upper() == "BITOP":
        return list(words[2:])
    return [] if words[0].upper() in KEYLESS else [words[1]]


def test_a_whole_import_touches_one_tenants_keys(redis_url: str, tmp_path: Path) -> None:
    store = Store(redis_url, timeout=60)
    for slug in ("acme", "acme-2", "other"):
        tenants.create(store, slug, name="", timezone="America/Sao_Paulo", currency="BRL", now_us=0)
    before = {key: store.call("DUMP", key) for key in store.call("KEYS", "fkv:{other}*")}
    folder = sample_small.write(tmp_path / "rows")
    with monitored(redis_url) as watched:
        session = wiring.session(store, "acme", Settings(), "import")
        for file in open_all([folder], ZoneInfo("America/Sao_Paulo"), Mapping()):
            for rows in file.lists(2_000):
                session.apply(rows)
        session.finish({"kind": "import"})
    keys = {key for words in watched.commands for key in keys_of(words)}
    assert len(watched.commands) > 1_000
    assert {key.split("}")[0] for key in keys if not key.startswith("fkv:global:")} == {"fkv:{acme"}
    assert {key: store.call("DUMP", key) for key in store.call("KEYS", "fkv:{other}*")} == before
    store.close()
