"""Which money rows of a window are new: bets that are not in, and versions newer than those that count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from fature_kv.domain.rows import Money, MoneySource
from fature_kv.domain.status import counts
from fature_kv.domain.versions import money_key
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.seen import SeenPages
from fature_kv.ingest.states import Player
from fature_kv.ingest.window import Bets, Item, Window
from fature_kv.keyspace import VERSION_PAGE
from fature_kv.scripts import Command


class Change(NamedTuple):
    """A money row whose newest version is `item`, over the version held (packed and as a row)."""

    item: Item
    held: bytes | None
    before: Money | None

    @property
    def people(self) -> set[int]:
        """Whom the row was and is of."""
        return {self.item.row.user_id} | ({self.before.user_id} if self.before else set())

    @property
    def counted(self) -> list[tuple[Money, int]]:
        """Versions that count, each with its sign: figures move by exactly the difference."""
        rows = ((self.before, -1), (self.item.row, 1))
        return [(row, sign) for row, sign in rows if row is not None and counts(row.status)]


def pack_version(row: Money) -> bytes:
    return msgspec.msgpack.encode((row.user_id, row.amount, row.status, row.created_at, row.updated_at))


def unpack_version(source: MoneySource, row: int, packed: bytes) -> Money:
    user, amount, status, created_at, updated_at = msgspec.msgpack.decode(packed)
    return Money(source, row, user, amount, status, created_at, updated_at)


def held_versions(fold: Fold, items: Sequence[Item]) -> dict[tuple[str, int], bytes]:
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


def newest_versions(
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


def new_bets(
    fold: Fold, window: Window, bets: Bets, pages: SeenPages, players: Mapping[int, Player]
) -> tuple[Bets, Bets]:
    """Bets that are not in, the first applicable of each id; and bets that wait."""
    if not len(bets.id):
        return bets, bets
    known = pages.known(bets.id)
    there = np.isin(bets.user, np.fromiter(players, np.int64, len(players)))
    ready = ~known & there & (bets.at <= fold.horizon)
    candidates = np.flatnonzero(ready)
    ids, first = np.unique(bets.id[candidates], return_index=True)
    chosen = candidates[np.sort(first)]
    waits = ~known & ~ready & ~np.isin(bets.id, ids)
    again = ~waits
    again[chosen] = False
    window.settle_places(bets.place[again], "duplicate")
    return bets.take(chosen), bets.take(waits)
