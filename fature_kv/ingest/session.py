"""A writer's session on one tenant: windows in, results out, and what a run owes at its end.

The session opens the live generation's fold, opens it anew when the generation or the configuration moved, and
leaves nothing pending: links' histories, sizes, rows that ripened and boards are drained before `finish` returns.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import msgspec

from fature_kv import tenants
from fature_kv.commission import configuration as commission
from fature_kv.domain.calendar import Day
from fature_kv.domain.rows import BadRow, Row
from fature_kv.errors import ConfigMoved, GenerationMoved, ServerUnavailable
from fature_kv.ingest import boards, decisions, links, money, moves, parking, people, sizes
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.window import Column, RowResult, Window
from fature_kv.keyspace import TenantKeys, tenant_keys
from fature_kv.scripts import Command
from fature_kv.settings import Settings
from fature_kv.store import Store

_SWAP_POLL_S = 0.02
_SWAP_PATIENCE_S = 60.0


def system_clock() -> int:
    """Now, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def new_run(kind: str, now_us: int) -> str:
    """A run's name: what it is, when it began, and something that no other has."""
    began = datetime.fromtimestamp(now_us / 1e6, UTC)
    return f"{kind}-{began:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def chores(keys: TenantKeys, generation: int, now_us: int) -> list[Command]:
    """What to ask whether something waits for a session: any reply above zero says so."""
    own = keys.generation(generation)
    return [
        ("EXISTS", own.ripe, own.moves, own.pending_sizes, own.dirty),
        ("ZCOUNT", own.due, "-inf", now_us // 1000),
    ]


class RunCounts(msgspec.Struct):
    """What became of a run's rows."""

    applied: dict[str, int]
    duplicates: int
    parked: int
    quarantined: dict[str, int]


class Session:
    """One writer of one tenant. Not for several threads."""

    def __init__(
        self,
        store: Store,
        slug: str,
        settings: Settings,
        *,
        run: str,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self.store = store
        self.keys: TenantKeys = tenant_keys(slug)
        self.settings = settings
        self.run = run
        self.clock = clock
        self.tenant = tenants.get(store, slug)
        self._fold: Fold | None = None
        self._applied: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    @property
    def fold(self) -> Fold:
        """The fold of the live generation."""
        if self._fold is None:
            self.tenant = tenants.get(self.store, self.keys.tenant)
            self._fold = Fold(
                self.store,
                self.keys,
                self.tenant.live,
                zone=self.tenant.zone,
                configuration=commission.read(self.store, self.keys.tenant),
                settings=self.settings,
                clock=self.clock,
                run=self.run,
            )
        return self._fold

    def apply(self, rows: Sequence[Row | BadRow], bets: Sequence[Column] = ()) -> list[RowResult]:
        """Applies a window of rows, and whatever ripens by them; what is answered is in Redis.

        Bets may come as columns instead (id, user_id, stake, win, instant); they are counted, not answered.
        """
        window = Window(rows, bets=bets)
        self._apply(window)
        self.release()
        return window.answers()

    def following(self) -> AbstractContextManager[None]:
        """Boards follow by themselves while the block applies windows, as a run does (`settle` waits for the rest)."""
        return boards.following(self.store, lambda: self._fold, self.settings.flush_interval_ms / 1000)

    def release(self) -> None:
        """Applies parked rows whose person is there or whose day has come."""
        while self.apply_read(lambda fold: Window([], parking.released(fold))).parked:
            pass

    def release_all(self) -> None:
        """Applies parked rows that need not wait, whether or not anything said so."""
        self.apply_read(lambda fold: Window([], parking.applicable(fold)))

    def apply_read(self, read: Callable[[Fold], Window]) -> Window:
        """Applies rows that the tenant itself keeps, and reads them anew when the generation moved meanwhile: those
        that were taken back are not there any more."""

        def work(fold: Fold) -> Window:
            window = read(fold)
            try:
                _apply_to(fold, window)
            finally:
                window.count_into(self.run, self._applied, self._others, self._reasons)
            return window

        window: Window = self._in_live(work)
        return window

    def clear(self, fields: Sequence[str]) -> None:
        """Takes rows off quarantine that were applied under another identity."""
        self._in_live(lambda fold: parking.clear(fold, fields))

    def settle(self) -> None:
        """Drains what links left to do, and waits until the boards follow and all is durable."""
        self._in_live(moves.drain)
        self._in_live(sizes.drain)
        self._in_live(boards.follow)
        self.make_durable()

    def make_durable(self) -> None:
        """Waits for the fsync where the server does not fsync before it answers."""
        if self.settings.durability == "waitaof":
            self.store.wait_durable(self.keys.fsync, int(self.settings.redis_timeout_s * 1000))

    def move(self, person: int, sponsor: int | None, reason: str) -> bool:
        """A manager's decision (decisions.py); True when it changed something. Histories have followed then."""
        at, why = self.clock(), decisions.checked_reason(reason)
        return self._decide(lambda fold: decisions.move(fold, person, sponsor, why, at))

    def declare(self, player: int, day: Day | None, reason: str) -> bool:
        """A manager's decision (decisions.py); True when it changed something."""
        at, why = self.clock(), decisions.checked_reason(reason)
        return self._decide(lambda fold: decisions.declare(fold, player, day, why, at))

    def _decide(self, decide: Callable[[Fold], bool]) -> bool:
        changed: bool = self._in_live(decide)
        self.settle()
        return changed

    def begin(self, about: dict[str, Any]) -> None:
        """Lists a run that has not ended, with its counts so far: one that never ends can be taken back too."""
        self._list("begin", {**about, "finished_at": None, **msgspec.to_builtins(self.counts())})

    def finish(self, about: dict[str, Any]) -> RunCounts:
        """Ends a run: nothing pending, recorded with its counts in `runs` and in the journal."""
        self.release()
        self.settle()
        counts = self.counts()
        body = {**about, "finished_at": self.clock(), **msgspec.to_builtins(counts)}

        def record(fold: Fold) -> None:
            fold.apply("settle", fold.key_list(), [fold.entry("run", body)], state=["synced_at", self.clock()])

        self._in_live(record)
        self._list("acknowledge", body)
        self.make_durable()
        return counts

    def _list(self, boundary: str, body: dict[str, Any]) -> None:
        self.store.write(boundary, "HSET", self.keys.runs, self.run, msgspec.json.encode({"run": self.run, **body}))

    def counts(self) -> RunCounts:
        """What became of all rows so far."""
        return RunCounts(dict(self._applied), self._others["duplicate"], self._others["parked"], dict(self._reasons))

    def _apply(self, window: Window) -> None:
        self._in_live(lambda fold: _apply_to(fold, window))
        window.count_into(self.run, self._applied, self._others, self._reasons)

    def _in_live(self, work: Callable[[Fold], Any]) -> Any:
        """Does the work on the live generation, again when that or the configuration moved meanwhile."""
        deadline = time.monotonic() + _SWAP_PATIENCE_S
        while time.monotonic() < deadline:
            try:
                return work(self.fold)
            except ConfigMoved:
                self._fold = None
            except GenerationMoved:
                self._fold = None
                time.sleep(_SWAP_POLL_S)  # writers wait while a rebuild swaps
        raise ServerUnavailable("a rebuild holds the tenant's writers: try again when it is done", retry_after=5)


def _apply_to(fold: Fold, window: Window) -> None:
    """One window, in the order of DOMAIN.md, "Links": people, links (with the histories they move), money."""
    parking.quarantine(fold, window, window.pending(window.bad))
    parking.look_up_quarantine(fold, window)
    people.apply(fold, window)
    links.apply(fold, window)
    if window.links:
        moves.drain(fold)
    money.apply(fold, window)
