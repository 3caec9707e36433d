"""`rebuild`: a tenant's figures folded anew into a generation beside the live one, and swapped in at the end.

Readers go on from the live generation. Writers wait only while the last entries of the journal are folded; the swap
itself checks that these were the last. A rebuild that is killed leaves a generation nobody reads, which the next one
deletes, and a hold on writers that ends by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from fature_kv import tenants
from fature_kv.archive import voids
from fature_kv.archive.replay import Progress, Replay
from fature_kv.commission import configuration
from fature_kv.errors import ConfigMoved, Conflict, FatureError, GenerationMoved, ServerUnavailable
from fature_kv.ingest import decisions
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.session import new_run, system_clock
from fature_kv.keyspace import TenantKeys, tenant_keys
from fature_kv.scripts import Word, script
from fature_kv.settings import Settings
from fature_kv.store import Store
from fature_kv.tenants import Tenant

_HOLD_US = 3_000_000
_SWAPS = 20
_DELETE_AT_ONCE = 1000


def rebuild_from_journal(
    store: Store, slug: str, settings: Settings, progress: Progress | None = None
) -> dict[str, Any]:
    """Restores a tenant's figures from its journal; returns what was done."""
    started = time.monotonic()
    replay = rebuilt(store, slug, settings, progress)
    return {
        "tenant": slug,
        "from": "journal",
        "generation": replay.fold.generation,
        "entries": replay.folded,
        "seconds": round(time.monotonic() - started, 3),
    }


class Undoing(NamedTuple):
    """A decision to take rows back: those of a run, or single ones `(source, id)`."""

    run: str | None
    rows: Sequence[tuple[str, str]]
    reason: str


def rebuilt(
    store: Store, slug: str, settings: Settings, progress: Progress | None, undoing: Undoing | None = None
) -> Replay:
    """Folds the tenant anew, without what is to be taken back, and puts it in the place of the live generation.

    The swap records the decision too: either it is there and all figures follow it, or neither.
    """
    keys = tenant_keys(slug)
    for _ in range(_SWAPS):
        live = tenants.get(store, slug).live
        try:
            with building(store, slug, settings, undoing) as replay:
                replay.catch_up(progress)
                swap(store, keys, live, replay, undoing)
            delete_generations(store, keys)
            return replay
        except ConfigMoved:
            continue  # folded under rules that no longer hold: begin again
    raise ServerUnavailable("the configuration keeps changing: run the rebuild again when it stands")


@contextmanager
def building(store: Store, slug: str, settings: Settings, undoing: Undoing | None = None) -> Iterator[Replay]:
    """A new generation to fold the journal into; see `opened`."""
    with opened(store, slug, settings, undoing) as (fold, void):
        yield Replay(fold, void)


@contextmanager
def opened(
    store: Store, slug: str, settings: Settings, undoing: Undoing | None = None
) -> Iterator[tuple[Fold, voids.Voids]]:
    """A new generation, and which rows are void in it; given up when the block fails or does not swap it in.

    Conflict when another rebuild of the tenant begins meanwhile: its generation is the one that is built then.
    """
    keys = tenant_keys(slug)
    check_whole(store, keys)
    tenant = tenants.get(store, slug)
    delete_generations(store, keys)
    number = _open(store, keys, tenant.live)
    try:
        void = voids.read(store, keys)  # behind `open`: no decision can be swapped in from there on but by this one
        if undoing is not None:
            void.add(undoing.run, undoing.rows, voids.END)
        yield _fold(store, tenant, number, settings), void
    except GenerationMoved:
        raise Conflict(
            f"another rebuild, reconcile or undo of '{slug}' began meanwhile: run this again after it"
        ) from None
    finally:
        if store.call("HGET", keys.control, "building") == str(number).encode():
            step(store, keys, tenant.live, number, "abandon")
            delete_generations(store, keys)


def _open(store: Store, keys: TenantKeys, live: int) -> int:
    """Opens a generation that nobody else ever folds into; its number."""
    while True:
        taken = store.call("HMGET", keys.control, "building", "opened")
        number = max(live, *(int(each or 0) for each in taken)) + 1
        with suppress(GenerationMoved):  # another one took that number meanwhile
            step(store, keys, live, number, "open")
            return number


def _fold(store: Store, tenant: Tenant, number: int, settings: Settings) -> Fold:
    return Fold(
        store,
        tenant.keys,
        number,
        zone=tenant.zone,
        configuration=configuration.read(store, tenant.slug),
        settings=settings,
        clock=system_clock,
        run=new_run("rebuild", system_clock()),
        building=True,
    )


def check_whole(store: Store, keys: TenantKeys) -> None:
    """The journal tells everything only while nothing was trimmed from it."""
    about = store.call("XINFO", "STREAM", keys.journal)
    fields = dict(zip(about[::2], about[1::2], strict=True))
    if int(fields[b"entries-added"]) != int(fields[b"length"]):
        raise FatureError("the journal was trimmed into the archive: use `--from archive`")


def step(store: Store, keys: TenantKeys, live: int, number: int, name: str, *words: Word) -> str:
    """One step of lua/generation.lua."""
    states = [keys.generation(live).state, keys.generation(number).state]
    own = [keys.control, keys.journal, *states, keys.decisions]
    reply: bytes = store.run(script("generation"), own, [name, number, *words])
    return reply.decode()


def swap(store: Store, keys: TenantKeys, live: int, replay: Replay, undoing: Undoing | None = None) -> None:
    """Folds the last entries while writers are held, and puts the new generation in the place of the live one."""
    number = replay.fold.generation
    for _ in range(_SWAPS):
        step(store, keys, live, number, "hold", system_clock() + _HOLD_US)
        replay.catch_up()
        recorded = () if undoing is None else _recorded(replay, undoing)
        if step(store, keys, live, number, "swap", replay.last, replay.fold.configuration.revision, *recorded) == "OK":
            return
    raise FatureError("the journal grew while writers were held: is another clock ahead of ours? Run it again")


def _recorded(replay: Replay, undoing: Undoing) -> tuple[str, bytes, bytes]:
    """The journal entry of the decision, with all its rows, and the decision as it is kept, with how many they are."""
    told = {"undone": undoing.run, "reason": undoing.reason, "at": system_clock(), "void": dict(replay.left_out)}
    kind, data = replay.fold.entry("undone", {**told, "rows": [list(row) for row in undoing.rows]})
    return kind, data, decisions.told({"kind": kind, **told})


def delete_generations(store: Store, keys: TenantKeys) -> None:
    """Deletes the keys of generations that are neither live nor being built.

    Those opened meanwhile have greater numbers than any there was at the call, and are none of its business.
    """
    live, being_built, opened = store.call("HMGET", keys.control, "live", "building", "opened")
    greatest = max(int(live), int(opened or 0))
    kept = {live, being_built}

    def is_stale(key: bytes) -> bool:
        number = key[len(keys.prefix) :].split(b":", 1)[0]
        return number not in kept and int(number) <= greatest

    for found in store.scan(keys.control, f"{keys.prefix}[0-9]*", _DELETE_AT_ONCE):
        if stale := list(filter(is_stale, found)):
            store.write("unlink", "UNLINK", *stale)
