"""Late links and moves: a person's history goes from the path it was folded under to the one the forest has now.

A link queues only the person it hung (`moves`). Whoever drains the queue expands it four levels down and moves each
person whose recorded path differs: one chunk takes the whole history along, or whole days of it where it is long
(`moving` then tells how far it is). So nothing is half of a person but by days, and whoever comes next goes on.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from fature_kv.domain.player import Effect, Player
from fature_kv.errors import FigureOverflow, Stale, TreeMoved
from fature_kv.ingest import parking
from fature_kv.ingest.chunks import Batch, MemberMove, Part, sections
from fature_kv.ingest.fold import Fold, next_rev, path_text
from fature_kv.scripts import script

_log = logging.getLogger(__name__)
_PEOPLE_AT_ONCE = 5000


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


def finish(fold: Fold, players: Sequence[Player]) -> None:
    """Ends moves that somebody began and left."""
    _retry(fold, [player.id for player in players], to_present_path=False)


def _move(fold: Fold, people: Sequence[int], stuck: set[int]) -> int:
    """Takes the people's histories to their present paths; who can't be moved is found by halves, and told."""
    try:
        return _retry(fold, people, to_present_path=True)
    except FigureOverflow as error:
        fold.players.clear()
        if len(people) == 1:
            _log.warning("the history of person %d can't go to its sponsors: %s", people[0], error)
            stuck.update(people)
            return 0
        half = len(people) // 2
        return _move(fold, people[:half], stuck) + _move(fold, people[half:], stuck)


def _retry(fold: Fold, people: Sequence[int], *, to_present_path: bool) -> int:
    moved = 0
    for attempt in range(fold.settings.retry_attempts):
        if not people:
            return moved
        players = fold.load_players(people)
        batch = Batch()
        unfinished = []
        for player in (players[person] for person in people if person in players):
            # A move that was begun goes where it was going, since half of the history is there already.
            target = player.moving[1] if player.moving else player.path
            if to_present_path and player.moving:
                unfinished.append(player.id)
            elif to_present_path:
                target = fold.forest.path(player.id)
            if target != player.path or player.moving:
                _add_moves(fold, batch, player, target)
                moved += 1
        refused = _run(fold, batch, guard_tree=to_present_path)
        if refused:
            parking.back_off(attempt)
        people = list(dict.fromkeys([*unfinished, *refused]))
    raise parking.crowded(fold)


def _run(fold: Fold, batch: Batch, *, guard_tree: bool) -> list[int]:
    """Applies the batch; returns the people whose chunks were refused."""
    refused: list[int] = []
    if not batch.parts:
        return refused
    for chunk in batch.cut(fold.configuration, fold.settings.chunk_units):
        if not set(refused).isdisjoint(chunk.people):  # decided behind a chunk that was refused (money.py)
            fold.players.forget(chunk.people)
            refused += chunk.people
            continue
        keys = fold.key_list()
        plan = sections(fold, chunk, keys)
        plan["config"] = str(fold.configuration.revision)
        plan["tree"] = fold.forest.version if guard_tree else False
        try:
            fold.apply("chunk", keys, seen=[], versions=[], money=False, **plan)
        except Stale:
            fold.players.forget(chunk.people)
            refused += chunk.people
        except BaseException:
            fold.players.clear()
            raise
    return list(dict.fromkeys(refused))


def _add_moves(fold: Fold, batch: Batch, player: Player, target: tuple[int, ...]) -> None:
    """Parts that take a history from its path to another, several by whole days where it is long."""
    by_day: dict[int, list[Effect]] = defaultdict(list)
    for effect in player.effects():
        by_day[effect.day].append(effect)
    days = sorted(by_day)
    if player.moving:
        days = [day for day in days if day > player.moving[0]]
    changed = sum(old != new for old, new in zip_longest(player.path, target, fillvalue=0))
    most = max(1, fold.settings.chunk_units // max(1, 2 * changed))
    slices = [days[start : start + most] for start in range(0, len(days), most)] or [[]]
    old, new = batch.add_path(player.path), batch.add_path(target)
    for i, some in enumerate(slices):
        part = Part(player.id, player.rev, [], alone=len(slices) > 1)
        player.rev = next_rev(player.rev)
        part.pairs = ["rev", player.rev]
        if i == 0 and not player.moving:
            part.members = _member_moves(player, target)
        if i == len(slices) - 1:
            part.pairs += ["path", path_text(target)] if target else []
            part.gone += ["moving"] if target else ["moving", "path"]
        else:
            part.pairs += ["moving", f"{some[-1]}|{path_text(target)}"]
        batch.parts.append(part)
        effects = [effect for day in some for effect in by_day[day]]
        batch.add_effects(len(batch.parts) - 1, old, effects, sign=-1)
        batch.add_effects(len(batch.parts) - 1, new, effects)
    player.path, player.moving = target, None


def _status(qualified: bool) -> str:
    return "validated" if qualified else "pending"


def _member_moves(player: Player, target: tuple[int, ...]) -> list[MemberMove]:
    status = _status(player.outcome.qualification is not None)
    moves = []
    for level, (old, new) in enumerate(zip_longest(player.path, target, fillvalue=0), start=1):
        if old != new:
            moves += [MemberMove("ZREM", old, level, status)] if old else []
            moves += [MemberMove("ZADD", new, level, status)] if new else []
    return moves


def status_moves(path: Iterable[int], before: bool, after: bool) -> list[MemberMove]:
    """A person goes from the pending to the validated list of each ancestor, or back."""
    return [
        move
        for level, affiliate in enumerate(path, start=1)
        for move in (
            MemberMove("ZREM", affiliate, level, _status(before)),
            MemberMove("ZADD", affiliate, level, _status(after)),
        )
    ]
