"""keyspace.md against keyspace.py and against a live server, during an import and after it."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest

from fature_kv import journal, scripts, stop_points, tenants
from fature_kv.access import tokens
from fature_kv.archive.undo import void_rows
from fature_kv.cli.decoding import kind_of
from fature_kv.commission import configuration
from fature_kv.domain.commission import DEFAULT
from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from fature_kv.ingest.session import Session
from fature_kv.keyspace import TENANTS, GenerationKeys, TenantKeys
from fature_kv.settings import Settings
from fature_kv.sources import mappings, ops_cursors, sample_small
from fature_kv.sources.files import open_all
from fature_kv.store import Store
from tests.support import keyspace_page
from tests.support.memory import scan

FAMILIES = keyspace_page.families()
ARGUMENTS = {
    "digest": "ab" * 32, "person": 7, "affiliate": 7, "month": "2025-06", "level": 2, "status": "pending", "page": 3,
    "source": "depositos", "metric": "cpa", "period_key": "2025-W26",
}  # fmt: skip
ZONE = ZoneInfo("America/Sao_Paulo")
SLUG = "demo"
NOW = 1_760_000_000_000_000
DAY = 86_400_000_000


# -- the page and the code ------------------------------------------------------------------------------------------


def built(keys: TenantKeys | GenerationKeys) -> dict[str, str]:
    """A key of each family that the code can build, by the name of what builds it."""
    found = {}
    for name, member in inspect.getmembers(type(keys)):
        if name.startswith("_") or name in ("prefix", "generation", "count", "index", *keys.__slots__, "tenant"):
            continue
        if isinstance(member, property):
            found[name] = str(getattr(keys, name))
        else:
            wanted = list(inspect.signature(member).parameters)[1:]
            found[name] = str(getattr(keys, name)(*(ARGUMENTS[each] for each in wanted)))
    return found


TENANT = TenantKeys("upbet")
ALL = {"tenants": TENANTS, **built(TENANT), **built(TENANT.generation(12))}


@cache
def family_of(key: str) -> keyspace_page.Family:
    """The one family of a key."""
    found = [family for family in FAMILIES if family.matches(key)]
    assert len(found) == 1, f"{key}: {len(found)} families of keyspace.md"
    return found[0]


def test_the_page_has_every_family_of_the_code_and_no_other() -> None:
    assert {family_of(key).pattern for key in ALL.values()} == {family.pattern for family in FAMILIES}
    assert len(ALL) == len(FAMILIES)


def test_the_page_names_scripts_and_kinds_that_there_are() -> None:
    assert {name for family in FAMILIES for name in family.scripts} <= set(scripts.names())
    assert set(keyspace_page.journal_kinds()) == set(get_args(journal.Kind))
    assert all(family.fields for family in FAMILIES if family.type == "hash"), "a hash without fields"
    for key in keyspace_page.examples():
        family_of(key)


def test_all_keys_of_a_tenant_share_a_slot() -> None:
    assert {key.split("}")[0] for key in ALL.values()} == {TENANTS, "fkv:{upbet"}


# -- the page and a server ------------------------------------------------------------------------------------------


class Live:
    """A server after an import, and what was ever seen in it while that ran."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.types: dict[str, set[bytes]] = defaultdict(set)
        self.fields: dict[str, set[str]] = defaultdict(set)

    def look(self) -> None:
        keys = list(scan(self.store))
        for key, held in zip(keys, self.store.pipeline([("TYPE", key) for key in keys]), strict=True):
            family = family_of(key)
            self.types[family.pattern].add(held)
            if held == b"hash" and (family.name != "affiliate" or not self.fields[family.pattern]):
                self.fields[family.pattern] |= {field.decode() for field in self.store.call("HKEYS", key)}


def rows_beside() -> list[Row | BadRow]:
    """Rows that are bad, early, sparse or late, so that every family has something in it."""
    return [
        BadRow("depositos", "7", "bad_money", {"id": "7", "valor": "1.234"}),
        BadRow("bonus", None, "bad_id", {"id": "x"}),
        Link(1, 900, NOW),
        Money("depositos", 900_000, 900, 100, "approved", NOW),
        Money("bonus", 1, 1, 100, "approved", NOW),
        Money("depositos", 900_001, 1, 100, "approved", NOW + 5 * DAY),
        Money("depositos", 900_001, 1, 200, "approved", NOW + 5 * DAY, NOW + 6 * DAY),
        Bet(2**53 - 1, 1, 100, 0, NOW),
        Bet(2**53 - 2, 901, 100, 0, NOW),
    ]


def newcomer() -> list[Row | BadRow]:
    """Somebody on whom a bet waits."""
    return [Person(901, "Ivo", "", "", "active", NOW, NOW)]


@pytest.fixture(scope="module")
def live(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    store = Store(redis_server, timeout=60)
    store.call("FLUSHALL")
    tenants.create(store, SLUG, name="Demo", timezone=ZONE.key, currency="BRL", now_us=NOW)
    document = msgspec.to_builtins(DEFAULT)
    configuration.set_configuration(store, SLUG, document, None, today=0, now_us=NOW)
    mappings.set_mapping(store, SLUG, Mapping(money_status={"liquidado": "approved"}), NOW)
    cursor = ops_cursors.advanced(None, ops_cursors.Seen(NOW, 9, NOW, 9), 0, 1)
    ops_cursors.write(store, TenantKeys(SLUG), 1, "depositos", ops_cursors.database_digest("h", 1, "d"), cursor)
    tokens.create(store, SLUG, "affiliate", 1, 50 * 366 * 86_400, now_us=NOW)
    found = Live(store)
    seen: dict[str, int] = defaultdict(int)

    def stop_point(name: str) -> None:
        seen[name] += 1
        if seen[name] <= 2 or name == "after people":
            found.look()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stop_points, "reached", stop_point)
        session = Session(
            store, SLUG, Settings(durability="waitaof"), run="import-20251009T085320-abcdef", clock=lambda: NOW
        )
        for file in open_all([sample_small.write(tmp_path_factory.mktemp("sample"))], ZONE, Mapping()):
            for rows in file.lists():
                session.apply(rows)
        session.apply(rows_beside())
        session.apply(newcomer())
        session.move(2, None, "a mistake")
        session.declare(2, 20_000, "played elsewhere")
        session.finish({"kind": "import", "files": ["sample"], "started_at": NOW})
        void_rows(store, SLUG, Settings(), [("casino_bets_v", str(2**53 - 2))], "deleted", clock=lambda: NOW)
    found.look()
    yield found
    store.call("FLUSHALL")
    store.close()


def test_every_key_is_told_with_its_type(live: Live) -> None:
    for family in FAMILIES:
        assert live.types[family.pattern] <= {family.type.encode()}, family.pattern
    never = {family.pattern for family in FAMILIES if not live.types[family.pattern]}
    assert never == {"fkv:{<tenant>}:<generation>:mask"}, "seen neither during the import nor after it"


def test_every_field_of_a_hash_is_told(live: Live) -> None:
    keys = list(scan(live.store))
    for key, kind in zip(keys, live.store.pipeline([("TYPE", key) for key in keys]), strict=True):
        if kind == b"hash":
            live.fields[family_of(key).pattern] |= {name.decode() for name in live.store.call("HKEYS", key)}
    for family in FAMILIES:
        assert not {name for name in live.fields[family.pattern] if not family.has_field(name)}, family.pattern


def test_what_is_there_after_a_run_is_what_the_page_says(live: Live) -> None:
    held = {family_of(key).pattern for key in scan(live.store)}
    for family in FAMILIES:
        told = family.after_a_run.partition(":")[0]
        assert told in ("yes", "some", "no"), family.pattern
        assert told != "no" or family.after_a_run.startswith("no: "), f"no reason for {family.pattern}"
        assert (family.pattern in held) == (told != "no"), family.pattern


def test_only_what_the_page_says_expires(live: Live) -> None:
    expiring = {family_of(key).name for key in scan(live.store) if live.store.call("PTTL", key) >= 0}
    assert expiring == {"token"}


def test_inspect_reads_each_family(live: Live) -> None:
    shown = set()
    for key in scan(live.store):
        if (pattern := family_of(key).pattern) not in shown:
            known = kind_of(key)
            assert known is not None
            kind, parts = known
            entries, value = kind.decode(live.store, key, 20, parts)
            assert entries > 0, key
            assert msgspec.json.encode(value), key
            shown.add(pattern)


def test_journal_entries_have_the_fields_that_the_page_says(live: Live) -> None:
    told, seen = keyspace_page.journal_kinds(), set()
    for _, flat in live.store.call("XRANGE", tenants.get(live.store, SLUG).keys.journal, "-", "+"):
        held = dict(zip(flat[::2], flat[1::2], strict=True))
        assert set(held) == {b"kind", b"data"}
        kind = held[b"kind"].decode()
        always, perhaps = told[kind]
        body = set(journal.body(held[b"data"]))
        assert always | {"run", "at"} <= body <= always | perhaps | {"run", "at"}, kind
        seen.add(kind)
    assert seen >= set(told) - {"released", "cleared"}
