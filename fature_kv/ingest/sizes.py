"""`network_size` at any depth: what a link adds waits at the sponsor and is passed up, a step at a time.

A step pops a person's pending size, adds it to the person and to the pending size of whoever is the sponsor at that
moment, in one script: a move in between can't count twice or get lost.
"""

from __future__ import annotations

from fature_kv.ingest.fold import Fold, new_version
from fature_kv.scripts import Word, script

_AT_ONCE = 200


def drain(fold: Fold) -> int:
    """Passes everything pending up to the roots; returns how many steps it took."""
    steps = 0
    while True:
        waiting = fold.store.call("HKEYS", fold.keys.pending_sizes)
        if not waiting:
            return steps
        ordered = fold.sync_forest().lines(map(int, waiting))
        for start in range(0, len(ordered), _AT_ONCE):
            batch = ordered[start : start + _AT_ONCE]
            keys = [fold.tenant.control, fold.keys.pending_sizes, *map(fold.keys.affiliate, batch)]
            words: list[Word] = [fold.generation, int(fold.building), new_version(), *batch]
            steps += fold.store.run(script("sizes"), keys, words)
