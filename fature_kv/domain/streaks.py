"""Streaks: runs of consecutive active days (DOMAIN.md, "Own figures").

Runs are `(first day, number of days)` by ascending day; days are numbers since 1970-01-01. In Redis a run is two
little-endian u16 (a day fits until the year 2149).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import iter_unpack, pack
from typing import NamedTuple, TypeAlias

Runs: TypeAlias = list[tuple[int, int]]


class Streak(NamedTuple):
    current: int
    longest: int
    last_day: int | None
    days_active: int


def runs_of(active_days: Iterable[int]) -> Runs:
    """The runs of a player's active days, which may come in any order."""
    runs: Runs = []
    for day in sorted(active_days):
        if runs and day == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((day, 1))
    return runs


def read(runs: Sequence[tuple[int, int]], on: int) -> Streak:
    """The streak read on day `on`; activity after it does not exist for it."""
    past = [(first, min(length, on - first + 1)) for first, length in runs if first <= on]
    if not past:
        return Streak(0, 0, None, 0)
    first, length = past[-1]
    last = first + length - 1
    return Streak(
        current=length if last >= on - 1 else 0,
        longest=max(length for _, length in past),
        last_day=last,
        days_active=sum(length for _, length in past),
    )


def changed_days(before: Sequence[tuple[int, int]], after: Sequence[tuple[int, int]]) -> list[int]:
    """The days on which `current` reads otherwise than before."""
    changed = set(before) ^ set(after)
    old = readings(run for run in before if run in changed)
    new = readings(run for run in after if run in changed)
    return sorted(day for day in old.keys() | new.keys() if old.get(day) != new.get(day))


def readings(runs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """`current` by day, where it is not zero: each day of a run, and the day behind it."""
    return {first + i: min(i + 1, length) for first, length in runs for i in range(length + 1)}


def pack_runs(runs: Iterable[tuple[int, int]]) -> bytes:
    return b"".join(pack("<HH", first, length) for first, length in runs)


def unpack_runs(packed: bytes) -> Runs:
    return list(iter_unpack("<HH", packed))
