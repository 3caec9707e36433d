"""Sheets of a workbook -> rows (CONTRACT.md, `import`).

Values reach the row parser as they stand in the cells, with two exceptions: a number in a column of times is a serial
date of the workbook's calendar, and an empty cell is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from fature_kv.domain.bet_columns import parse_bets
from fature_kv.domain.mapping import COLUMNS, HeaderMatch
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import BadRow, Row, Source
from fature_kv.sources.headers import Header
from fature_kv.sources.sheets import Cell, Piece, Reader
from fature_kv.sources.source_file import LIST_ROWS, Part, Progress, SourceFile

_TIMES: Final = frozenset(("criado_em", "atualizado_em", "tracked_em"))
_DAY_MS: Final = 86_400_000
_EPOCHS: Final = (datetime(1899, 12, 30), datetime(1904, 1, 1))
"""Day 0 of serials; the day that 1900 did not have lies before all that may be applied."""
_SERIALS: Final = 2_900_000
"""Numbers from here on are no days of the calendar."""

Values: TypeAlias = list[list[Cell]]
"""Cells of a piece by column, in the order of `mapping.COLUMNS`."""


class Table(NamedTuple):
    """A sheet and how to read it: `date1904` tells its calendar, `last_line` and `size_bytes` how far a line is."""

    reader: Reader
    date1904: bool
    last_line: int
    size_bytes: int


class SheetFile(SourceFile):
    """A checked sheet of a workbook."""

    def __init__(self, header: Header, source: Source, match: HeaderMatch, table: Table, parser: RowParser) -> None:
        super().__init__(header, source, match, "XLSX", table.size_bytes)
        self._header: Final = header
        self._table: Final = table
        self._indexes: Final = match.columns
        self._parser: Final = parser
        self._position = 0

    @contextmanager
    def _opened(self) -> Iterator[tuple[Iterator[Row | BadRow], Callable[[], int]]]:
        with closing(self._pieces()) as pieces:
            yield self._parsed(pieces), lambda: self._position

    def parts(self, size: int = LIST_ROWS, progress: Progress | None = None) -> Iterator[Part]:
        """All rows, up to `size` in a part; bets as columns, so that several pieces of the sheet make a part."""
        if self.source != "casino_bets_v":
            yield from super().parts(size, progress)
            return
        held: list[Part] = []
        with closing(self._pieces(size)) as pieces:
            for piece in pieces:
                part = self._as_columns(piece)
                if held and sum(each.many for each in held) + part.many > size:
                    yield _joined(held)
                    held = []
                held.append(part)
                if progress is not None:
                    progress(self._position)
        if held:
            yield _joined(held)

    def _as_columns(self, piece: Piece) -> Part:
        """A piece of bets."""
        values = self._values(piece)
        bets, taken = parse_bets(values, self._parser.zone)
        others = [self._row(piece, values, number) for number in np.flatnonzero(~taken).tolist()]
        return Part([row for row in others if row is not None], [column[taken] for column in bets])

    def _pieces(self, most: int = LIST_ROWS) -> Generator[Piece, None, None]:
        """What stands under the header, in pieces of up to `most` rows."""
        for piece in self._table.reader.pieces():
            above = max(0, self._header.line + 1 - piece.line)
            rows = piece.rows[above:] if above else piece.rows
            last = piece.line + len(piece.rows) - 1
            self._position = self.size_bytes * min(last, self._table.last_line) // max(1, self._table.last_line)
            for start in range(0, len(rows), most):
                yield Piece(piece.line + above + start, piece.column, rows[start : start + most])

    def _parsed(self, pieces: Iterator[Piece]) -> Iterator[Row | BadRow]:
        read = self._parser.reader(self.source)
        for piece in pieces:
            values = self._values(piece)
            for number, row in enumerate(map(read, *values)):
                told = self._checked(piece, number, row) if type(row) is BadRow else row
                if told is not None:
                    yield told

    def _row(self, piece: Piece, values: Values, number: int) -> Row | BadRow | None:
        """One row of a piece; None where it is empty."""
        row = self._parser.reader(self.source)(*(column[number] for column in values))
        return self._checked(piece, number, row) if type(row) is BadRow else row

    def _checked(self, piece: Piece, number: int, row: BadRow) -> BadRow | None:
        """A bad row with its numbers as people write them, its line told; None for one that is merely empty."""
        cells = piece.rows[number][: len(self._header.names) - piece.column]
        if all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells):
            return None
        self.line = piece.line + number
        return BadRow(row.source, row.id, row.reason, {column: _written(value) for column, value in row.raw.items()})

    def _values(self, piece: Piece) -> Values:
        width = len(piece.rows[0])
        values: Values = []
        for name in COLUMNS[self.source]:
            place = self._indexes.get(name, -1) - piece.column
            column: list[Cell] = [None] * len(piece.rows)
            if 0 <= place < width:
                column = [row[place] for row in piece.rows]
            kinds = set(map(type, column))
            if str in kinds or date in kinds:
                column = [_alike(value) for value in column]
            if name in _TIMES and not kinds.isdisjoint((int, float)):
                column = [self._date(value) for value in column]
            values.append(column)
        return values

    def _date(self, value: Cell) -> Cell:
        """The date of a serial, to the millisecond, as cells with a format of dates are read; others stay."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _SERIALS:
            return value
        return _EPOCHS[self._table.date1904] + timedelta(milliseconds=round(value * _DAY_MS))


def _joined(parts: Sequence[Part]) -> Part:
    rows = [row for part in parts for row in part.rows]
    return Part(rows, [np.concatenate(columns) for columns in zip(*(part.bets for part in parts), strict=True)])


def _alike(value: Cell) -> Cell:
    """A cell whichever library read it: an empty one is nothing, a day is its midnight."""
    if type(value) is date:
        return datetime(value.year, value.month, value.day)
    return None if value == "" else value


def _written(value: object) -> object:
    """A whole number without its decimals, whichever library read it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
