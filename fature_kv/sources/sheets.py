"""Cells of a sheet, in pieces: by calamine where it can, else by openpyxl.

calamine reads a sheet whole and fast, and holds all of it; so a sheet is cut at the ends of rows, and each piece is
given to it as a small workbook of its own, in memory. What is held is a piece, however large the sheet is, and the next
piece is read in a thread while this one is applied. calamine does not tell a cell that holds an error from an empty
one: a sheet with such cells is read by openpyxl, six times slower, and so is the rest of one that calamine fails on.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from functools import reduce
from itertools import islice
from typing import IO, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import python_calamine

from fature_kv.errors import SourceFileError
from fature_kv.sources.workbooks import Sheet, Workbook

Cell: TypeAlias = str | float | bool | datetime | date | time | timedelta | None
Numbers: TypeAlias = npt.NDArray[np.int64]
Merged: TypeAlias = tuple[int, int, int, int]
"""First line and column, last line and column of merged cells; lines from 1, columns from 0."""

PIECE: Final = 1 << 23
"""Bytes of a sheet's text that are given to calamine at once: some 40,000 rows of five cells."""
_MOST_PIECE: Final = 1 << 26
"""As large may a piece become where there are many strings."""
TOP: Final = 1 << 17
"""Bytes in which a header is looked for."""
_SLOW_ROWS: Final = 5_000
_BLOCK: Final = 1 << 20
_TAIL: Final = 1 << 24
"""As much of what stands behind the last row is looked at for merged cells."""
_STRADDLE: Final = 64
"""What is looked for may begin in one block and end in the next."""
_MOST_CELLS: Final = 1 << 25
"""The most cells a piece may span: calamine holds a rectangle, however few of its cells are filled."""
_COLUMNS: Final = 26
_ROW: Final = re.compile(rb"""<row [^>]*?\br=["']([0-9]{1,7})["']""")
_BLANKS: Final = re.compile(rb"""([\s"'])r\s*=\s*(["'])""")
_TEXT: Final = re.compile(rb">[^<]*")
_CELL: Final = re.compile(rb"[<:]c[\s/>]")
_ANY_ROW: Final = re.compile(rb"[<:]row[\s/>]")
_REFERENCE: Final = 12
"""As many bytes of a reference are looked at; the longest is `XFD1048576`."""
_MERGED: Final = re.compile(rb"""mergeCell [^>]*?ref=["']([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})["']""")
_OPENING: Final = b"<sheetData>"
_END: Final = b"</row>"
_CLOSING: Final = b"</sheetData></worksheet>"

_TYPES: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SKELETON: Final = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}worksheet+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
    f'<Relationship Id="rId3" Type="{_RELATIONS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
}
_BOOK: Final = (
    '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{relations}">'
    '<workbookPr date1904="{date1904}"/><sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>'
)


class Piece(NamedTuple):
    """Rows of a sheet, all of one width: the line of the first (from 1), the column of their first cells (from 0)."""

    line: int
    column: int
    rows: Sequence[Sequence[Cell]]


class Facts(NamedTuple):
    """What a whole read of a sheet's text showed: may it be cut, has it errors, its last line, its merged cells."""

    cuttable: bool
    errors: bool
    last_line: int
    merged: list[Merged]


class _Extent(NamedTuple):
    """What calamine holds of a text: from its first line to its last, as wide as its widest row."""

    first: int
    last: int
    columns: int
    numbered: int = 0
    """The last line that a row tells, and how many rows tell none: calamine counts them on from there, or from 1."""
    unnumbered: int = 0

    @property
    def lines(self) -> int:
        if self.unnumbered:
            return max(self.last, self.numbered + self.unnumbered)
        return self.last - self.first + 1

    @property
    def area(self) -> int:
        return self.lines * self.columns

    def around(self, other: _Extent) -> _Extent:
        return _Extent(
            min(self.first, other.first),
            max(self.last, other.last),
            max(self.columns, other.columns),
            max(self.numbered, other.numbered),
            self.unnumbered + other.unnumbered,
        )


_NOTHING: Final = _Extent(1 << 40, 0, 0)


class _Look:
    """What the text of a sheet shows, block by block."""

    def __init__(self) -> None:
        self.errors = self.opened = self.other_quotes = self.long_rows = self.endless = False
        self.last_line = self.rows = 0
        self.extents: list[_Extent] = []
        """Of each block."""
        self.disorder = 0
        """A line that comes twice, or after a later one; 0 if all ascend."""
        self.after = b""
        """What stands behind the last row."""
        self._held = self._begun = b""
        self._row = self._line = 0
        self._closed = False

    def add(self, block: bytes) -> None:
        text = self._held + block
        if not self._held:
            self.opened, self.other_quotes = _OPENING in text, b"='" in text
        self.errors = self.errors or b't="e"' in text or (self.other_quotes and b"t='e'" in text)
        if len(self.after) < _TAIL:
            self.after += block
        if (row := text.rfind(b"<row ")) >= 0:
            if last := _ROW.match(text, row):
                self.last_line = int(last[1])
            self.after = text[row:]
        if not self.last_line:
            self.rows += block.count(_END)
        self._held = block[-_STRADDLE:]
        self._measure(self._begun + block)

    def end(self) -> None:
        """The text has ended."""
        self._measure(self._begun + b"<")

    def _measure(self, text: bytes) -> None:
        """Takes a text up to its last tag, which may not have ended."""
        end = max(text.rfind(b"<"), 0)
        if len(text) - end > _BLOCK:
            self.endless, end = True, len(text)
        self._begun, text = text[end:], text[:end]
        lines, columns = _references(text)
        self.extents.append(_extent(text, lines, columns))
        if self._closed or self.disorder:
            return
        if b"</sheetData" in text:
            self._closed = True
            lines, columns = _references(text[: text.find(b"</sheetData")])
        elif _OPENING not in text and _END not in text:
            self.long_rows = True
        if self._wrong(lines, columns):  # unless it is the text of a cell that looks like a row
            lines, columns = _references(_TEXT.sub(b">", text.partition(b"</sheetData")[0]))
            self.disorder = self._wrong(lines, columns)
        self._row = int(lines[columns == 0].max(initial=self._row))
        self._line = int(lines.max(initial=self._line))

    def _wrong(self, lines: Numbers, columns: Numbers) -> int:
        """The first line that does not ascend; 0 for none."""
        rows = np.concatenate(([self._row], lines[columns == 0]))
        lines = np.concatenate(([self._line], lines))
        wrong = np.concatenate((rows[1:][rows[1:] <= rows[:-1]], lines[1:][lines[1:] < lines[:-1]]))
        return int(wrong[0]) if len(wrong) else 0

    def widest(self, size: int) -> _Extent:
        """The largest of what may come together in a piece of so many bytes.

        A piece need not begin where a block does, and takes a row with it that began up to two blocks before; what a
        block ends in is measured with the next.
        """
        most, count = _NOTHING, len(self.extents) if self.long_rows else size // _BLOCK + 5
        for at in range(max(1, len(self.extents) - count + 1)):
            piece = reduce(_Extent.around, self.extents[at : at + count], _NOTHING)
            most = max(most, piece, key=lambda each: each.area)
        return most


def _references(text: bytes) -> tuple[Numbers, Numbers]:
    """The line of each row and cell that tells it, and the cell's column, from 1; 0 for a row."""
    held = np.frombuffer(text + bytes(_REFERENCE + 4), np.uint8)
    stop = len(text)
    begins = np.flatnonzero((held[1 : stop + 1] == ord("r")) & (held[:stop] < 40))  # behind a blank or a quote
    after = held[begins + 2]
    if (after <= 32).any() or ((after == ord("=")) & (held[begins + 3] <= 32)).any():
        tidy = _BLANKS.sub(rb"\1r=\2", text)
        if tidy != text:
            return _references(tidy)
    begins = begins[(after == ord("=")) & ((held[begins + 3] == 34) | (held[begins + 3] == 39))] + 4
    lines, columns = np.zeros(len(begins), np.int64), np.zeros(len(begins), np.int64)
    going, digits = np.ones(len(begins), np.bool_), np.zeros(len(begins), np.bool_)
    for at in range(_REFERENCE):
        byte = held[begins + at]
        digit, letter = going & (byte - 48 < 10), going & ((byte & 0xDF) - 65 < 26) & ~digits
        if digit.any():
            lines += digit * (lines * 9 + (byte - 48))
        if letter.any():
            columns += letter * (columns * 25 + ((byte & 0xDF) - 64))
        digits |= digit
        going = digit | letter
        if not going.any():
            break
    lines[digits & (lines == 0)] = 1 << 32  # what no sheet has: calamine counts down from it
    return lines[digits], columns[digits]


def _extent(text: bytes, lines: Numbers, columns: Numbers) -> _Extent:
    """Of a text with these references. Rows and cells without one count on from those before them."""
    first, last = (int(lines.min()), int(lines.max())) if len(lines) else _NOTHING[:2]
    widest = max(_COLUMNS, int(columns.max(initial=0)))
    numbered = lines[columns == 0]
    unnumbered = max(0, text.count(b"<row") + text.count(b":row") - len(numbered) - text.count(b"<rowBreaks"))
    if text.count(b"<c") + text.count(b":c") > len(lines) - len(numbered):
        cells = np.array([match.start() for match in _CELL.finditer(text)], np.int64)
        rows = [match.start() for match in _ANY_ROW.finditer(text)]
        if len(cells) > len(lines) - len(numbered):
            most = int(np.diff(np.searchsorted(cells, [0, *rows, len(text)])).max())
            widest += 2 * most  # a row may be in two blocks
    return _Extent(first, last, widest, int(numbered.max(initial=0)), unnumbered)


def look_through(workbook: Workbook, sheet: Sheet) -> Facts:
    """Reads a sheet's text once: is it intact (its checksum), and how can it be read.

    Raises SourceFileError for damaged data, and for cells so far apart that the rectangle around them, which calamine
    holds, would not fit in memory.
    """
    look = _Look()
    with workbook.opened(sheet.part) as stream:
        while block := stream.read(_BLOCK):
            look.add(block)
    look.end()
    cuttable = look.opened and not look.other_quotes and look.last_line > 0
    _check_extent(workbook, sheet, look.widest(_piece_size(workbook, PIECE) if cuttable else sheet.bytes))
    if look.endless:
        problem = "a cell is longer than any may be: the sheet is damaged, save it again"
        raise SourceFileError(str(workbook.path), problem, sheet=sheet.name)
    if look.disorder:
        problem = f"line {look.disorder} comes twice or behind a later one: the sheet is damaged, save it again"
        raise SourceFileError(str(workbook.path), problem, sheet=sheet.name)
    lines = max(look.last_line, look.rows)
    merged = [_rectangle(match) for match in _MERGED.finditer(look.after)]
    return Facts(cuttable, look.errors, lines, merged)


def _check_extent(workbook: Workbook, sheet: Sheet, extent: _Extent) -> None:
    if extent.area > _MOST_CELLS:
        problem = (
            f"{extent.columns:,} columns by {extent.lines:,} lines are too many: delete what stands far from the rows"
        )
        raise SourceFileError(str(workbook.path), problem, sheet=sheet.name)


def _piece_size(workbook: Workbook, size: int) -> int:
    """Larger pieces where there are many strings, which calamine reads for each piece anew."""
    return max(size, min(4 * workbook.part_bytes(workbook.strings), _MOST_PIECE))


def _rectangle(match: re.Match[bytes]) -> Merged:
    first_column, first_line, last_column, last_line = match.groups()
    return int(first_line), _column(first_column), int(last_line), _column(last_column)


def _column(letters: bytes) -> int:
    """`A` is 0, `AA` is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


class Reader:
    """Reads the cells of a sheet that was looked through, any number of times."""

    def __init__(self, workbook: Workbook, sheet: Sheet, facts: Facts) -> None:
        self._workbook, self._sheet, self._facts = workbook, sheet, facts

    def top(self) -> Piece:
        """The sheet's first rows, where its header is."""
        return next(self._pieces(TOP), Piece(1, 0, []))

    def pieces(self) -> Generator[Piece, None, None]:
        """All rows that have cells, from the first one on. Raises SourceFileError for what neither library can read."""
        return self._pieces(PIECE)

    def _pieces(self, size: int) -> Generator[Piece, None, None]:
        line = 0
        if not self._facts.errors:
            try:
                for piece in self._by_calamine(size):
                    if piece.line <= line:
                        raise python_calamine.CalamineError("a row without its number")
                    yield piece
                    line = piece.line + len(piece.rows) - 1
                return
            except python_calamine.CalamineError:
                pass  # from the line that was reached on
        yield from self._by_openpyxl(line + 1)

    def _by_calamine(self, size: int) -> Generator[Piece, None, None]:
        """Pieces, the next one being read while one is taken: calamine lets other threads run."""
        read = self._workbook.read
        parts = {"xl/styles.xml": read(self._workbook.styles), "xl/sharedStrings.xml": read(self._workbook.strings)}
        size = _piece_size(self._workbook, size)
        with self._workbook.opened(self._sheet.part) as stream, ThreadPoolExecutor(1) as thread:
            texts = _cut(stream, size) if self._facts.cuttable else iter([stream.read()])

            def load() -> python_calamine.CalamineSheet | None:
                text = next(texts, None)
                return None if text is None else self._load(parts, text)

            waiting = thread.submit(load)
            while (loaded := waiting.result()) is not None:
                waiting = thread.submit(load)
                if loaded.start is not None:
                    line, column = loaded.start
                    yield Piece(line + 1, column, loaded.to_python())

    def _load(self, parts: dict[str, bytes | None], text: bytes) -> python_calamine.CalamineSheet:
        """A piece of the sheet as a workbook that calamine has read."""
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as package:
            for name, skeleton in _SKELETON.items():
                package.writestr(name, skeleton)
            package.writestr(
                "xl/workbook.xml", _BOOK.format(relations=_RELATIONS, date1904=int(self._workbook.date1904))
            )
            for name, part in (*parts.items(), ("xl/worksheets/sheet1.xml", text)):
                if part is not None:
                    package.writestr(name, part)
        held.seek(0)
        return python_calamine.load_workbook(held).get_sheet_by_index(0)

    def _by_openpyxl(self, line: int) -> Generator[Piece, None, None]:
        """Rows from a line on."""
        import openpyxl  # slow to import, and seldom needed

        path, sheet = self._workbook.path, self._sheet.name
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                book[sheet].reset_dimensions()
                rows = book[sheet].iter_rows(min_row=line, values_only=True)
                while batch := list(islice(rows, _SLOW_ROWS)):
                    width = max(map(len, batch))
                    yield Piece(line, 0, [(*row, *(None,) * (width - len(row))) for row in batch])
                    line += len(batch)
            finally:
                book.close()
        except (ValueError, TypeError, KeyError, AttributeError, SyntaxError, zipfile.BadZipFile) as error:
            told = " ".join(str(error).split())
            problem = f"can't be read from line {line} on ({told}): save it again, or export it as CSV"
            raise SourceFileError(str(path), problem, sheet=sheet) from None


def _cut(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The text of a sheet in texts of their own, with whole rows of about `size` bytes each."""
    head = rest = b""
    while block := stream.read(size):
        if not head:
            rest, block = b"", rest + block
            start = block.find(_OPENING) + len(_OPENING)
            head, block = (block[:start], block[start:]) if start >= len(_OPENING) else (head, block)
        end = block.rfind(_END) + len(_END)
        if head and end >= len(_END):
            yield b"".join((head, rest, memoryview(block)[:end], _CLOSING))
            rest = block[end:]
        else:
            rest += block
