"""Line 6: memory by key family.

Every key is counted; of families with many keys a sample is measured (MEMORY USAGE). What the measured bytes don't
explain of used_memory is the server's own: the table of keys, buffers, what the allocator lost.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from bench.servers import Redis
from fature_kv.cli.decoding import kind_of

_SAMPLE = 1500
"""Keys of a family that are measured."""
_AT_ONCE = 500


class Family(NamedTuple):
    """Keys of one kind."""

    name: str
    keys: int
    bytes: int
    share: float
    """Of all that families take."""


class Memory(NamedTuple):
    """What a server holds."""

    used: int
    families: list[Family]

    @property
    def named(self) -> int:
        """Bytes of all families."""
        return sum(family.bytes for family in self.families)


def memory(running: Redis) -> Memory:
    """Families, the largest first."""
    keys = _keys_by_family(running)
    rng = np.random.default_rng(5)
    sizes = {name: _bytes(running, names, rng) for name, names in keys.items()}
    total = sum(sizes.values())
    found = [Family(name, len(keys[name]), size, round(size / total, 4)) for name, size in sizes.items()]
    used = int(running.info("memory")["used_memory"])
    return Memory(used, sorted(found, key=lambda family: -family.bytes))


def _keys_by_family(running: Redis) -> dict[str, list[bytes]]:
    found: dict[str, set[bytes]] = defaultdict(set)
    cursor = b"0"
    while True:
        cursor, names = running.store.call("SCAN", cursor, "COUNT", 5000)
        for name in names:
            found[_family(name)].add(name)
        if cursor == b"0":
            return {family: sorted(names) for family, names in found.items()}


def _family(name: bytes) -> str:
    known = kind_of(name.decode())
    return "other" if known is None else str(known[1].groupdict().get("name") or "tenants")


def _bytes(running: Redis, names: list[bytes], rng: np.random.Generator) -> int:
    """Bytes of all the keys, from a sample where they are many."""
    chosen = names if len(names) <= _SAMPLE else [names[i] for i in rng.choice(len(names), _SAMPLE, replace=False)]
    used = 0
    for start in range(0, len(chosen), _AT_ONCE):
        some = chosen[start : start + _AT_ONCE]
        used += sum(size or 0 for size in running.store.pipeline([("MEMORY", "USAGE", key) for key in some]))
    return round(used * len(names) / max(1, len(chosen)))
