"""The journal folded again: the same fold, into another generation, without journaling a second time.

Entries come in the order they were written, so what was decided once (accepted links, first bets, the last-read
`cadastro`) is taken, never decided anew. People, links and rows are gathered into windows; what parks or quarantines
keeps its place between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from fature_kv import journal
from fature_kv.domain.rows import Bet, Link, Person, Row
from fature_kv.errors import FatureError
from fature_kv.ingest import boards, links, money, moves, parking, people, sizes
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.newest import unpack_version
from fature_kv.ingest.window import Window, unpack_row
from fature_kv.store import Store

_ENTRIES_AT_ONCE = 500
Progress = Callable[[int, int], None]


def entries(store: Store, stream: str, after: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Entries behind `after` (`0` for all) as `(id, kind, body)`."""
    while batch := store.call("XRANGE", stream, f"({after}" if after != "0" else "-", "+", "COUNT", _ENTRIES_AT_ONCE):
        for raw_id, fields in batch:
            held = dict(zip(fields[::2], fields[1::2], strict=True))
            after = raw_id.decode()
            yield after, held[b"kind"].decode(), journal.body(held[b"data"])


class Replay:
    """A building generation, and how far it has come."""

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self.last = "0"
        self.folded = 0
        self._rows: list[Row] = []
        self._personal: dict[int, tuple[str, str, str]] = {}
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "personal": self._take_personal,
            "people": self._take_people,
            "links": self._take_links,
            "rows": self._take_rows,
            "parked": self._park,
            "released": self._release,
            "quarantined": self._quarantine,
            "cleared": self._clear,
        }

    def catch_up(self, progress: Progress | None = None) -> None:
        """Folds what the journal holds behind `last`, and everything that follows from it."""
        stream = self.fold.tenant.journal
        total = self.folded + int(self.fold.store.call("XLEN", stream)) if self.last == "0" else 0
        for entry_id, kind, body in entries(self.fold.store, stream, self.last):
            handler = self._handlers.get(kind)  # configuration, tokens and runs are of no generation
            if handler:
                handler(body)
            self.last = entry_id
            self.folded += 1
            if progress and self.folded % _ENTRIES_AT_ONCE == 0:
                progress(self.folded, max(total, self.folded))
        self._flush()
        moves.drain(self.fold)
        sizes.drain(self.fold)
        boards.follow(self.fold)
        if progress:
            progress(self.folded, self.folded)

    # -- rows -------------------------------------------------------------------------------------------------------

    def _take_personal(self, body: dict[str, Any]) -> None:
        self._personal.update((person, tuple(rest)) for person, *rest in body["people"])

    def _take_people(self, body: dict[str, Any]) -> None:
        for person, status, registered_at, updated_at in body["people"]:
            name, email, phone = self._personal.pop(person)
            self._take(Person(person, name, email, phone, status, registered_at, updated_at))
        self._release({"fields": body["released"]})

    def _take_links(self, body: dict[str, Any]) -> None:
        for link in body["links"]:
            self._take(Link(*link))
        self._release({"fields": body["released"]})

    def _take_rows(self, body: dict[str, Any]) -> None:
        for source, row, version, _ in body["money"]:
            self._take(unpack_version(source, row, version))
        columns = [journal.values(column).tolist() for column in body.get("bets", ())]
        for bet in zip(*columns, strict=True):
            self._take(Bet(*bet))
        self._release({"fields": body.get("released", ())})

    def _take(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= self.fold.settings.window_rows:
            self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        window = Window(rows)
        parking.look_up_quarantine(self.fold, window)
        people.apply(self.fold, window)
        links.apply(self.fold, window)
        if window.links:
            moves.drain(self.fold)
        money.apply(self.fold, window)
        for row, told in zip(rows, window.answers(), strict=True):
            if told.result not in ("applied", "duplicate"):
                raise FatureError(f"the journal is not whole: {row} was applied once and now is {told}")

    # -- what waits and what is bad ---------------------------------------------------------------------------------

    def _park(self, body: dict[str, Any]) -> None:
        self._flush()
        keys = self.fold.key_list()
        rows = []
        for field, packed in body["rows"]:
            entry = msgspec.msgpack.decode(packed)
            person, row = entry["person"], unpack_row(entry["row"])
            place = [False, False, parking.due_ms(row)]
            if person is not None:
                place = [keys(self.fold.keys.waits(person)), keys(self.fold.keys.affiliate(person)), False]
            rows.append([field, packed, *place])
        plan = {"parked": rows, "quarantined": [], "limits": parking.limits(self.fold), "unquarantine": body["cleared"]}
        unpark = parking.places(self.fold, [row[0] for row in rows], keys)
        if self.fold.apply("park", keys, unpark=unpark, **plan):
            raise FatureError("the journal is not whole: a row waits on somebody who is there")

    def _release(self, body: dict[str, Any]) -> None:
        if body["fields"]:
            self._flush()
            keys = self.fold.key_list()
            unpark = parking.places(self.fold, body["fields"], keys)
            self.fold.apply("settle", keys, state=[], unpark=unpark)

    def _quarantine(self, body: dict[str, Any]) -> None:
        self._flush()
        keys = self.fold.key_list()
        plan = {"parked": [], "quarantined": body["rows"], "limits": parking.limits(self.fold)}
        unpark = parking.places(self.fold, body.get("released", ()), keys)
        self.fold.apply("park", keys, unpark=unpark, **plan)

    def _clear(self, body: dict[str, Any]) -> None:
        self._flush()
        self.fold.apply("settle", self.fold.key_list(), state=[], unquarantine=body["fields"])
