"""Which rows of the journal are void: those of a run that was taken back, and single ones (DOMAIN.md, "Undo").

A decision voids what stands before it in the journal: the same rows behind it count anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fature_kv import journal
from fature_kv.ingest import decisions
from fature_kv.journal import Place
from fature_kv.keyspace import TenantKeys
from fature_kv.store import Store

END: Final[Place] = (2**63, 0)
"""Behind every entry: the place of a decision that is just being carried out."""


class Voids:
    """Runs and single rows `(source, id)` that are void, each up to a place of the journal."""

    def __init__(self) -> None:
        self._runs: dict[str, Place] = {}
        self._rows: dict[tuple[str, str], Place] = {}

    def __bool__(self) -> bool:
        return bool(self._runs or self._rows)

    def add(self, run: str | None, rows: Iterable[tuple[str, str]], place: Place) -> None:
        """Takes in one decision; later ones reach further than earlier ones."""
        if run is not None:
            self._runs[run] = max(place, self._runs.get(run, place))
        for row in rows:
            self._rows[row] = max(place, self._rows.get(row, place))

    def run(self, run: str, place: Place) -> bool:
        """Whether a run's rows are void that stand there."""
        return place < self._runs.get(run, place)

    def just_now(self, run: str, source: str, row: str | None) -> bool:
        """Whether a row that is void is so by the decision that is just being carried out."""
        return END in (self._runs.get(run), self._rows.get((source, row or "")))

    def row(self, run: str, source: str, row: str | None, place: Place) -> bool:
        """Whether a row is void that a run brought and that stands there; `row` is its id as text."""
        return self.run(run, place) or (row is not None and place < self._rows.get((source, row), place))


def read(store: Store, keys: TenantKeys) -> Voids:
    """All that is void by decisions so far."""
    voids = Voids()
    for decision in decisions.read(store, keys):
        if decision.body["kind"] == "undone":
            rows = _rows(store, keys, decision) if decision.body["undone"] is None else []
            voids.add(decision.body["undone"], rows, journal.place(decision.entry))
    return voids


def _rows(store: Store, keys: TenantKeys, decision: decisions.Decision) -> list[tuple[str, str]]:
    """Single rows of a decision: they may be many, so only the journal holds them."""
    ((_, fields),) = store.call("XRANGE", keys.journal, decision.entry, decision.entry)
    held = dict(zip(fields[::2], fields[1::2], strict=True))
    return [(source, row) for source, row in journal.body(held[b"data"])["rows"]]
