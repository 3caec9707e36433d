"""Source files -> rows (CONTRACT.md, `import`).

`open_source` reads a file once from end to end before it yields anything: text and compression intact, every
column there, quotes closed. So a file that is not what it says is refused whole. A row that can't be taken is
no reason to stop: it comes out as a `BadRow`.

Reading order for newcomers: `find_files`, `open_source`, `SourceFile.lists`, `csv_text.scan`, `domain/parse.py`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from fature_kv.domain.mapping import (
    COLUMNS,
    HeaderMatch,
    Mapping,
    accepted_names,
    guess_source,
    match_header,
    source_of_filename,
)
from fature_kv.domain.parse import FIELDS, RowParser, row_id
from fature_kv.domain.rows import SOURCES, BadRow, Row, Source
from fature_kv.errors import SourceFileError
from fature_kv.sources.csv_text import END, Scan, check_end, open_text, records, scan, sniff_delimiter, translated

Progress: TypeAlias = Callable[[int], None]
"""Called now and then with how many bytes of the file (compressed, where it is) have been read so far."""

SUFFIXES: Final = (".csv", ".csv.gz", ".xlsx")
LIST_ROWS: Final = 20_000
_PROGRESS_ROWS: Final = 4_096


def find_files(paths: Iterable[Path | str], mapping: Mapping | None = None) -> list[Path]:
    """The files to import, people first, then links, then money; folders stand for the usable files in them.

    Raises SourceFileError for a path that does not exist or has another suffix, and for a folder with nothing
    usable in it. What a file holds is not checked here.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            inside = [file for file in sorted(path.iterdir()) if _usable(file)]
            if not inside:
                raise SourceFileError(str(path), f"no file in this folder ends in {_or(SUFFIXES)}")
            found.update(dict.fromkeys(inside))
        elif not path.exists():
            raise SourceFileError(str(path), "no such file or folder")
        elif not path.name.lower().endswith(SUFFIXES):
            raise SourceFileError(str(path), f"expected a name that ends in {_or(SUFFIXES)}")
        else:
            found[path] = None
    return sorted(found, key=lambda path: (_position(path, mapping or Mapping()), str(path)))


def _usable(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(SUFFIXES) and not path.name.startswith((".", "~$"))


def _position(path: Path, mapping: Mapping) -> int:
    """The place of a file's source in `SOURCES`; last where it can't be told, which opening it will explain."""
    source = source_of_filename(path.name)
    if source is None:
        try:
            source = guess_source(_read_header(path, scan(path))[0], mapping)
        except SourceFileError:
            source = None
    return len(SOURCES) if source is None else SOURCES.index(source)


def open_source(path: Path | str, zone: ZoneInfo, mapping: Mapping, source: Source | None = None) -> SourceFile:
    """Check a file as a whole and make it ready to be read; `source` None lets name or header tell it.

    Raises SourceFileError, naming line and column, for a file that can't be read in full.
    """
    path = Path(path)
    if path.name.lower().endswith(".xlsx"):
        raise SourceFileError(str(path), "workbooks are not read yet; save each sheet as CSV")
    if not path.is_file():
        raise SourceFileError(str(path), "no such file")
    found = scan(path)
    header, delimiter, line = _read_header(path, found)
    known = source or source_of_filename(path.name) or guess_source(header, mapping)
    if known is None:
        raise SourceFileError(str(path), _unknown_source(header, mapping), line=line)
    match = match_header(known, header, mapping)
    _check_header(path, known, header, line, match, mapping)
    check_end(path, found, delimiter, len(header))
    return SourceFile(path, known, header, match, found, delimiter, RowParser(zone, mapping))


def check(path: Path | str, zone: ZoneInfo, mapping: Mapping, source: Source | None = None) -> None:
    """Raise SourceFileError where `open_source` would; importers check all files before they apply any."""
    open_source(path, zone, mapping, source)


class SourceFile:
    """A checked file. It may be read any number of times; each reading starts from the first row.

    `mapping_found` is column -> header text, `ignored` the header texts nothing was taken from, `line` the line
    of the last BadRow that was yielded (1 is the first line of the file).
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        header: list[str],
        match: HeaderMatch,
        found: Scan,
        delimiter: str,
        parser: RowParser,
    ) -> None:
        self.path: Final = path
        self.source: Final[Source] = source
        self.mapping_found: Final = {column: header[index] for column, index in match.columns.items()}
        self.ignored: Final = match.ignored
        self.encoding: Final = found.encoding
        self.delimiter: Final = delimiter
        self.size_bytes: Final = found.size_bytes
        self.line = 0
        self._width: Final = len(header)
        self._indexes: Final = match.columns
        self._scan: Final = found
        self._parser: Final = parser

    def rows(self, progress: Progress | None = None) -> Iterator[Row | BadRow]:
        """All rows, in the order of the file."""
        with open_text(self.path, self._scan) as (text, raw):
            for number, row in enumerate(self._parsed(text)):
                if progress is not None and number % _PROGRESS_ROWS == 0:
                    progress(raw.tell())
                yield row
        if progress is not None:
            progress(self.size_bytes)

    def lists(self, size: int = LIST_ROWS, progress: Progress | None = None) -> Iterator[list[Row | BadRow]]:
        """All rows, as lists of up to `size`: the same as `rows`, faster to take."""
        with open_text(self.path, self._scan) as (text, raw):
            parsed = self._parsed(text)
            while rows := list(islice(parsed, size)):
                if progress is not None:
                    progress(raw.tell())
                yield rows

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


class BadLine(msgspec.Struct, frozen=True):
    """A bad row and the line it starts on."""

    line: int
    reason: str
    raw: dict[str, object]


class Preview(msgspec.Struct, frozen=True):
    """What a dry run shows of a file: `columns` is column -> header text, `reasons` reason -> rows."""

    path: str
    source: Source
    encoding: str
    delimiter: str
    columns: dict[str, str]
    ignored: tuple[str, ...]
    rows: int
    good: int
    reasons: dict[str, int]
    bad: list[BadLine]


def preview(
    path: Path | str, zone: ZoneInfo, mapping: Mapping, source: Source | None = None, *, bad_rows: int = 5
) -> Preview:
    """Read a whole file without applying anything; keep its first `bad_rows` bad rows. Raises SourceFileError."""
    file = open_source(path, zone, mapping, source)
    total = 0
    reasons: Counter[str] = Counter()
    bad: list[BadLine] = []
    for row in file.rows():
        total += 1
        if isinstance(row, BadRow):
            reasons[row.reason] += 1
            if len(bad) < bad_rows:
                bad.append(BadLine(file.line, row.reason, row.raw))
    return Preview(
        path=str(path),
        source=file.source,
        encoding=file.encoding,
        delimiter=file.delimiter,
        columns=file.mapping_found,
        ignored=file.ignored,
        rows=total,
        good=total - reasons.total(),
        reasons=dict(sorted(reasons.items())),
        bad=bad,
    )


# --- headers -------------------------------------------------------------------------------------


def _read_header(path: Path, found: Scan) -> tuple[list[str], str, int]:
    """The header's fields, the delimiter, and the header's line. Raises SourceFileError when all lines are blank."""
    with translated(path, lambda: 1), open_text(path, found) as (text, _):
        for number, line in enumerate(text, start=1):
            if line.strip():
                delimiter = sniff_delimiter(line)
                header = next(csv.reader(chain((line,), text), delimiter=delimiter))
                return [name.strip() for name in header], delimiter, number
    raise SourceFileError(str(path), "is empty, expected a header line")


def _check_header(
    path: Path, source: Source, header: list[str], line: int, match: HeaderMatch, mapping: Mapping
) -> None:
    for column, names in match.ambiguous.items():
        problem = f"several columns may be it: {', '.join(names)}; keep one of them, or name it '{column}'"
        raise SourceFileError(str(path), problem, line=line, column=column)
    if not match.missing:
        return
    column = match.missing[0]
    lacking = ", ".join(match.missing)
    problem = (
        f"missing (a file of '{source}' lacks: {lacking}); the header has: {', '.join(header)}; "
        f"accepted for '{column}': {', '.join(accepted_names(source, column, mapping))}"
    )
    if not match.columns:
        problem += "; is the first line a header?"
    elif (other := guess_source(header, mapping)) and other != source:
        problem += f"; it looks like a file of '{other}': rename it"
    raise SourceFileError(str(path), problem, line=line, column=column)


def _unknown_source(header: list[str], mapping: Mapping) -> str:
    fitting = [source for source in SOURCES if match_header(source, header, mapping).complete]
    names = _or([f"{source}.csv" for source in fitting or SOURCES])
    why = "the header fits several sources" if fitting else "neither name nor header tells the source"
    return f"{why}; the header has: {', '.join(header)}; name the file like {names} (a prefix may stand before)"


def _or(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _is_filled(fields: list[str]) -> bool:
    return any(field.strip() for field in fields)


def _newlines(field: str) -> int:
    return field.count("\n") + field.count("\r") - field.count("\r\n")
