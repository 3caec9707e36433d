"""Versions of the commission configuration on a real server."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fature_kv import journal, tenants
from fature_kv.commission import configuration
from fature_kv.domain import calendar
from fature_kv.domain.commission import BEGINNING, DEFAULT, Version, parse_document
from fature_kv.errors import Conflict, NotFound, ServerUnavailable, UsageError
from fature_kv.keyspace import TenantKeys
from fature_kv.store import Store

KEYS = TenantKeys("upbet")
STATE = KEYS.generation(1).state
ZONE = ZoneInfo("America/Sao_Paulo")
TODAY = calendar.parse_day("2025-06-26")
NOW = calendar.day_start(TODAY, ZONE) + 15 * calendar.HOUR
FIRST_ALLOWED = "2025-06-28"


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    store = Store(redis_url)
    tenants.create(store, "upbet", name="", timezone=ZONE.key, currency="BRL", now_us=NOW)
    yield store
    store.close()


def document(level_1: int) -> dict[str, Any]:
    return {
        "cpa": {"levels_cents": [level_1, 0, 0, 0, 0], "criteria": [{"deposits_cents": 1000}]},
        "rev": {"levels_bp": [100, 0, 0, 0, 0], "negative_carryover": True},
    }


def put(store: Store, level_1: int, effective_from: str | None = None, *, rebuild: bool = False) -> Version:
    return configuration.set_configuration(
        store, "upbet", document(level_1), effective_from, today=TODAY, now_us=NOW, rebuild=rebuild
    )


def money_has_come(store: Store) -> None:
    store.call("HSET", STATE, "money_rows", "1")


def levels_1(store: Store, *days: str) -> list[int]:
    found = configuration.read(store, "upbet")
    return [found.in_force(calendar.parse_day(day)).cpa.levels_cents[0] for day in days]


def everything(store: Store) -> list[Any]:
    return store.pipeline([("HGETALL", KEYS.config), ("HGETALL", KEYS.control), ("XRANGE", KEYS.journal, "-", "+")])


def test_without_versions_the_default_holds(store: Store) -> None:
    found = configuration.read(store, "upbet")
    assert found.in_force(TODAY) == DEFAULT
    assert found.revision == 0
    assert configuration.load({}).versions == (Version(0, BEGINNING, DEFAULT),)


def test_before_money_the_version_from_the_beginning_is_set_again_and_again(store: Store) -> None:
    for revision in range(1, 13):  # beyond 9: revisions are sorted as numbers
        assert put(store, revision * 100) == Version(revision, BEGINNING, parse_document(document(revision * 100)))
    assert levels_1(store, "2000-01-01", "2025-06-26", "2099-01-01") == [1200, 1200, 1200]
    assert configuration.read(store, "upbet").revision == 12
    assert store.call("HGET", KEYS.control, "config") == b"12"


def test_a_version_is_stored_and_journaled(store: Store) -> None:
    put(store, 700, FIRST_ALLOWED)
    raw = store.call("HGET", KEYS.config, "1")
    assert json.loads(raw) == {"effective_from": FIRST_ALLOWED, "document": document(700), "set_at": NOW}
    entries = store.call("XRANGE", KEYS.journal, "-", "+")
    assert [fields[1] for _, fields in entries] == [b"tenant", b"config"]
    assert journal.body(entries[1][1][3]) == {"run": "", "at": NOW, "revision": 1, **json.loads(raw)}


def test_with_money_no_day_means_the_first_allowed_one(store: Store) -> None:
    put(store, 100)
    money_has_come(store)
    assert put(store, 200).effective_from == calendar.parse_day(FIRST_ALLOWED)
    assert levels_1(store, "2000-01-01", "2025-06-27", FIRST_ALLOWED, "2099-01-01") == [100, 100, 200, 200]


def test_of_several_versions_for_one_day_the_newest_holds(store: Store) -> None:
    money_has_come(store)
    put(store, 100, "2025-07-01")
    put(store, 200, FIRST_ALLOWED)
    put(store, 300, "2025-07-01")
    assert levels_1(store, "2025-06-27", "2025-06-30", "2025-07-01") == [5000, 200, 300]


@pytest.mark.parametrize("money", [False, True])
@pytest.mark.parametrize("day", ["2025-06-27", "2025-06-26", "2020-01-01"])
def test_an_earlier_day_is_a_conflict_that_tells_the_first_allowed_one(store: Store, day: str, money: bool) -> None:
    if money:
        money_has_come(store)
    before = everything(store)
    with pytest.raises(Conflict, match=f"first allowed day is {FIRST_ALLOWED}"):
        put(store, 100, day)
    assert everything(store) == before


def test_with_a_rebuild_any_day_and_the_beginning_are_stored(store: Store) -> None:
    money_has_come(store)
    put(store, 100, "2020-01-01", rebuild=True)
    assert put(store, 200, rebuild=True).effective_from == BEGINNING
    assert levels_1(store, "2019-12-31", "2020-01-01") == [200, 100]


@pytest.mark.parametrize("day", ["26/06/2025", "2025-6-28", "2025-02-30", "", "tomorrow", "2025-06-28T00:00:00Z"])
def test_what_is_no_day(store: Store, day: str) -> None:
    with pytest.raises(UsageError, match="effective_from"):
        put(store, 100, day)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cpa", "levels_cents"), [1, 2, 3]),
        (("cpa", "levels_cents"), [1, 2, 3, 4, -5]),
        (("cpa", "levels_cents"), [1, 2, 3, 4, 5.5]),
        (("cpa", "levels_cents"), [1, 2, 3, 4, True]),
        (("cpa", "criteria"), [{}]),
        (("cpa", "criteria"), [{"bets": 3}]),
        (("cpa", "criteria"), [{"bets_cents": -3}]),
        (("cpa", "criteria"), [{"bets_cents": "30.00"}]),
        (("cpa", "bonus"), 1),
        (("rev", "levels_bp"), [1, 2, 3, 4, 10**9]),
        (("rev", "negative_carryover"), "no"),
        (("effective_from",), "2025-06-28"),
    ],
)
def test_documents_that_are_refused(store: Store, path: tuple[str, ...], value: object) -> None:
    wrong: dict[str, Any] = copy.deepcopy(document(1))
    inner = wrong
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    before = everything(store)
    with pytest.raises(UsageError, match="configuration: "):
        configuration.set_configuration(store, "upbet", wrong, None, today=TODAY, now_us=NOW)
    assert everything(store) == before


@pytest.mark.parametrize("raw", [None, [], "{}", 1, {}, {"cpa": {}}])
def test_what_is_no_document(store: Store, raw: object) -> None:
    with pytest.raises(UsageError, match="configuration: "):
        configuration.set_configuration(store, "upbet", raw, None, today=TODAY, now_us=NOW)


def test_a_tenant_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound, match="tenant create nobody"):
        configuration.set_configuration(store, "nobody", document(1), None, today=TODAY, now_us=NOW)
    assert store.call("KEYS", "fkv:{nobody}:*") == []


def test_money_that_comes_between_look_and_write_is_seen(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []

    def look_then_money(store: Store, keys: TenantKeys) -> Any:
        seen = look(store, keys)
        looks.append(seen.money_rows)
        money_has_come(store)
        return seen

    look = configuration._look
    monkeypatch.setattr(configuration, "_look", look_then_money)
    assert put(store, 100).effective_from == calendar.parse_day(FIRST_ALLOWED)
    assert looks == [False, True]


def test_a_swap_is_waited_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild holds the writers, then makes its generation live; its own `money_rows` counts from then on."""

    def swap(_: float) -> None:
        store.call("HSET", KEYS.generation(2).state, "money_rows", "1")
        store.call("HSET", KEYS.control, "live", "2")
        store.call("HDEL", KEYS.control, "hold")

    store.call("HSET", KEYS.control, "hold", 2**60)
    monkeypatch.setattr("fature_kv.commission.configuration.time.sleep", swap)
    assert put(store, 100).effective_from == calendar.parse_day(FIRST_ALLOWED)


def test_a_hold_that_does_not_end_is_an_error_for_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.call("HSET", KEYS.control, "hold", 2**60)
    monkeypatch.setattr("fature_kv.commission.configuration.time.sleep", lambda _: None)
    before = everything(store)
    with pytest.raises(ServerUnavailable, match="try again"):
        put(store, 100)
    assert everything(store) == before


def test_writers_at_once_all_get_a_revision_of_their_own(store: Store, redis_url: str) -> None:
    def write(number: int) -> list[int]:
        mine = Store(redis_url)
        try:
            return [put(mine, number).revision for _ in range(10)]
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as pool:
        revisions = [revision for made in pool.map(write, range(4)) for revision in made]
    assert sorted(revisions) == list(range(1, 41))
    assert store.call("HLEN", KEYS.config) == 40
    entries = store.call("XRANGE", KEYS.journal, "-", "+")
    assert [journal.body(fields[3])["revision"] for _, fields in entries[1:]] == list(range(1, 41))


def test_the_first_allowed_day_lies_beyond_every_row_that_may_be_applied_by_now() -> None:
    lisbon = ZoneInfo("Europe/Lisbon")
    eve = calendar.parse_day("2025-03-29")  # the 30th has 23 hours
    late = calendar.day_start(eve + 1, lisbon) - 30 * calendar.MINUTE
    early = calendar.day_start(eve, lisbon) + 12 * calendar.HOUR
    assert calendar.day_text(configuration.first_allowed_day(eve, early, lisbon)) == "2025-03-31"
    assert calendar.day_text(configuration.first_allowed_day(eve, late, lisbon)) == "2025-04-01"


def test_show_tells_the_version_in_force_and_all_others(store: Store) -> None:
    put(store, 100)
    put(store, 200)
    put(store, 300, FIRST_ALLOWED)
    found = configuration.read(store, "upbet")
    base = {"revision": 2, "effective_from": None, **document(200)}
    later = {"revision": 3, "effective_from": FIRST_ALLOWED, **document(300)}
    assert configuration.show(found, TODAY) == {**base, "versions": [base, later]}
    assert configuration.show(found, TODAY + 2) == {**later, "versions": [base, later]}
    assert configuration.show(configuration.load({}), TODAY)["revision"] == 0
    json.dumps(configuration.show(found, TODAY))
