"""The journal folded again: the same fold, into another generation, without journaling a second time.

Entries come in the order they were written, so what was decided once (accepted links, first bets, the last-read
`cadastro`, managers' decisions) is taken, never decided anew. People, links and rows are gathered into windows; what
parks or quarantines keeps its place between them.

Void rows are left out, as if they had never come (DOMAIN.md, "Undo"). What hung on them is then for the fold to say: a
row whose person is gone waits, a link that would close a loop is refused, a row that had given way counts, a decision
about somebody who is gone lapses. To come to the same each time, whatever the windows, people, links and money are not
put before what stood before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from fature_kv import journal
from fature_kv.archive.voids import Voids
from fature_kv.domain import calendar
from fature_kv.domain.rows import Bet, Link, Person, Row
from fature_kv.errors import Conflict, FatureError, NotFound
from fature_kv.ingest import boards, decisions, links, money, moves, parking, people, sizes
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.newest import unpack_version
from fature_kv.ingest.window import Origin, Parked, Window, row_id, source_of, unpack_row
from fature_kv.journal import Place
from fature_kv.store import Store

_ENTRIES_AT_ONCE = 500
_PEOPLE, _LINKS, _MONEY = range(3)
Progress = Callable[[int, int], None]


def entries(store: Store, stream: str, after: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Entries behind `after` (`0` for all) as `(id, kind, body)`."""
    while batch := store.call("XRANGE", stream, f"({after}" if after != "0" else "-", "+", "COUNT", _ENTRIES_AT_ONCE):
        for raw_id, fields in batch:
            held = dict(zip(fields[::2], fields[1::2], strict=True))
            after = raw_id.decode()
            yield after, held[b"kind"].decode(), journal.body(held[b"data"])


class Replay:
    """A building generation, and how far it has come. `left_out` counts, by source, the rows that are void by the
    decision that is just being carried out."""

    def __init__(self, fold: Fold, voids: Voids) -> None:
        self.fold = fold
        self.last = "0"
        self.folded = 0
        self.left_out: Counter[str] = Counter()
        self._voids = voids
        self._place: Place = (0, 0)
        self._phase = _PEOPLE
        self._rows: list[Row] = []
        self._origins: list[Origin] = []
        self._released: list[tuple[Row, Parked]] = []
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
            "moved": self._move,
            "declared": self._declare,
            "undone": lambda _: self._flush(),
        }

    def catch_up(self, progress: Progress | None = None) -> None:
        """Folds what the journal holds behind `last`, and everything that follows from it."""
        stream = self.fold.tenant.journal
        total = self.folded + int(self.fold.store.call("XLEN", stream)) if self.last == "0" else 0
        for entry_id, kind, body in entries(self.fold.store, stream, self.last):
            self.last, self._place = entry_id, journal.place(entry_id)
            handler = self._handlers.get(kind)  # configuration, tokens and runs are of no generation
            if handler:
                handler(body)
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
        found: list[Row] = []
        for person, status, registered_at, updated_at in body["people"]:
            name, email, phone = self._personal.pop(person)
            found.append(Person(person, name, email, phone, status, registered_at, updated_at))
        self._take(_PEOPLE, found, body)

    def _take_links(self, body: dict[str, Any]) -> None:
        self._take(_LINKS, [Link(*link) for link in body["links"]], body)

    def _take_rows(self, body: dict[str, Any]) -> None:
        self._take(_MONEY, self.rows_of(body), body)

    @staticmethod
    def rows_of(body: dict[str, Any]) -> list[Row]:
        """The rows of money and the bets of an entry."""
        found: list[Row] = [unpack_version(source, row, version) for source, row, version, _ in body["money"]]
        columns = [journal.values(column).tolist() for column in body.get("bets", ())]
        return found + [Bet(*bet) for bet in zip(*columns, strict=True)]

    def _take(self, phase: int, rows: Sequence[Row], body: dict[str, Any]) -> None:
        """Gathers an entry's rows. Those that had waited come from where they wait here: they are rows of the run that
        brought them, and void with it. An entry with people who had waited is a window of its own: the order of entries
        tells which row of `cadastro` was read last."""
        alone = bool(body.get("released")) and phase == _PEOPLE
        if alone or (self._voids and (phase < self._phase or phase == _LINKS)):
            self._flush()
        self._phase = phase
        rows, released = self._of_entry(rows, body)
        self._released += released
        self._rows += rows
        self._origins += [Origin(body["run"], body["at"])] * len(rows)
        if alone or len(self._rows) >= self.fold.settings.window_rows:
            self._flush()

    def _of_entry(self, rows: Sequence[Row], body: dict[str, Any]) -> tuple[Sequence[Row], list[tuple[Row, Parked]]]:
        """An entry's rows that are not void: those of its own run, and those that had waited."""
        fields = body.get("released", ())
        if fields:
            waited = set(fields)
            rows = [row for row in rows if parking.parked_field(row) not in waited]
        if self._voids.touch(body["run"], self._place):
            rows = [row for row in rows if not self._is_void(body["run"], row)]
        return rows, parking.waiting(self.fold, fields)

    def _is_void(self, run: str, row: Row) -> bool:
        source, number = source_of(row), row_id(row)
        void = self._voids.row(run, source, number, self._place)
        if void and self._voids.just_now(run, source, number):
            self.left_out[source] += 1
        return void

    def _flush(self) -> None:
        window = Window(self._rows, self._released, origins=self._origins)
        self._rows, self._origins, self._released = [], [], []
        self._phase = _PEOPLE
        if not window.good:
            return
        parking.look_up_quarantine(self.fold, window)
        people.apply(self.fold, window)
        links.apply(self.fold, window)
        if window.links:
            moves.drain(self.fold)
        money.apply(self.fold, window)
        if not self._voids and not window.outcomes <= {"applied", "duplicate"}:
            raise FatureError(
                f"the journal is not whole: a row before entry {self.last} was applied once and now is not"
            )

    # -- what waits and what is bad ---------------------------------------------------------------------------------

    def _park(self, body: dict[str, Any]) -> None:
        self._flush()
        keys = self.fold.key_list()
        rows = []
        for field, packed in body["rows"]:
            entry = msgspec.msgpack.decode(packed)
            person, row = entry["person"], unpack_row(entry["row"])
            if self._is_void(entry["run"], row):
                continue
            place = [False, False, parking.due_ms(row)]
            if person is not None:
                place = [keys(self.fold.keys.waits(person)), keys(self.fold.keys.affiliate(person)), False]
            rows.append([field, packed, *place])
        kept = {row[0].rpartition(":")[0] for row in rows}
        cleared = [field for field in body["cleared"] if field in kept]
        plan: dict[str, Any] = {
            "parked": rows,
            "quarantined": [],
            "limits": parking.limits(self.fold),
            "unquarantine": cleared,
        }
        unpark = parking.places(self.fold, [row[0] for row in rows], keys)
        if self.fold.apply("park", keys, unpark=unpark, **plan):
            raise FatureError("the journal is not whole: a row waits on somebody who is there")

    def _release(self, body: dict[str, Any]) -> None:
        """Rows that waited and gave way to others: tried again where the others may be void."""
        self._flush()
        if not self._voids:
            keys = self.fold.key_list()
            unpark = parking.places(self.fold, body["fields"], keys)
            self.fold.apply("settle", keys, state=[], unpark=unpark)
            return
        self._released += parking.waiting(self.fold, body["fields"])
        self._phase = _MONEY

    def _quarantine(self, body: dict[str, Any]) -> None:
        self._flush()
        keys = self.fold.key_list()
        rows, released = body["rows"], body.get("released", ())
        if self._voids:
            rows = [row for row in rows if not self._is_void_entry(msgspec.json.decode(row[1]))]
            kept = {field for field, _ in rows}
            released = [field for field in released if field.rpartition(":")[0] in kept]
        plan = {"parked": [], "quarantined": rows, "limits": parking.limits(self.fold)}
        unpark = parking.places(self.fold, released, keys)
        self.fold.apply("park", keys, unpark=unpark, **plan)

    def _is_void_entry(self, entry: dict[str, Any]) -> bool:
        return self._voids.row(entry["run"], entry["source"], entry["id"], self._place)

    def _clear(self, body: dict[str, Any]) -> None:
        if not self._voids.run(body["run"], self._place):
            self._flush()
            self.fold.apply("settle", self.fold.key_list(), state=[], unquarantine=body["fields"])

    # -- managers' decisions ----------------------------------------------------------------------------------------

    def _move(self, body: dict[str, Any]) -> None:
        self._decide(
            lambda: decisions.move(self.fold, body["affiliate_id"], body["sponsor_id"], body["reason"], body["at"])
        )

    def _declare(self, body: dict[str, Any]) -> None:
        day = None if body["qualified_on"] is None else calendar.parse_day(body["qualified_on"])
        self._decide(lambda: decisions.declare(self.fold, body["affiliate_id"], day, body["reason"], body["at"]))

    def _decide(self, decide: Callable[[], bool]) -> None:
        self._flush()
        try:
            decide()
        except (NotFound, Conflict):
            if not self._voids:
                raise
