"""Late links and moves: a person's history goes from the path it was folded under to the one the forest has now.

A link queues only the person it hung (`moves`). Whoever drains the queue expands it four levels down and moves each
person whose recorded path differs: one chunk takes the whole history along, or some months of it where it is long
(`moving` then tells how far it is). So nothing is half of a person but by days, and whoever comes next goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

import msgspec
import numpy as np

from fature_kv.domain import calendar, cells, player
from fature_kv.domain.player import Own
from fature_kv.errors import FigureOverflow, Stale, TreeMoved
from fature_kv.ingest import parking, states
from fature_kv.ingest.chunks import Batch, MemberMove, Part, sections, status_word
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.states import Player, new_rev
from fature_kv.ingest.window import Column
from fature_kv.scripts import script

_log = logging.getLogger(__name__)
_PEOPLE_AT_ONCE = 5000
_MONTH_WEIGHT = 8
"""What a month of a history weighs on one ancestor, in units of a chunk: the record, the month, and its days."""
_TO_ANCESTORS = {cells.OWN_DEPOSITS: cells.DEPOSITS, cells.OWN_BETS: cells.BETS, cells.OWN_WINS: cells.WINS}


def drain(fold: Fold) -> int:
    """Moves everybody who waits for it; returns how many people were moved.

    A person whose history would take an ancestor's sum beyond what can be held stays queued, and stops nobody else.
    """
    moved = 0
    for attempt in range(fold.settings.retry_attempts):
        queued = fold.store.call("HGETALL", fold.keys.moves)
        if not queued:
            return moved
        forest = fold.sync_forest()
        places = dict(zip(map(int, queued[::2]), queued[1::2], strict=True))
        people = dict.fromkeys(person for root in places for person in forest.within_reach(root))
        order = forest.in_depth_first_order(people)
        stuck: set[int] = set()
        try:
            for start in range(0, len(order), _PEOPLE_AT_ONCE):
                moved += _move(fold, order[start : start + _PEOPLE_AT_ONCE], stuck)
        except TreeMoved:
            parking.back_off(attempt)
            continue
        done = [root for root in places if stuck.isdisjoint(forest.within_reach(root))] if stuck else list(places)
        words = [fold.generation, int(fold.building), *(word for root in done for word in (root, places[root]))]
        fold.store.run(script("moved"), [fold.tenant.control, fold.keys.moves], words)
        if stuck:
            return moved
    raise parking.crowded(fold)


def settled(fold: Fold, people: Iterable[int]) -> dict[int, Player]:
    """States of those who exist; whoever is in the middle of a move is taken to its end first."""
    asked = list(people)
    players = states.load(fold, asked)
    unfinished = [player.id for player in players.values() if player.own.moving]
    if unfinished:
        _retry(fold, unfinished, to_present_path=False)
        players = states.load(fold, asked)
    return players


def _move(fold: Fold, people: Sequence[int], stuck: set[int]) -> int:
    """Takes the people's histories to their present paths; who can't be moved is found by halves, and told."""
    try:
        return _retry(fold, people, to_present_path=True)
    except FigureOverflow as error:
        if len(people) == 1:
            _log.warning("the history of person %d can't go to its sponsors: %s", people[0], error)
            stuck.update(people)
            return 0
        half = len(people) // 2
        return _move(fold, people[:half], stuck) + _move(fold, people[half:], stuck)


def _retry(fold: Fold, people: Sequence[int], *, to_present_path: bool) -> int:
    """Rounds until everybody is where they belong: in each, a person's whole history or a slice of it."""
    moved: set[int] = set()
    attempt = 0
    while people:
        players = states.load(fold, people)
        # A move that was begun goes where it was going, since half of the history is there already.
        targets = {
            player.id: player.own.moving[1] if player.own.moving else fold.forest.path(player.id)
            for player in players.values()
            if player.own.moving or to_present_path
        }
        going = [
            players[p] for p in people if p in targets and (players[p].own.moving or targets[p] != players[p].own.path)
        ]
        batch, again = _batch(fold, going, targets, to_present_path=to_present_path)
        refused = _run(fold, batch, guard_tree=to_present_path)
        moved.update(player.id for player in going)
        people = list(dict.fromkeys([*again, *refused]))
        if refused:
            attempt += 1
            if attempt == fold.settings.retry_attempts:
                raise parking.crowded(fold)
            parking.back_off(attempt)
    return len(moved)


def _run(fold: Fold, batch: Batch, *, guard_tree: bool) -> list[int]:
    """Applies the batch; returns the people whose chunks were refused."""
    refused: list[int] = []
    for chunk in batch.cut(fold.configuration, fold.settings.chunk_units) if batch.parts else ():
        keys, plan = sections(fold, chunk)
        plan["config"] = str(fold.configuration.revision)
        plan["tree"] = fold.forest.version if guard_tree else False
        try:
            fold.apply("chunk", keys, seen=[], versions=[], money=False, **plan)
        except Stale:
            refused += chunk.people
    return refused


class _Slice(NamedTuple):
    """What of a person's history goes along in one chunk: months behind the last slice; all that is left, or not."""

    months: list[int]
    after: int
    through: int | None
    """The last day that goes along; None when nothing is left behind it."""


def _batch(
    fold: Fold, going: Sequence[Player], targets: Mapping[int, tuple[int, ...]], *, to_present_path: bool
) -> tuple[Batch, list[int]]:
    """A part for each person, and those who are not where they belong after it."""
    slices = [_slice(fold, player.own, targets[player.id]) for player in going]
    history = _history(fold, going, slices)
    tracked_on = _tracked_on(fold, going)
    batch, again = Batch(), []
    olds, news = [], []
    for i, (person, piece) in enumerate(zip(going, slices, strict=True)):
        target = targets[person.id]
        old, new = _changed(person.own.path, target)
        olds.append(batch.add(_part(person, target, piece), old))
        news.append(batch.add_path(new))
        effects = [e for e in player.effects(person.own, tracked_on[person.id]) if _lies_in(piece, e.day)]
        batch.add_effects(i, olds[i], effects, sign=-1)
        batch.add_effects(i, news[i], effects)
        if piece.through is not None or (to_present_path and person.own.moving):
            again.append(person.id)
    who, day, values = history
    batch.add_rows(who, np.array(olds, np.int64)[who], day, -values)
    batch.add_rows(who, np.array(news, np.int64)[who], day, values)
    return batch, again


def _changed(path: tuple[int, ...], target: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Both paths with 0 for levels that stay as they are."""
    pairs = [(0, 0) if old == new else (old, new) for old, new in zip_longest(path, target, fillvalue=0)]
    return tuple(old for old, _ in pairs), tuple(new for _, new in pairs)


def _slice(fold: Fold, own: Own, target: tuple[int, ...]) -> _Slice:
    changed = sum(old != new for old, new in zip_longest(own.path, target, fillvalue=0))
    after = own.moving[0] if own.moving else -1
    left = [month for month in own.months if calendar.month_start(month + 1) - 1 > after]
    most = max(1, 2 * fold.settings.chunk_units // (_MONTH_WEIGHT * max(1, 2 * changed)))
    if len(left) <= most:
        return _Slice(left, after, None)
    return _Slice(left[:most], after, calendar.month_start(left[most - 1] + 1) - 1)


def _lies_in(piece: _Slice, day: int) -> bool:
    return piece.after < day and (piece.through is None or day <= piece.through)


def _history(fold: Fold, going: Sequence[Player], slices: Sequence[_Slice]) -> tuple[Column, Column, Column]:
    """Days that go along: index of the person, day, and a column a metric."""
    wanted = [(i, month) for i, piece in enumerate(slices) for month in piece.months]
    found = states.months(fold, [(going[i].id, month) for i, month in wanted])
    owner, slot, value = cells.columns(found)
    who = np.array([i for i, _ in wanted], np.int64)[owner]
    first = calendar.month_starts(np.array([month for _, month in wanted], np.int64))[owner]
    day, figure = first + slot // len(cells.OWN_FIELDS), slot % len(cells.OWN_FIELDS)
    rows, at = np.unique(who << 20 | day, return_inverse=True)
    values = np.zeros((len(rows), len(cells.METRICS)), np.int64)
    for own, metric in _TO_ANCESTORS.items():
        mine = figure == own
        values[at[mine], metric] = value[mine]
    return rows >> 20, rows & ((1 << 20) - 1), values


def _tracked_on(fold: Fold, going: Sequence[Player]) -> dict[int, int | None]:
    """The day of each person's link."""
    replies = fold.store.pipeline([("HGET", fold.keys.affiliate(person.id), "tracked_at") for person in going])
    return {
        person.id: None if held is None else fold.day_of(int(held)) for person, held in zip(going, replies, strict=True)
    }


def _part(person: Player, target: tuple[int, ...], piece: _Slice) -> Part:
    """The person's new state, and with the first slice the places on ancestors' lists."""
    moving = None if piece.through is None else (piece.through, target)
    path = target if moving is None else person.own.path
    after = msgspec.structs.replace(person.own, path=path, moving=moving)
    part = Part(person.id, person.rev, player.pack_state(new_rev(), after))
    if not person.own.moving:
        part.members = _member_moves(person.own, target)
    return part


def _member_moves(own: Own, target: tuple[int, ...]) -> list[MemberMove]:
    status = status_word(own.qualification is not None)
    moves = []
    for level, (old, new) in enumerate(zip_longest(own.path, target, fillvalue=0), start=1):
        if old != new:
            moves += [MemberMove("ZREM", old, level, status)] if old else []
            moves += [MemberMove("ZADD", new, level, status)] if new else []
    return moves
