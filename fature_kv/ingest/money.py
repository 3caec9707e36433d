"""Deposits, withdrawals, bonuses and bets of a window: what is new, what it does to players, and the chunks of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fature_kv import journal
from fature_kv.domain import calendar, cells, streaks
from fature_kv.domain.player import Outcome, Player, money_effects, outcome_change
from fature_kv.domain.rows import Money, MoneySource
from fature_kv.domain.status import counts
from fature_kv.domain.versions import money_key
from fature_kv.errors import Refused, SeenAlready, Stale
from fature_kv.ingest import boards, moves, parking
from fature_kv.ingest.chunks import Batch, Chunk, Column, Part, VersionChange, sections
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.seen import SeenPages
from fature_kv.ingest.window import Item, Window
from fature_kv.keyspace import VERSION_PAGE
from fature_kv.scripts import Command

_POSITIONS: Mapping[str, tuple[int, int | None]] = {
    "depositos": (cells.OWN_DEPOSITS, cells.OWN_DEPOSITS_COUNT),
    "saque": (cells.OWN_WITHDRAWALS, cells.OWN_WITHDRAWALS_COUNT),
    "bonus": (cells.OWN_BONUS, None),
}


class Bets(NamedTuple):
    """New bets as columns; `place` leads back to the window's items."""

    place: Column
    id: Column
    user: Column
    stake: Column
    win: Column
    at: Column
    day: Column

    def take(self, chosen: Any) -> Bets:
        return Bets(*(column[chosen] for column in self))


class Change(NamedTuple):
    """A money row whose newest version is `item`, over the version held (packed and as a row)."""

    item: Item
    held: bytes | None
    before: Money | None


@dataclass(slots=True)
class Share:
    """What one person gets of a window: own days' gains, and the rows they come from."""

    deltas: dict[int, list[int]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    bets: slice = field(default_factory=lambda: slice(0, 0))

    def gain(self, day: int) -> list[int]:
        return self.deltas.setdefault(day, [0] * len(cells.OWN_FIELDS))


def apply(fold: Fold, window: Window) -> None:
    """Applies the window's money rows; rows that came too early are parked."""
    money, bets = window.pending(window.money), window.pending(window.bets)
    for _ in range(fold.settings.retry_attempts):
        if not money and not bets:
            return
        refused = _attempt(fold, window, money, bets)
        money = [item for item in refused if type(item.row) is Money]
        bets = [item for item in refused if type(item.row) is not Money]
        if refused:
            parking.back_off()
    if money or bets:
        raise _last_refusal(fold, len(money) + len(bets))


def _last_refusal(fold: Fold, rows: int) -> Refused:
    return Refused(
        f"{rows} rows were refused {fold.settings.retry_attempts} times because others wrote the same people; "
        "run the same again (FATURE_RETRY_ATTEMPTS)"
    )


def _attempt(fold: Fold, window: Window, money: list[Item], bets: list[Item]) -> list[Item]:
    """One try; returns the items of chunks that were refused."""
    players = fold.load_players({item.row.user_id for item in (*money, *bets)})
    unfinished = [player for player in players.values() if player.moving]
    if unfinished:
        moves.finish(fold, unfinished)
        players = fold.load_players(players)
    held = _held_versions(fold, money)
    changes, waiting = _newest_versions(fold, window, money, held, players)
    pages = SeenPages(fold, np.array(sorted({item.row.id for item in bets}), np.int64))
    new, more = _new_bets(fold, window, bets, pages, players)
    refused = _park(fold, window, [*waiting, *more])
    parking.settle_duplicates(fold, window, [*money, *bets])
    pages.make_room(new.id)

    tied = [change for change in changes if change.before and change.before.user_id != change.item.row.user_id]
    if tied:
        refused += _run(fold, window, _tied_batch(fold, tied, players), None, pages)
        players = fold.load_players(players)
    straight = [
        change for change in changes if not (change.before and change.before.user_id != change.item.row.user_id)
    ]
    batch, ordered = _batch(fold, straight, new, players)
    return refused + _run(fold, window, batch, ordered, pages)


def _park(fold: Fold, window: Window, items: Sequence[Item]) -> list[Item]:
    """Parks rows that came too early; returns those whose user came meanwhile."""
    early = [item for item in items if fold.is_early(item.row)]
    parking.park_until_due(fold, window, early)
    return parking.park_waiting(fold, window, [item for item in items if not fold.is_early(item.row)])


# -- which rows are new ---------------------------------------------------------------------------------------------


def pack_version(row: Money) -> bytes:
    return msgspec.msgpack.encode((row.user_id, row.amount, row.status, row.created_at, row.updated_at))


def unpack_version(source: MoneySource, row: int, packed: bytes) -> Money:
    user, amount, status, created_at, updated_at = msgspec.msgpack.decode(packed)
    return Money(source, row, user, amount, status, created_at, updated_at)


def _held_versions(fold: Fold, items: Sequence[Item]) -> dict[tuple[str, int], bytes]:
    pages: dict[tuple[str, int], set[int]] = defaultdict(set)
    for item in items:
        pages[item.row.source, item.row.id // VERSION_PAGE].add(item.row.id)
    commands: list[Command] = [
        ("HMGET", fold.keys.versions(source, page), *ids) for (source, page), ids in pages.items()
    ]
    held = {}
    for (source, _), ids, reply in zip(pages, pages.values(), fold.store.pipeline(commands), strict=True):
        held.update({(source, row): packed for row, packed in zip(ids, reply, strict=True) if packed is not None})
    return held


def _newest_versions(
    fold: Fold,
    window: Window,
    items: Sequence[Item],
    held: Mapping[tuple[str, int], bytes],
    players: Mapping[int, Player],
) -> tuple[list[Change], list[Item]]:
    """The newest applicable version of each row, where it is newer than the one held; and newer ones that wait."""
    by_identity: dict[tuple[MoneySource, int], list[Item]] = defaultdict(list)
    for item in items:
        by_identity[item.row.source, item.row.id].append(item)
    changes: list[Change] = []
    waiting: list[Item] = []
    for (source, row), versions in by_identity.items():
        packed = held.get((source, row))
        before = None if packed is None else unpack_version(source, row, packed)
        ready = [i for i in versions if i.row.user_id in players and not fold.is_early(i.row)]
        best = max(ready, key=lambda item: money_key(item.row), default=None)
        if best is not None and before is not None and money_key(best.row) <= money_key(before):
            best = None
        newest = best.row if best is not None else before
        if best is not None:
            changes.append(Change(best, packed, before))
        for item in versions:
            if item is not best and (newest is None or money_key(item.row) > money_key(newest)):
                waiting.append(item)
            elif item is not best:
                window.settle([item], "duplicate")
    return changes, waiting


def _new_bets(
    fold: Fold, window: Window, items: Sequence[Item], pages: SeenPages, players: Mapping[int, Player]
) -> tuple[Bets, list[Item]]:
    """Bets that are not in, the first applicable of each id; and bets that wait."""
    rows = [(item.place, r.id, r.user_id, r.stake, r.win, r.created_at) for item in items for r in (item.row,)]
    place, ids, user, stake, win, at = np.array(rows, np.int64).reshape(-1, 6).T
    known = pages.known(ids)
    there = np.isin(user, np.fromiter(players, np.int64, len(players)))
    ready = ~known & there & (at <= fold.horizon)
    candidates = np.flatnonzero(ready)
    _, first = np.unique(ids[candidates], return_index=True)
    chosen = candidates[np.sort(first)]
    waits = ~known & ~ready & ~np.isin(ids, ids[chosen])
    again = ~waits
    again[chosen] = False
    window.settle([items[i] for i in np.flatnonzero(again).tolist()], "duplicate")
    new = Bets(place, ids, user, stake, win, at, calendar.days_of(at, fold.zone)).take(chosen)
    return new, [items[i] for i in np.flatnonzero(waits).tolist()]


# -- what they do to players ----------------------------------------------------------------------------------------


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


def _tied_batch(fold: Fold, changes: Sequence[Change], players: Mapping[int, Player]) -> Batch:
    """Rows that go from one player to another: all players whom such rows tie together share a chunk."""
    everybody = fold.load_players({c.before.user_id for c in changes if c.before} | set(players))
    batch = Batch()
    for group in _tied_groups(changes):
        shares: dict[int, Share] = defaultdict(Share)
        for change in group:
            _add_change(fold, change, shares.__getitem__)
            shares[change.item.row.user_id].changes.append(change)
        for i, person in enumerate(sorted(shares)):
            part = _add_part(fold, batch, everybody[person], shares[person])
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


def _batch(fold: Fold, changes: Sequence[Change], new: Bets, players: Mapping[int, Player]) -> tuple[Batch, Bets]:
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
    stakes, wins = np.add.reduceat(bets.stake, starts), np.add.reduceat(bets.win, starts)
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
    days = sorted(share.deltas)
    day_of_change = {id(c): fold.day_of(c.item.row.created_at) for c in share.changes}
    parts = []
    for start in range(0, len(days), most):
        first, last = days[start], days[min(start + most, len(days)) - 1]
        mine = slice(
            share.bets.start + int(np.searchsorted(bets.day[share.bets], first)),
            share.bets.start + int(np.searchsorted(bets.day[share.bets], last, side="right")),
        )
        parts.append(Share({day: share.deltas[day] for day in days[start : start + most]}, [], mine))
    return _spread_changes(fold, share.changes, day_of_change, parts)


def _spread_changes(
    fold: Fold, changes: Sequence[Change], day_of_change: Mapping[int, int], parts: list[Share]
) -> list[tuple[Share, bool]]:
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
    return {fold.day_of(row.created_at) for row in (change.before, change.item.row) if _counted(row) is not None}  # type: ignore[union-attr]


def _add_part(fold: Fold, batch: Batch, player: Player, share: Share) -> Part:
    """Decides one part: the player's new state, absolute, and what it adds to ancestors."""
    rev = player.rev
    before = player.outcome
    if share.deltas:
        before = player.add(share.deltas, fold.configuration)
    player.rev += 1
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


def _own_values(part: Part, player: Player, deltas: Iterable[int]) -> None:
    for name, total in zip(cells.OWN_FIELDS, player.totals, strict=True):
        if total:
            part.pairs += [f"own_{name}", total]
        else:
            part.gone.append(f"own_{name}")
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


# -- chunks ---------------------------------------------------------------------------------------------------------


def _run(fold: Fold, window: Window, batch: Batch, bets: Bets | None, pages: SeenPages) -> list[Item]:
    """Applies the batch chunk by chunk; returns the items of those that were refused."""
    if not batch.parts:
        return []
    items = {item.place: item for item in (*window.money, *window.bets)}
    refused: list[Item] = []
    sent: _Sent | None = None
    try:
        # While the server applies a chunk the next one is made ready: each is guarded by what it assumed, so a chunk
        # refused takes those behind it with the same people along, and no others.
        for chunk in batch.cut(fold.configuration, fold.settings.chunk_units):
            ready = _prepare(fold, chunk, items, bets, pages)
            if sent:
                refused += _finish(fold, window, sent)
                boards.keep_up(fold)
            sent = ready._replace(wait=ready.begin())
        if sent:
            refused += _finish(fold, window, sent)
    except BaseException:
        fold.players.clear()  # what was decided may or may not be there
        raise
    boards.keep_up(fold)
    return refused


class _Sent(NamedTuple):
    """A chunk ready to be sent, or on its way: its rows, how to send it, and how to wait for its reply."""

    chunk: Chunk
    held: list[Item]
    begin: Callable[[], Callable[[], Any]]
    wait: Callable[[], Any]


def _finish(fold: Fold, window: Window, sent: _Sent) -> list[Item]:
    """Waits for a chunk; returns its rows when it was refused."""
    try:
        sent.wait()
    except (Stale, SeenAlready):
        fold.players.forget(sent.chunk.people)
        return sent.held
    window.settle(sent.held, "applied")
    return []


def _prepare(fold: Fold, chunk: Chunk, items: Mapping[int, Item], bets: Bets | None, pages: SeenPages) -> _Sent:
    mine = None if bets is None else bets.take(np.concatenate([part.bets for part in chunk.parts]))
    places = [place for part in chunk.parts for place in part.items]
    held = [items[place] for place in (*places, *(() if mine is None else mine.place.tolist()))]
    keys = fold.key_list()
    plan = sections(fold, chunk, keys)
    plan["config"] = str(fold.configuration.revision)
    plan["money"] = True
    plan["seen"] = [] if mine is None else pages.section(mine.id, keys)
    plan["versions"] = _versions_section(fold, chunk, keys)
    plan["unpark"], plan["unquarantine"] = parking.release(fold, held, keys)
    entries = [_journal(fold, chunk, held, mine)]
    return _Sent(chunk, held, lambda: fold.begin("chunk", keys, entries, **plan), lambda: None)


def _versions_section(fold: Fold, chunk: Chunk, keys: Any) -> list[list[Any]]:
    pages: dict[int, list[Any]] = {}
    for change in (change for part in chunk.parts for change in part.money):
        key = keys(fold.keys.versions(change.source, change.id // VERSION_PAGE))
        page = pages.setdefault(key, [key, [], [], []])
        page[1].append(change.id)
        page[2].append(change.held if change.held is not None else False)
        page[3] += [change.id, change.new]
    return list(pages.values())


def _journal(fold: Fold, chunk: Chunk, held: Sequence[Item], bets: Bets | None) -> journal.Entry:
    """The chunk's rows with the versions they replace, and who is qualified by it."""
    body: dict[str, Any] = {
        "money": [[c.source, c.id, c.new, c.held] for part in chunk.parts for c in part.money],
        "qualified": [[part.person, *part.cpa[1:2]] for part in chunk.parts if part.cpa is not None],
    }
    if bets is not None and len(bets.id):
        body["bets"] = [journal.column(column) for column in (bets.id, bets.user, bets.stake, bets.win, bets.at)]
    released = [item.parked.field for item in held if item.parked]
    if released:
        body["released"] = released
    return fold.entry("rows", body)
