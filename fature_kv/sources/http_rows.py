"""Rows of `POST /events` (CONTRACT.md): a JSON body -> domain rows, in the order sent.

A body that can't be what the caller meant (no objects, unknown sources, objects or booleans for values) is
refused whole with UsageError. A value of a fine type that can't be used (an ambiguous amount, an unknown
status) makes its row a `BadRow`, as in a file.
"""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from fature_kv.domain.mapping import COLUMNS, Mapping, match_header, source_of_word
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import SOURCES, BadRow, Row, Source
from fature_kv.errors import UsageError

LIMIT: Final = 1_000
"""The most rows of one request."""

ENVELOPES: Final = ("items", "rows", "events")
"""Keys under which a body may hold its list of rows."""

_SHAPE: Final = 'expected a list of rows like {"source": "depositos", "id": 1, ...}'


def parse_events(body: object, zone: ZoneInfo, mapping: Mapping, limit: int = LIMIT) -> list[Row | BadRow]:
    """Parse a decoded body: a list of row objects, an object with that list under one of `ENVELOPES`, or one row.

    Columns may go by the aliases of the mapping, sources by those of file names. Raises UsageError, naming the
    row's index and what was expected, for a body that is refused as a whole.
    """
    rows = _rows_of(body)
    if not rows:
        raise UsageError(f"no rows; {_SHAPE}")
    if len(rows) > limit:
        raise UsageError(f"{len(rows):,} rows, expected at most {limit:,}")
    parser = RowParser(zone, mapping)
    known: dict[tuple[Source, tuple[str, ...]], dict[str, str]] = {}
    parsed: list[Row | BadRow] = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UsageError(f"row {index} is {_json_type(row)}; {_SHAPE}")
        source = _source_of(index, row)
        signature = (source, tuple(row))
        if signature not in known:
            known[signature] = _columns(index, source, row, mapping)
        raw = {column: row[key] for column, key in known[signature].items()}
        _check_types(index, raw)
        parsed.append(parser.parse(source, raw))
    return parsed


def _rows_of(body: object) -> list[object]:
    if isinstance(body, list):
        return body
    if isinstance(body, dict):
        if "source" in body:
            return [body]
        lists = [body[key] for key in ENVELOPES if key in body]
        if len(lists) == 1 and isinstance(lists[0], list):
            return lists[0]
    raise UsageError(f"the body is {_json_type(body)}; {_SHAPE}")


def _source_of(index: int, row: AnyMapping[str, object]) -> Source:
    word = row.get("source")
    source = source_of_word(word) if isinstance(word, str) else None
    if source is None:
        raise UsageError(f"row {index}: unknown source {_shown(word)}, expected one of {', '.join(SOURCES)}")
    return source


def _columns(index: int, source: Source, row: AnyMapping[str, object], mapping: Mapping) -> dict[str, str]:
    """Column -> key of the object. Absent columns are the rules' matter, not the body's."""
    keys = [key for key in row if key != "source"]
    match = match_header(source, keys, mapping)
    for column, names in match.ambiguous.items():
        raise UsageError(f"row {index}: {', '.join(names)} may all be '{column}', expected one of them")
    return {column: keys[match.columns[column]] for column in COLUMNS[source] if column in match.columns}


def _check_types(index: int, raw: AnyMapping[str, object]) -> None:
    for column, value in raw.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | None):
            raise UsageError(f"row {index}: '{column}' is {_json_type(value)}, expected text, a number or null")


def _json_type(value: object) -> str:
    names = {bool: "a boolean", dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else _json_type(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
