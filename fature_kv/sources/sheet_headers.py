"""Which sheets of a workbook are sources, and where their headers are.

A sheet's name tells its source, else the file's name, else its header. Titles may stand above the header; cells merged
downwards count on each of their lines, so that of a header of two lines the lower one is whole. A sheet that has no
cells, or nothing like a header (a cover), is left out, and that is told; a header that lacks a column is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple

from fature_kv.domain.mapping import COLUMNS, OPTIONAL, Mapping, match_header, source_of_filename
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import SOURCES, Source
from fature_kv.errors import SourceFileError
from fature_kv.sources.headers import Header, match_columns, tell_source
from fature_kv.sources.sheet_file import SheetFile, Table
from fature_kv.sources.sheets import Cell, Merged, Piece, Reader, look_through
from fature_kv.sources.workbooks import Sheet, open_workbook

_LINES: Final = 50
"""A header is looked for in so many first lines."""


class Ignored(NamedTuple):
    """A sheet that is no source: it has no cells, or nothing like a header of one."""

    path: Path
    sheet: str
    why: Literal["sheet_empty", "sheet_no_source"]


class _Candidate(NamedTuple):
    """A sheet with cells, and its first lines as texts by column."""

    sheet: Sheet
    table: Table
    lines: list[Header]


class _Found(NamedTuple):
    """The line that is most like a header: of which source, with how many of its columns, and whether those are all."""

    header: Header
    source: Source | None
    columns: int
    complete: bool

    @property
    def near(self) -> bool:
        """Too much like a header to be taken for anything else."""
        needed = min(len(COLUMNS[s]) - len(OPTIONAL[s]) for s in ([self.source] if self.source else SOURCES))
        return self.complete or (self.columns >= 2 and 2 * self.columns >= needed)


def open_workbook_file(
    path: Path, parser: RowParser, mapping: Mapping, source: Source | None, limit: int
) -> tuple[list[SheetFile], list[Ignored]]:
    """Check a workbook as a whole, and make its sheets ready to be read.

    Raises SourceFileError, naming sheet, line and column, for a workbook that can't be read in full, and for one
    without any sheet that is a source. `limit` is the most bytes that it may unpack to.
    """
    workbook = open_workbook(path, limit)
    candidates, ignored = [], []
    for sheet in workbook.sheets:
        facts = look_through(workbook, sheet)
        reader = Reader(workbook, sheet, facts)
        top = reader.top()
        if lines := list(islice(_lines(path, sheet, top, facts.merged), _LINES)):
            table = Table(reader, workbook.date1904, facts.last_line, sheet.packed_bytes)
            candidates.append(_Candidate(sheet, table, lines))
        else:
            ignored.append(Ignored(path, sheet.name, "sheet_empty"))
    files = []
    for candidate in candidates:
        found = _find(candidate, source, len(candidates) == 1, mapping)
        if found is None:
            ignored.append(Ignored(path, candidate.sheet.name, "sheet_no_source"))
        else:
            known = tell_source(found.header, found.source, mapping)
            match = match_columns(found.header, known, mapping)
            files.append(SheetFile(found.header, known, match, candidate.table, parser))
    if not files:
        names = ", ".join(f"'{each.sheet}'" for each in ignored)
        empty = "are all empty" if not candidates else "hold no header of a source in their first lines"
        raise SourceFileError(str(path), f"nothing to import: its sheets ({names}) {empty}")
    return files, ignored


def _lines(path: Path, sheet: Sheet, top: Piece, merged: list[Merged]) -> Iterator[Header]:
    """Lines that have cells, as texts by column of the sheet."""
    cells: dict[tuple[int, int], Cell] = {
        (top.line + i, top.column + j): cell for i, row in enumerate(top.rows[:_LINES]) for j, cell in enumerate(row)
    }
    width = max((column for _, column in cells), default=-1) + 1
    for first, column, last, _ in merged:
        for line in range(first + 1, min(last, top.line + _LINES) + 1):
            cells[line, column] = cells.get((first, column))
    for line in range(top.line, top.line + min(len(top.rows), _LINES)):
        texts = [_text(cells.get((line, column))) for column in range(width)]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            yield Header(path, sheet.name, texts, line)


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).strip()


def _find(candidate: _Candidate, source: Source | None, alone: bool, mapping: Mapping) -> _Found | None:
    """The header of a sheet; None where it has nothing like one. One sheet alone is what the file's name says."""
    path = candidate.lines[0].path
    by_file = source_of_filename(path.name)
    told = source or source_of_filename(candidate.sheet.name) or (by_file if alone else None)
    best = [_best(candidate.lines, each, mapping) for each in ([told] if told else dict.fromkeys((by_file, None)))]
    return next((found for found in best if found.complete), None) or next(
        (found for found in best if found.near), None
    )


def _best(lines: list[Header], told: Source | None, mapping: Mapping) -> _Found:
    """The first line that is a whole header (of the source that is told, or of any), else the one most like it."""
    best: _Found | None = None
    for header in lines:
        matches = {source: match_header(source, header.names, mapping) for source in ([told] if told else SOURCES)}
        whole = [source for source, match in matches.items() if match.complete]
        if whole:
            return _Found(header, told, len(header.names), True)
        source, match = max(matches.items(), key=lambda each: len(each[1].columns) + len(each[1].ambiguous))
        columns = len(match.columns) + len(match.ambiguous)
        if best is None or columns > best.columns:
            best = _Found(header, source, columns, False)
    assert best is not None, "a candidate has lines"
    return best
