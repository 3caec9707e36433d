"""Which bets are in (lua/include/seen.lua): pages of 32,768 ids, sets while they are few, bitmaps from then on."""

from __future__ import annotations

from typing import Any

import numpy as np

from fature_kv.ingest.fold import Fold, KeyList
from fature_kv.ingest.window import Column
from fature_kv.keyspace import SEEN_PAGE
from fature_kv.scripts import script

FEW = 512
"""Ids a page holds as a set; a set of that many small integers takes 1 KB, a bitmap 4 KB."""
_MASK_FROM = 400
"""Rows of a chunk in one page from which a 4 KB mask costs less than a command for each."""


class SeenPages:
    """The pages that a window's bets fall into, as they were read."""

    def __init__(self, fold: Fold, ids: Column) -> None:
        self._fold = fold
        self._pages = np.unique(ids // SEEN_PAGE).tolist()
        self._bitmaps: dict[int, bool] = {}
        self._offsets: dict[int, Column] = {}
        commands: list[tuple[str, ...]] = []
        for page in self._pages:
            commands += [("GET", fold.keys.seen(page)), ("SMEMBERS", fold.keys.seen_few(page))]
        replies = fold.store.pipeline(commands)
        for page, bits, few in zip(self._pages, replies[::2], replies[1::2], strict=True):
            self._bitmaps[page] = bits is not None
            known = np.array([int(offset) for offset in few], np.int64)
            if bits is not None:
                known = np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8)))
            self._offsets[page] = known + page * SEEN_PAGE

    def known(self, ids: Column) -> Any:
        """Which of the ids are in already."""
        return np.isin(ids, np.concatenate(list(self._offsets.values()))) if self._pages else np.zeros(0, bool)

    def make_room(self, ids: Column) -> None:
        """Turns pages into bitmaps that would hold too many ids for a set."""
        full = [
            page
            for page, new in zip(*np.unique(ids // SEEN_PAGE, return_counts=True), strict=True)
            if not self._bitmaps[int(page)] and len(self._offsets[int(page)]) + new > FEW
        ]
        if not full:
            return
        fold = self._fold
        keys = [fold.tenant.control]
        for page in full:
            keys += [fold.keys.seen(int(page)), fold.keys.seen_few(int(page))]
            self._bitmaps[int(page)] = True
        fold.store.run(script("promote"), keys, [fold.generation, int(fold.building), SEEN_PAGE])

    def section(self, ids: Column, keys: KeyList) -> list[list[Any]]:
        """The pages of chunk.lua's plan for the bets of one chunk."""
        pages = []
        ordered = np.sort(ids)
        starts = np.flatnonzero(np.diff(ordered // SEEN_PAGE, prepend=-1))
        for mine in np.split(ordered, starts[1:]) if len(ordered) else ():
            page = int(mine[0]) // SEEN_PAGE
            offsets = mine - page * SEEN_PAGE
            many = self._bitmaps[page] and len(offsets) >= _MASK_FROM
            bitmap, few = keys(self._fold.keys.seen(page)), keys(self._fold.keys.seen_few(page))
            listed, mask = (False, _mask(offsets)) if many else (offsets.tolist(), False)
            pages.append([bitmap, few, listed, mask, not self._bitmaps[page]])
        return pages


def _mask(offsets: Column) -> bytes:
    bits = np.zeros(SEEN_PAGE, np.uint8)
    bits[offsets] = 1
    return np.packbits(bits).tobytes()
