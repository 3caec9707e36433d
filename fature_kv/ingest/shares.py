"""What a window's new rows do to players: each one's share, decided into parts of chunks.

A row moves figures by exactly the difference between the version that counted and the one that counts now. A heavy
player is split by whole days; players whom one row ties together (it goes from one to the other) share a chunk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from fature_kv.domain import calendar, cells, streaks
from fature_kv.domain.player import Outcome, Player, money_effects, outcome_change
from fature_kv.domain.rows import Money
from fature_kv.domain.status import counts
from fature_kv.ingest import moves
from fature_kv.ingest.chunks import Batch, Column, Part, VersionChange
from fature_kv.ingest.fold import Fold, next_rev
from fature_kv.ingest.newest import Bets, Change, pack_version

_POSITIONS: Mapping[str, tuple[int, int | None]] = {
    "depositos": (cells.OWN_DEPOSITS, cells.OWN_DEPOSITS_COUNT),
    "saque": (cells.OWN_WITHDRAWALS, cells.OWN_WITHDRAWALS_COUNT),
    "bonus": (cells.OWN_BONUS, None),
}


@dataclass(slots=True)
class Share:
    """What one person gets of a window: own days' gains, and the rows they come from."""

    deltas: dict[int, list[int]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    bets: slice = field(default_factory=lambda: slice(0, 0))

    def gain(self, day: int) -> list[int]:
        return self.deltas.setdefault(day, [0] * len(cells.OWN_FIELDS))


def _counted(row: Money | None) -> Money | None:
    return row if row is not None and counts(row.status) else None


def _add_change(fold: Fold, change: Change, share_of: Any) -> None:
    """Moves figures by exactly the difference: the old version out of its day and player, the new one in."""
    for row, sign in ((_counted(change.before), -1), (_counted(change.item.row), 1)):
        if row is not None:
            amount_at, count_at = _POSITIONS[row.source]
            gain = share_of(row.user_id).gain(fold.day_of(row.created_at))
            gain[amount_at] += sign * row.amount
            if count_at is not None:
                gain[count_at] += sign


def tied_batch(fold: Fold, changes: Sequence[Change], players: Mapping[int, Player]) -> Batch:
    """Rows that go from one player to another: all players whom such rows tie together share a chunk."""
    batch = Batch()
    for group in _tied_groups(changes):
        shares: dict[int, Share] = defaultdict(Share)
        for change in group:
            _add_change(fold, change, shares.__getitem__)
            shares[change.item.row.user_id].changes.append(change)
        for i, person in enumerate(sorted(shares)):
            part = _add_part(fold, batch, players[person], shares[person])
            part.alone, part.tied = i == 0, i > 0
    return batch


def _tied_groups(changes: Sequence[Change]) -> list[list[Change]]:
    leader: dict[int, int] = {}

    def find(person: int) -> int:
        while leader.setdefault(person, person) != person:
            person = leader[person]
        return person

    for change in changes:
        assert change.before is not None
        leader[find(change.before.user_id)] = find(change.item.row.user_id)
    groups: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        groups[find(change.item.row.user_id)].append(change)
    return list(groups.values())


def whole_batch(fold: Fold, changes: Sequence[Change], new: Bets, players: Mapping[int, Player]) -> tuple[Batch, Bets]:
    """Parts of everybody whom the window touches, in depth-first order; and the bets in the order of the parts."""
    shares: dict[int, Share] = defaultdict(Share)
    for change in changes:
        _add_change(fold, change, shares.__getitem__)
        shares[change.item.row.user_id].changes.append(change)
    people = set(shares) | set(np.unique(new.user).tolist())
    order = fold.forest.in_depth_first_order(people)
    place = {person: i for i, person in enumerate(order)}
    ranks = np.array([place[user] for user in new.user.tolist()], np.int64)
    by_player = np.lexsort((new.day, ranks))
    ordered, ranks = new.take(by_player), ranks[by_player]
    _share_bets(order, ordered, ranks, shares)

    batch = Batch()
    for person in order:
        for share, alone in _split(fold, players[person], shares[person], ordered):
            _add_part(fold, batch, players[person], share).alone = alone
    return batch, ordered


def _share_bets(order: Sequence[int], bets: Bets, ranks: Column, shares: dict[int, Share]) -> None:
    """Adds the sums of each player's bets by day to the shares; bets come sorted by player and day."""
    if not len(ranks):
        return
    changed = np.concatenate(([True], (ranks[1:] != ranks[:-1]) | (bets.day[1:] != bets.day[:-1])))
    starts = np.flatnonzero(changed)
    ends = np.append(starts[1:], len(ranks))
    stakes, wins = cells.sum_runs(bets.stake, starts), cells.sum_runs(bets.win, starts)
    groups = zip(
        ranks[starts].tolist(), bets.day[starts].tolist(), stakes.tolist(), wins.tolist(),
        starts.tolist(), ends.tolist(), strict=True,
    )  # fmt: skip
    for rank, day, stake, win, start, end in groups:
        share = shares[order[rank]]
        gain = share.gain(day)
        gain[cells.OWN_BETS] += stake
        gain[cells.OWN_BETS_COUNT] += end - start
        gain[cells.OWN_WINS] += win
        share.bets = slice(share.bets.start if share.bets.stop else start, end)


def _split(fold: Fold, player: Player, share: Share, bets: Bets) -> list[tuple[Share, bool]]:
    """The share itself, or for a heavy player several by whole days, each of them a chunk of its own."""
    most = max(1, fold.settings.chunk_units // (2 + len(player.path)))
    if len(share.deltas) <= most and len(share.changes) <= fold.settings.chunk_units:
        return [(share, False)]
    if not share.deltas:  # rows that count for nothing: they only have to be remembered
        rows = range(0, len(share.changes), fold.settings.chunk_units)
        return [(Share({}, share.changes[start : start + fold.settings.chunk_units]), True) for start in rows]
    days = sorted(share.deltas)
    parts = []
    for start in range(0, len(days), most):
        first, last = days[start], days[min(start + most, len(days)) - 1]
        mine = slice(
            share.bets.start + int(np.searchsorted(bets.day[share.bets], first)),
            share.bets.start + int(np.searchsorted(bets.day[share.bets], last, side="right")),
        )
        parts.append(Share({day: share.deltas[day] for day in days[start : start + most]}, [], mine))
    return _spread_changes(fold, share.changes, parts)


def _spread_changes(fold: Fold, changes: Sequence[Change], parts: list[Share]) -> list[tuple[Share, bool]]:
    """Gives each row to a part; a row that moves between days of two parts makes these one."""
    part_of = {day: i for i, part in enumerate(parts) for day in part.deltas}
    merged = list(range(len(parts)))
    homes: list[tuple[Change, int]] = []
    for change in changes:
        touched = {part_of[d] for d in _days_of(fold, change) if d in part_of} or {0}
        low, high = min(touched), max(touched)
        homes.append((change, low))
        for i in range(low + 1, high + 1):
            merged[i] = i - 1
    for i in range(len(parts)):
        merged[i] = i if merged[i] == i else merged[merged[i]]
    whole: dict[int, Share] = {}
    for i, part in enumerate(parts):
        if merged[i] == i:
            whole[i] = part
        else:
            home = whole[merged[i]]
            home.deltas.update(part.deltas)
            home.bets = slice(home.bets.start, max(home.bets.stop, part.bets.stop))
    for change, i in homes:
        whole[merged[i]].changes.append(change)
    return [(part, True) for part in whole.values()]


def _days_of(fold: Fold, change: Change) -> set[int]:
    counted = map(_counted, (change.before, change.item.row))
    return {fold.day_of(row.created_at) for row in counted if row is not None}


def _add_part(fold: Fold, batch: Batch, player: Player, share: Share) -> Part:
    """Decides one part: the player's new state, absolute, and what it adds to ancestors."""
    rev = player.rev
    before = player.outcome
    if share.deltas:
        before = player.add(share.deltas, fold.configuration)
    player.rev = next_rev(rev)
    part = Part(player.id, rev, ["rev", player.rev])
    part.bets = np.arange(share.bets.start, share.bets.stop)
    part.money = [
        VersionChange(c.item.row.source, c.item.row.id, c.held, pack_version(c.item.row)) for c in share.changes
    ]
    part.items = [c.item.place for c in share.changes]
    _own_values(part, player, share.deltas)
    _outcome_values(part, player, before)
    batch.parts.append(part)
    number, path = len(batch.parts) - 1, batch.add_path(player.path)
    for day, delta in share.deltas.items():
        batch.add_effects(number, path, money_effects(day, delta))
    batch.add_effects(number, path, outcome_change(before, player.outcome))
    return part


def _own_values(part: Part, player: Player, deltas: Mapping[int, Sequence[int]]) -> None:
    for i, moved in enumerate(map(any, zip(*deltas.values(), strict=True))):
        if moved:
            _value(part, f"own_{cells.OWN_FIELDS[i]}", player.totals[i] or None)
    for day in deltas:
        own = player.days.get(day)
        if own is None:
            part.own_gone.append(day)
        else:
            part.own_pairs += [day, cells.pack_own(own)]


def _outcome_values(part: Part, player: Player, before: Outcome) -> None:
    after = player.outcome
    if after.runs != before.runs:
        part.runs = streaks.pack_runs(after.runs)
        part.streak_days = streaks.changed_days(before.runs, after.runs)
        last = sum(after.runs[-1]) - 1 if after.runs else None
        _day_value(part, "first_active_on", after.runs[0][0] if after.runs else None)
        _day_value(part, "last_active_on", last)
        active = sum(length for _, length in after.runs)
        _value(part, "days_active", active or None)
    if after.first_deposit_on != before.first_deposit_on:
        _day_value(part, "first_deposit_on", after.first_deposit_on)
    if after.qualification != before.qualification:
        _day_value(part, "qualified_on", after.qualified_on)
        part.cpa = _cpa_values(after)
    if (after.qualified_on is None) != (before.qualified_on is None):
        part.members = moves.status_moves(player.path, before.qualified_on is not None, after.qualified_on is not None)


def _cpa_values(outcome: Outcome) -> list[Any]:
    met = outcome.qualification
    if met is None:
        return []
    sums = [word for name, value in met.sums.items() for word in (name, value)]
    criteria = msgspec.json.encode(met.criteria)
    return ["qualified_on", calendar.day_text(met.day), "criteria", criteria, *sums]


def _value(part: Part, name: str, value: Any) -> None:
    if value is None:
        part.gone.append(name)
    else:
        part.pairs += [name, value]


def _day_value(part: Part, name: str, day: int | None) -> None:
    _value(part, name, None if day is None else calendar.day_text(day))
