"""A writer's view of one generation of a tenant: where it writes, under which rules, and what it remembers.

What is remembered (the forest, people's states) is never trusted by a script: every chunk carries what it assumed,
and what was refused is forgotten and read again.
"""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from fature_kv import journal
from fature_kv.domain import calendar
from fature_kv.domain.cells import unpack_own
from fature_kv.domain.commission import Configuration
from fature_kv.domain.player import Player
from fature_kv.domain.rows import Row
from fature_kv.domain.versions import latest_time
from fature_kv.ingest.forest import Forest
from fature_kv.keyspace import GenerationKeys, TenantKeys
from fature_kv.scripts import common_keys, pack_plan, script
from fature_kv.settings import Settings
from fature_kv.store import Store


def next_rev(rev: int) -> int:
    """The rev after a write: a random step further, so that two writers from one state never end in the same."""
    return rev + 1 + random.getrandbits(20)


class KeyList:
    """KEYS of one script call: the common ones, then each key once, named by its index (from 1) in plans."""

    def __init__(self, common: Sequence[str]) -> None:
        self.keys = list(common)
        self._index: dict[str, int] = {}

    def __call__(self, key: str) -> int:
        index = self._index.get(key)
        if index is None:
            self.keys.append(key)
            index = self._index[key] = len(self.keys)
        return index


class Players:
    """States of people, the least recently used forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[int, Player] = OrderedDict()

    def get(self, person: int) -> Player | None:
        player = self._held.get(person)
        if player is not None:
            self._held.move_to_end(person)
        return player

    def keep(self, players: Iterable[Player]) -> None:
        for player in players:
            self._held[player.id] = player
        while len(self._held) > self._most:
            self._held.popitem(last=False)

    def forget(self, people: Iterable[int]) -> None:
        for person in people:
            self._held.pop(person, None)

    def clear(self) -> None:
        self._held.clear()


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
        self.players = Players(settings.player_cache)
        self.common = common_keys(tenant, self.keys)
        self.flushed_at = time.monotonic()
        self.quarantined: frozenset[str] = frozenset()
        """What was in quarantine when the window began, to be cleared by good rows of the same identity."""

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

    def apply(self, name: str, keys: KeyList, entries: Sequence[journal.Entry] = (), **plan: Any) -> Any:
        """Runs a write script with the common fields of a plan (lua/include/common.lua); a rebuild doesn't journal."""
        return self.begin(name, keys, entries, **plan)()

    def begin(self, name: str, keys: KeyList, entries: Sequence[journal.Entry] = (), **plan: Any) -> Callable[[], Any]:
        """As `apply`, but only sends; what is returned waits for the reply, and must be called before anything else."""
        whole = {
            "generation": str(self.generation),
            "building": self.building,
            "config": False,
            "tree": False,
            "now": self.clock(),
            "unpark": [],
            "unquarantine": [],
            "dirty": False,
            "journal": [] if self.building else entries,
            **plan,
        }
        return lambda: self.store.run(script(name), keys.keys, [pack_plan(whole)])

    def sync_forest(self) -> Forest:
        """The forest as it is now."""
        self.forest.follow(self.store.call("LRANGE", self.keys.forest, self.forest.version, -1))
        return self.forest

    def load_players(self, people: Iterable[int]) -> dict[int, Player]:
        """States by person, of those who exist."""
        found: dict[int, Player] = {}
        missing = []
        for person in people:
            player = self.players.get(person)
            if player is None:
                missing.append(person)
            else:
                found[person] = player
        for start in range(0, len(missing), _READ_BATCH):
            batch = missing[start : start + _READ_BATCH]
            loaded = self._read_players(batch)
            self.players.keep(loaded)
            found.update((player.id, player) for player in loaded)
        return found

    def _read_players(self, people: Sequence[int]) -> list[Player]:
        commands: list[tuple[str, ...]] = []
        for person in people:
            commands.append(("HMGET", self.keys.affiliate(person), "rev", "path", "tracked_at", "moving"))
            commands.append(("HGETALL", self.keys.own(person)))
        # A pipeline is no transaction: own days read before a chunk of somebody else and rev after it would pair an
        # old state with a new rev, so rev is read first, and a chunk in between makes this state stale, not wrong.
        replies = self.store.pipeline(commands)
        players = []
        for i, person in enumerate(people):
            (rev, path, tracked_at, moving), own = replies[2 * i], replies[2 * i + 1]
            if rev is not None:
                players.append(self._player(person, rev, path, tracked_at, moving, own))
        return players

    def _player(
        self,
        person: int,
        rev: bytes,
        path: bytes | None,
        tracked_at: bytes | None,
        moving: bytes | None,
        own: list[bytes],
    ) -> Player:
        return Player(
            person,
            int(rev),
            parse_path(path),
            None if tracked_at is None else self.day_of(int(tracked_at)),
            {int(own[i]): unpack_own(own[i + 1]) for i in range(0, len(own), 2)},
            self.configuration,
            parse_moving(moving),
        )


_READ_BATCH = 1000
MAX_INSTANT = 2**62


def parse_path(text: bytes | None) -> tuple[int, ...]:
    """Ancestors, nearest first, of an affiliate's `path`."""
    return tuple(map(int, text.split(b","))) if text else ()


def path_text(path: Sequence[int]) -> str:
    return ",".join(map(str, path))


def parse_moving(text: bytes | None) -> tuple[int, tuple[int, ...]] | None:
    """`through|path`: history up to that day is under that path already."""
    if text is None:
        return None
    through, path = text.split(b"|")
    return int(through), parse_path(path)
