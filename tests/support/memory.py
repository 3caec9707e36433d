"""What the keys of a tenant take: `python -m tests.support.memory FOLDER` prints the measured tables of keyspace.md.

FOLDER holds source files. They are imported into a private server of the shipped configuration.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from fature_kv import journal, tenants, wiring
from fature_kv.cli.decoding import kind_of
from fature_kv.domain.mapping import Mapping
from fature_kv.settings import Settings
from fature_kv.sources.files import open_all
from fature_kv.store import Store
from tests.support.servers import private_redis

_IN_A_BYTE = {"seen": 8}
"""Members of a string: bits of a page."""
_CARDINALITY = {b"hash": "HLEN", b"list": "LLEN", b"set": "SCARD", b"zset": "ZCARD", b"stream": "XLEN"}


def scan(store: Store, pattern: str = "*") -> Iterator[str]:
    """Every key of the pattern, once."""
    seen: set[bytes] = set()
    cursor = b"0"
    while True:
        cursor, some = store.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        for key in some:
            if key not in seen:
                seen.add(key)
                yield key.decode()
        if cursor == b"0":
            return


def family(key: str) -> str:
    """The name of a key's family as `inspect` has it."""
    known = kind_of(key)
    assert known is not None, key
    return str(known[1].groupdict().get("name") or "tenants")


def measured(store: Store) -> dict[str, list[int]]:
    """Keys, members and bytes (MEMORY USAGE, key and overhead included) of each family."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    keys = list(scan(store))
    for start in range(0, len(keys), 1000):
        batch = keys[start : start + 1000]
        replies = store.pipeline([w for k in batch for w in (("TYPE", k), ("MEMORY", "USAGE", k, "SAMPLES", 0))])
        kinds = replies[::2]
        sizes = store.pipeline([(_CARDINALITY.get(t, "STRLEN"), k) for k, t in zip(batch, kinds, strict=True)])
        for key, used, size in zip(batch, replies[1::2], sizes, strict=True):
            total = found[family(key)]
            total[0] += 1
            total[1] += int(size * _IN_A_BYTE.get(family(key), 1))
            total[2] += used or 0
    return found


def load(store: Store, slug: str, folder: str) -> None:
    """The folder's files into a new tenant, as one run."""
    tenants.create(store, slug, name="", timezone="America/Sao_Paulo", currency="BRL", now_us=0)
    session = wiring.session(store, slug, Settings(), "measure")
    for file in open_all([folder], ZoneInfo("America/Sao_Paulo"), Mapping()):
        for rows in file.lists():
            session.apply(rows)
    session.finish({})


def journal_bytes(store: Store, slug: str) -> dict[str, tuple[int, int, int]]:
    """Of each kind of entry: entries, bytes of `data`, rows in them."""
    found: dict[str, tuple[int, int, int]] = {}
    for _, flat in store.call("XRANGE", tenants.get(store, slug).keys.journal, "-", "+"):
        kind, data = flat[1].decode(), flat[3]
        body = journal.body(data)
        kind = {True: "rows of bets", False: "rows of money"}["bets" in body] if kind == "rows" else kind
        rows = len(journal.values(body["bets"][0])) if "bets" in body else 0
        rows += sum(len(v) for k, v in body.items() if k in ("money", "people", "links", "rows") and kind != "run")
        entries, used, so_far = found.get(kind, (0, 0, 0))
        found[kind] = (entries + 1, used + len(data), so_far + rows)
    return found


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(list(header)))
    for row in rows:
        print("| " + " | ".join(f"{each:,}" if isinstance(each, int) else str(each) for each in row) + " |")


def main(folder: str) -> None:
    with private_redis() as url:
        store = Store(url, timeout=120)
        load(store, "measure", folder)
        found = measured(store)
        rows = [(n, k, m, b, f"{b / k:.0f}", f"{b / max(m, 1):.1f}") for n, (k, m, b) in sorted(found.items())]
        table(["family", "keys", "members", "bytes", "bytes a key", "bytes a member"], rows)
        print()
        rows = [
            (kind, *told, f"{told[1] / max(told[2], 1):.1f}") for kind, told in journal_bytes(store, "measure").items()
        ]
        table(["journal", "entries", "bytes", "rows", "bytes a row"], rows)
        print("used_memory", store.call("INFO", "memory").decode().split("used_memory:")[1].split("\r")[0])
        split(store)
        store.close()


def split(store: Store) -> None:
    """Records of people with a network and without."""
    keys = [key for key in scan(store) if family(key) == "affiliate"]
    sums = store.pipeline([w for k in keys for w in (("MEMORY", "USAGE", k), ("HLEN", k), ("HGET", k, "l1_referrals"))])
    for name, wanted in (("with a network", True), ("without", False)):
        some = [(u, f) for u, f, n in zip(sums[::3], sums[1::3], sums[2::3], strict=True) if (n is not None) == wanted]
        used, fields = (sum(column) / len(some) for column in zip(*some, strict=True))
        print(f"affiliate {name}: {len(some)} of {used:.0f} bytes, {fields:.1f} fields")


if __name__ == "__main__":
    main(sys.argv[1])
