"""`validate`: what was read is what is held; whatever is not is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv.archive.validate import EXAMPLES, SourceReport, validate
from fature_kv.domain.rows import SOURCES, BadRow, Bet, Link, Money, Person, Row
from fature_kv.ingest.window import source_of
from fature_kv.store import Store
from tests.laws.service import Service, as_parsed
from tests.laws.test_laws import laws
from tests.model.model import DEFAULT_CONFIG_VERSIONS
from tests.model.strategies import World, splits, worlds

pytestmark = pytest.mark.timeout(600)
AT = 1_750_000_000_000_000
DAY = 86_400_000_000
ROWS: list[Row | BadRow] = [
    *(Person(n, f"P{n}", "", "", "active" if n < 4 else "blocked", AT) for n in range(1, 5)),
    Link(2, 1, AT),
    Link(3, 2, AT),
    Link(3, 1, AT + 1),  # a second sponsor
    Money("depositos", 1, 2, 1_001, "approved", AT),
    Money("depositos", 1, 2, 1_002, "approved", AT, AT + DAY),
    Money("depositos", 2, 3, 2_000, "pending", AT),
    Money("depositos", 3, 9, 700, "approved", AT),  # nobody's
    Money("bonus", 1, 3, 50, "approved", AT),
    Bet(1, 2, 500, 100, AT),
    Bet(70_000, 3, 501, 0, AT),
    Bet(70_000, 3, 501, 0, AT),
    BadRow("saque", "5", "bad_money", {"id": "5", "valor": "1.234"}),
]


@pytest.fixture(scope="module")
def store(redis_server: str) -> Iterator[Store]:
    store = Store(redis_server, timeout=30)
    yield store
    store.close()


def checked(service: Service, rows: Sequence[Row | BadRow]) -> dict[str, SourceReport]:
    by_source = {source: [row for row in rows if source_of(row) == source] for source in SOURCES}
    lists = [(source, [some[:3], some[3:]]) for source, some in by_source.items() if some]
    return {report.source: report for report in validate(service.store, service.slug, lists)}


def differing(reports: dict[str, SourceReport]) -> dict[str, set[tuple[str, str]]]:
    return {
        source: {(each.kind, each.id) for each in report.examples if each.kind != "sum"}
        for source, report in reports.items()
        if report.differences
    }


@pytest.fixture
def loaded(store: Store) -> Service:
    service = Service(store, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS)
    service.feed(ROWS, AT + 9 * DAY)
    return service


def test_what_was_read_is_what_is_held(loaded: Service) -> None:
    found = checked(loaded, ROWS)
    assert differing(found) == {}
    told = {
        source: (report.read, report.applied, report.duplicates, report.parked, report.quarantined)
        for source, report in found.items()
    }
    assert told == {
        "cadastro": (4, 4, 0, 0, {}),
        "tracked": (3, 2, 0, 0, {"second_sponsor": 1}),
        "depositos": (4, 2, 1, 1, {}),
        "casino_bets_v": (3, 2, 1, 0, {}),
        "saque": (1, 0, 0, 0, {"bad_money": 1}),
        "bonus": (1, 1, 0, 0, {}),
    }
    figures = {source: {n: f.redis for n, f in report.figures.items()} for source, report in found.items()}
    assert figures["cadastro"] == {"people": 4, "active": 3}
    assert figures["depositos"] == {"rows": 2, "counted": 1, "sum_cents": 1_002, "average_cents": 1_002}
    assert figures["casino_bets_v"] == {"rows": 2, "stake_cents": 1_001, "win_cents": 100, "average_stake_cents": 500}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (ROWS[1], None, ("cadastro", "not_in_source", "2")),
        (ROWS[1], msgspec.structs.replace(ROWS[1], name="Q"), ("cadastro", "other_version", "2")),
        (ROWS[4], None, ("tracked", "not_in_source", "2:1")),
        (None, Link(4, 1, AT), ("tracked", "missing", "4:1")),
        (None, Money("depositos", 2, 3, 2_000, "approved", AT, AT + 1), ("depositos", "other_version", "2")),
        (None, Money("depositos", 4, 3, 2_000, "approved", AT), ("depositos", "missing", "4")),
        (ROWS[9], None, ("depositos", "not_in_source", "2")),
        (ROWS[12], None, ("casino_bets_v", "not_in_source", "1")),
        (None, Bet(2, 2, 1, 1, AT), ("casino_bets_v", "missing", "2")),
        (None, BadRow("saque", "6", "bad_id", {}), ("saque", "missing", "6")),
        (None, BadRow("bonus", "1", "bad_money", {}), None),  # a good row of that identity is in
        (None, BadRow("casino_bets_v", "70000", "bad_money", {}), None),
        (None, BadRow("tracked", "3:2", "bad_time", {}), None),
        (None, BadRow("cadastro", "3", "bad_time", {}), None),
    ],
)
def test_a_difference_is_named(loaded: Service, old: Any, new: Any, expected: Any) -> None:
    rows = [row for row in ROWS if row is not old] + ([new] if new is not None else [])
    assert differing(checked(loaded, rows)) == ({expected[0]: {expected[1:]}} if expected else {})


def test_a_bad_row_that_a_waiting_one_has_cleared_is_not_missed(loaded: Service) -> None:
    more = [BadRow("depositos", "50", "bad_money", {"id": "50"}), Money("depositos", 50, 99, 100, "approved", AT)]
    loaded.feed(more, loaded.now)
    assert differing(checked(loaded, [*ROWS, *more])) == {}
    assert differing(checked(loaded, [*ROWS, more[0]])) == {"depositos": {("missing", "50")}}


def test_a_spoiled_sum_is_told(loaded: Service) -> None:
    keys = loaded.session().fold.keys
    own = loaded.store.call("GET", keys.own(2))
    loaded.store.call("SET", keys.own(2), own.replace(b"\xcd\x03\xea", b"\xcd\x03\xeb"))  # 1,002 in msgpack
    report = checked(loaded, ROWS)["depositos"]
    assert report.differences == {"sum": 2}
    assert (report.figures["sum_cents"].source, report.figures["sum_cents"].redis) == (1_002, 1_003)


def test_many_differences_are_counted_and_some_are_told(loaded: Service) -> None:
    more: list[Row | BadRow] = [Bet(n, 2, 1, 0, AT) for n in range(100, 100 + 3 * EXAMPLES)]
    report = checked(loaded, [*ROWS, *more])["casino_bets_v"]
    assert report.differences["missing"] == 3 * EXAMPLES
    assert len(report.examples) == EXAMPLES


@laws
@given(worlds(), st.data())
def test_whatever_was_fed_is_held(store: Store, world: World, data: st.DataObject) -> None:
    service = Service(store, world.zone, world.config)
    for window in data.draw(splits(world.rows)):
        service.feed(window, world.now)
    rows = [as_parsed(row) for row in world.rows]
    assert {source: report.examples for source, report in checked(service, rows).items() if report.differences} == {}
    gone = data.draw(st.sampled_from([row for row in rows if isinstance(row, Bet | Person)]))
    found = checked(service, [row for row in rows if source_of(row) != source_of(gone) or row.id != gone.id])  # type: ignore[union-attr]
    waits = isinstance(gone, Bet) and (service.affiliate(gone.user_id) is None or gone.created_at > world.now + DAY)
    if any(source_of(row) == source_of(gone) for row in rows if row != gone) and not waits:
        assert found[source_of(gone)].differences.get("not_in_source") == 1
