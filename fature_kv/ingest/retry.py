"""Rows of quarantine, and rows that wait, tried again: after a mapping, a parser or a decision has changed.

Each stays a row of the run that brought it, so that taking that run back takes it back too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec

from fature_kv import tenants
from fature_kv.domain.mapping import Mapping
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import BadRow, Row
from fature_kv.ingest import parking
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.session import RunCounts, Session, new_run, system_clock
from fature_kv.ingest.window import Window
from fature_kv.settings import Settings
from fature_kv.store import Store

CONFLICTS = frozenset({"second_sponsor", "cycle", "overflow"})
"""Reasons that lie not in a row but in what else is there."""
_AT_ONCE = 1000


class _Bad(NamedTuple):
    """A row of quarantine that can be read by now: where it stands there, since when, and what stands there."""

    field: str
    at: int
    row: Row
    entry: bytes


def quarantine(
    store: Store,
    slug: str,
    settings: Settings,
    mapping: Mapping,
    *,
    reasons: Collection[str] | None = None,
    clock: Callable[[], int] = system_clock,
) -> RunCounts:
    """Applies what can be applied of the tenant's quarantine, of these reasons only where some are named.

    What became of the rows that were tried; those that still can't be read are not, and stay.
    """
    tenant = tenants.get(store, slug)
    place = tenant.keys.generation(tenant.live).quarantine
    by_run = _readable(store, place, RowParser(tenant.zone, mapping), reasons)
    total = RunCounts({}, 0, 0, {})
    for run in sorted(by_run, key=lambda run: (min(bad.at for bad in by_run[run]), run)):
        session = Session(store, slug, settings, run=run, clock=clock)
        _apply(session, sorted(by_run[run], key=lambda bad: (bad.at, bad.field)))
        total = _added(total, session.counts())
    return total


def parked(store: Store, slug: str, settings: Settings, *, clock: Callable[[], int] = system_clock) -> RunCounts:
    """Applies every row that waits and need not; what became of these."""
    session = Session(store, slug, settings, run=new_run("retry", clock()), clock=clock)
    session.release()
    session.release_all()
    session.settle()
    return session.counts()


def _readable(store: Store, place: str, parser: RowParser, reasons: Collection[str] | None) -> dict[str, list[_Bad]]:
    """Rows of quarantine that the parser takes, by run."""
    found: dict[str, dict[str, _Bad]] = defaultdict(dict)
    cursor = b"0"
    while True:
        cursor, flat = store.call("HSCAN", place, cursor, "COUNT", _AT_ONCE)
        for field, raw in zip(flat[::2], flat[1::2], strict=True):
            entry = msgspec.json.decode(raw)
            if reasons is None or entry["reason"] in reasons:
                row = parser.parse(entry["source"], entry["row"])
                if not isinstance(row, BadRow):
                    found[entry["run"]][field.decode()] = _Bad(field.decode(), entry["at"], row, raw)
        if cursor == b"0":
            return {run: list(bad.values()) for run, bad in found.items()}


def _apply(session: Session, bad: list[_Bad]) -> None:
    for start in range(0, len(bad), session.settings.window_rows):
        some = bad[start : start + session.settings.window_rows]
        tried: list[_Bad] = []

        def read(fold: Fold, some: list[_Bad] = some, tried: list[_Bad] = tried) -> Window:
            tried[:] = _still_there(fold, some)
            return Window([each.row for each in tried])

        results = session.apply_read(read).answers()
        session.release()
        # A row whose id could not be read stood under its digest, which no good row clears by itself.
        session.clear(
            [
                each.field
                for each, (result, _) in zip(tried, results, strict=True)
                if result != "quarantined" and each.field != parking.quarantine_field(each.row)
            ]
        )
    session.settle()


def _still_there(fold: Fold, bad: list[_Bad]) -> list[_Bad]:
    """Those that are in quarantine as they were read: an undo may have taken some back meanwhile."""
    held = fold.store.call("HMGET", fold.keys.quarantine, *(each.field for each in bad))
    return [each for each, entry in zip(bad, held, strict=True) if entry == each.entry]


def _added(one: RunCounts, other: RunCounts) -> RunCounts:
    return RunCounts(
        dict(Counter(one.applied) + Counter(other.applied)),
        one.duplicates + other.duplicates,
        one.parked + other.parked,
        dict(Counter(one.quarantined) + Counter(other.quarantined)),
    )
