"""`rebuild --from ops` and `reconcile --against ops`: figures folded anew from the operations database.

People, links and decisions are those of the live tenant, which its journal tells in order; rows of money and bets are
read from the database, as far as the tenant knows them. What comes meanwhile is folded from the journal behind the
place where reading began. So the new generation is the live one, field for field, where both say the same; and every
row of which they do not is named.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, NamedTuple

from fature_kv import journal, tenants
from fature_kv.archive import rebuild, undo
from fature_kv.archive.ops_audit import Audit, Identity, RowDifference, everybody
from fature_kv.archive.reconcile import Difference, differences
from fature_kv.archive.replay import Progress, Replay
from fature_kv.archive.voids import END
from fature_kv.domain.rows import Row
from fature_kv.errors import ConfigMoved, Conflict, FatureError, OperationsError
from fature_kv.ingest import money, parking
from fature_kv.ingest.session import Session, new_run, system_clock
from fature_kv.ingest.window import Origin, Parked, Window
from fature_kv.journal import Place
from fature_kv.keyspace import tenant_keys
from fature_kv.settings import Settings
from fature_kv.sources import mappings
from fature_kv.sources.operations import Operations
from fature_kv.store import Store

_ATTEMPTS = 5
_NAMED = 10
"""Rows that an error names; `reconcile` names all."""
_READ_ANEW = "read anew from the operations database, which says otherwise"


class Reconciled(NamedTuple):
    """What differs: rows first, then figures. Figures hang on rows, so one row may stand behind many of them."""

    rows: list[RowDifference]
    figures: list[Difference]


class _OfOperations(Replay):
    """The journal without the rows of money and bets that it holds up to a place; all of it behind that."""

    until: Place = END

    def _take_rows(self, body: dict[str, Any]) -> None:
        if journal.place(self.last) > self.until:
            super()._take_rows(body)
            return
        cleared: Sequence[str] = ()
        in_quarantine = self.fold.store.call("EXISTS", self.fold.keys.quarantine)
        rows, released = self._of_entry(self.rows_of(body), body) if in_quarantine or self._voids else ((), [])
        if in_quarantine:
            parking.look_up_quarantine(self.fold, Window(rows, released))
            cleared = sorted(self.fold.quarantined)
        self._leave(body.get("released", ()), cleared)
        if self._voids:
            self._park_without_user(rows, released, Origin(body["run"], body["at"]))

    def _park_without_user(self, rows: Sequence[Row], released: Sequence[tuple[Row, Parked]], origin: Origin) -> None:
        """Rows that were applied once and wait since their user was taken back: no entry tells of that."""
        self._flush()
        window = Window(rows, released, origins=[origin] * len(rows))
        items = [*window.money, *window.items(window.bets)]
        users = sorted({item.row.user_id for item in items})
        found = self.fold.store.pipeline([("EXISTS", self.fold.keys.affiliate(user)) for user in users])
        gone = {user for user, there in zip(users, found, strict=True) if not there}
        parking.park_waiting(self.fold, window, [item for item in items if item.row.user_id in gone])

    def _release(self, body: dict[str, Any]) -> None:
        if journal.place(self.last) > self.until:
            super()._release(body)
        else:
            self._leave(body["fields"], ())

    def _leave(self, fields: Sequence[str], cleared: Sequence[str]) -> None:
        """Rows that waited or were in quarantine and are so no longer."""
        if fields or cleared:
            self._flush()
            keys = self.fold.key_list()
            unpark = parking.places(self.fold, fields, keys)
            self.fold.apply("settle", keys, state=[], unpark=unpark, unquarantine=cleared)

    def take_confirmed(self, rows: Sequence[Row]) -> None:
        """Folds rows that count. What is in quarantine under their ids came behind them, and stays."""
        window = Window(rows)
        self.fold.quarantined = frozenset()
        money.apply(self.fold, window)
        if not window.outcomes <= {"applied", "duplicate"}:
            raise FatureError("rows that count could not be folded anew: run `reconcile --against journal`")


def reconcile_with_operations(
    store: Store, slug: str, settings: Settings, operations: Operations, progress: Progress | None = None
) -> Reconciled:
    """Every row of which the tenant and the database say different things, and every figure that differs by them."""
    with rebuild.opened(store, slug, settings) as (fold, void):
        replay = _OfOperations(fold, void)
        rows = _folded(store, slug, settings, operations, replay, progress)
        return Reconciled(rows, differences(store, slug, settings, replay))


def take_back_deleted(
    store: Store,
    slug: str,
    settings: Settings,
    operations: Operations,
    rows: Sequence[RowDifference],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Makes rows void that were deleted at their source: a recorded decision (DOMAIN.md, "Undo").

    OperationsError, and nothing is void, where a source has no table now: that is no sign that its rows were deleted.
    """
    gone = [(row.source, row.id) for row in rows if row.kind == "deleted"]
    lacking = sorted({source for source, _ in gone} - operations.tables.keys())
    if lacking:
        raise OperationsError(
            f"the operations database has no table or view of '{lacking[0]}' now, but rows of it were read before: "
            "nothing was taken back; let its user see it, or tell its name with `fature-kv mapping set`"
        )
    return undo.void_rows(store, slug, settings, gone, "deleted in the operations database", progress)


def rebuild_from_operations(
    store: Store,
    slug: str,
    settings: Settings,
    operations: Operations,
    sync: Callable[[], object],
    watched: Callable[[], AbstractContextManager[Progress | None]] = nullcontext,
) -> dict[str, Any]:
    """Folds the tenant anew from the database and puts that in the place of the live figures; what was done.

    `sync` reads all rows into the tenant, so that it knows them; rows that a changed mapping reads otherwise are taken
    back and read anew. `watched` gives what to tell how far it is. FatureError names rows that would be lost, since the
    database does not have them.
    """
    started = time.monotonic()
    sync()
    read_anew: Counter[str] = Counter()
    for _ in range(_ATTEMPTS):
        try:
            with rebuild.opened(store, slug, settings) as (fold, void), watched() as progress:
                replay = _OfOperations(fold, void)
                changed = _swapped_in(store, slug, settings, operations, replay, progress)
        except ConfigMoved:
            continue  # folded under rules that no longer hold: begin again
        if not changed:
            break
        undo.void_rows(store, slug, settings, changed, _READ_ANEW)
        read_anew.update(source for source, _ in changed)
        sync()
    else:
        raise Conflict("rows or the configuration keep changing while they are read: run the rebuild again")
    rebuild.delete_generations(store, tenant_keys(slug))
    mappings.follow(store, tenant_keys(slug), operations.revision)
    return {
        "tenant": slug,
        "from": "ops",
        "generation": replay.fold.generation,
        "entries": replay.folded,
        "read_anew": dict(read_anew),
        "seconds": round(time.monotonic() - started, 3),
    }


def _swapped_in(
    store: Store,
    slug: str,
    settings: Settings,
    operations: Operations,
    replay: _OfOperations,
    progress: Progress | None,
) -> list[Identity]:
    """Folds and swaps; unless there are rows that the database says otherwise, which are returned."""
    live = tenants.get(store, slug).live
    found = _folded(store, slug, settings, operations, replay, progress)
    _refuse_to_lose(slug, found)
    changed = [(row.source, row.id) for row in found if row.kind == "changed"]
    if not changed:
        rebuild.swap(store, tenant_keys(slug), live, replay)
    return changed


def _folded(
    store: Store,
    slug: str,
    settings: Settings,
    operations: Operations,
    replay: _OfOperations,
    progress: Progress | None,
) -> list[RowDifference]:
    """Folds what both the tenant and the database know; returns what they say differently."""
    live = Session(store, slug, settings, run=new_run("reconcile", system_clock())).fold
    people, links = everybody(live)
    replay.until = _last_place(store, live.tenant.journal)
    replay.catch_up()
    audit = Audit(live)
    total, done = sum(map(operations.estimate, operations.tables)), 0
    for source in operations.tables:
        with closing(operations.pull(source, None, full=True).lists(settings.window_rows)) as lists:
            for rows in lists:
                replay.take_confirmed(audit.confirmed(source, rows))
                done += len(rows)
                if progress:
                    progress(done, max(total, done))
    replay.catch_up()
    audit.look_for_gone(people, links, replay.fold.keys, replay.catch_up)
    return audit.differences


def _last_place(store: Store, stream: str) -> Place:
    """The place of the journal's last entry."""
    last = store.call("XREVRANGE", stream, "+", "-", "COUNT", 1)
    return journal.place(last[0][0].decode())


def _refuse_to_lose(slug: str, found: Sequence[RowDifference]) -> None:
    lost = [row for row in found if row.kind in ("deleted", "only_here", "newer_here")]
    lost += [row for row in found if row.kind == "changed" and row.source == "casino_bets_v"]
    if not lost:
        return
    named = ", ".join(f"{row.source} {row.id} ({row.kind})" for row in lost[:_NAMED])
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    raise FatureError(
        f"a rebuild would lose {len(lost)} rows that the operations database does not have so: {named}{more}; "
        f"`fature-kv reconcile --tenant {slug} --against ops` lists all, with --apply it takes back the deleted ones"
    )
