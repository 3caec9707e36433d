"""Deposits, withdrawals, bonuses and bets of a window: what is new, what it does to players, and the chunks of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fature_kv import journal
from fature_kv.errors import FigureOverflow, SeenAlready, Stale
from fature_kv.ingest import moves, parking
from fature_kv.ingest.chunks import Chunk, sections
from fature_kv.ingest.fold import Fold, KeyList
from fature_kv.ingest.gains import Round, rounds
from fature_kv.ingest.newest import held_versions, new_bets, newest_versions, pack_version
from fature_kv.ingest.parts import decide
from fature_kv.ingest.seen import SeenPages
from fature_kv.ingest.sender import Sender
from fature_kv.ingest.states import Player
from fature_kv.ingest.window import Bets, Column, Item, Window
from fature_kv.keyspace import VERSION_PAGE


class _Rows(NamedTuple):
    """Money rows and bets of a window that are yet to be applied."""

    money: list[Item]
    bets: Bets

    @property
    def many(self) -> int:
        return len(self.money) + len(self.bets.id)

    def halves(self) -> tuple[_Rows, _Rows]:
        """The rows in two halves, money first."""
        half = self.many // 2
        behind = max(0, half - len(self.money))
        first = _Rows(self.money[:half], self.bets.take(slice(behind)))
        return first, _Rows(self.money[half:], self.bets.take(slice(behind, None)))


def apply(fold: Fold, window: Window) -> None:
    """Applies the window's money rows; rows that came too early are parked."""
    _apply(fold, window, _pending(window, _Rows(window.money, window.bets)))
    # Not before: a version that gave way waits until the newer one is in, which may turn out too large to be held.
    parking.settle_duplicates(fold, window, window.money, window.bets)


def _pending(window: Window, rows: _Rows) -> _Rows:
    return _Rows(window.pending(rows.money), window.pending_bets(rows.bets))


def _apply(fold: Fold, window: Window, rows: _Rows) -> None:
    """Applies the rows; one that takes a sum beyond what can be held is found by halves, and put aside."""
    try:
        _until_none_is_refused(fold, window, rows)
    except FigureOverflow:
        window.take_back(rows.money, "duplicate")  # a version that gave way to one that can't be held counts after all
        left = _pending(window, rows)
        if left.many == 1:
            (item,) = [*left.money, *window.items(left.bets)]
            parking.quarantine(fold, window, [item._replace(row=parking.too_large(item.row))])
        else:
            for half in left.halves():
                _apply(fold, window, half)


def _until_none_is_refused(fold: Fold, window: Window, rows: _Rows) -> None:
    for attempt in range(fold.settings.retry_attempts):
        if not rows.many:
            return
        _attempt(fold, window, rows)
        rows = _pending(window, rows)
        if rows.many:
            parking.back_off(attempt)
    raise parking.crowded(fold)


def _attempt(fold: Fold, window: Window, rows: _Rows) -> None:
    """One try; rows of chunks that were refused are left without a result."""
    players = moves.settled(fold, {item.row.user_id for item in rows.money} | set(np.unique(rows.bets.user).tolist()))
    changes, waiting = newest_versions(fold, window, rows.money, held_versions(fold, rows.money), players)
    pages = SeenPages(fold, rows.bets.id)
    new, early = new_bets(fold, window, rows.bets, pages, players)
    _park(fold, window, [*waiting, *window.items(early)])
    pages.make_room(new.id)
    before = {change.before.user_id for change in changes if change.before} - players.keys()
    players |= moves.settled(fold, before)
    for turn, part in enumerate(rounds(fold, changes, new, players)):
        if turn:  # some of them were in a round before
            players = moves.settled(fold, set(part.people))
        _run(fold, window, part, players, pages)


def _park(fold: Fold, window: Window, items: Sequence[Item]) -> None:
    """Parks rows that came too early; those whose user came meanwhile are left without a result."""
    early = [item for item in items if fold.is_early(item.row)]
    parking.park_until_due(fold, window, early)
    parking.park_waiting(fold, window, [item for item in items if not fold.is_early(item.row)])


def _run(fold: Fold, window: Window, part: Round, players: dict[int, Player], pages: SeenPages) -> None:
    """Decides the round block by block and applies it chunk by chunk: nobody is in two chunks of a round."""
    with Sender[_Ready](lambda ready: ready.apply(window)) as sender:
        for block in part.blocks():
            batch = decide(fold, block, players)
            for chunk in batch.cut(fold.configuration, fold.settings.chunk_units) if batch.parts else ():
                sender.send(_prepare(fold, window, block, chunk, pages))


class _Ready(NamedTuple):
    """A chunk ready to be sent: places of its rows, and how to apply it."""

    places: Column
    run: Callable[[], Any]

    def apply(self, window: Window) -> None:
        """Applies the chunk; where it is refused its rows are left without a result."""
        try:
            self.run()
        except (Stale, SeenAlready):
            return
        window.settle_places(self.places, "applied")


def _prepare(fold: Fold, window: Window, part: Round, chunk: Chunk, pages: SeenPages) -> _Ready:
    bets = _bets_of(part, chunk)
    items = [change.item for each in chunk.parts for change in each.changes]
    keys, plan = sections(fold, chunk)
    plan["config"] = str(fold.configuration.revision)
    plan["money"] = True
    plan["seen"] = pages.section(bets.id, keys)
    plan["versions"] = _versions_section(fold, chunk, keys)
    special = window.parked or fold.quarantined
    held = [*items, *window.items(bets)] if special else []
    plan["unpark"], plan["unquarantine"] = parking.release(fold, held, keys)
    entries = [_journal(fold, chunk, held, bets)]
    places = np.concatenate((np.array([item.place for item in items], np.int64), bets.place))
    return _Ready(places, lambda: fold.apply("chunk", keys, entries, **plan))


def _bets_of(part: Round, chunk: Chunk) -> Bets:
    """The bets of the chunk's people, who stand side by side."""
    return part.bets.take(slice(chunk.parts[0].bets[0], chunk.parts[-1].bets[1]))


def _versions_section(fold: Fold, chunk: Chunk, keys: KeyList) -> list[list[Any]]:
    pages: dict[int, list[Any]] = {}
    for change in (change for part in chunk.parts for change in part.changes):
        row = change.item.row
        key = keys(fold.keys.versions(row.source, row.id // VERSION_PAGE))
        page = pages.setdefault(key, [key, [], [], []])
        page[1].append(row.id)
        page[2].append(change.held if change.held is not None else False)
        page[3] += [row.id, pack_version(row)]
    return list(pages.values())


def _journal(fold: Fold, chunk: Chunk, held: Sequence[Item], bets: Bets) -> journal.Entry:
    """The chunk's rows with the versions they replace, and who is qualified by it."""
    changes = [change for part in chunk.parts for change in part.changes]
    body: dict[str, Any] = {
        "money": [[c.item.row.source, c.item.row.id, pack_version(c.item.row), c.held] for c in changes],
        "qualified": [list(part.qualified) for part in chunk.parts if part.qualified],
    }
    if len(bets.id):
        body["bets"] = [journal.column(column) for column in bets[1:]]
    released = [item.parked.field for item in held if item.parked]
    if released:
        body["released"] = released
    return fold.entry("rows", body)
