"""A person's own state, and what it adds to ancestors (DOMAIN.md, "Own figures", "CPA").

Days are tenant days as numbers since 1970-01-01, months are numbers too (`calendar.month_number`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from fature_kv.domain import cells, streaks
from fature_kv.domain.commission import Configuration, Qualification, is_active, sums_of

REV_BYTES: Final = 8


class Own(msgspec.Struct, array_like=True):
    """What is kept of a person beside the days themselves; in Redis behind eight bytes of `rev`.

    `path` are the ancestors under which the history is folded, nearest first, five at most. `moving` is `(day, path)`
    while a long history goes to another path: what lies up to that day is there already. `totals` are own figures in
    the order of `cells.OWN_FIELDS`, `months` those that have own figures, `runs` the packed runs of active days.
    `declared_on` is the day on which a manager declared the player qualified.
    """

    path: tuple[int, ...] = ()
    moving: tuple[int, tuple[int, ...]] | None = None
    totals: list[int] = msgspec.field(default_factory=lambda: [0] * len(cells.OWN_FIELDS))
    months: list[int] = []
    runs: bytes = b""
    first_deposit_on: int | None = None
    qualification: Qualification | None = None
    declared_on: int | None = None

    @property
    def qualified_on(self) -> int | None:
        return self.qualification.day if self.qualification else None

    @property
    def days_active(self) -> int:
        return streaks.days_in(self.runs)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Own).decode
NOTHING: Final = Own()
"""The state of somebody who did nothing yet, and whom nobody referred."""


def pack_state(rev: bytes, own: Own) -> bytes:
    """The string that Redis keeps; empty when there is nothing to keep."""
    return b"" if own == NOTHING else rev + _encode(own)


def unpack_state(packed: bytes | None) -> tuple[bytes, Own]:
    """`rev` (empty where nothing is kept) and the state."""
    return (b"", NOTHING) if packed is None else (packed[:REV_BYTES], _decode(packed[REV_BYTES:]))


class Effect(NamedTuple):
    """What a person adds to each ancestor: `value` of `metric` on `day`; CPA as a count that each level's amount
    of the version in force on that day multiplies."""

    day: int
    metric: int
    value: int


def needs_history(before: Own, after: Own, first_touched: int, configuration: Configuration) -> bool:
    """Whether the day of qualification hangs on more than sums: what happens after that day can't move it."""
    if before.qualification is not None:
        return first_touched <= before.qualification.day
    return configuration.can_hold(after.totals, after.days_active)


def first_deposit(days: Mapping[int, Sequence[int]]) -> int | None:
    """The first day with a counted deposit."""
    return min((day for day, own in days.items() if own[cells.OWN_DEPOSITS_COUNT] > 0), default=None)


def qualification(own: Own, days: Mapping[int, Sequence[int]], configuration: Configuration) -> Qualification | None:
    """Whether and when a player of these own days qualifies: a manager's word wins over the criteria."""
    if own.declared_on is None:
        return configuration.qualify(days)
    counted = [numbers for day, numbers in days.items() if day <= own.declared_on]
    totals = [sum(column) for column in zip(*counted, strict=True)] or NOTHING.totals
    return Qualification(own.declared_on, None, sums_of(totals, sum(map(is_active, counted))))


def outcome_effects(own: Own, sign: int) -> Iterator[Effect]:
    """FTD, qualification and CPA of a state; `sign` -1 takes them back."""
    if own.first_deposit_on is not None:
        yield Effect(own.first_deposit_on, cells.FTD, sign)
    if own.qualified_on is not None:
        yield Effect(own.qualified_on, cells.VALIDATED, sign)
        yield Effect(own.qualified_on, cells.CPA, sign)


def effects(own: Own, tracked_on: int | None) -> Iterator[Effect]:
    """All that a person adds to every ancestor beside the money of own days: a member since the day of the link
    (DOMAIN.md, "Network figures"), and the outcome."""
    if tracked_on is not None:
        yield Effect(tracked_on, cells.REFERRALS, 1)
    yield from outcome_effects(own, 1)


def outcome_change(before: Own, after: Own) -> list[Effect]:
    """The effects of an outcome that moved."""
    if before.first_deposit_on == after.first_deposit_on and before.qualified_on == after.qualified_on:
        return []
    return [*outcome_effects(before, -1), *outcome_effects(after, 1)]
