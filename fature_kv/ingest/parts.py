"""Parts of chunks: what each person's gains make of their own state, decided in full, and what that adds to ancestors.

Own days are merged as columns, all people at once; what follows from them (streaks, first deposit, qualification) is
decided person by person, from sums alone wherever these are enough, else from the whole history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fature_kv.domain import calendar, cells, player, streaks
from fature_kv.domain.player import Own
from fature_kv.errors import FigureOverflow
from fature_kv.ingest import states
from fature_kv.ingest.chunks import Batch, Part, status_moves
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.gains import Gains, Round, gains_of
from fature_kv.ingest.newest import Change
from fature_kv.ingest.states import Player, new_rev
from fature_kv.ingest.window import Column

_MONTH_BITS = 12
_FIGURES = len(cells.OWN_FIELDS)
_COUNTS = (cells.OWN_DEPOSITS_COUNT, cells.OWN_BETS_COUNT)
_TO_ANCESTORS = ((cells.OWN_DEPOSITS, cells.DEPOSITS), (cells.OWN_BETS, cells.BETS), (cells.OWN_WINS, cells.WINS))


def decide(fold: Fold, part: Round, players: Mapping[int, Player]) -> Batch:
    """The batch of a round."""
    gains = gains_of(fold, part)
    drafts = _drafts(fold, part.people, players, gains, _merge(fold, part.people, players, gains))
    _look_back(fold, drafts.values())
    batch = Batch()
    changes: dict[int, list[Change]] = defaultdict(list)
    for change in part.changes:
        changes[change.item.row.user_id].append(change)
    ends = np.searchsorted(part.who, np.arange(len(part.people) + 1)).tolist()
    for i, person in enumerate(part.people):
        draft = drafts.get(i)
        made = _finished(draft) if draft else Part(person)
        made.changes = changes.get(person, [])
        made.bets = ends[i], ends[i + 1]
        made.tied = part.groups is not None and i > 0 and part.groups[i] == part.groups[i - 1]
        batch.add(made, players[person].own.path)
        if draft and (effects := player.outcome_change(draft.before.own, draft.after)):
            batch.add_effects(i, i, effects)
    _add_money(batch, gains)
    return batch


def declared(fold: Fold, before: Player, day: int | None) -> Batch:
    """The batch of a manager's word on one player: the day of the qualification, None to leave it to the criteria."""
    draft = _Draft(before, msgspec.structs.replace(before.own, declared_on=day), [], [], looks_back=True)
    _look_back(fold, [draft])
    batch = Batch()
    batch.add(_finished(draft), before.own.path)
    batch.add_effects(0, 0, player.outcome_change(before.own, draft.after))
    return batch


def _add_money(batch: Batch, gains: Gains) -> None:
    """What own days add to every ancestor's day."""
    values = np.zeros((len(gains.who), len(cells.METRICS)), np.int64)
    for figure, metric in _TO_ANCESTORS:
        values[:, metric] = gains.numbers[:, figure]
    moved = values.any(axis=1)
    batch.add_rows(gains.who[moved], gains.who[moved], gains.day[moved], values[moved])


# -- own days, all at once -------------------------------------------------------------------------------------------


class _Merged(NamedTuple):
    """People's months that were touched, ascending by person and month: index of the person, month, whole new cell;
    and days, ascending by person: those that became active, that ceased to be, and that hold deposits."""

    who: Column
    month: Column
    cell: list[bytes]
    came: tuple[Column, Column]
    went: tuple[Column, Column]
    deposits: tuple[Column, Column]


def _merge(fold: Fold, people: Sequence[int], players: Mapping[int, Player], gains: Gains) -> _Merged:
    months = calendar.months_of(gains.day)
    touched, at = np.unique(gains.who << _MONTH_BITS | months, return_inverse=True)
    who, month = touched >> _MONTH_BITS, touched & ((1 << _MONTH_BITS) - 1)
    old_keys, old_values = _held(fold, people, players, who, month)
    first = calendar.month_starts(month)
    row, figure = np.nonzero(gains.numbers)
    slot = (gains.day[row] - first[at[row]]) * _FIGURES + figure
    keys = np.concatenate((old_keys, at[row] << 8 | slot))
    values = np.concatenate((old_values, gains.numbers[row, figure]))
    keys, values = cells.sum_by(keys, values)
    if len(values) and int(np.abs(values).max()) > cells.LIMIT:
        raise FigureOverflow("a sum of a player is beyond 2^53-1: no figure of ours can hold it")
    before, after = _active(old_keys, old_values), _active(keys, values)
    deposits = (keys[(keys & 7) == cells.OWN_DEPOSITS_COUNT]) >> 3

    def days(places: Column) -> tuple[Column, Column]:
        return who[places >> 5], first[places >> 5] + (places & 31)

    return _Merged(
        who,
        month,
        cells.split(keys >> 8, keys & 255, values, len(touched)),
        days(np.setdiff1d(after, before, assume_unique=True)),
        days(np.setdiff1d(before, after, assume_unique=True)),
        days(deposits),
    )


def _active(keys: Column, values: Column) -> Column:
    """Active days among the numbers of months: index of the month and day of it, in one number, ascending."""
    counts = (values > 0) & np.isin(keys & 7, _COUNTS)
    return np.unique(keys[counts] >> 3)


def _held(
    fold: Fold, people: Sequence[int], players: Mapping[int, Player], who: Column, month: Column
) -> tuple[Column, Column]:
    """What there is of the months that are touched: index of the month and slot in one number, and value."""
    there = [
        (i, people[person], number)
        for i, (person, number) in enumerate(zip(who.tolist(), month.tolist(), strict=True))
        if number in players[people[person]].own.months
    ]
    found = states.months(fold, [(person, number) for _, person, number in there])
    owner, slot, value = cells.columns(found)
    at = np.array([i for i, _, _ in there], np.int64)
    return at[owner] << 8 | slot, value


# -- what follows from them, person by person ------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """A person's state in the making; `looks_back` while it needs days of months that were not touched."""

    before: Player
    after: Own
    months: list[tuple[int, bytes]]
    streak_days: list[int]
    looks_back: bool


def _drafts(
    fold: Fold, people: Sequence[int], players: Mapping[int, Player], gains: Gains, merged: _Merged
) -> dict[int, _Draft]:
    """Drafts by index of the person."""
    present, starts = np.unique(gains.who, return_index=True)
    if not len(present):
        return {}
    sums = np.add.reduceat(gains.numbers, starts, axis=0).tolist()
    deposits_moved = np.logical_or.reduceat(gains.numbers[:, cells.OWN_DEPOSITS_COUNT] != 0, starts).tolist()
    first_days = gains.day[starts].tolist()
    months = _by_person(present, merged.who, list(zip(merged.month.tolist(), merged.cell, strict=True)))
    came, went, deposits = (
        _by_person(present, who, day.tolist()) for who, day in (merged.came, merged.went, merged.deposits)
    )
    drafts = {}
    for n, i in enumerate(present.tolist()):
        draft = drafts[i] = _draft(players[people[i]], sums[n], months[n], came[n], went[n])
        if deposits_moved[n]:
            _move_first_deposit(draft, deposits[n])
        draft.looks_back |= player.needs_history(draft.before.own, draft.after, first_days[n], fold.configuration)
    return drafts


def _by_person(present: Column, who: Column, values: list[Any]) -> list[list[Any]]:
    """The values of each person who is present; `who` is ascending."""
    ends = np.searchsorted(who, np.append(present, present[-1] + 1)).tolist()
    return [values[start:end] for start, end in pairwise(ends)]


def _draft(
    before: Player, gained: list[int], months: list[tuple[int, bytes]], came: list[int], went: list[int]
) -> _Draft:
    own = before.own
    streak_days: list[int] = []
    totals = [held + more for held, more in zip(own.totals, gained, strict=True)]
    if max(totals) > cells.LIMIT:
        raise FigureOverflow(f"a sum of person {before.id} is beyond 2^53-1: no figure of ours can hold it")
    runs = own.runs
    if came or went:
        runs, streak_days = streaks.moved(runs, came, went)
    held = own.months
    if not all(cell and month in held for month, cell in months):
        held = sorted({*held, *(month for month, _ in months)} - {month for month, cell in months if not cell})
    after = Own(
        own.path, own.moving, totals, held, runs, own.first_deposit_on, own.qualification, own.declared_on
    )  # fmt: skip
    return _Draft(before, after, months, streak_days, False)


def _move_first_deposit(draft: _Draft, deposits: Sequence[int]) -> None:
    """From the days with deposits in the months that were touched; when the first is gone, the others have to tell."""
    first = draft.after.first_deposit_on
    touched = [month for month, _ in draft.months]
    if first is not None and first not in deposits and calendar.month_number(calendar.month_key(first)) in touched:
        draft.looks_back = True
    else:
        draft.after.first_deposit_on = min([*deposits, first] if first is not None else deposits, default=None)


def _look_back(fold: Fold, drafts: Iterable[_Draft]) -> None:
    """Decides what hangs on whole histories."""
    late = [draft for draft in drafts if draft.looks_back]
    touched = [{month for month, _ in draft.months} for draft in late]
    wanted = [
        (draft.before.id, month)
        for draft, mine in zip(late, touched, strict=True)
        for month in draft.after.months
        if month not in mine
    ]
    others: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    for (person, month), cell in zip(wanted, states.months(fold, wanted), strict=True):
        others[person].append((month, cell))
    for draft in late:
        days: dict[int, list[int]] = {}
        for month, cell in (*draft.months, *others[draft.before.id]):
            days.update(states.days_of(month, cell))
        draft.after.first_deposit_on = player.first_deposit(days)
        draft.after.qualification = player.qualification(draft.after, days, fold.configuration)


def _finished(draft: _Draft) -> Part:
    before, after = draft.before.own, draft.after
    part = Part(draft.before.id, draft.before.rev, player.pack_state(new_rev(), after))
    part.months = draft.months
    part.streak_days = draft.streak_days
    if before.qualification != after.qualification:
        part.qualified = (draft.before.id, after.qualified_on)
    if (before.qualified_on is None) != (after.qualified_on is None):
        part.members = status_moves(after.path, before.qualified_on is not None, after.qualified_on is not None)
    return part
