"""CSV files -> rows. A file is read once from end to end before it yields anything: text and compression intact,
every column there, quotes closed. So a file that is not what it says is refused whole."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Final

from fature_kv.domain.mapping import COLUMNS, HeaderMatch, Mapping, source_of_filename
from fature_kv.domain.parse import FIELDS, RowParser, row_id
from fature_kv.domain.rows import BadRow, Row, Source
from fature_kv.errors import SourceFileError
from fature_kv.sources.csv_text import END, Scan, check_end, open_text, records, scan, sniff_delimiter, translated
from fature_kv.sources.headers import Header, match_columns, tell_source
from fature_kv.sources.source_file import SourceFile


def open_csv(path: Path, parser: RowParser, mapping: Mapping, source: Source | None = None) -> CsvFile:
    """Check a file as a whole and make it ready to be read; `source` None lets name or header tell it.

    Raises SourceFileError, naming line and column, for a file that can't be read in full.
    """
    found = scan(path)
    header, delimiter = _read_header(path, found)
    known = tell_source(header, source or source_of_filename(path.name), mapping)
    match = match_columns(header, known, mapping)
    check_end(path, found, delimiter, len(header.names))
    return CsvFile(header, known, match, found, delimiter, parser)


def _read_header(path: Path, found: Scan) -> tuple[Header, str]:
    """The header and the delimiter. Raises SourceFileError when all lines are blank."""
    with translated(path, lambda: 1), open_text(path, found) as (text, _):
        for number, line in enumerate(text, start=1):
            if line.strip():
                delimiter = sniff_delimiter(line)
                names = next(csv.reader(chain((line,), text), delimiter=delimiter))
                return Header(path, None, [name.strip() for name in names], number), delimiter
    raise SourceFileError(str(path), "is empty, expected a header line")


class CsvFile(SourceFile):
    """A checked CSV file."""

    def __init__(
        self, header: Header, source: Source, match: HeaderMatch, found: Scan, delimiter: str, parser: RowParser
    ) -> None:
        super().__init__(header, source, match, f"{found.encoding}, '{delimiter}'", found.size_bytes)
        self.encoding: Final = found.encoding
        self.delimiter: Final = delimiter
        self._width: Final = len(header.names)
        self._indexes: Final = match.columns
        self._scan: Final = found
        self._parser: Final = parser

    @contextmanager
    def _opened(self) -> Iterator[tuple[Iterator[Row | BadRow], Callable[[], int]]]:
        with open_text(self.path, self._scan) as (text, raw):
            yield self._parsed(text), raw.tell

    def _parsed(self, text: Iterable[str]) -> Iterator[Row | BadRow]:
        """Rows of the text after its header. Values go to the parser in the order of `mapping.COLUMNS`."""
        width, read = self._width, self._parser.reader(self.source)
        absent = len(self._indexes) < len(COLUMNS[self.source])
        values = itemgetter(*(self._indexes.get(column, width) for column in COLUMNS[self.source]))
        reader = records(text, self.delimiter)
        with translated(self.path, lambda: reader.line_num):
            next(fields for fields in reader if _is_filled(fields))
            for fields in reader:
                if len(fields) == width:
                    if absent:
                        fields.append(None)  # type: ignore[arg-type]
                    row = read(*values(fields))
                elif fields == [END]:
                    return
                elif not _is_filled(fields):
                    continue
                else:
                    row = self._misfit(fields)
                if type(row) is BadRow:
                    self.line = reader.line_num - sum(map(_newlines, filter(None, fields)))
                yield row
        raise SourceFileError(str(self.path), "changed while it was read: a quoted field is never closed")

    def _misfit(self, fields: list[str]) -> BadRow:
        """A record with more or fewer fields than the header; only a leading id column is sure to be itself."""
        first = next((column for column, index in self._indexes.items() if index == 0), None)
        leading = row_id(self.source, {"id": fields[0]}) if first == "id" else None
        return BadRow(self.source, leading, "bad_row", {FIELDS: fields})


def _is_filled(fields: list[str]) -> bool:
    return any(field.strip() for field in fields)


def _newlines(field: str) -> int:
    return field.count("\n") + field.count("\r") - field.count("\r\n")
