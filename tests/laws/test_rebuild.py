"""Law 6: the journal folded again is the live state, field for field; and reconcile names what is not."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv import tenants
from fature_kv.archive.rebuild import delete_generations, rebuild_from_journal
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.archive.replay import Replay
from fature_kv.commission import configuration
from fature_kv.domain.player import Own, pack_state
from fature_kv.domain.rows import Bet, Person
from fature_kv.errors import FatureError
from fature_kv.store import Store
from tests.laws.service import Service
from tests.laws.test_laws import laws, told
from tests.model.model import DEFAULT_CONFIG_VERSIONS
from tests.model.strategies import World, splits, worlds

pytestmark = pytest.mark.timeout(900)
DAY = 86_400_000_000
NOW = 1_750_950_000_000_000


@laws
@given(worlds(order_free=False), st.data())
def test_a_rebuild_is_the_live_state(store: Store, world: World, data: st.DataObject) -> None:
    service = Service(store, world.zone, world.config)
    for window in data.draw(splits(world.rows)):
        service.feed(window, world.now)
    assert reconcile_with_journal(store, service.slug, service.settings) == []
    before = told(service, world)
    rebuild_from_journal(store, service.slug, service.settings)
    assert told(service, world) == before
    service.feed([], world.later)
    assert reconcile_with_journal(store, service.slug, service.settings) == []


def small(store: Store) -> Service:
    service = Service(store, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS)
    people = [Person(n, f"P{n}", "", "", "active", NOW - 9 * DAY) for n in range(1, 5)]
    service.feed([*people, *(Bet(n, 1 + n % 4, 100 + n, 50, NOW - n * DAY // 3) for n in range(1, 20))], NOW)
    return service


def spoiled(service: Service, *command: Any) -> list[tuple[str, str]]:
    fold = service.session().fold
    service.store.call(command[0], getattr(fold.keys, command[1])(command[2]), *command[3:])
    return [(d.key, d.field) for d in reconcile_with_journal(service.store, service.slug, service.settings)]


def test_reconcile_names_a_spoiled_figure(store: Store) -> None:
    assert spoiled(small(store), "HINCRBY", "affiliate", 2, "network_size", 1) == [("affiliate:2", "network_size")]
    assert ("own:2", "runs") in spoiled(small(store), "SET", "own", 2, pack_state(b"12345678", Own(runs=b"1234")))


def test_reconcile_names_what_is_lost_or_made_up(store: Store) -> None:
    service = small(store)
    fold = service.session().fold
    store.call("DEL", fold.keys.own_month(3, "2025-06"))
    store.call("SADD", fold.keys.seen_few(0), 77)
    found = {d.key: d for d in reconcile_with_journal(store, service.slug, service.settings)}
    assert set(found) == {"own-month:3:2025-06", "seen:0"}
    assert found["seen:0"].field == "77"


def test_a_rebuild_mends(store: Store) -> None:
    service = small(store)
    before = service.affiliate(2)
    store.call("SET", service.session().fold.keys.own(2), pack_state(b"12345678", Own(runs=b"1234")))
    rebuild_from_journal(store, service.slug, service.settings)
    assert service.affiliate(2) == before
    assert tenants.get(store, service.slug).live == 2


def test_a_rebuild_deletes_the_old_generation(store: Store) -> None:
    service = small(store)
    old = service.session().fold.keys.prefix
    rebuild_from_journal(store, service.slug, service.settings)
    assert store.call("KEYS", f"{old}*") == []


def test_a_generation_that_was_opened_meanwhile_is_not_deleted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another rebuild begins and ends between the look at what is kept and the search for what is not."""
    service, scan, times = small(store), Store.scan, iter(range(9))
    before = [service.affiliate(n) for n in range(1, 5)]

    def scanned(self: Store, *args: Any) -> Any:
        if next(times) == 0:
            rebuild_from_journal(store, service.slug, service.settings)
        return scan(self, *args)

    monkeypatch.setattr(Store, "scan", scanned)
    delete_generations(store, service.session().keys)
    assert tenants.get(store, service.slug).live == 2
    assert [service.affiliate(n) for n in range(1, 5)] == before


def test_a_trimmed_journal_is_refused(store: Store) -> None:
    service = small(store)
    store.call("XTRIM", service.session().keys.journal, "MAXLEN", 1)
    with pytest.raises(FatureError, match="--from archive"):
        rebuild_from_journal(store, service.slug, service.settings)


def test_an_abandoned_rebuild_is_cleaned_up_and_stops_nobody(store: Store) -> None:
    service = small(store)
    keys = service.session().keys
    store.call("HSET", keys.control, "building", "7", "hold", "1")
    store.call("SET", keys.generation(7).affiliate(1), "left")
    service.feed([Bet(900, 1, 5, 0, NOW)], NOW)
    rebuild_from_journal(store, service.slug, service.settings)
    assert store.call("KEYS", f"{keys.generation(7).prefix}*") == []


def test_writers_go_on_while_it_is_rebuilt(redis_server: str, store: Store) -> None:
    """Rows written during rebuilds are in the figures after them."""
    service = small(store)
    done = threading.Event()
    written: list[int] = []

    def write() -> None:
        mine = Store(redis_server)
        writer = Service.__new__(Service)
        writer.__dict__.update(service.__dict__, store=mine)
        number = 1000
        while not done.is_set() or number < 1010:
            number += 1
            assert [result for result, _ in writer.feed([Bet(number, 1, 1, 0, NOW)], NOW)] == ["applied"]
            written.append(number)
        mine.close()

    thread = threading.Thread(target=write)
    before = service.affiliate(1)["own"]["bets_count"]
    thread.start()
    for _ in range(5):
        rebuild_from_journal(store, service.slug, service.settings)
    done.set()
    thread.join()
    assert service.affiliate(1)["own"]["bets_count"] == before + len(written)
    assert reconcile_with_journal(store, service.slug, service.settings) == []


@pytest.mark.parametrize("last", ["waited", "read"])
def test_of_people_who_waited_the_row_read_last_counts(store: Store, last: str) -> None:
    """A row of `cadastro` without `atualizado_em` that waited for its day is not put behind those read after it."""
    service = small(store)
    waited, read = (Person(9, name, "", "", "active", NOW + 3 * DAY) for name in ("waited", "read"))
    service.feed([waited], NOW)
    if last == "read":
        service.feed([], NOW + 3 * DAY)  # lets it go; in the other case it goes behind the window
    service.feed([read], NOW + 3 * DAY)
    assert service.affiliate(9)["name"] == last
    assert reconcile_with_journal(store, service.slug, service.settings) == []
    rebuild_from_journal(store, service.slug, service.settings)
    assert service.affiliate(9)["name"] == last


def test_a_configuration_for_days_gone_by_owes_a_rebuild(store: Store) -> None:
    """Until figures follow it the tenant says so, whatever was killed in between."""
    service = small(store)
    document = DEFAULT_CONFIG_VERSIONS[0][1]
    configuration.set_configuration(store, service.slug, document, None, today=20_000, now_us=NOW, rebuild=True)
    control = service.session().keys.control
    assert store.call("HGET", control, "owes_rebuild") == b"1"
    rebuild_from_journal(store, service.slug, service.settings)
    assert store.call("HGET", control, "owes_rebuild") is None


def test_a_configuration_set_meanwhile_begins_the_rebuild_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    service = small(store)
    cpa = {"levels_cents": [7777, 0, 0, 0, 0], "criteria": [{"bets_count": 1}]}
    document = {**DEFAULT_CONFIG_VERSIONS[0][1], "cpa": cpa}
    catch_up, done = Replay.catch_up, []

    def interrupted(replay: Replay, *words: Any) -> None:
        catch_up(replay, *words)
        if not done:
            done.append(True)
            configuration.set_configuration(store, service.slug, document, None, today=20_000, now_us=NOW, rebuild=True)

    monkeypatch.setattr(Replay, "catch_up", interrupted)
    rebuild_from_journal(store, service.slug, service.settings)
    assert store.call("HGET", service.session().keys.control, "owes_rebuild") is None
    assert service.affiliate(1)["own"]["qualified_on"] is not None
    assert reconcile_with_journal(store, service.slug, service.settings) == []


@pytest.mark.parametrize("first", "abcdef")
def test_of_two_that_waited_the_same_one_wins_again(store: Store, first: str) -> None:
    """Without `atualizado_em` the person read last counts; which of two that is was settled when they were released."""
    service = small(store)
    for name in (first, "m"):
        service.feed([Person(9, name, "", "", "active", NOW + 3 * DAY)], NOW)
    service.feed([], NOW + 3 * DAY)
    assert reconcile_with_journal(store, service.slug, service.settings) == []
