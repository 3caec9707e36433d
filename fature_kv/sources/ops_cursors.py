"""How far an operations database was read, and from where the next `sync` reads again (DOMAIN.md, law 7).

Ids are given out when a row is written and become visible when it is committed, so a lower id may appear after higher
ones. What was visible at an instant S is a `Mark`: the highest id and the latest time of change. Whoever had an id
below it had begun by S, so all of them were read once a read has ended that began a whole overlap after S; only then
reading goes on behind that mark. Before the first mark is that old, rows tell by their own times. Instants of marks are
those of the database's clock. A read of all rows begins afresh: a database that was restored may give out lower ids.

    read 1 at 9:00   highest id 500    floor 0 .. 500 by the rows' times
    read 2 at 9:30   highest id 800    floor stays: marks 9:00/500, 9:30/800
    read 3 at 10:00  highest id 900    floor 500: everything up to 500 was committed by 10:00, and has been read
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from fature_kv.domain.calendar import MINUTE
from fature_kv.domain.rows import Source
from fature_kv.keyspace import TenantKeys
from fature_kv.store import Store

_MARKS: Final = 16
"""Marks are kept so far apart that about this many lie within an overlap."""
_NOTHING: Final = 0


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What was there at an instant: the highest id, and the latest time of change (0 for none)."""

    at: int
    id: int
    time: int


class Seen(msgspec.Struct, frozen=True):
    """What a read saw: when it began, its highest id and latest time of change, and the highest id of a row that was
    older than the overlap by its own time."""

    at: int
    id: int
    time: int
    settled_id: int


class Cursor(msgspec.Struct, frozen=True):
    """Rows above `id`, or changed after `time`, may be new. `mapping` is the revision that all were read by."""

    mapping: int
    id: int
    time: int
    marks: list[Mark]


def advanced(before: Cursor | None, seen: Seen, overlap_us: int, mapping: int) -> Cursor:
    """The cursor after a read that was carried out in full; None before a read of all rows."""
    if before is None:
        time = max(_NOTHING, min(seen.time, seen.at) - overlap_us)
        return Cursor(mapping, seen.settled_id, time, [Mark(seen.at, seen.id, seen.time)])
    last = before.marks[-1]
    mark = Mark(seen.at, max(seen.id, last.id), max(seen.time, last.time))
    old = [each for each in before.marks if each.at + overlap_us <= seen.at]
    id_, time = before.id, before.time
    if old:
        id_ = max(id_, old[-1].id)
        # A time that is cut to seconds, or by another clock, may not yet have passed when the mark was made.
        time = max(time, min(old[-1].time, old[-1].at - MINUTE))
    kept = before.marks[max(0, len(old) - 1) :]
    if mark.at - last.at >= overlap_us // _MARKS:
        kept = [*kept, mark]
    return Cursor(mapping, id_, time, kept)


def database_digest(*names: object) -> str:
    """A name for a database that tells nothing of where it is."""
    return hashlib.blake2b("\0".join(map(str, names)).encode(), digest_size=8).hexdigest()


class _Held(msgspec.Struct, frozen=True):
    """A cursor as it is kept, with the generation that the rows went into."""

    generation: int
    cursor: Cursor


def read(store: Store, keys: TenantKeys, generation: int, source: Source, database: str) -> Cursor | None:
    """How far the source was read in this database into this generation.

    Another generation asks for everything once: an undo or a rebuild may have left out what was read before.
    """
    raw = store.call("HGET", keys.sync, f"{source}:{database}")
    held = None if raw is None else msgspec.json.decode(raw, type=_Held)
    return held.cursor if held and held.generation == generation else None


def write(store: Store, keys: TenantKeys, generation: int, source: Source, database: str, cursor: Cursor) -> None:
    """Takes down how far the source was read; every row up to there has to be durable before, and `generation` is the
    one that was live when the read began."""
    store.write("cursor", "HSET", keys.sync, f"{source}:{database}", msgspec.json.encode(_Held(generation, cursor)))
