"""Taking rows back: a run's, or single ones (DOMAIN.md, "Undo").

The figures are folded anew from the journal without the void rows, beside the live ones, and swapped in by the script
call that records the decision. So the versions before them count again, what had hung on them waits, a reader sees all
of it or nothing, and a kill at any moment leaves either the one or the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from fature_kv.archive import rebuild
from fature_kv.archive.rebuild import Undoing
from fature_kv.archive.replay import Progress
from fature_kv.domain.rows import SOURCES
from fature_kv.errors import NotFound, UsageError
from fature_kv.ingest import decisions, retry
from fature_kv.ingest.session import Session, new_run, system_clock
from fature_kv.keyspace import tenant_keys
from fature_kv.settings import Settings
from fature_kv.sources import mappings
from fature_kv.store import Store


def undo_run(
    store: Store,
    slug: str,
    settings: Settings,
    run: str,
    reason: str,
    progress: Progress | None = None,
    clock: Callable[[], int] = system_clock,
) -> dict[str, Any]:
    """Takes back every row that a run brought, applied or not; what was done. Again, it changes nothing more.

    NotFound for a run that was never listed.
    """
    keys, why = tenant_keys(slug), reason and decisions.checked_reason(reason)
    listed = store.call("HGET", keys.runs, run)
    if listed is None:
        raise NotFound(f"there is no run '{run}'; `fature-kv run list --tenant {slug}` shows all")
    ended = msgspec.json.decode(listed)["finished_at"] is not None
    if ended and any(decision.body.get("undone") == run for decision in decisions.read(store, keys)):
        _settle(store, slug, settings, clock)
        return {"tenant": slug, "undone": run, "already": True, "void": {}}
    done = _take_back(store, slug, settings, Undoing(run, (), why), progress, clock)
    return {"tenant": slug, "undone": run, "already": False, **done}


def void_rows(
    store: Store,
    slug: str,
    settings: Settings,
    rows: Iterable[tuple[str, str]],
    reason: str,
    progress: Progress | None = None,
    clock: Callable[[], int] = system_clock,
) -> dict[str, Any]:
    """Takes back single rows `(source, id)`, whichever runs brought them; `id` is text, `user:referrer` for `tracked`.

    All versions of a row are void, those that wait or are in quarantine too. Read again later, the row counts anew.
    """
    chosen, why = list(dict.fromkeys((source, str(row)) for source, row in rows)), decisions.checked_reason(reason)
    unknown = {source for source, _ in chosen} - set(SOURCES)
    if unknown:
        raise UsageError(f"no source: {', '.join(sorted(unknown))}; expected {', '.join(SOURCES)}")
    if not chosen:
        return {"tenant": slug, "void": {}}
    return {"tenant": slug, **_take_back(store, slug, settings, Undoing(None, chosen, why), progress, clock)}


def _take_back(
    store: Store,
    slug: str,
    settings: Settings,
    undoing: Undoing,
    progress: Progress | None,
    clock: Callable[[], int],
) -> dict[str, Any]:
    started = time.monotonic()
    replay = rebuild.rebuilt(store, slug, settings, progress, undoing)
    _settle(store, slug, settings, clock)
    return {
        "void": dict(replay.left_out),
        "generation": replay.fold.generation,
        "seconds": round(time.monotonic() - started, 3),
    }


def _settle(store: Store, slug: str, settings: Settings, clock: Callable[[], int]) -> None:
    """Rows that wait without need, and rows that void ones had stood in the way of, are applied by now."""
    session = Session(store, slug, settings, run=new_run("undo", clock()), clock=clock)
    session.release()
    session.settle()
    mapping = mappings.read(store, session.keys).document
    retry.quarantine(store, slug, settings, mapping, reasons=retry.CONFLICTS, clock=clock)
