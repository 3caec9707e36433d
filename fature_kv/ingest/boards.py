"""Leaderboards follow the figures: a flush reads what chunks marked, computes absolute scores, and writes them.

One flush at a time per tenant, under a fencing token; each write is a transaction that fails when the token is no
longer its own. Marks are taken off the list only by the write that covers them, so a flusher may die anywhere and the
next does the same again. Reading after the marks were made is enough: whatever changes later has marked itself again,
behind these. Scores: fature_kv/ingest/scores.py.
"""

from __future__ import annotations

import gc
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np

from fature_kv.errors import FatureError, Fenced
from fature_kv.ingest.fold import Fold, new_version
from fature_kv.ingest.marks import Marks, unpack_marks
from fature_kv.ingest.scores import Scores, scores_of
from fature_kv.scripts import Command
from fature_kv.store import Store

_MARKS_AT_ONCE = 2000
_MEMBERS_AT_ONCE = 1200
_LIFETIME_MS = 1000
_LONGEST_LIFETIME_MS = 60_000
_POLL_S = 0.002


def follow(fold: Fold) -> None:
    """Returns when every mark there was at the call is on the boards, by this flusher or another."""
    token = secrets.token_hex(8)
    lifetime_ms = _LIFETIME_MS
    target = None
    while True:
        waiting, flushed = fold.store.pipeline([("LLEN", fold.keys.dirty), ("HGET", fold.keys.state, "flushed")])
        flushed = int(flushed or 0)
        target = flushed + waiting if target is None else target
        if not waiting or flushed >= target:
            return
        if fold.store.write("flush", "SET", fold.keys.flush, token, "NX", "PX", lifetime_ms):
            try:
                while _flush(fold, token, lifetime_ms):
                    pass
            except Fenced:
                lifetime_ms = min(2 * lifetime_ms, _LONGEST_LIFETIME_MS)  # too slow for its token: give it longer
            except BaseException:
                fold.store.transaction(fold.keys.flush, token.encode(), [("DEL", fold.keys.flush)])
                raise
        else:
            time.sleep(_POLL_S)


@contextmanager
def following(store: Store, writer: Callable[[], Fold | None], every_s: float) -> Iterator[None]:
    """Boards follow in a thread of their own, on a connection of their own, while the block writes figures.

    `writer` tells which fold writes just now. An error in there is left to the flush at the end of the run, which meets
    it again. Meanwhile Python looks for no cycles among its objects: there are none of ours, and looking through a
    large forest took a sixth of the time.
    """
    done = threading.Event()
    own = store.another()

    def work() -> None:
        while not done.wait(every_s):
            if fold := writer():
                try:
                    follow(fold.beside(own))
                except FatureError:
                    own.close()

    thread = threading.Thread(target=work, name="boards", daemon=True)
    thread.start()
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        done.set()
        thread.join()
        own.close()


def _flush(fold: Fold, token: str, lifetime_ms: int) -> bool:
    """Writes some of what is marked; whether there may be more. Each write is durable before the next, so they are few:
    the last one takes the marks off as well and, when it was all, lets go of the boards."""
    packed = fold.store.call("LRANGE", fold.keys.dirty, 0, _MARKS_AT_ONCE - 1)
    more = len(packed) == _MARKS_AT_ONCE
    last: list[Command] = [
        ("LTRIM", fold.keys.dirty, len(packed), -1),
        ("HINCRBY", fold.keys.state, "flushed", len(packed)),
        *([] if more else [("DEL", fold.keys.flush)]),
    ]
    writes = chain.from_iterable(map(_writes, scores_of(fold, _together(packed)))) if packed else iter(())
    held: list[Command] = next(writes, [])
    for commands in writes:
        _write(fold, token, lifetime_ms, held)
        held = commands
    _write(fold, token, lifetime_ms, [*held, *last])
    return more


def _together(packed: Sequence[bytes]) -> Marks:
    return Marks(*(np.concatenate(column) for column in zip(*map(unpack_marks, packed), strict=True)))


def _write(fold: Fold, token: str, lifetime_ms: int, commands: list[Command]) -> None:
    beside: list[Command] = [
        ("PEXPIRE", fold.keys.flush, lifetime_ms),
        ("HSET", fold.tenant.control, "version", new_version()),  # what can be read is another thing now
    ]
    if not fold.store.transaction(fold.keys.flush, token.encode(), [*beside, *commands]):
        raise Fenced("another flusher took over")


def _writes(scores: Iterable[Scores]) -> Iterator[list[Command]]:
    """Commands that write boards, sorted by score and so many members together that no transaction is long."""
    commands: list[Command] = []
    room = _MEMBERS_AT_ONCE
    for board, members, figures in scores:
        order = np.argsort(-figures, kind="stable")
        negated, sorted_members = (-figures[order]).tolist(), [members[i] for i in order.tolist()]
        start = 0
        while start < len(negated):
            end = min(len(negated), start + room)
            commands += _board(board, negated[start:end], sorted_members[start:end])
            room -= end - start
            start = end
            if not room:
                yield commands
                commands, room = [], _MEMBERS_AT_ONCE
    if commands:
        yield commands


def _board(board: str, negated: list[int], members: list[str]) -> list[Command]:
    gone = [member for score, member in zip(negated, members, strict=True) if not score]
    if not gone:
        words: list[int | str] = [0] * (2 * len(members))
        words[::2], words[1::2] = negated, members
        return [("ZADD", board, *words)]
    listed = [word for score, member in zip(negated, members, strict=True) if score for word in (score, member)]
    return [*([("ZADD", board, *listed)] if listed else []), ("ZREM", board, *gone)]
