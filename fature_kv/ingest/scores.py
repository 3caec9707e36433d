"""What the boards have to show: absolute figures of whoever was marked, from the records as they are now.

Everything is columns: a table has a row for each (affiliate of the batch, period) that was read, and a column for
each figure that boards show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fature_kv.domain import calendar, cells, streaks
from fature_kv.domain.commission import half_even
from fature_kv.domain.player import unpack_state
from fature_kv.ingest import states
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.gains import Matrix
from fature_kv.ingest.marks import Marks
from fature_kv.ingest.window import Column
from fature_kv.keyspace import board_member
from fature_kv.scripts import Command

Mask = npt.NDArray[np.bool_]
_METRICS = len(cells.METRICS)
GGR = _METRICS
"""A figure of boards only: bets less wins; behind the metrics of cells."""
_BOARDS = {
    "referrals": cells.REFERRALS,
    "validated": cells.VALIDATED,
    "ftd": cells.FTD,
    "deposits": cells.DEPOSITS,
    "bets": cells.BETS,
    "cpa": cells.CPA,
    "ggr": GGR,
}
_ALL_METRICS = (1 << _METRICS) - 1
_GGR_BITS = 1 << cells.BETS | 1 << cells.WINS


class Scores(NamedTuple):
    """Members' new figures on one board; 0 for those who leave it."""

    board: str
    members: list[str]
    figures: Column


def scores_of(fold: Fold, marks: Marks) -> Iterator[list[Scores]]:
    """Everything that was marked, a batch of people at a time."""
    inactive = np.array(sorted(map(int, fold.store.call("SMEMBERS", fold.keys.inactive))), np.int64)
    marks = _with_whole(fold, marks, np.unique(marks.whole).tolist())
    for some in _batches(marks.affiliates, fold.settings.flush_batch):
        yield _network_scores(fold, marks, some, ~np.isin(some, inactive))
    for some in _batches(marks.people, fold.settings.flush_batch):
        yield _streak_scores(fold, marks, some, ~np.isin(some, inactive))


def _batches(marked: Column, most: int) -> Iterator[Column]:
    """The distinct people of a column of marks, in batches of about `most` marks: one with many days weighs more."""
    people, counts = np.unique(marked, return_counts=True)
    if len(people):
        number = (np.cumsum(counts) - counts) // most
        yield from np.split(people, np.flatnonzero(number[1:] != number[:-1]) + 1)


def _with_whole(fold: Fold, marks: Marks, whole: Sequence[int]) -> Marks:
    """Marks with every day of the affiliates whose every board is due."""
    if not whole:
        return marks
    commands = [("HKEYS", fold.keys.months(a)) for a in whole] + [("GET", fold.keys.own(a)) for a in whole]
    replies = fold.store.pipeline(commands)
    months, own = replies[: len(whole)], replies[len(whole) :]
    pairs = [(a, m.decode()) for a, some in zip(whole, months, strict=True) for m in some]
    listed = fold.store.pipeline([("HKEYS", fold.keys.days(a, month)) for a, month in pairs])
    days = [
        (a, calendar.parse_day(f"{month}-{day.decode()}"))
        for (a, month), some in zip(pairs, listed, strict=True)
        for day in some
    ]
    streak = [
        (a, day)
        for a, packed in zip(whole, own, strict=True)
        for day in streaks.changed_days(b"", unpack_state(packed)[1].runs)
    ]
    more, played = np.array(days, np.int64).reshape(-1, 2).T, np.array(streak, np.int64).reshape(-1, 2).T
    return Marks(
        np.concatenate((marks.affiliates, more[0])),
        np.concatenate((marks.days, more[1])),
        np.concatenate((marks.metrics, np.full(len(more[0]), _ALL_METRICS))),
        np.concatenate((marks.people, played[0])),
        np.concatenate((marks.streak_days, played[1])),
        marks.whole,
    )


# -- networks --------------------------------------------------------------------------------------------------------


class _Cells(NamedTuple):
    """Numbers of cells as columns: which affiliate of the batch, which period, slot, value."""

    owner: Column
    period: Column
    slot: Column
    value: Column


class _Table(NamedTuple):
    """Figures by `owner * base + period`, ascending; a column a metric of cells, and GGR."""

    base: int
    keys: Column
    figures: Matrix

    @classmethod
    def of(cls, found: _Cells, base: int) -> _Table:
        """Sums over the levels; of referrals and validated level 1 alone."""
        level, metric = np.divmod(found.slot, _METRICS)
        counted = (level == 0) | (metric > cells.VALIDATED)
        keys = (found.owner * base + found.period)[counted]
        distinct, at = np.unique(keys, return_inverse=True)
        figures = np.zeros((len(distinct), _METRICS + 1), np.int64)
        np.add.at(figures, (at, metric[counted]), found.value[counted])
        figures[:, GGR] = figures[:, cells.BETS] - figures[:, cells.WINS]
        return cls(base, distinct, figures)

    def look_up(self, wanted: Column) -> Matrix:
        """Figures of these keys, zero where there are none."""
        figures = np.zeros((len(wanted), self.figures.shape[1]), np.int64)
        if len(self.keys):
            at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            figures = np.where((self.keys[at] == wanted)[:, None], self.figures[at], 0)
        return figures


class _Batch(NamedTuple):
    """Affiliates whose boards are due: members' names, who is listed, and what moved (`owner` indexes the former)."""

    fold: Fold
    names: list[str]
    listed: Mask
    owner: Column
    day: Column
    metrics: Column

    def boards(self, found: _Cells, period: Column, name: Callable[[int], str]) -> Iterator[Scores]:
        """Scores of all metrics that moved, in the periods of the marked days."""
        base = int(max(period.max(initial=0), found.period.max(initial=0))) + 1
        keys, at = np.unique(self.owner * base + period, return_inverse=True)
        bits = np.zeros(len(keys), np.int64)
        np.bitwise_or.at(bits, at, self.metrics)
        who, when = np.divmod(keys, base)
        figures = _Table.of(found, base).look_up(keys) * self.listed[who][:, None]
        for metric, column in _BOARDS.items():
            moved = np.flatnonzero(bits >> column & 1)
            yield from self.scores(metric, who[moved], when[moved], figures[moved, column], name)

    def scores(
        self, metric: str, who: Column, when: Column, figures: Column, name: Callable[[int], str]
    ) -> Iterator[Scores]:
        """Scores of one metric, a board a period."""
        if not len(when):
            return
        order = np.argsort(when, kind="stable")
        periods, starts = np.unique(when[order], return_index=True)
        for period, mine in zip(periods.tolist(), np.split(order, starts[1:]), strict=True):
            members = [self.names[i] for i in who[mine].tolist()]
            yield Scores(self.fold.keys.board(metric, name(period)), members, figures[mine])


def _network_scores(fold: Fold, marks: Marks, affiliates: Column, listed: Mask) -> list[Scores]:
    owner, day, metrics = _distinct(marks, affiliates)
    metrics = metrics | np.where(metrics & _GGR_BITS, 1 << GGR, 0)
    months, days = _read(fold, affiliates.tolist(), owner, day)
    batch = _Batch(fold, list(map(board_member, affiliates.tolist())), listed, owner, day, metrics)
    month = calendar.months_of(day)
    weeks = days._replace(period=days.period - (days.period + 3) % 7)
    ever = months._replace(period=np.zeros_like(months.period))
    return [
        *batch.boards(days, day, calendar.day_text),
        *batch.boards(weeks, day - (day + 3) % 7, calendar.week_key),
        *batch.boards(months, month, calendar.month_text),
        *batch.boards(ever, np.zeros_like(day), lambda _: "all"),
        *_rev_scores(batch, months, month),
    ]


def _distinct(marks: Marks, affiliates: Column) -> tuple[Column, Column, Column]:
    """Each affiliate's day once, with all metrics that moved: index into `affiliates`, day, bits."""
    at = np.minimum(np.searchsorted(affiliates, marks.affiliates), len(affiliates) - 1)
    chosen = affiliates[at] == marks.affiliates
    keys, place = np.unique(at[chosen] << 20 | marks.days[chosen], return_inverse=True)
    bits = np.zeros(len(keys), np.int64)
    np.bitwise_or.at(bits, place, marks.metrics[chosen])
    return keys >> 20, keys & ((1 << 20) - 1), bits


def _read(fold: Fold, affiliates: Sequence[int], owner: Column, day: Column) -> tuple[_Cells, _Cells]:
    """All months, and the days of all weeks that were touched."""
    mondays = np.unique(owner << 20 | day - (day + 3) % 7)
    who = np.repeat(mondays >> 20, 7)
    days = ((mondays & ((1 << 20) - 1))[:, None] + np.arange(7)).ravel()
    month = calendar.months_of(days)
    starts = np.flatnonzero(np.concatenate(([True], (who[1:] != who[:-1]) | (month[1:] != month[:-1]))))
    texts = [calendar.day_text(day)[8:] for day in days.tolist()]
    commands: list[Command] = [("HGETALL", fold.keys.months(affiliate)) for affiliate in affiliates]
    for start, end in zip(starts.tolist(), [*starts.tolist()[1:], len(texts)], strict=True):
        key = fold.keys.days(affiliates[who[start]], calendar.month_text(int(month[start])))
        commands.append(("HMGET", key, *texts[start:end]))
    replies = fold.store.pipeline(commands)
    flat, held = replies[: len(affiliates)], [cell for reply in replies[len(affiliates) :] for cell in reply]
    there = np.array([i for i, cell in enumerate(held) if cell is not None], np.int64)
    owners = np.repeat(np.arange(len(flat)), [len(reply) // 2 for reply in flat])
    numbers = np.array([_month_number(key) for reply in flat for key in reply[::2]], np.int64)
    months = _cells(owners, numbers, [cell for reply in flat for cell in reply[1::2]])
    return months, _cells(who[there], days[there], [cell for cell in held if cell is not None])


def _month_number(key: bytes) -> int:
    return calendar.month_number(key.decode())


def _cells(owner: Column, period: Column, held: Sequence[bytes]) -> _Cells:
    at, slot, value = cells.columns(held)
    return _Cells(owner[at], period[at], slot, value)


# -- REV -------------------------------------------------------------------------------------------------------------


def _rev_scores(batch: _Batch, months: _Cells, month: Column) -> Iterator[Scores]:
    """REV of the months that were touched, and of all time: from each month's GGR by level, never accumulated."""
    moved = (batch.metrics & _GGR_BITS) > 0
    owner, month = batch.owner[moved], month[moved]
    if not len(owner):
        return
    base = int(max(months.period.max(initial=0), month.max())) + 1
    held, rev = _month_revs(batch.fold, months, base)
    every = np.zeros(len(batch.names), np.int64)
    np.add.at(every, held // base, rev)
    who, when = np.divmod(np.unique(owner * base + month), base)
    figures = _Table(base, held, rev[:, None]).look_up(who * base + when)[:, 0] * batch.listed[who]
    yield from batch.scores("rev", who, when, figures, calendar.month_text)
    people = np.unique(owner)
    yield from batch.scores("rev", people, np.zeros_like(people), every[people] * batch.listed[people], lambda _: "all")


def _month_revs(fold: Fold, months: _Cells, base: int) -> tuple[Column, Column]:
    """`owner * base + month`, ascending, and the month's REV (fature_kv/domain/commission.py, as columns)."""
    level, metric = np.divmod(months.slot, _METRICS)
    sign = np.where(metric == cells.BETS, 1, np.where(metric == cells.WINS, -1, 0))
    keys, ggr = cells.sum_by((months.owner * base + months.period) * 8 + level, months.value * sign)
    known, at = np.unique((keys >> 3) % base, return_inverse=True)
    documents = [fold.configuration.in_force(calendar.month_start(month)) for month in known.tolist()]
    rates = np.array([document.rev.levels_bp for document in documents], np.int64).reshape(-1, cells.LEVELS)
    rate = rates[at, keys & 7]
    if len(ggr) and float(np.abs(ggr).max()) * float(rate.max(initial=1)) > cells.COLUMN_LIMIT:
        rev = np.array([int(half_even(g * r, 10_000)) for g, r in zip(ggr.tolist(), rate.tolist(), strict=True)])
    else:
        rev = half_even(ggr * rate, 10_000)
    places, place = np.unique(keys >> 3, return_inverse=True)
    total = np.zeros(len(places), np.int64)
    np.add.at(total, place, rev)
    carried = np.array([document.rev.negative_carryover for document in documents], bool)
    keeps = carried[np.searchsorted(known, places % base)]
    return places, np.where(keeps, total, np.maximum(total, 0))


# -- streaks ---------------------------------------------------------------------------------------------------------


def _streak_scores(fold: Fold, marks: Marks, people: Column, listed: Mask) -> list[Scores]:
    """`current` on the marked days: the length so far on a day of a run, and its length on the day behind it."""
    own = states.packed(fold, people.tolist())
    runs = [unpack_state(held)[1].runs for held in own]
    table = np.frombuffer(b"".join(runs), "<u2").astype(np.int64).reshape(-1, 2)
    owner = np.repeat(np.arange(len(runs)), [len(packed) // 4 for packed in runs])
    starts = owner << 20 | table[:, 0]
    at = np.minimum(np.searchsorted(people, marks.people), len(people) - 1)
    chosen = people[at] == marks.people
    wanted = np.unique(at[chosen] << 20 | marks.streak_days[chosen])
    who, day = wanted >> 20, wanted & ((1 << 20) - 1)
    run = np.searchsorted(starts, wanted, side="right") - 1
    current = np.zeros(len(wanted), np.int64)
    if len(starts):
        first, length = table[run].T
        so_far = day - first + 1
        inside = (run >= 0) & (owner[run] == who) & (so_far <= length + 1)
        current = np.where(inside & listed[who], np.minimum(so_far, length), 0)
    batch = _Batch(fold, list(map(board_member, people.tolist())), listed, who, day, day)
    return list(batch.scores("streak", who, day, current, calendar.day_text))
