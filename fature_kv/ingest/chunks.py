"""From what people add to what their ancestors gain, cut into chunks that one script call applies whole.

A `Batch` takes parts (one person's share, all its rows and effects) in depth-first order of the forest and their
effects as columns; `cut` spreads the effects over the paths, sums them per ancestor and period with numpy, and
bounds each chunk by the work of its script.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fature_kv.domain import calendar, cells
from fature_kv.domain.commission import Configuration
from fature_kv.domain.player import Effect
from fature_kv.errors import FigureOverflow
from fature_kv.ingest.fold import Fold, KeyList
from fature_kv.ingest.gains import Matrix
from fature_kv.ingest.marks import Marks, pack_marks
from fature_kv.ingest.newest import Change
from fature_kv.ingest.window import Column
from fature_kv.keyspace import GenerationKeys

_METRICS = len(cells.METRICS)
_NO_ROWS: Column = np.empty(0, np.int64)
_SHARED_WITHIN = 16
"""An ancestor's record that one of that many parts before touches too costs its chunk nothing more."""
_PER_UNIT, _PERSON, _RECORD, _MONTH, _DAY, _CHANGE, _MEMBER = 5, 8, 10, 5, 2, 3, 4
"""Weights: a unit is about five microseconds of the script, a pair of calls on one record."""


class MemberMove(NamedTuple):
    """The part's person enters (`ZADD`) or leaves (`ZREM`) an ancestor's list of a level."""

    command: str
    affiliate: int
    level: int
    status: str


def status_moves(path: Iterable[int], before: bool, after: bool) -> list[MemberMove]:
    """A person goes from the pending to the validated list of each ancestor, or back."""
    return [
        move
        for level, affiliate in enumerate(path, start=1)
        for move in (
            MemberMove("ZREM", affiliate, level, status_word(before)),
            MemberMove("ZADD", affiliate, level, status_word(after)),
        )
    ]


def status_word(qualified: bool) -> str:
    """Which list of a level a person is on."""
    return "validated" if qualified else "pending"


@dataclass(slots=True)
class Part:
    """One person's share of a chunk. `state` is the new own state, whole, guarded by the `rev` of the one it was
    decided from; None where own figures don't move. `months` are new cells of own months."""

    person: int
    rev: bytes = b""
    state: bytes | None = None
    months: list[tuple[int, bytes]] = field(default_factory=list)
    members: list[MemberMove] = field(default_factory=list)
    streak_days: list[int] = field(default_factory=list)
    qualified: tuple[int, int | None] | None = None
    changes: list[Change] = field(default_factory=list)
    bets: tuple[int, int] = (0, 0)
    tied: bool = False
    """Belongs into the same chunk as the part before, since one row moves between the two."""

    @property
    def weight(self) -> int:
        own = _PERSON + _PER_UNIT * len(self.months)
        return own + _CHANGE * len(self.changes) + _MEMBER * len(self.members)


class Chunk(NamedTuple):
    """Some parts, and what their ancestors gain: by affiliate the record's cell and how many months, by month its key,
    its cell and how many days, by day its name and its cell. `marks` are affiliates, days and metrics that moved."""

    parts: list[Part]
    affiliates: list[int]
    records: list[bytes]
    month_counts: list[int]
    months: list[str]
    month_cells: list[bytes]
    day_counts: list[int]
    days: list[str]
    day_cells: list[bytes]
    marks: tuple[Column, Column, Column]

    @property
    def people(self) -> list[int]:
        return [part.person for part in self.parts]


class Batch:
    """Parts and their effects, before they are cut."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._paths: list[tuple[int, ...]] = []
        self._effects: list[tuple[int, int, int, int, int]] = []
        self._columns: list[tuple[Column, Column, Column, Matrix]] = []

    def add(self, part: Part, path: tuple[int, ...]) -> int:
        """Adds a part; returns the number of its path, which is the part's own while only this adds paths."""
        self.parts.append(part)
        return self.add_path(path)

    def add_path(self, path: tuple[int, ...]) -> int:
        """Adds a path (0 for a level that gains nothing); returns its number."""
        self._paths.append(path)
        return len(self._paths) - 1

    def add_effects(self, part: int, path: int, effects: Iterable[Effect], sign: int = 1) -> None:
        """What one part adds to the affiliates of a path."""
        self._effects.extend((part, path, day, metric, sign * value) for day, metric, value in effects)

    def add_rows(self, part: Column, path: Column, day: Column, values: Matrix) -> None:
        """Effects of many parts: a row a day, a column a metric."""
        self._columns.append((part, path, day, values))

    def cut(self, configuration: Configuration, bound: int) -> list[Chunk]:
        """Chunks of at most about `bound` units, parts in order."""
        spread = self._spread(configuration)
        chunk_of = self._chunk_numbers(spread, bound * _PER_UNIT)
        starts = np.flatnonzero(np.concatenate(([True], chunk_of[1:] != chunk_of[:-1]))).tolist()
        groups = [self.parts[a:b] for a, b in zip(starts, [*starts[1:], len(self.parts)], strict=True)]
        return _chunks(groups, spread, chunk_of[spread.part])

    def _spread(self, configuration: Configuration) -> _Spread:
        """Effects on every affiliate of their paths."""
        part, path, day, values = self._rows()
        paths = np.zeros((len(self._paths) or 1, cells.LEVELS), np.int64)
        for each_level in range(cells.LEVELS):
            paths[:, each_level] = [p[each_level] if len(p) > each_level else 0 for p in self._paths] or 0
        above = paths[path]
        row, level = np.nonzero(above)
        spread = values[row]
        paid = np.flatnonzero(spread[:, cells.CPA])
        for i in paid.tolist():
            spread[i, cells.CPA] *= configuration.cpa_cents(int(level[i]) + 1, int(day[row[i]]))
        kept = spread.any(axis=1)  # withdrawals, say, add nothing to anybody, nor does a CPA of nothing
        row, level = row[kept], level[kept]
        return _Spread(part[row], above[row, level], day[row], level, spread[kept])

    def _rows(self) -> tuple[Column, Column, Column, Matrix]:
        loose = np.array(self._effects, np.int64).reshape(-1, 5)
        values = np.zeros((len(loose), _METRICS), np.int64)
        values[np.arange(len(loose)), loose[:, 3]] = loose[:, 4]
        blocks = [(loose[:, 0], loose[:, 1], loose[:, 2], values), *self._columns]
        part, path, day, matrices = zip(*blocks, strict=True)
        return np.concatenate(part), np.concatenate(path), np.concatenate(day), np.concatenate(matrices)

    def _chunk_numbers(self, spread: _Spread, bound: int) -> Column:
        weights = spread.weights(len(self.parts)).tolist()
        numbers, number, held = [], 0, 0
        for part, touched in zip(self.parts, weights, strict=True):
            weight = touched + part.weight
            if held and not part.tied and held + weight > bound:
                number, held = number + 1, 0
            numbers.append(number)
            held += weight
        return np.array(numbers, np.int64)


class _Spread(NamedTuple):
    """Effects by affiliate: part, affiliate, day, level from 0, and a column a metric."""

    part: Column
    affiliate: Column
    day: Column
    level: Column
    values: Matrix

    def weights(self, parts: int) -> Column:
        """Work of each part on ancestors' records, months and days that no part shortly before it touches too."""
        total = np.zeros(parts, np.int64)
        if not len(self.part):
            return total
        _, affiliate = np.unique(self.affiliate, return_inverse=True)
        for weight, period in ((_DAY, self.day), (_MONTH, calendar.months_of(self.day)), (_RECORD, self.day * 0)):
            _, place = np.unique(period, return_inverse=True)
            keys = np.sort((affiliate * (int(place.max()) + 1) + place) * parts + self.part)
            record, part = np.divmod(keys, parts)
            shared = np.zeros(len(keys), bool)
            shared[1:] = (record[1:] == record[:-1]) & (part[1:] - part[:-1] <= _SHARED_WITHIN)
            total += weight * np.bincount(part[~shared], minlength=parts)
        return total


# -- what the ancestors of each chunk gain ---------------------------------------------------------------------------


def _chunks(groups: list[list[Part]], spread: _Spread, chunk: Column) -> list[Chunk]:
    """The chunks of the groups of parts, each with what its ancestors gain."""
    affiliates, affiliate = np.unique(spread.affiliate, return_inverse=True)
    axes = _Axes.of(spread.day, affiliates)
    if len(groups) * len(affiliates) * len(axes.days) > 2**58:
        raise FigureOverflow("too many affiliates and days in one window: make FATURE_WINDOW_ROWS smaller")
    moved = np.flatnonzero(spread.values.any(axis=0))
    place = (chunk * len(affiliates) + affiliate) * len(axes.days) + np.searchsorted(axes.days, spread.day)
    by_day = _Sums(place, spread.level, spread.values[:, moved], moved).summed(place)
    by_month = by_day.summed(axes.month_of(by_day.place))
    by_record = by_month.summed(by_month.place // axes.months)
    return _assembled(groups, axes, by_record, by_month, by_day)


class _Axes(NamedTuple):
    """How places are numbered: a record is `chunk * affiliates + affiliate`, a month `record * months + month`, a day
    `record * days + day`; each of them an index into what there is."""

    affiliates: Column
    days: Column
    numbers: Column
    """The month of each day, from the first."""
    first: int
    months: int

    @classmethod
    def of(cls, day: Column, affiliates: Column) -> _Axes:
        days = np.unique(day)
        numbers = calendar.months_of(days)
        first = int(numbers.min(initial=2**31))
        return cls(affiliates, days, numbers - first, first, int((numbers - first).max(initial=0)) + 1)

    def month_of(self, day_place: Column) -> Column:
        record, day = np.divmod(day_place, len(self.days) or 1)
        return record * self.months + self.numbers[day]

    def month_keys(self, month_place: Column) -> list[str]:
        return [calendar.month_text(self.first + month) for month in (month_place % self.months).tolist()]

    def day_names(self, day_place: Column) -> list[str]:
        names = [calendar.day_text(day)[8:] for day in self.days.tolist()]
        return [names[day] for day in (day_place % (len(names) or 1)).tolist()]


class _Sums(NamedTuple):
    """Sums by place and level (from 0), a column each of `metrics`."""

    place: Column
    level: Column
    sums: Matrix
    metrics: Column

    def summed(self, place: Column) -> _Sums:
        """The same at other places: ascending, each place and level once."""
        if not len(place):
            return self
        keys = place * 8 + self.level
        order = np.argsort(keys)
        ordered = keys[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        columns = [cells.sum_runs(column[order], starts) for column in self.sums.T]
        return _Sums(ordered[starts] >> 3, ordered[starts] & 7, np.stack(columns, axis=1), self.metrics)

    @property
    def distinct(self) -> Column:
        return self.place[self.starts]

    @property
    def starts(self) -> Column:
        """Where each place begins."""
        return np.flatnonzero(np.concatenate(([True], self.place[1:] != self.place[:-1]))[: len(self.place)])

    def cells(self, totals: bool = False) -> list[bytes]:
        """A cell a place; a record's with its totals behind the levels."""
        places = self.distinct
        at, column = np.nonzero(self.sums)
        group = np.searchsorted(places, self.place[at])
        slot, value = self.level[at] * _METRICS + self.metrics[column], self.sums[at, column]
        if totals:
            group, slot, value = self._with_totals(group, slot, value)
        if len(value) and int(np.abs(value).max()) > cells.LIMIT:
            raise FigureOverflow("a sum is beyond 2^53-1: no figure of ours can hold it")
        return cells.split(group, slot, value, len(places))

    def _with_totals(self, group: Column, slot: Column, value: Column) -> tuple[Column, Column, Column]:
        """Sums over levels; of referrals and validated the total is level 1 alone."""
        counted = (self.level == 0)[:, None] | (self.metrics > cells.VALIDATED)
        columns = [cells.sum_runs(column, self.starts) for column in np.where(counted, self.sums, 0).T]
        over, metric = np.nonzero(np.stack(columns, axis=1)) if columns else (_NO_ROWS, _NO_ROWS)
        totals = np.stack(columns, axis=1)[over, metric] if columns else _NO_ROWS
        keys = np.concatenate((group << 6 | slot, over << 6 | cells.TOTALS + self.metrics[metric]))
        order = np.argsort(keys)
        return keys[order] >> 6, keys[order] & 63, np.concatenate((value, totals))[order]

    def moved(self) -> Column:
        """Bits of the metrics that moved, a place."""
        bits = ((self.sums != 0) << self.metrics).sum(axis=1)
        return np.bitwise_or.reduceat(bits, self.starts) if len(bits) else _NO_ROWS


def _assembled(groups: list[list[Part]], axes: _Axes, records: _Sums, months: _Sums, days: _Sums) -> list[Chunk]:
    """Everything of one chunk together."""
    record, month, day = records.distinct, months.distinct, days.distinct
    size = len(axes.affiliates) or 1
    affiliate = axes.affiliates[record % size]
    mask, people = days.moved(), axes.affiliates[day // (len(axes.days) or 1) % size]
    on = axes.days[day % (len(axes.days) or 1)]
    by_record: tuple[list[Any], ...] = (
        affiliate.tolist(),
        records.cells(totals=True),
        _counts(month // axes.months, record),
    )
    by_month: tuple[list[Any], ...] = (axes.month_keys(month), months.cells(), _counts(axes.month_of(day), month))
    by_day: tuple[list[Any], ...] = (axes.day_names(day), days.cells())
    ends = [
        np.searchsorted(place // (size * width), np.arange(len(groups) + 1)).tolist()
        for place, width in ((record, 1), (month, axes.months), (day, len(axes.days) or 1))
    ]
    chunks = []
    for number, parts in enumerate(groups):
        one, two, three = (slice(each[number], each[number + 1]) for each in ends)
        moved = np.flatnonzero(mask[three]) + three.start
        marks = people[moved], on[moved], mask[moved]
        lists: list[Any] = [
            column[piece] for group, piece in ((by_record, one), (by_month, two), (by_day, three)) for column in group
        ]
        chunks.append(Chunk._make([parts, *lists, marks]))
    return chunks


def _counts(owner: Column, owners: Column) -> list[int]:
    """How many of the ascending `owner` each of the ascending owners has."""
    many: list[int] = np.diff(np.searchsorted(owner, np.append(owners, 2**62))).tolist()
    return many


# -- the plan --------------------------------------------------------------------------------------------------------


def sections(fold: Fold, chunk: Chunk) -> tuple[KeyList, dict[str, Any]]:
    """KEYS, and the sections of chunk.lua's plan that every chunk has."""
    own = fold.keys
    decided = [part for part in chunk.parts if part.state is not None]
    pairs = [(part.person, month, cell) for part in decided for month, cell in part.months]
    months = iter(chunk.months)
    days = [
        own.days(affiliate, next(months))
        for affiliate, count in zip(chunk.affiliates, chunk.month_counts, strict=True)
        for _ in range(count)
    ]
    keys = KeyList(
        [
            *fold.common,
            *(own.own(part.person) for part in decided),
            *(own.own_month(person, calendar.month_text(month)) for person, month, _ in pairs),
            *map(own.affiliate, chunk.affiliates),
            *map(own.months, chunk.affiliates),
            *days,
        ]
    )
    return keys, {
        "counts": [len(decided), len(pairs), len(chunk.affiliates), len(days)],
        "revs": [part.rev for part in decided],
        "own": [*(part.state for part in decided), *(cell for _, _, cell in pairs)],
        "records": chunk.records,
        "month_counts": chunk.month_counts,
        "months": chunk.months,
        "month_cells": chunk.month_cells,
        "day_counts": chunk.day_counts,
        "days": chunk.days,
        "day_cells": chunk.day_cells,
        "members": [_member(own, part.person, move, keys) for part in chunk.parts for move in part.members],
        "dirty": marks_of(chunk),
    }


def _member(own: GenerationKeys, person: int, move: MemberMove, keys: KeyList) -> list[Any]:
    words = [person, person] if move.command == "ZADD" else [person]
    return [move.command, keys(own.members(move.affiliate, move.level, move.status)), words]


def marks_of(chunk: Chunk) -> bytes | bool:
    """What the boards have to look at again, or False."""
    days = [day for part in chunk.parts for day in part.streak_days]
    if not len(chunk.marks[0]) and not days:
        return False
    people = np.repeat([part.person for part in chunk.parts], [len(part.streak_days) for part in chunk.parts])
    return pack_marks(Marks(*chunk.marks, people, np.array(days, np.int64), _NO_ROWS))
