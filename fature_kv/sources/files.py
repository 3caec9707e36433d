"""Source files -> rows (CONTRACT.md, `import`).

Every file is read once from end to end before it yields anything, so one that is not what it says is refused whole. A
row that can't be taken is no reason to stop: it comes out as a `BadRow`.

Reading order for newcomers: `find_files`, `open_all`, `source_file.SourceFile`; then `csv_file` and `csv_text`, or
`workbooks`, `sheets`, `sheet_headers` and `sheet_file`; then `domain/parse.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from fature_kv.domain.mapping import Mapping
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import SOURCES, BadRow, Source
from fature_kv.errors import SourceFileError
from fature_kv.settings import WORKBOOK_BYTES
from fature_kv.sources.csv_file import open_csv
from fature_kv.sources.headers import either
from fature_kv.sources.sheet_headers import Ignored, open_workbook_file
from fature_kv.sources.source_file import SourceFile

SUFFIXES: Final = (".csv", ".csv.gz", ".xlsx")
OTHER_SHEETS: Final = (".xls", ".xlsb", ".xlsm", ".ods", ".numbers")
"""Spreadsheets that can't be read: not to be overlooked in a folder."""


def find_files(paths: Iterable[Path | str]) -> list[Path]:
    """The files to import, each once; folders stand for the usable files in them.

    Raises SourceFileError for a path that does not exist or has another suffix, for a folder with nothing usable in
    it, and for one with a spreadsheet of another format. What a file holds is not checked here.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            inside = [file for file in sorted(path.iterdir()) if _usable(file)]
            if not inside:
                raise SourceFileError(str(path), f"no file in this folder ends in {either(SUFFIXES)}")
            found.update(dict.fromkeys(inside))
        elif not path.exists():
            raise SourceFileError(str(path), "no such file or folder")
        elif not path.name.lower().endswith(SUFFIXES):
            raise SourceFileError(str(path), _other_suffix(path))
        else:
            found[path] = None
    return list(found)


def _usable(path: Path) -> bool:
    """Whether a file of a folder is one to import. Raises SourceFileError for one that may only look as if it were."""
    if not path.is_file() or path.name.startswith((".", "~$")):
        return False
    if path.name.lower().endswith(OTHER_SHEETS):
        raise SourceFileError(str(path), f"{_other_suffix(path)}, or move it out of the folder")
    return path.name.lower().endswith(SUFFIXES)


def _other_suffix(path: Path) -> str:
    expected = f"expected a name that ends in {either(SUFFIXES)}"
    return f"{expected}: save it as .xlsx" if path.name.lower().endswith(OTHER_SHEETS) else expected


def open_all(
    paths: Iterable[Path | str],
    zone: ZoneInfo,
    mapping: Mapping,
    *,
    workbook_bytes: int = WORKBOOK_BYTES,
    opened: Callable[[int, int], None] = lambda _done, _total: None,
    ignored: Callable[[Ignored], None] = lambda _sheet: None,
) -> list[SourceFile]:
    """All tables of files and folders, checked: people first, then links, then money.

    `opened` is told after each file how many are open, and of how many; `ignored` of sheets that are no sources.
    Raises SourceFileError for a file that can't be read in full.
    """
    found = find_files(paths)
    files: list[SourceFile] = []
    for number, path in enumerate(found, start=1):
        tables, left_out = open_sources(path, zone, mapping, workbook_bytes=workbook_bytes)
        files += tables
        for sheet in left_out:
            ignored(sheet)
        opened(number, len(found))
    return sorted(files, key=lambda file: SOURCES.index(file.source))


def open_sources(
    path: Path | str,
    zone: ZoneInfo,
    mapping: Mapping,
    source: Source | None = None,
    *,
    workbook_bytes: int = WORKBOOK_BYTES,
) -> tuple[Sequence[SourceFile], list[Ignored]]:
    """The tables of a file, checked as a whole, and its sheets that are none; `source` None lets names or headers tell.

    Raises SourceFileError, naming sheet, line and column, for a file that can't be read in full.
    """
    path, parser = Path(path), RowParser(zone, mapping)
    if not path.is_file():
        raise SourceFileError(str(path), "no such file")
    if path.name.lower().endswith(".xlsx"):
        return open_workbook_file(path, parser, mapping, source, workbook_bytes)
    return [open_csv(path, parser, mapping, source)], []


def open_source(path: Path | str, zone: ZoneInfo, mapping: Mapping, source: Source | None = None) -> SourceFile:
    """The only table of a file. Raises SourceFileError as `open_sources` does, and where a workbook has several."""
    files, _ = open_sources(path, zone, mapping, source)
    if len(files) > 1:
        raise SourceFileError(str(path), f"has {len(files)} sheets that are sources, expected one")
    return files[0]


class BadLine(msgspec.Struct, frozen=True):
    """A bad row and the line it starts on."""

    line: int
    reason: str
    raw: dict[str, object]


class Preview(msgspec.Struct, frozen=True):
    """What a dry run shows of a table: `columns` is column -> header text, `reasons` reason -> rows."""

    path: str
    sheet: str | None
    source: Source
    kind: str
    columns: dict[str, str]
    ignored: tuple[str, ...]
    rows: int
    good: int
    reasons: dict[str, int]
    bad: list[BadLine]


def preview(file: SourceFile, *, bad_rows: int = 5) -> Preview:
    """Read a whole table without applying anything; keep its first `bad_rows` bad rows. Raises SourceFileError."""
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
        path=str(file.path),
        sheet=file.sheet,
        source=file.source,
        kind=file.kind,
        columns=file.mapping_found,
        ignored=file.ignored,
        rows=total,
        good=total - reasons.total(),
        reasons=dict(sorted(reasons.items())),
        bad=bad,
    )
