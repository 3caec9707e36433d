"""A tenant's own names of tables, columns and status words, kept in Redis (keyspace.md, `mapping`).

Every way in reads by it, so that a value means the same everywhere. Rows are kept as they were read, so another mapping
asks for a rebuild from the operations database once there are rows: until then `follows` says that some may be older.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from fature_kv import journal, tenants
from fature_kv.domain.mapping import Mapping
from fature_kv.errors import Conflict, UsageError
from fature_kv.keyspace import TenantKeys
from fature_kv.store import Store


class Stored(msgspec.Struct, frozen=True):
    """A mapping as it is kept: `followed` is the revision that every row was read by, 0 the defaults."""

    revision: int = 0
    followed: int = 0
    set_at: int | None = None
    document: Mapping = Mapping()

    @property
    def owes_rebuild(self) -> bool:
        """Whether rows may have been read by an earlier mapping."""
        return self.followed != self.revision


def read(store: Store, keys: TenantKeys) -> Stored:
    """The mapping in force; the defaults where none was set."""
    return of(store.call("GET", keys.mapping))


@lru_cache(maxsize=256)
def of(raw: bytes | None) -> Stored:
    """The mapping of what Redis holds."""
    return Stored() if raw is None else msgspec.json.decode(raw, type=Stored)


def checked(document: object) -> Mapping:
    """The mapping of a JSON document; UsageError that says what is wrong with it."""
    try:
        return msgspec.convert(document, Mapping)
    except msgspec.ValidationError as error:
        raise UsageError(f"the mapping can't be used: {error}") from None


def set_mapping(store: Store, slug: str, mapping: Mapping, now_us: int) -> Stored:
    """Makes a mapping the one in force; the same again changes nothing. Conflict when another was set meanwhile."""
    tenant = tenants.get(store, slug)
    keys = tenant.keys
    raw, rows = store.pipeline([("GET", keys.mapping), ("HEXISTS", keys.generation(tenant.live).state, "applied_at")])
    held = of(raw)
    if held.document == mapping:
        return held
    revision = held.revision + 1
    stored = Stored(revision, held.followed if rows else revision, now_us, mapping)
    body = {"revision": revision, "document": msgspec.to_builtins(mapping), "set_at": now_us}
    kind, data = journal.entry("mapping", {"run": "", "at": now_us, **body})
    commands: list[tuple[str | bytes, ...]] = [
        ("SET", keys.mapping, msgspec.json.encode(stored)),
        ("XADD", keys.journal, "*", "kind", kind, "data", data),
    ]
    if not store.transaction(keys.mapping, raw, commands):
        raise Conflict("another mapping was set at the same moment: look at it, then set yours again")
    return stored


def follow(store: Store, keys: TenantKeys, revision: int) -> None:
    """All rows were read by this revision now; nothing is said where another was set meanwhile."""
    raw = store.call("GET", keys.mapping)
    held = of(raw)
    if held.revision == revision and held.owes_rebuild:
        followed = msgspec.structs.replace(held, followed=revision)
        store.transaction(keys.mapping, raw, [("SET", keys.mapping, msgspec.json.encode(followed))])
