"""Streaks against plain sets of days."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fature_kv.domain import streaks

FIRST = 20_000
close_days = st.sets(st.integers(FIRST, FIRST + 30))
any_days = st.sets(st.integers(0, 65_000), max_size=30)


def naive(active: set[int], on: int) -> streaks.Streak:
    """The rule, day by day."""
    past = {day for day in active if day <= on}

    def length_ending(day: int) -> int:
        length = 0
        while day - length in past:
            length += 1
        return length

    return streaks.Streak(
        current=length_ending(on) or length_ending(on - 1),
        longest=max(map(length_ending, past), default=0),
        last_day=max(past, default=None),
        days_active=len(past),
    )


def days_of(runs: streaks.Runs) -> list[int]:
    return [day for first, length in runs for day in range(first, first + length)]


@given(close_days | any_days, st.randoms())
def test_runs_are_maximal_and_hold_the_days(active: set[int], order: object) -> None:
    shuffled = list(active)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    runs = streaks.runs_of(shuffled)
    assert days_of(runs) == sorted(active)
    assert all(first + length < then for (first, length), (then, _) in pairwise(runs))


@given(close_days)
def test_read_on_any_day(active: set[int]) -> None:
    runs = streaks.runs_of(active)
    for on in range(FIRST - 2, FIRST + 35):
        assert streaks.read(runs, on) == naive(active, on)


@given(close_days, close_days)
def test_runs_follow_days_that_come_and_go(before: set[int], after: set[int]) -> None:
    packed, expected = (streaks.pack_runs(streaks.runs_of(days)) for days in (before, after))
    moved = streaks.moved(packed, sorted(after - before), sorted(before - after))
    assert moved == (expected, streaks.changed_days(packed, expected))
    assert streaks.days_in(expected) == len(after)


@given(close_days, st.lists(st.integers(1, 4), max_size=4))
def test_days_behind_all_there_is(before: set[int], steps: list[int]) -> None:
    came = [max(before, default=FIRST) + sum(steps[: i + 1]) for i in range(len(steps))]
    packed, expected = (streaks.pack_runs(streaks.runs_of(days)) for days in (before, before.union(came)))
    assert streaks.moved(packed, came, []) == (expected, streaks.changed_days(packed, expected))


@given(close_days, close_days)
def test_changed_days_name_every_day_that_reads_otherwise(before: set[int], after: set[int]) -> None:
    packed = [streaks.pack_runs(streaks.runs_of(days)) for days in (before, after)]
    told = streaks.changed_days(*packed)
    span = range(FIRST - 2, FIRST + 35)
    differs = {on for on in span if naive(before, on).current != naive(after, on).current}
    assert differs <= set(told)
    assert told == sorted(set(told))
    if before == after:
        assert told == []


@given(close_days | any_days)
def test_packed_runs_round_trip(active: set[int]) -> None:
    runs = streaks.runs_of(active)
    packed = streaks.pack_runs(runs)
    assert streaks.unpack_runs(packed) == runs
    assert len(packed) == 4 * len(runs)


def test_a_streak_stands_a_day_longer() -> None:
    runs = streaks.runs_of([10, 11, 12])
    assert [streaks.read(runs, day).current for day in range(9, 15)] == [0, 1, 2, 3, 3, 0]
    assert streaks.read([], 9) == streaks.Streak(0, 0, None, 0)
