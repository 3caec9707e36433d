"""CPA and REV against the rules told naively."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fature_kv.domain import cells, commission
from fature_kv.domain.commission import (
    BEGINNING,
    DEFAULT,
    MINIMUMS,
    Configuration,
    Cpa,
    Document,
    Rev,
    Version,
    half_even,
)

LIMIT = 2**53 - 1
FIRST = 20_000
amounts = st.integers(0, 6) | st.integers(0, LIMIT)
groups = st.dictionaries(st.sampled_from(commission.MINIMUMS), st.integers(0, 12), min_size=1)
documents = st.builds(
    Document,
    cpa=st.builds(
        Cpa,
        levels_cents=st.lists(st.integers(0, 9000), min_size=5, max_size=5),
        criteria=st.lists(groups, max_size=3),
    ),
    rev=st.builds(
        Rev, levels_bp=st.lists(st.integers(0, 10_000), min_size=5, max_size=5), negative_carryover=st.booleans()
    ),
)


@st.composite
def version_lists(draw: st.DrawFn) -> list[Version]:
    firsts = draw(st.lists(st.just(BEGINNING) | st.integers(FIRST - 1, FIRST + 10), max_size=5))
    return [Version(i, first, draw(documents)) for i, first in enumerate(firsts, 1)]


@st.composite
def own_days(draw: st.DrawFn) -> dict[int, list[int]]:
    """Days as they come from rows: sums are zero where counts are."""
    days = {}
    for day in draw(st.lists(st.integers(FIRST, FIRST + 9), unique=True)):
        numbers = [0] * 8
        for sums, count in (
            ((cells.OWN_DEPOSITS,), cells.OWN_DEPOSITS_COUNT),
            ((cells.OWN_WITHDRAWALS,), cells.OWN_WITHDRAWALS_COUNT),
            ((cells.OWN_BETS, cells.OWN_WINS), cells.OWN_BETS_COUNT),
        ):
            numbers[count] = draw(st.integers(0, 3))
            for position in sums if numbers[count] else ():
                numbers[position] = draw(st.integers(0, 6))
        days[day] = numbers
    return days


def naive_in_force(versions: list[Version], day: int) -> Document:
    """Of the versions that have begun the one that began last; the default began before all."""
    begun = [Version(0, BEGINNING - 1, DEFAULT), *(v for v in versions if v.effective_from <= day)]
    return max(begun, key=lambda v: (v.effective_from, v.revision)).document


def naive_sums(days: dict[int, list[int]], last: int) -> dict[str, int]:
    held = [numbers for day, numbers in days.items() if day <= last]
    return {
        "deposits_cents": sum(numbers[0] for numbers in held),
        "deposits_count": sum(numbers[1] for numbers in held),
        "bets_cents": sum(numbers[5] for numbers in held),
        "bets_count": sum(numbers[6] for numbers in held),
        "days_active": sum(numbers[1] > 0 or numbers[6] > 0 for numbers in held),
    }


@given(version_lists(), own_days())
def test_qualify_is_the_rule_told_day_by_day(versions: list[Version], days: dict[int, list[int]]) -> None:
    expected = None
    for day in range(FIRST - 1, FIRST + 11):
        if day not in days or not (days[day][1] or days[day][6]):
            continue
        sums = naive_sums(days, day)
        met = [
            group
            for group in naive_in_force(versions, day).cpa.criteria
            if all(sums[name] >= minimum for name, minimum in group.items())
        ]
        if met:
            expected = (day, met[0], sums)
            break
    found = Configuration(versions).qualify(days)
    assert (found and (found.day, found.criteria, dict(zip(MINIMUMS, found.sums, strict=True)))) == expected


@given(version_lists(), own_days())
def test_who_qualifies_could_by_the_sums_of_all_days(versions: list[Version], days: dict[int, list[int]]) -> None:
    totals = [sum(numbers) for numbers in zip(*days.values(), strict=True)] or [0] * 8
    active = sum(numbers[1] > 0 or numbers[6] > 0 for numbers in days.values())
    configuration = Configuration(versions)
    assert configuration.qualify(days) is None or configuration.can_hold(totals, active)


def test_sums_one_centavo_short_can_not_hold() -> None:
    assert Configuration().can_hold([3000, 1, 0, 0, 0, 3000, 9, 0], 2)
    for short in ([2999, 1, 0, 0, 0, 3000, 9, 0], [3000, 1, 0, 0, 0, 2999, 9, 0]):
        assert not Configuration().can_hold(short, 2)
    assert not Configuration().can_hold([3000, 1, 0, 0, 0, 3000, 9, 0], 1)


@given(version_lists(), st.randoms())
def test_the_version_in_force_whatever_order_versions_are_given_in(versions: list[Version], order: object) -> None:
    shuffled = list(versions)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    configuration = Configuration(shuffled)
    for day in range(FIRST - 2, FIRST + 12):
        document = naive_in_force(versions, day)
        assert configuration.in_force(day) == document
        for level in range(1, 6):
            assert configuration.cpa_cents(level, day) == document.cpa.levels_cents[level - 1]
    assert configuration.revision == len(versions)


@given(st.integers(-(10**22), 10**22), st.integers(1, 10**6))
@example(5, 10)
@example(-5, 10)
@example(15, 10)
@example(-15, 10)
def test_half_even_is_what_fractions_round_to(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.lists(st.integers(-(2**62), 2**62)), st.integers(1, 10_000))
def test_half_even_of_columns(numerators: list[int], denominator: int) -> None:
    column = half_even(np.array(numerators, dtype=np.int64), denominator)
    assert column.dtype == np.int64
    assert column.tolist() == [round(Fraction(numerator, denominator)) for numerator in numerators]


@given(st.integers(-LIMIT, LIMIT), documents, st.integers(1, 5))
def test_level_rev(ggr: int, document: Document, level: int) -> None:
    expected = round(Fraction(ggr * document.rev.levels_bp[level - 1], 10_000))
    found = commission.level_rev(ggr, document, level)
    assert found == expected
    assert type(found) is int


@given(st.lists(st.integers(-1000, 1000), min_size=5, max_size=5), documents)
def test_month_rev_is_floored_unless_carried_over(revs: list[int], document: Document) -> None:
    total = sum(revs)
    expected = total if document.rev.negative_carryover else max(0, total)
    assert commission.month_rev(revs, document) == expected


@pytest.mark.parametrize(("ggr", "bp", "rev"), [(12_345, 2000, 2469), (125, 2000, 25), (25, 200, 0), (75, 200, 2)])
def test_level_rev_in_centavos(ggr: int, bp: int, rev: int) -> None:
    document = Document(DEFAULT.cpa, Rev([bp, 0, 0, 0, 0]))
    assert commission.level_rev(ggr, document, 1) == rev
    assert commission.level_rev(-ggr, document, 1) == -rev


def test_the_default_needs_deposits_bets_and_two_days() -> None:
    first = [3000, 1, 0, 0, 0, 3000, 1, 0]
    assert Configuration().qualify({FIRST: first}) is None
    found = Configuration().qualify({FIRST: first, FIRST + 4: [0, 0, 0, 0, 0, 1, 1, 0]})
    assert found is not None
    assert found.day == FIRST + 4
    assert found.criteria == DEFAULT.cpa.criteria[0]
    assert found.sums == [3000, 1, 3001, 2, 2]  # in the order of MINIMUMS


def test_a_day_without_activity_qualifies_nobody() -> None:
    free = Document(Cpa([1] * 5, [{"deposits_cents": 0}]), DEFAULT.rev)
    withdrawal_only = [0, 0, 500, 1, 0, 0, 0, 0]
    assert Configuration([Version(1, BEGINNING, free)]).qualify({FIRST: withdrawal_only}) is None


@pytest.mark.parametrize(
    ("numbers", "active"),
    [
        ([0, 1, 0, 0, 0, 0, 0, 0], True),  # a deposit of nothing is a deposit
        ([0, 0, 0, 0, 0, 0, 1, 0], True),
        ([0, 0, 9, 1, 9, 0, 0, 0], False),
    ],
)
def test_active_days(numbers: list[int], active: bool) -> None:
    assert commission.is_active(numbers) is active


@given(documents)
def test_documents_that_are_whole_are_taken_as_they_are(document: Document) -> None:
    raw = {
        "cpa": {"levels_cents": document.cpa.levels_cents, "criteria": document.cpa.criteria},
        "rev": {"levels_bp": document.rev.levels_bp, "negative_carryover": document.rev.negative_carryover},
    }
    assert commission.parse_document(raw) == document
