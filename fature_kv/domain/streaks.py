"""Streaks: runs of consecutive active days (DOMAIN.md, "Own figures").

Runs are `(first day, number of days)` by ascending day; days are numbers since 1970-01-01. In Redis a run is two
little-endian u16 (a day fits until the year 2149).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

Runs: TypeAlias = list[tuple[int, int]]
_RUN: Final = Struct("<HH")


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


class Moved(NamedTuple):
    """Packed runs after days came or went, and the days on which `current` reads otherwise by it."""

    runs: bytes
    changed: list[int]


def moved(packed: bytes, came: Sequence[int], went: Sequence[int]) -> Moved:
    """Runs after some days became active and others ceased to be; both ascending."""
    first, length = _RUN.unpack_from(packed, len(packed) - _RUN.size) if packed else (0, 0)
    if went or not came or came[0] < first + length:
        days = {first + i for first, length in unpack_runs(packed) for i in range(length)}
        runs = pack_runs(runs_of(days.difference(went).union(came)))
        return Moved(runs, changed_days(packed, runs))
    more = runs_of(came)  # behind all there is: by far the most frequent
    changed = [day for first, days in more for day in range(first, first + days + 1)]
    if length and more[0][0] == first + length:
        more[0] = (first, length + more[0][1])
        packed = packed[: -_RUN.size]
    return Moved(packed + pack_runs(more), changed)


def changed_days(before: bytes, after: bytes) -> list[int]:
    """The days on which `current` reads otherwise, of packed runs."""
    old, new = readings(unpack_runs(before)), readings(unpack_runs(after))
    return sorted(day for day in old.keys() | new.keys() if old.get(day) != new.get(day))


def readings(runs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """`current` by day, where it is not zero: each day of a run, and the day behind it."""
    return {first + i: min(i + 1, length) for first, length in runs for i in range(length + 1)}


def pack_runs(runs: Iterable[tuple[int, int]]) -> bytes:
    return b"".join(_RUN.pack(first, length) for first, length in runs)


def unpack_runs(packed: bytes) -> Runs:
    return list(_RUN.iter_unpack(packed))


def days_in(packed: bytes) -> int:
    """How many days the packed runs hold."""
    return sum(length for _, length in _RUN.iter_unpack(packed))
