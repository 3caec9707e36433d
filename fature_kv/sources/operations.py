"""An operator's database -> rows (CONTRACT.md, `sync`): what is new since the last read, or all there is.

A source is read in a transaction of its own, through a cursor, some rows at a time, in whatever order they come. Values
go through the parser that files go through. After the last row `Pull.cursor` says from where to go on.

Reading order for newcomers: `Operations.pull`, `Pull.lists`, `Operations.incremental`, then `ops_tables.py` and
`ops_cursors.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from fature_kv.domain.calendar import SECOND
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import SOURCES, BadRow, Bet, Link, Money, Person, Row, Source
from fature_kv.settings import Settings
from fature_kv.sources import ops_cursors, ops_tables
from fature_kv.sources.mappings import Stored
from fature_kv.sources.ops_cursors import Cursor, Seen
from fature_kv.sources.ops_database import Database
from fature_kv.sources.ops_tables import WAYS, Table, Way

_ALWAYS: Final = 0
"""The id and the instant above which everything lies."""


class Gap(NamedTuple):
    """What an incremental read left to `--full`, for want of these columns or an index on them: the source altogether
    (`skipped`), or rows of it that were read before and changed (`unchanged`)."""

    source: Source
    table: str
    columns: tuple[str, ...]
    left: Literal["skipped", "unchanged"]


class Reading(NamedTuple):
    """The query of a read ('' for none), the ways it tells new rows by (None: it reads all), and what it leaves out."""

    query: str
    ways: AbstractSet[Way] | None
    gap: Gap | None


def everything(table: Table) -> Reading:
    """A read of all rows."""
    return Reading(table.query, None, None)


def _all_of(queries: Mapping[Way, str]) -> str:
    """One query of several; what two of them find comes twice, which changes nothing."""
    return " union all ".join(queries.values())


class Operations:
    """An operations database as one tenant reads it. Opening it checks that every source can be read."""

    def __init__(self, database: Database, stored: Stored, zone: ZoneInfo, settings: Settings) -> None:
        """Raises OperationsError for a table or column that is not there."""
        self.database = database
        self.revision: Final = stored.revision
        self.digest: Final = ops_cursors.database_digest(*database.place)
        self._settings = settings
        self._zone = zone
        self._parser = RowParser(zone, stored.document)
        with database.transaction("can't be looked at"):
            found = [ops_tables.find(database, source, stored.document) for source in SOURCES]
        self.tables: Final = {table.source: table for table in found if table is not None}

    def pull(self, source: Source, before: Cursor | None, *, full: bool = False) -> Pull:
        """A read of a source: what may be new since `before`, or everything, after which the cursor begins afresh."""
        whole = full or before is None or before.mapping != self.revision
        return Pull(self, self.tables[source], None if whole else before)

    def estimate(self, source: Source) -> int:
        """About how many rows a source has, for progress alone."""
        doing = f"can't be asked for the size of '{self.tables[source].name}'"
        with self.database.transaction(doing):
            return ops_tables.rows_passed(self.database, self.tables[source].query)

    def incremental(self, table: Table, before: Cursor) -> Reading:
        """How a source is read for what may be new; within the transaction that reads it."""
        floors: dict[Way, int] = {"id": before.id - self._settings.sync_overlap_rows, "time": before.time}
        queries = {way: table.since(way, max(_ALWAYS, floors[way]), self._zone) for way in table.ways}
        if len(queries) == len(WAYS[table.source]) and not self._passed(_all_of(queries)):
            return Reading(_all_of(queries), queries.keys(), None)
        few = self._settings.sync_scan_rows
        if self._passed(table.query) <= few:
            return everything(table)
        served = {way: query for way, query in queries.items() if self._passed(query) <= few}
        lacking = tuple(column for way, column in WAYS[table.source].items() if way not in served)
        gap = Gap(table.source, table.name, lacking, "unchanged" if served else "skipped") if lacking else None
        return Reading(_all_of(served), served.keys(), gap)

    def _passed(self, query: str) -> int:
        return ops_tables.rows_passed(self.database, query)

    def reader(self, table: Table) -> Callable[[Sequence[str | None]], Row | BadRow]:
        """From the values of one row, which come as texts, to the row."""
        read, numbers = self._parser.reader(table.source), [(place, _NUMBERS[kind]) for place, kind in table.numbers]
        if not numbers:
            return lambda values: read(*values)

        def parse(values: Sequence[str | None]) -> Row | BadRow:
            told: list[object] = list(values)
            for place, number in numbers:
                text = values[place]
                if text is not None:
                    told[place] = number(text)
            return read(*told)

        return parse

    def advanced(self, before: Cursor | None, seen: Seen, reading: Reading) -> Cursor | None:
        """The cursor after a read; what was not asked for stays where it was."""
        if before is not None and not reading.query:
            return before
        after = ops_cursors.advanced(before, seen, self._settings.sync_overlap_s * SECOND, self.revision)
        if before is None or reading.ways is None:
            return after
        id_, time = (getattr(after if way in reading.ways else before, way) for way in ("id", "time"))
        return msgspec.structs.replace(after, id=id_, time=time)

    def horizon(self, at: int) -> int:
        """The instant before which rows are older than the overlap."""
        return at - self._settings.sync_overlap_s * SECOND


class Pull:
    """One read of one source; `gap` and `cursor` are there once `lists` has come to its end."""

    def __init__(self, operations: Operations, table: Table, before: Cursor | None) -> None:
        self.source: Final = table.source
        self.whole: Final = before is None
        self.gap: Gap | None = None
        self.cursor: Cursor | None = None
        self._operations = operations
        self._table = table
        self._before = before

    def lists(self, size: int) -> Generator[list[Row | BadRow]]:
        """All rows of the read, up to `size` at a time. Raises OperationsError; what came before it may be kept."""
        operations, database = self._operations, self._operations.database
        read = operations.reader(self._table)
        doing = f"failed while '{self._table.name}' was read"
        with database.transaction(doing, by_index=not self.whole) as at:
            reading = everything(self._table)
            if self._before is not None:
                reading = operations.incremental(self._table, self._before)
            seen = _Seen(at, operations.horizon(at) if self._before is None else None)
            for values in database.lists(reading.query, size) if reading.query else ():
                rows = [read(each) for each in values]
                seen.take(rows)
                yield rows
        self.gap = reading.gap
        self.cursor = operations.advanced(self._before, seen.told(), reading)


class _Seen:
    """The highest id and latest time of change among rows; and the highest id of those before a horizon."""

    def __init__(self, at: int, horizon: int | None) -> None:
        self._at = at
        self._horizon = horizon
        self._id = self._time = self._settled = 0

    def take(self, rows: Sequence[Row | BadRow]) -> None:
        self._id = max(self._id, *map(_id_of, rows))
        self._time = max(self._time, *map(_changed_at, rows))
        if self._horizon is not None:
            settled = (_id_of(row) for row in rows if _written_at(row) < self._horizon)
            self._settled = max(self._settled, max(settled, default=0))

    def told(self) -> Seen:
        return Seen(self._at, self._id, self._time, self._settled)


def _id_of(row: Row | BadRow) -> int:
    """What the way by id goes by; 0 for a row that has none that can be read."""
    if isinstance(row, Link):
        return row.user_id
    if isinstance(row, BadRow):
        return int((row.id or "0").partition(":")[0])
    return row.id


def _changed_at(row: Row | BadRow) -> int:
    """What the way by time goes by; 0 for a row that has none."""
    if isinstance(row, Link):
        return row.tracked_at
    return (row.updated_at or 0) if isinstance(row, Money | Person) else 0


def _written_at(row: Row | BadRow) -> int:
    """When a row was written by what it says itself; one that can't be read was written at last."""
    if isinstance(row, Link):
        return row.tracked_at
    if isinstance(row, Person):
        return row.registered_at
    return row.created_at if isinstance(row, Money | Bet) else 2**62


def _decimal(text: str) -> str:
    """A decimal as one would write it: zeros that its type adds behind it are none of the value's."""
    whole, point, decimals = text.partition(".")
    if not decimals.strip("0"):
        return whole
    return f"{whole}{point}{decimals[:2]}{decimals[2:].rstrip('0')}"


def _number(text: str) -> object:
    """A binary number, which the parser takes to the centavo that it can only mean."""
    return float(text)


_NUMBERS: Final[dict[str, Callable[[str], object]]] = {
    "numeric": _decimal,
    "money": _decimal,
    "real": _number,
    "double precision": _number,
}
