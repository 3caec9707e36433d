"""From what people add to what their ancestors gain, cut into chunks that one script call applies whole.

A `Batch` takes parts (one person's share, all its rows and effects) in depth-first order of the forest and their
effects as columns; `cut` spreads the effects over the paths, sums them per ancestor and period with numpy, and
bounds each chunk by the records its script touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from fature_kv.domain import calendar, cells
from fature_kv.domain.commission import Configuration
from fature_kv.domain.player import Effect
from fature_kv.errors import FigureOverflow
from fature_kv.ingest.fold import Fold, KeyList
from fature_kv.keyspace import GenerationKeys

Column: TypeAlias = npt.NDArray[np.int64]
_NO_ROWS: Column = np.empty(0, np.int64)
_SHARED_WITHIN = 8
"""An ancestor's day that one of that many parts before touches too costs its chunk nothing more."""


class MemberMove(NamedTuple):
    """The part's person enters (`ZADD`) or leaves (`ZREM`) an ancestor's list of a level."""

    command: str
    affiliate: int
    level: int
    status: str


class VersionChange(NamedTuple):
    """A money row whose counting version changes; versions packed, None for none."""

    source: str
    id: int
    held: bytes | None
    new: bytes


@dataclass(slots=True)
class Part:
    """One person's share of a chunk. Absolute values, guarded by `rev`: the state they were decided from."""

    person: int
    rev: int
    pairs: list[Any]
    gone: list[str] = field(default_factory=list)
    own_pairs: list[Any] = field(default_factory=list)
    own_gone: list[int] = field(default_factory=list)
    runs: bytes | None = None
    cpa: list[Any] | None = None
    members: list[MemberMove] = field(default_factory=list)
    streak_days: list[int] = field(default_factory=list)
    bets: Column = field(default_factory=lambda: _NO_ROWS)
    money: list[VersionChange] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    alone: bool = False
    tied: bool = False
    """Belongs into the same chunk as the part before, since one row moves between the two."""


@dataclass(slots=True)
class Chunk:
    """Some parts, and what their ancestors gain: `(affiliate, cell)` and `(affiliate, month, periods, cells)`."""

    parts: list[Part]
    records: list[tuple[int, bytes]] = field(default_factory=list)
    months: list[tuple[int, list[str], list[bytes]]] = field(default_factory=list)
    days: list[tuple[int, str, list[str], list[bytes]]] = field(default_factory=list)
    marks: tuple[Column, Column, Column] = (_NO_ROWS, _NO_ROWS, _NO_ROWS)

    @property
    def people(self) -> list[int]:
        return [part.person for part in self.parts]


class Batch:
    """Parts and their effects, before they are cut."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._paths: list[tuple[int, ...]] = []
        self._effects: list[tuple[int, int, int, int, int]] = []
        self._columns: list[tuple[Column, Column, Column, Column, Column]] = []

    def add_path(self, path: tuple[int, ...]) -> int:
        self._paths.append(path)
        return len(self._paths) - 1

    def add_effects(self, part: int, path: int, effects: Iterable[Effect], sign: int = 1) -> None:
        self._effects.extend((part, path, day, metric, sign * value) for day, metric, value in effects)

    def add_columns(self, part: Column, path: Column, day: Column, metric: int, value: Column) -> None:
        """Effects of one metric, many at once."""
        self._columns.append((part, path, day, np.full(len(part), metric, np.int64), value))

    def cut(self, configuration: Configuration, bound: int) -> list[Chunk]:
        """Chunks of at most about `bound` units (records touched), parts in order."""
        part, affiliate, day, slot, value = self._spread(configuration)
        chunk_of = self._chunk_numbers(part, affiliate, day, bound)
        chunks: list[Chunk] = []
        for number, share in zip(chunk_of.tolist(), self.parts, strict=True):
            if number == len(chunks):
                chunks.append(Chunk([]))
            chunks[number].parts.append(share)
        if len(part):
            _sum_up(chunks, chunk_of[part], affiliate, day, slot, value)
        return chunks

    def _spread(self, configuration: Configuration) -> tuple[Column, Column, Column, Column, Column]:
        """Effects of every level as columns: part, affiliate, day, slot, value."""
        paths = np.zeros((len(self._paths) or 1, cells.LEVELS), np.int64)
        for i, path in enumerate(self._paths):
            paths[i, : len(path)] = path
        rows = [np.array(self._effects, np.int64).reshape(-1, 5).T, *map(np.stack, self._columns)]
        part, path_of, day, metric, value = np.concatenate(rows, axis=1)
        amounts = _cpa_amounts(configuration, day, metric)
        levels = []
        for level in range(1, cells.LEVELS + 1):
            affiliate = paths[path_of, level - 1]
            there = affiliate > 0
            levels.append(
                np.stack(
                    (
                        part[there],
                        affiliate[there],
                        day[there],
                        metric[there] + cells.slot(level, 0),
                        (value * amounts[level - 1])[there],
                    )
                )
            )
        spread = np.concatenate(levels, axis=1)
        return spread[0], spread[1], spread[2], spread[3], spread[4]

    def _chunk_numbers(self, part: Column, affiliate: Column, day: Column, bound: int) -> Column:
        units = _new_units(part, affiliate, day, len(self.parts))
        numbers, number, held = [], 0, 0
        for share, mine in zip(self.parts, units.tolist(), strict=True):
            weight = mine + 2 + len(share.own_pairs) // 2 + len(share.members)
            if held and not share.tied and (share.alone or held + weight > bound):
                number, held = number + 1, 0
            numbers.append(number)
            held = bound if share.alone else held + weight
        return np.array(numbers, np.int64)


def _cpa_amounts(configuration: Configuration, day: Column, metric: Column) -> npt.NDArray[np.int64]:
    """What each effect is multiplied by, per level: an amount of the version in force for CPA, else one."""
    amounts = np.ones((cells.LEVELS, len(day)), np.int64)
    for i in np.flatnonzero(metric == cells.CPA).tolist():
        on = int(day[i])
        amounts[:, i] = [configuration.cpa_cents(level, on) for level in range(1, cells.LEVELS + 1)]
    return amounts


def _new_units(part: Column, affiliate: Column, day: Column, parts: int) -> Column:
    """How many records each part touches that no part shortly before it does: an ancestor's record and month, and
    each of its days."""
    if not len(part):
        return np.zeros(parts, np.int64)
    order = np.lexsort((part, day, affiliate))
    p, a, d = part[order], affiliate[order], day[order]
    same_day = np.zeros(len(p), bool)
    same_day[1:] = (a[1:] == a[:-1]) & (d[1:] == d[:-1]) & (p[1:] - p[:-1] <= _SHARED_WITHIN)
    order = np.lexsort((part, affiliate))
    q, b = part[order], affiliate[order]
    same_affiliate = np.zeros(len(q), bool)
    same_affiliate[1:] = (b[1:] == b[:-1]) & (q[1:] - q[:-1] <= _SHARED_WITHIN)
    return np.bincount(p[~same_day], minlength=parts) + 2 * np.bincount(q[~same_affiliate], minlength=parts)


def _sum_by(keys: Column, value: Column) -> tuple[Column, Column]:
    """Distinct keys ascending with their sums, zero sums left out."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sums = cells.sum_runs(value[order], starts)
    kept = sums != 0
    return ordered[starts][kept], sums[kept]


class _Packing(NamedTuple):
    """Several small columns as one sortable integer: chunk, affiliate, period, slot."""

    affiliates: Column
    periods: Column

    def pack(self, chunk: Column, affiliate: Column, period: Column, slot: Column) -> Column:
        return ((chunk * len(self.affiliates) + affiliate) * len(self.periods) + period) * 64 + slot

    def unpack(self, packed: Column) -> tuple[Column, Column, Column, Column]:
        rest, slot = packed >> 6, packed & 63
        rest, period = np.divmod(rest, len(self.periods))
        chunk, affiliate = np.divmod(rest, len(self.affiliates))
        return chunk, self.affiliates[affiliate], self.periods[period], slot


def _sum_up(chunks: list[Chunk], chunk: Column, affiliate: Column, day: Column, slot: Column, value: Column) -> None:
    """Fills in what the ancestors of each chunk gain."""
    affiliates, affiliate_at = np.unique(affiliate, return_inverse=True)
    days, day_at = np.unique(day, return_inverse=True)
    month_names = [calendar.month_key(int(d)) for d in days]
    months = sorted(set(month_names))
    month_of_day = np.array([months.index(name) for name in month_names], np.int64)
    if len(chunks) * len(affiliates) * len(days) > 2**56:
        raise FigureOverflow("too many affiliates and days in one window: make FATURE_WINDOW_ROWS smaller")

    by_day = _Packing(affiliates, days)
    keys, sums = _sum_by(by_day.pack(chunk, affiliate_at, day_at, slot), value)
    _add_days(chunks, *by_day.unpack(keys), sums)

    by_month = _Packing(affiliates, np.arange(len(months)))
    keys, sums = _sum_by(by_month.pack(chunk, affiliate_at, month_of_day[day_at], slot), value)
    _add_months(chunks, *by_month.unpack(keys), sums, months)

    by_record = _Packing(affiliates, np.zeros(1, np.int64))
    metric = slot % len(cells.METRICS)
    counted = (slot < len(cells.METRICS)) | (metric > cells.VALIDATED)  # these two are totals of level 1 alone
    keys, sums = _sum_by(
        by_record.pack(
            np.concatenate((chunk, chunk[counted])),
            np.concatenate((affiliate_at, affiliate_at[counted])),
            np.zeros(len(chunk) + int(counted.sum()), np.int64),
            np.concatenate((slot, cells.TOTALS + metric[counted])),
        ),
        np.concatenate((value, value[counted])),
    )
    _add_records(chunks, *by_record.unpack(keys), sums)


def _cells(groups: Sequence[Column], slot: Column, value: Column) -> Iterator[tuple[int, bytes]]:
    """Start and cell of each run of equal groups."""
    if not len(slot):
        return
    if int(np.abs(value).max()) > cells.LIMIT:
        raise FigureOverflow("a sum is beyond 2^53-1: no figure of ours can hold it")
    changed = np.zeros(len(slot), bool)
    changed[0] = True
    for group in groups:
        changed[1:] |= group[1:] != group[:-1]
    starts = np.flatnonzero(changed)
    packed = (value << 8 | slot).astype("<i8").tobytes()
    ends = np.append(starts[1:], len(slot))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield start, packed[8 * start : 8 * end]


def _add_records(chunks: list[Chunk], chunk: Column, affiliate: Column, _: Column, slot: Column, value: Column) -> None:
    numbers, people = chunk.tolist(), affiliate.tolist()
    for start, cell in _cells((chunk, affiliate), slot, value):
        chunks[numbers[start]].records.append((people[start], cell))


def _add_months(
    chunks: list[Chunk], chunk: Column, affiliate: Column, month: Column, slot: Column, value: Column, names: list[str]
) -> None:
    numbers, people, months = chunk.tolist(), affiliate.tolist(), month.tolist()
    for start, cell in _cells((chunk, affiliate, month), slot, value):
        rows = chunks[numbers[start]].months
        if not rows or rows[-1][0] != people[start]:
            rows.append((people[start], [], []))
        rows[-1][1].append(names[months[start]])
        rows[-1][2].append(cell)


def _add_days(chunks: list[Chunk], chunk: Column, affiliate: Column, day: Column, slot: Column, value: Column) -> None:
    numbers, people, days = chunk.tolist(), affiliate.tolist(), day.tolist()
    starts = []
    for start, cell in _cells((chunk, affiliate, day), slot, value):
        rows, text = chunks[numbers[start]].days, calendar.day_text(days[start])
        if not rows or rows[-1][0] != people[start] or rows[-1][1] != text[:7]:
            rows.append((people[start], text[:7], [], []))
        rows[-1][2].append(text[8:])
        rows[-1][3].append(cell)
        starts.append(start)
    if not starts:
        return
    masks = np.bitwise_or.reduceat(1 << slot % len(cells.METRICS), starts)
    owner, affiliates, on = chunk[starts], affiliate[starts], day[starts]
    ends = np.searchsorted(owner, np.arange(len(chunks) + 1))
    for number, one in enumerate(chunks):
        mine = slice(int(ends[number]), int(ends[number + 1]))
        one.marks = affiliates[mine], on[mine], masks[mine]


def sections(fold: Fold, chunk: Chunk, keys: KeyList) -> dict[str, Any]:
    """The sections of chunk.lua's plan that every chunk has."""
    own = fold.keys
    return {
        "persons": [
            [
                keys(own.affiliate(p.person)), str(p.rev), p.pairs, p.gone,
                keys(own.own(p.person)), p.own_pairs, p.own_gone,
                keys(own.streak(p.person)) if p.runs is not None else 0, p.runs if p.runs is not None else False,
                keys(own.cpa(p.person)) if p.cpa is not None else 0, p.cpa if p.cpa is not None else False,
            ]
            for p in chunk.parts
        ],
        "records": [[keys(own.affiliate(affiliate)), cell] for affiliate, cell in chunk.records],
        "series": [
            *([keys(own.months(affiliate)), periods, deltas] for affiliate, periods, deltas in chunk.months),
            *([keys(own.days(affiliate, month)), periods, deltas] for affiliate, month, periods, deltas in chunk.days),
        ],
        "members": [_member(own, p.person, m, keys) for p in chunk.parts for m in p.members],
        "dirty": marks_of(chunk),
    }  # fmt: skip


def _member(own: GenerationKeys, person: int, move: MemberMove, keys: KeyList) -> list[Any]:
    words = [person, person] if move.command == "ZADD" else [person]
    return [move.command, keys(own.members(move.affiliate, move.level, move.status)), words]


def marks_of(chunk: Chunk) -> bytes | bool:
    """What the boards have to look at again, or False."""
    streaks = [(part.person, day) for part in chunk.parts for day in part.streak_days]
    if not len(chunk.marks[0]) and not streaks:
        return False
    people, days = np.array(streaks, np.int64).reshape(-1, 2).T
    return pack_marks(Marks(*chunk.marks, people, days, _NO_ROWS))


class Marks(NamedTuple):
    """What boards have to look at again, as columns.

    Affiliates' days with the metrics that moved (bit m for metric m of `cells.METRICS`), people's streaks read on
    a day, and affiliates whose every board is due.
    """

    affiliates: Column
    days: Column
    metrics: Column
    people: Column
    streak_days: Column
    whole: Column


def pack_marks(marks: Marks) -> bytes:
    return msgspec.msgpack.encode([column.astype("<i8").tobytes() for column in marks])


def unpack_marks(packed: bytes) -> Marks:
    return Marks(*(np.frombuffer(raw, "<i8") for raw in msgspec.msgpack.decode(packed)))


def whole_marks(affiliates: Sequence[int]) -> bytes:
    """Marks that every board of these affiliates is due."""
    none = _NO_ROWS
    return pack_marks(Marks(none, none, none, none, none, np.array(affiliates, np.int64)))
