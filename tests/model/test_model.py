"""The model against the laws, against sums made by hand, and against what the data sets are known to hold.

A model that is wrong would make the service wrong, so it is checked on its own first.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from tests.model.answers import everything
from tests.model.facts import Result
from tests.model.model import Model
from tests.model.rows import needs
from tests.model.strategies import World, instant, splits, worlds
from tests.support.examples import clean_row

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SOURCES = ("cadastro", "tracked", "depositos", "casino_bets_v", "saque")
AFTER = instant("2025-07-06")
NOW = instant("2025-07-01")
MEMBER_SUMS = ("deposits_cents", "bets_cents", "wins_cents", "ggr_cents")

pytestmark = pytest.mark.timeout(900)  # of a failing law: shrinking it takes up to five minutes

laws = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def told(model: Model, world: World) -> dict[str, Any]:
    return everything(model, world.people, world.days[::4])


# -- laws --------------------------------------------------------------------------------------------------------------


@laws
@given(st.data())
def test_order_free(data: st.DataObject) -> None:
    """Law 2, and 1: any split, order and repetition of the same rows ends in the same figures."""
    world = data.draw(worlds())
    windows = data.draw(splits(world.rows))
    assert told(world.read(windows), world) == told(world.read([world.rows]), world)


@laws
@given(worlds(order_free=False))
def test_idempotent(world: World) -> None:
    """Law 1: reading a row again right away changes nothing, bad ones and conflicts included."""
    once, twice = world.model(), world.model()
    for row in world.rows:
        once.feed([row], world.now)
        twice.feed([row], world.now)
        again = twice.feed([row, row], world.now)
        assert {result.result for result in again} <= {"duplicate", "parked", "quarantined"}
    assert told(once, world) == told(twice, world)
    assert (once.quarantine, once.parked) == (twice.quarantine, twice.parked)


@laws
@given(worlds(order_free=False), st.data())
def test_conserved(world: World, data: st.DataObject) -> None:
    """Law 3: level-n money over all affiliates is the money of members with an n-th ancestor; periods add up."""
    model = world.read(data.draw(splits(world.rows)))
    reader: Any = model
    answers = {person: reader.affiliate(person) for person in model.people}
    above = {person: list(model.facts.ancestors(person)) for person in model.people}
    for level in range(1, 6):
        levels = [level_of(model, person, level) for person in model.people]
        members = [answers[person]["own"] for person in model.people if len(above[person]) >= level]
        for name in MEMBER_SUMS:
            assert sum(item[name] for item in levels) == sum(own[name] for own in members)
        assert sum(item["count"] for item in levels) == len(members)
        assert sum(item["validated"] for item in levels) == sum(own["qualified_on"] is not None for own in members)
        assert sum(item["ftd"] for item in levels) == sum(own["first_deposit_on"] is not None for own in members)
    assert sum(answers[person]["network_size"] for person in model.people) == sum(map(len, above.values()))
    awards = [award for person in model.people for award in reader.validate_cpa(person)["awards"]]
    assert sum(answers[person]["total_cpa_cents"] for person in model.people) == sum(a["cpa_cents"] for a in awards)
    for person, answer in answers.items():
        for period in ("day", "week", "month", "year"):
            items = reader.summary(person, period)["items"]
            for name in ("ftd", "deposits_cents", "bets_cents", "wins_cents", "ggr_cents", "cpa_cents"):
                assert sum(item[name] for item in items) == answer[f"total_{name}"]
            assert sum(item["new_referrals"] for item in items) == answer["total_referrals"]
            assert sum(item["validated_referrals"] for item in items) == answer["total_validated_referrals"]
            if period in ("month", "year"):
                assert sum(item["rev_cents"] for item in items) == answer["total_rev_cents"]
                for level in range(1, 6):
                    summed = sum(item["levels"][level - 1]["rev_cents"] for item in items)
                    assert summed == level_of(model, person, level)["rev_cents"]


def level_of(model: Model, person: int, level: int) -> dict[str, Any]:
    structure = model.mlm_structure(person)
    assert structure is not None
    return dict(structure["levels"][level - 1])


@laws
@given(worlds(order_free=False), st.data())
def test_every_row_is_somewhere(world: World, data: st.DataObject) -> None:
    """Nothing is dropped: a row counts, is superseded by a fact, waits, or stands in quarantine."""
    model = world.model()
    for window in data.draw(splits(world.rows)):
        for row, result in zip(window, model.feed(window, world.now), strict=True):
            assert (result.reason is not None) == (result.result == "quarantined")
            if isinstance(row, BadRow):
                assert result == Result("quarantined", row.reason)
            elif result.result == "duplicate":
                assert known(model, row)
    model.feed([], world.later)
    assert all(missing(model, row) for row in model.parked)
    assert not any(sponsor == user for user in model.people for sponsor in model.facts.ancestors(user))


def known(model: Model, row: Row) -> bool:
    match row:
        case Person():
            return row.id in model.facts.people
        case Link():
            return row.user_id in model.facts.accepted
        case Money():
            return (row.source, str(row.id)) in model.facts.money
        case Bet():
            return row.id in model.facts.bets


def missing(model: Model, row: Row) -> list[int]:
    return [person for person in needs(row) if person not in model.facts.people]


# -- the strategies reach what they are for ----------------------------------------------------------------------------


def test_worlds_reach_the_rules() -> None:
    """Over some worlds every outcome, reason and turn of a rule occurs; else the laws above prove little."""
    seen: Counter[str] = Counter()

    @settings(max_examples=80, deadline=None, database=None, derandomize=True)
    @given(worlds(order_free=False))
    def look(world: World) -> None:
        model = world.model()
        for result in model.feed(world.rows, world.now):
            seen[result.reason or result.result] += 1
        for person in model.people:
            answer = model.affiliate(person)
            assert answer is not None
            seen["qualified"] += answer["own"]["qualified_on"] is not None
            seen["cpa"] += answer["total_cpa_cents"] > 0
            seen["deep"] += answer["network_size"] > sum(level_of(model, person, n)["count"] for n in range(1, 6))
            levels = sum(level_of(model, person, n)["rev_cents"] for n in range(1, 6))
            seen["floored"] += levels != answer["total_rev_cents"]
            seen["streak"] += model.figures.streak(person, world.days[-1])["longest"] > 1
        for metric in ("deposits", "ggr"):
            items = model.leaderboard(metric)["items"]
            seen["tie"] += len({item["rank"] for item in items}) < len(items)
        seen["released"] += len(model.parked)
        model.feed([], world.later)
        seen["released"] -= len(model.parked)

    look()
    assert {name for name, times in seen.items() if times > 0} >= {
        *("applied", "duplicate", "parked", "self_referral", "second_sponsor", "cycle", "bad_money", "bad_time"),
        *("qualified", "cpa", "deep", "floored", "streak", "tie", "released"),
    }


# -- by hand -----------------------------------------------------------------------------------------------------------


def person(number: int, status: str = "active") -> Person:
    return Person(number, f"Pessoa {number}", "", "", status, instant("2025-01-01"))


def test_a_parked_row_gives_way_to_what_came_meanwhile() -> None:
    model = Model()
    early = Money("depositos", 1, 2, 500, "approved", instant("2025-06-01"))
    later = Money("depositos", 1, 1, 700, "approved", instant("2025-06-01"), instant("2025-06-02"))
    assert model.feed([person(1), early], NOW) == [Result("applied"), Result("parked")]
    assert model.feed([early], NOW) == [Result("parked")]
    assert model.parked == [early]
    assert model.feed([later], NOW) == [Result("applied")]
    assert model.parked == []
    assert model.feed([person(2), early], NOW) == [Result("applied"), Result("duplicate")]
    assert (model.affiliate(1) or {})["own"]["deposits_cents"] == 700


def test_quarantine_is_keyed_by_identity_and_cleared_by_a_good_row() -> None:
    model = Model()
    bad = BadRow("depositos", "1", "bad_money", {"id": "1", "valor": "1.234"})
    nameless = BadRow("depositos", None, "bad_id", {"id": "x"})
    model.feed([person(1), bad, bad, nameless, nameless], NOW)
    assert sorted(model.quarantine.values()) == ["bad_id", "bad_money"]
    model.feed([Money("depositos", 1, 1, 5, "approved", instant("2025-06-01"))], NOW)
    assert list(model.quarantine.values()) == ["bad_id"]
    model.feed([bad], NOW)
    assert sorted(model.quarantine.values()) == ["bad_id", "bad_money"]
    assert (model.affiliate(1) or {})["own"]["deposits_cents"] == 5


def test_a_row_that_still_waits_clears_nothing() -> None:
    model = Model()
    model.feed([person(1), Money("depositos", 1, 2, 5, "approved", instant("2025-06-01"))], NOW)
    model.feed([BadRow("depositos", "1", "bad_money", {"id": "1"})], NOW)
    model.feed([], NOW)
    assert model.quarantine == {("depositos", "1"): "bad_money"}
    model.feed([person(2)], NOW)
    assert model.quarantine == {}


def test_a_link_waits_for_both_and_is_judged_when_it_can_be() -> None:
    model = Model()
    day = instant("2025-06-01")
    assert model.feed([person(1), Link(2, 1, day), Link(1, 3, day)], NOW)[1:] == [Result("parked"), Result("parked")]
    model.feed([person(2)], NOW)
    assert model.feed([Link(3, 2, day), person(3)], NOW) == [Result("quarantined", "cycle"), Result("applied")]
    assert model.facts.sponsor == {2: 1, 1: 3}
    assert model.quarantine == {("tracked", "3:2"): "cycle"}


def test_decisions() -> None:
    model = Model()
    day = instant("2025-06-01")
    model.feed([person(n) for n in (1, 2, 3, 4)] + [Link(2, 1, day), Link(3, 2, day)], NOW)
    model.move(2, 4, NOW)
    assert (model.affiliate(4) or {})["network_size"] == 2
    assert (model.affiliate(1) or {})["network_size"] == 0
    assert model.feed([Link(2, 1, day), Link(2, 4, day)], NOW) == [
        Result("duplicate"),
        Result("quarantined", "second_sponsor"),
    ]
    with pytest.raises(ValueError, match="cycle"):
        model.move(4, 3, NOW)
    model.override(3, "2025-06-15")
    checked = model.validate_cpa(3) or {}
    assert (checked["qualified_on"], checked["criteria"]) == ("2025-06-15", None)
    assert [award["affiliate_id"] for award in checked["awards"]] == [2, 4]
    model.move(2, None, NOW)
    assert (model.affiliate(4) or {})["total_cpa_cents"] == 0


def test_who_is_absent_has_no_answers() -> None:
    model = Model()
    assert model.affiliate(1) is model.mlm_structure(1) is model.referrals(1, 1) is model.summary(1, "day") is None
    assert model.streak(1, "2025-06-01") is model.dashboard(1, "2025-06-01") is model.validate_cpa(1) is None
    assert model.leaderboard("cpa")["items"] == []


def test_dashboard_of_a_quiet_month_holds_zeros() -> None:
    model = Model()
    model.feed([person(1)], NOW)
    board = model.dashboard(1, "2025-01-01") or {}
    periods = [board[name]["period"] for name in ("today", "month", "previous_month")]
    assert periods == ["2025-01-01", "2025-01", "2024-12"]
    assert board["month"]["levels"][4] == {
        **{"level": 5, "new_referrals": 0, "validated": 0, "ftd": 0, "deposits_cents": 0, "bets_cents": 0},
        **{"wins_cents": 0, "ggr_cents": 0, "cpa_cents": 0, "rev_cents": 0},
    }
    assert set(board["ranks"].values()) == {None}


# -- data sets ---------------------------------------------------------------------------------------------------------


@cache
def rows_of(folder: str) -> list[Row | BadRow]:
    rows: list[Row | BadRow] = []
    for source in SOURCES:
        path = DATA / folder / f"{source}.csv"
        if not path.exists():
            path = path.with_name(path.name + ".gz")
        if not path.exists():
            pytest.skip(f"the data set {folder} is not at hand")
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            rows += [clean_row({"source": source, **raw}) for raw in csv.DictReader(file)]
    return rows


@cache
def loaded(folder: str) -> Model:
    rows = rows_of(folder)
    model = Model()
    assert set(model.feed(rows, AFTER)) == {Result("applied")}
    return model


KNOWN = {
    ("full", 43): (833, [382, 115, 83, 54, 126], 88_774_946, 94_588_870, 79_807_946),
    ("full", 18): (1_689, [69, 436, 194, 159, 99], 256_629_788, 253_072_830, 237_206_103),
    ("full", 24): (4_745, [6, 52, 66, 155, 141], 126_670_756, 29_495_380, 34_297_390),
    ("full", 4880): (302, [142, 72, 18, 16, 8], 4_583_411, 735_420, 363_836),
    ("small", 26): (218, [30, 22, 99, 35, 6], 14_671_178, 5_587_780, 4_182_752),
    ("small", 256): (85, [55, 6, 2, 1, 8], 5_464_138, 722_640, 924_112),
}


@pytest.mark.parametrize(("folder", "affiliate"), KNOWN)
def test_known_networks(folder: str, affiliate: int) -> None:
    structure = loaded(folder).mlm_structure(affiliate)
    assert structure is not None
    levels = structure["levels"]
    sums = [sum(level[name] for level in levels) for name in ("deposits_cents", "bets_cents", "wins_cents")]
    assert (structure["total_network_size"], [level["count"] for level in levels], *sums) == KNOWN[folder, affiliate]


def test_known_sums_of_full() -> None:
    model = loaded("full")
    rows = rows_of("full")
    assert Counter(type(row).__name__ for row in rows) == {
        **{"Person": 8_580, "Link": 8_214, "Money": 36_887 + 7_527, "Bet": 50_000},
    }
    assert sum(row.amount for row in rows if isinstance(row, Money) and row.source == "depositos") == 1_743_153_316
    assert sum(row.amount for row in rows if isinstance(row, Money) and row.source == "saque") == 54_820_827
    assert sum(isinstance(row, Money) and row.status == "reversed" for row in rows) == 370
    owns = [model.figures.own(person) for person in model.people]
    reversed_sum = sum(row.amount for row in rows if isinstance(row, Money) and row.status == "reversed")
    assert sum(own.deposits_cents for own in owns) == 1_743_153_316 - reversed_sum
    assert sum(own.deposits_count for own in owns) == 36_887 - 370
    assert sum(own.withdrawals_cents for own in owns) == 54_820_827
    assert sum(own.bets_cents for own in owns) == 1_467_625_490
    assert sum(own.wins_cents for own in owns) == 1_490_496_385
    ggr: Counter[str] = Counter()
    for days in model.figures.days.values():
        for day, own in days.items():
            ggr[f"{day:%Y-%m}"] += own.bets_cents - own.wins_cents
    assert {month: cents for month, cents in ggr.items() if cents} == {
        **{"2025-05": 7_677_634, "2025-06": -18_778_558, "2025-07": -11_769_971},
    }


def test_known_forest_of_full() -> None:
    model = loaded("full")
    depths = Counter(len(list(model.facts.ancestors(person))) for person in model.people)
    assert [depths[depth] for depth in range(25)] == [
        *(366, 104, 110, 184, 296, 593, 605, 848, 667, 683, 594, 690, 577),
        *(602, 434, 442, 263, 177, 138, 98, 58, 36, 9, 3, 3),
    ]
    sizes = {person: model.figures.network_size(person) for person in model.people}
    assert [sum(size >= least for size in sizes.values()) for least in (1, 10, 100, 1_000)] == [2_104, 543, 109, 14]
    direct = sorted((len(model.figures.members(person, 1)) for person in model.people), reverse=True)
    assert direct[:5] == [382, 259, 142, 83, 82]
    qualified = [person for person in model.people if model.figures.qualified[person]]
    assert len(qualified) == 2_621
    assert sum(person in model.facts.sponsor for person in qualified) == 2_546
    statuses = Counter(person.status for person in model.facts.people.values())
    assert statuses == {"active": 8_580 - 822, "blocked": 822}


def test_small_is_cut_from_full() -> None:
    """Every figure of a person in the small set equals that person's in the full one."""
    small, full = loaded("small"), loaded("full")
    with (DATA / "small-ids.csv").open(encoding="utf-8") as file:
        full_id = {int(row["small_id"]): int(row["full_id"]) for row in csv.DictReader(file)}
    assert set(small.people) == set(full_id)
    personal = ("affiliate_id", "name", "email", "phone", "sponsor_id")
    for number, other in full_id.items():
        mine, theirs = small.affiliate(number), full.affiliate(other)
        assert mine is not None
        assert theirs is not None
        assert {k: v for k, v in mine.items() if k not in personal} == {
            k: v for k, v in theirs.items() if k not in personal
        }
        assert small.summary(number, "week") == full.summary(other, "week")
        on = date(2025, 6, 20).isoformat()
        assert small.streak(number, on) == full.streak(other, on)
