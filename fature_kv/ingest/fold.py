"""A writer's view of one generation of a tenant: where it writes, under which rules, and what it remembers.

What is remembered (the forest) is never trusted by a script: what hangs on it is guarded by the forest's length.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from fature_kv import journal
from fature_kv.domain import calendar
from fature_kv.domain.commission import Configuration
from fature_kv.domain.rows import Row
from fature_kv.domain.versions import latest_time
from fature_kv.ingest.forest import Forest
from fature_kv.keyspace import GenerationKeys, TenantKeys
from fature_kv.scripts import common_keys, pack_plan, script
from fature_kv.settings import Settings
from fature_kv.store import Store


def new_version() -> str:
    """A version of all that can be read of a tenant: by chance, so that a server that comes back without its last
    writes never has one again."""
    return secrets.token_hex(8)


class KeyList:
    """KEYS of one script call: those with a place of their own, then each once; plans name them by index (from 1)."""

    def __init__(self, fixed: Sequence[str]) -> None:
        self.keys = list(fixed)
        self._index: dict[str, int] = {}

    def __call__(self, key: str) -> int:
        index = self._index.get(key)
        if index is None:
            self.keys.append(key)
            index = self._index[key] = len(self.keys)
        return index


class Fold:
    """One writer on one generation of one tenant."""

    def __init__(
        self,
        store: Store,
        tenant: TenantKeys,
        generation: int,
        *,
        zone: ZoneInfo,
        configuration: Configuration,
        settings: Settings,
        clock: Callable[[], int],
        run: str,
        building: bool = False,
    ) -> None:
        self.store = store
        self._reader: Store | None = None
        self.tenant = tenant
        self.generation = generation
        self.keys: GenerationKeys = tenant.generation(generation)
        self.zone = zone
        self.configuration = configuration
        self.settings = settings
        self.clock = clock
        self.run = run
        self.building = building
        self.forest = Forest()
        self.common = common_keys(tenant, self.keys)
        self.quarantined: frozenset[str] = frozenset()
        """What was in quarantine when the window began, to be cleared by good rows of the same identity."""

    @property
    def reader(self) -> Store:
        """A connection for reads while the other is busy with a chunk."""
        if self._reader is None:
            self._reader = self.store.another()
        return self._reader

    def beside(self, store: Store) -> Fold:
        """The same writer on another connection, for a thread of its own."""
        return Fold(
            store, self.tenant, self.generation, zone=self.zone, configuration=self.configuration,
            settings=self.settings, clock=self.clock, run=self.run, building=self.building,
        )  # fmt: skip

    def day_of(self, instant: int) -> int:
        """The tenant's day of an instant."""
        return calendar.day_of(instant, self.zone)

    @property
    def horizon(self) -> int:
        """The instant up to which rows are applied; a rebuild folds what was applied already."""
        return MAX_INSTANT if self.building else self.clock() + calendar.DAY

    def is_early(self, row: Row) -> bool:
        """Whether a row has to wait for its day."""
        return latest_time(row) > self.horizon

    def key_list(self, *more: str) -> KeyList:
        return KeyList([*self.common, *more])

    def entry(self, kind: journal.Kind, body: dict[str, Any]) -> journal.Entry:
        """A journal entry of this run."""
        return journal.entry(kind, {"run": self.run, "at": self.clock(), **body})

    def apply(self, name: str, keys: KeyList, entries: Sequence[tuple[Any, ...]] = (), **plan: Any) -> Any:
        """Runs a write script with the common fields of a plan (lua/include/common.lua); a rebuild doesn't journal."""
        whole = {
            "generation": str(self.generation),
            "building": self.building,
            "config": False,
            "tree": False,
            "now": self.clock(),
            "unpark": [],
            "unquarantine": [],
            "dirty": False,
            "version": new_version(),
            "journal": [] if self.building else entries,
            **plan,
        }
        return self.store.run(script(name), keys.keys, [pack_plan(whole)])

    def sync_forest(self) -> Forest:
        """The forest as it is now."""
        self.forest.follow(self.store.call("LRANGE", self.keys.forest, self.forest.version, -1))
        return self.forest


MAX_INSTANT = 2**62
