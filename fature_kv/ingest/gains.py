"""What new rows add to people's own days, as columns: one row a person and day.

A window is applied in rounds. Nearly everybody takes part in one of them with all that is theirs; a heavy player
takes part in several, with a month of own days in each, so that a chunk stays small and neighbours who played in the
same month share their ancestors' days. A row that goes from one player to another, or from one month to another, ties
those together: they come first, and share a chunk.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fature_kv.domain import calendar, cells
from fature_kv.domain.rows import Money
from fature_kv.errors import FigureOverflow
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.newest import Change
from fature_kv.ingest.states import Player
from fature_kv.ingest.window import Bets, Column

Matrix = npt.NDArray[np.int64]
_DAY_BITS = 17
_BLOCK = 2000
_FIGURES = len(cells.OWN_FIELDS)
_POSITIONS: Mapping[str, tuple[int, int | None]] = {
    "depositos": (cells.OWN_DEPOSITS, cells.OWN_DEPOSITS_COUNT),
    "saque": (cells.OWN_WITHDRAWALS, cells.OWN_WITHDRAWALS_COUNT),
    "bonus": (cells.OWN_BONUS, None),
}


class Gains(NamedTuple):
    """Own days that move: index of the person, day, and the own figures' gains; ascending by person and day."""

    who: Column
    day: Column
    numbers: Matrix


class Round(NamedTuple):
    """People in depth-first order, and what comes to them; bets by ascending `who` (index into people) and day.

    `groups` says which people share a chunk: those of one number. None where nobody has to.
    """

    people: list[int]
    changes: list[Change]
    bets: Bets
    who: Column
    day: Column
    groups: list[int] | None = None

    def blocks(self) -> Iterator[Round]:
        """The round in pieces of some people each, so that one is applied while the next is decided."""
        if self.groups is not None or len(self.people) <= _BLOCK:
            yield self
            return
        block_of = {person: i // _BLOCK for i, person in enumerate(self.people)} if self.changes else {}
        changes: dict[int, list[Change]] = defaultdict(list)
        for change in self.changes:
            changes[block_of[change.item.row.user_id]].append(change)
        for start in range(0, len(self.people), _BLOCK):
            first, last = np.searchsorted(self.who, (start, start + _BLOCK))
            mine = slice(first, last)
            yield Round(
                self.people[start : start + _BLOCK],
                changes[start // _BLOCK],
                self.bets.take(mine),
                self.who[mine] - start,
                self.day[mine],
            )


def rounds(fold: Fold, changes: Sequence[Change], bets: Bets, players: Mapping[int, Player]) -> Iterator[Round]:
    """All rounds of a window."""
    tied = [change for change in changes if _ties(fold, change)]
    if tied:
        yield _tied_round(tied, bets.take(slice(0)))
    straight = [change for change in changes if not _ties(fold, change)] if tied else list(changes)
    people = fold.forest.in_depth_first_order(
        {c.item.row.user_id for c in straight} | set(np.unique(bets.user).tolist())
    )
    if not people:
        return
    who, day = _places(people, bets.user), calendar.days_of(bets.at, fold.zone)
    order = np.argsort(who << _DAY_BITS | day)
    whole = Round(people, straight, bets.take(order), who[order], day[order])
    heavy = _heavy(fold, whole, players)
    if heavy.any():
        yield from _by_month(fold, whole, heavy)
    else:
        yield whole


def gains_of(fold: Fold, part: Round) -> Gains:
    """The gains of a round; FigureOverflow where sums might not fit a column."""
    keys = part.who << _DAY_BITS | part.day
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else keys
    rows = np.zeros((len(starts), _FIGURES), np.int64)
    if len(keys):
        rows[:, cells.OWN_BETS] = cells.sum_runs(part.bets.stake, starts)
        rows[:, cells.OWN_BETS_COUNT] = np.diff(np.append(starts, len(keys)))
        rows[:, cells.OWN_WINS] = cells.sum_runs(part.bets.win, starts)
    keys = keys[starts]
    moved = _moved(fold, part)
    if len(moved):
        keys, rows = _added(keys, rows, moved)
    if len(rows) and float(np.abs(rows).sum(dtype=np.float64)) > cells.COLUMN_LIMIT:
        raise FigureOverflow("a sum is beyond 2^53-1: no figure of ours can hold it")
    return Gains(keys >> _DAY_BITS, keys & ((1 << _DAY_BITS) - 1), rows)


def _moved(fold: Fold, part: Round) -> Matrix:
    """What money rows move: key of person and day, own figure, amount."""
    place = {person: i for i, person in enumerate(part.people)} if part.changes else {}
    rows: list[tuple[int, int, int]] = []
    for change in part.changes:
        for row, sign in change.counted:
            key = place[row.user_id] << _DAY_BITS | fold.day_of(row.created_at)
            amount_at, count_at = _POSITIONS[row.source]
            rows.append((key, amount_at, sign * row.amount))
            if count_at is not None:
                rows.append((key, count_at, sign))
    return np.array(rows, np.int64).reshape(-1, 3)


def _added(keys: Column, rows: Matrix, moved: Matrix) -> tuple[Column, Matrix]:
    if float(np.abs(moved[:, 2]).sum(dtype=np.float64)) > cells.COLUMN_LIMIT:
        raise FigureOverflow("a sum is beyond 2^53-1: no figure of ours can hold it")
    every = np.union1d(keys, moved[:, 0])
    sums = np.zeros((len(every), _FIGURES), np.int64)
    sums[np.searchsorted(every, keys)] = rows
    np.add.at(sums, (np.searchsorted(every, moved[:, 0]), moved[:, 1]), moved[:, 2])
    return every, sums


def _places(people: Sequence[int], users: Column) -> Column:
    """The index in `people` of each user."""
    held = np.array(people, np.int64)
    sorter = np.argsort(held)
    return sorter[np.searchsorted(held, users, sorter=sorter)]


# -- who shares a chunk, and who has to take part in several rounds ---------------------------------------------------


def _ties(fold: Fold, change: Change) -> bool:
    """Whether a row goes from one player, or from one month, to another."""
    before, row = change.before, change.item.row
    if before is None:
        return False
    return before.user_id != row.user_id or _month(fold, before) != _month(fold, row)


def _month(fold: Fold, row: Money) -> str:
    return calendar.month_key(fold.day_of(row.created_at))


def _tied_round(changes: Sequence[Change], no_bets: Bets) -> Round:
    leader: dict[int, int] = {}

    def find(person: int) -> int:
        while leader.setdefault(person, person) != person:
            person = leader[person]
        return person

    for change in changes:
        first, *others = change.people
        for other in others:
            leader[find(other)] = find(first)
        find(first)
    people = sorted(leader, key=lambda person: (find(person), person))
    return Round(people, list(changes), no_bets, no_bets.id, no_bets.id, [find(person) for person in people])


def _heavy(fold: Fold, whole: Round, players: Mapping[int, Player]) -> npt.NDArray[np.bool_]:
    """Who would take more than a quarter of a chunk: by own days, each of which is a day of every ancestor."""
    keys = whole.who << _DAY_BITS | whole.day
    first = np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)]
    days = np.bincount(whole.who[first], minlength=len(whole.people))
    if whole.changes:
        rows = Counter(change.item.row.user_id for change in whole.changes)
        days += np.array([rows[person] for person in whole.people], np.int64)
    above = np.array([len(players[person].own.path) for person in whole.people], np.int64)
    return days * (1 + above) > fold.settings.chunk_units


def _by_month(fold: Fold, whole: Round, heavy: npt.NDArray[np.bool_]) -> Iterator[Round]:
    """The light ones at first, then the heavy ones a month at a time, and of each at most a chunk's number of rows."""
    many = {person for person, much in zip(whole.people, heavy.tolist(), strict=True) if much}
    month_of = {
        id(change): calendar.month_number(_month(fold, change.item.row))
        for change in whole.changes
        if change.item.row.user_id in many
    }
    months, slow = calendar.months_of(whole.day), heavy[whole.who]
    known = np.union1d(months[slow], np.array(list(month_of.values()), np.int64))
    number = np.where(slow, 1 + np.searchsorted(known, months), 0)
    by_round: dict[int, list[Change]] = defaultdict(list)
    held: Counter[tuple[int, int]] = Counter()
    for change in whole.changes:
        turn = 0
        if id(change) in month_of:
            base = 1 + int(np.searchsorted(known, month_of[id(change)]))
            turn = base + held[change.item.row.user_id, base] // fold.settings.chunk_units * (1 + len(known))
            held[change.item.row.user_id, base] += 1
        by_round[turn].append(change)
    for turn in sorted(set(np.unique(number).tolist()) | set(by_round)):
        yield _narrowed(whole, by_round.get(turn, []), number == turn)


def _narrowed(whole: Round, changes: list[Change], mine: npt.NDArray[np.bool_]) -> Round:
    """The round of those bets and changes, and of nobody else."""
    present = np.zeros(len(whole.people), bool)
    present[whole.who[mine]] = True
    if changes:
        present[_places(whole.people, np.array([change.item.row.user_id for change in changes]))] = True
    index = np.cumsum(present) - 1
    people = [person for person, here in zip(whole.people, present.tolist(), strict=True) if here]
    return Round(people, changes, whole.bets.take(mine), index[whole.who[mine]], whole.day[mine])
