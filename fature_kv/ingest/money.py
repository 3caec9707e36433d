"""Deposits, withdrawals, bonuses and bets of a window: what is new, what it does to players, and the chunks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fature_kv import journal
from fature_kv.domain.player import Player
from fature_kv.domain.rows import Money
from fature_kv.errors import FigureOverflow, SeenAlready, Stale
from fature_kv.ingest import boards, moves, parking
from fature_kv.ingest.chunks import Batch, Chunk, sections
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.newest import Bets, held_versions, new_bets, newest_versions
from fature_kv.ingest.seen import SeenPages
from fature_kv.ingest.shares import tied_batch, whole_batch
from fature_kv.ingest.window import Item, Window
from fature_kv.keyspace import VERSION_PAGE


def apply(fold: Fold, window: Window) -> None:
    """Applies the window's money rows; rows that came too early are parked."""
    _apply(fold, window, window.pending([*window.money, *window.bets]))


def _apply(fold: Fold, window: Window, items: list[Item]) -> None:
    """Applies the items; a row that takes a sum beyond what can be held is found by halves, and put aside."""
    try:
        _until_none_is_refused(fold, window, items)
    except FigureOverflow:
        fold.players.clear()
        window.take_back(items, "duplicate")  # a version that gave way to one that can't be held counts after all
        left = window.pending(items)
        if len(left) == 1:
            parking.quarantine(fold, window, [left[0]._replace(row=parking.too_large(left[0].row))])
        else:
            _apply(fold, window, left[: len(left) // 2])
            _apply(fold, window, left[len(left) // 2 :])


def _until_none_is_refused(fold: Fold, window: Window, items: list[Item]) -> None:
    for attempt in range(fold.settings.retry_attempts):
        if not items:
            return
        money = [item for item in items if type(item.row) is Money]
        items = _attempt(fold, window, money, [item for item in items if type(item.row) is not Money])
        if items:
            parking.back_off(attempt)
    if items:
        raise parking.crowded(fold)


def _attempt(fold: Fold, window: Window, money: list[Item], bets: list[Item]) -> list[Item]:
    """One try; returns the items of chunks that were refused."""
    players = _settled_players(fold, {item.row.user_id for item in (*money, *bets)})
    held = held_versions(fold, money)
    changes, waiting = newest_versions(fold, window, money, held, players)
    pages = SeenPages(fold, np.array(sorted({item.row.id for item in bets}), np.int64))
    new, more = new_bets(fold, window, bets, pages, players)
    refused = _park(fold, window, [*waiting, *more])
    parking.settle_duplicates(fold, window, [*money, *bets])
    pages.make_room(new.id)

    tied = [change for change in changes if change.changes_hands]
    if tied:
        players = _settled_players(fold, {change.before.user_id for change in tied if change.before} | set(players))
        refused += _run(fold, window, tied_batch(fold, tied, players), None, pages)
        players = fold.load_players(players)
    straight = [change for change in changes if not change.changes_hands]
    batch, ordered = whole_batch(fold, straight, new, players)
    return refused + _run(fold, window, batch, ordered, pages)


def _settled_players(fold: Fold, people: set[int]) -> dict[int, Player]:
    """States of those who exist; whoever is in the middle of a move is taken to its end first."""
    players = fold.load_players(people)
    unfinished = [player for player in players.values() if player.moving]
    if unfinished:
        moves.finish(fold, unfinished)
        players = fold.load_players(people)
    return players


def _park(fold: Fold, window: Window, items: Sequence[Item]) -> list[Item]:
    """Parks rows that came too early; returns those whose user came meanwhile."""
    early = [item for item in items if fold.is_early(item.row)]
    parking.park_until_due(fold, window, early)
    return parking.park_waiting(fold, window, [item for item in items if not fold.is_early(item.row)])


def _run(fold: Fold, window: Window, batch: Batch, bets: Bets | None, pages: SeenPages) -> list[Item]:
    """Applies the batch chunk by chunk; returns the items of those that were refused."""
    if not batch.parts:
        return []
    items = {item.place: item for item in (*window.money, *window.bets)}
    refused: list[Item] = []
    moved: set[int] = set()
    sent: _Sent | None = None
    try:
        # While the server applies a chunk the next one is made ready: each is guarded by what it assumed, so a chunk
        # refused takes those behind it with the same people along, and no others.
        for chunk in batch.cut(fold.configuration, fold.settings.chunk_units):
            ready = _prepare(fold, chunk, items, bets, pages)
            if sent:
                refused += _finish(fold, window, sent, moved)
                boards.keep_up(fold)
                sent = None
            if moved.isdisjoint(chunk.people):
                sent = ready._replace(wait=ready.begin())
            else:  # decided behind a chunk that was refused: somebody else's write may have made the rev it expects
                fold.players.forget(chunk.people)
                moved.update(chunk.people)
                refused += ready.held
        if sent:
            refused += _finish(fold, window, sent, moved)
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


def _finish(fold: Fold, window: Window, sent: _Sent, moved: set[int]) -> list[Item]:
    """Waits for a chunk; returns its rows when it was refused."""
    try:
        sent.wait()
    except (Stale, SeenAlready):
        fold.players.forget(sent.chunk.people)
        moved.update(sent.chunk.people)
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
