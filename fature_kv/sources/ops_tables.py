"""The tables and views of an operations database: which columns they have, and which reads of them an index serves.

`casino_bets_v` may be a view over anything, so what PostgreSQL would do is asked, not guessed: an incremental read goes
ahead only where every part of its plan is an index's condition, or a table that is small. Nothing is ever sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from fature_kv.domain.calendar import HOUR
from fature_kv.domain.mapping import COLUMNS, Mapping, accepted_names, match_header
from fature_kv.domain.rows import Source
from fature_kv.errors import OperationsError
from fature_kv.sources.ops_database import Database, quoted

Way: TypeAlias = Literal["id", "time"]
"""What an incremental read goes by: new rows by their ids, changed ones by the time of the change."""

WAYS: Final[dict[Source, dict[Way, str]]] = {
    "cadastro": {"id": "id", "time": "atualizado_em"},
    "tracked": {"id": "user_id", "time": "tracked_em"},
    "depositos": {"id": "id", "time": "atualizado_em"},
    "casino_bets_v": {"id": "id"},
    "saque": {"id": "id", "time": "atualizado_em"},
    "bonus": {"id": "id", "time": "atualizado_em"},
}
_LEFT_OUT: Final = frozenset({"bonus"})
"""Sources that need not be there."""

_IDS: Final = frozenset({"smallint", "integer", "bigint", "numeric"})
_TIMES: Final = frozenset({"timestamp with time zone", "timestamp without time zone", "date"})
_NUMBERS: Final = frozenset({"numeric", "real", "double precision", "money"})

_COLUMNS: Final = """
select attname, format_type(atttypid, null), has_column_privilege(attrelid, attnum, 'select')
from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum
"""
_SIZES: Final = """
select coalesce(sum(case when reltuples < 0 then pg_relation_size(c.oid) / 64 else reltuples end), 0)
from unnest(%s::text[], %s::text[]) as wanted (schema, name)
join pg_namespace n on n.nspname = wanted.schema join pg_class c on c.relnamespace = n.oid and c.relname = wanted.name
"""


class Table(NamedTuple):
    """A table or view that holds a source: its columns in the order of `mapping.COLUMNS`, None for one it lacks."""

    source: Source
    name: str
    columns: list[str | None]
    types: list[str | None]

    def column(self, column: str) -> tuple[str | None, str | None]:
        """The table's own name of a column, and its type."""
        place = COLUMNS[self.source].index(column)
        return self.columns[place], self.types[place]

    @property
    def query(self) -> str:
        """All rows, each value as text: numbers of any type are then written alike, and times with what they have."""
        wanted = [
            "null" if name is None else f"{quoted_column(name)}{'::numeric' if kind == 'money' else ''}::text"
            for name, kind in zip(self.columns, self.types, strict=True)
        ]
        return f"select {', '.join(wanted)} from {quoted(self.name)}"  # noqa: S608 -- quoted by psycopg

    @property
    def numbers(self) -> list[tuple[int, str]]:
        """Places of values that are numbers with a decimal point, and the type of each."""
        return [(place, kind) for place, kind in enumerate(self.types) if kind in _NUMBERS]

    @property
    def ways(self) -> dict[Way, str]:
        """Columns by which rows can be told from earlier ones."""
        found: dict[Way, str] = {}
        for way, column in WAYS[self.source].items():
            name, kind = self.column(column)
            if name is not None and kind in (_IDS if way == "id" else _TIMES):
                found[way] = name
        return found

    def since(self, way: Way, floor: int, zone: ZoneInfo) -> str:
        """The rows above a floor: an id, or an instant."""
        column = quoted_column(self.ways[way])
        if way == "id":
            return f"{self.query} where {column} > {floor}"
        _, kind = self.column(WAYS[self.source]["time"])
        return f"{self.query} where {column} > {_time(floor, str(kind), zone)}"


def quoted_column(name: str) -> str:
    """A column's name as an identifier of SQL; a point in it is a part of it."""
    return '"' + name.replace('"', '""') + '"'


def _time(instant: int, kind: str, zone: ZoneInfo) -> str:
    """An instant as the column's type has it. A clock that is set back shows some hour twice: the earlier is taken."""
    if kind == "timestamp with time zone":
        return f"timestamptz '{_clock(instant, None):%Y-%m-%d %H:%M:%S.%f}+00'"
    back = 2 * HOUR
    wall = min(_clock(instant, zone), _clock(instant + back, zone) - timedelta(microseconds=back))
    if kind == "date":
        return f"date '{wall - timedelta(days=1):%Y-%m-%d}'"
    return f"timestamp '{wall:%Y-%m-%d %H:%M:%S.%f}'"


def _clock(instant: int, zone: ZoneInfo | None) -> datetime:
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
    return utc.astimezone(zone or UTC).replace(tzinfo=None)


# -- what is there ----------------------------------------------------------------------------------------------------


def find(database: Database, source: Source, mapping: Mapping) -> Table | None:
    """The table of a source; None for one that need not be there and is not. OperationsError names what is lacking."""
    name = mapping.tables.get(source, source)
    found = database.rows(_COLUMNS, [quoted(name)])
    if not found:
        if source in _LEFT_OUT and source not in mapping.tables:
            return None
        raise OperationsError(
            f"the operations database has no table or view '{name}' (of '{source}'), or its user may not see it; "
            "tell another name with `fature-kv mapping set`"
        )
    names = [row[0] for row in found]
    match = match_header(source, names, mapping)
    for column, several in match.ambiguous.items():
        raise OperationsError(
            f"table '{name}' of the operations database: {', '.join(several)} may all be '{column}'; "
            "tell which with `fature-kv mapping set`"
        )
    if match.missing:
        column = match.missing[0]
        accepted = ", ".join(accepted_names(source, column, mapping)[:4])
        raise OperationsError(
            f"table '{name}' of the operations database has no column '{column}' (accepted: {accepted}, ...); "
            f"it has: {', '.join(names)}; tell its name with `fature-kv mapping set`"
        )
    places = [match.columns.get(column) for column in COLUMNS[source]]
    for place in places:
        if place is not None and not found[place][2]:
            raise OperationsError(
                f"the operations database's user may not read '{names[place]}' of '{name}': grant it SELECT"
            )
    return Table(
        source,
        name,
        [None if place is None else names[place] for place in places],
        [None if place is None else found[place][1] for place in places],
    )


# -- what an index serves ---------------------------------------------------------------------------------------------


def rows_passed(database: Database, query: str) -> int:
    """About how many rows a query would pass over without an index's condition."""
    ((plan,),) = database.rows(f"explain (verbose, format json) {query}")
    whole = sorted({(node["Schema"], node["Relation Name"]) for node in _whole_scans(plan[0]["Plan"])})
    if not whole:
        return 0
    ((rows,),) = database.rows(_SIZES, [list(each) for each in zip(*whole, strict=True)])
    return int(rows)


def _whole_scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Scans that no index's condition bounds; a bitmap's condition stands below the table it is for."""
    bounded = "Index Cond" in node or any("Index Cond" in each for each in _below(node))
    if "Relation Name" in node and not bounded and node["Node Type"] != "Foreign Scan":
        yield node
    for each in node.get("Plans", ()):
        yield from _whole_scans(each)


def _below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Index scans of a bitmap."""
    if node["Node Type"].startswith("Bitmap"):
        for each in node.get("Plans", ()):
            yield each
            yield from _below(each)
