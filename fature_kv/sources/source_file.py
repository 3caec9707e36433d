"""A source file, whichever its format: a checked header, and rows under it that may be read any number of times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fature_kv.domain.mapping import HeaderMatch
from fature_kv.domain.rows import BadRow, Row, Source
from fature_kv.sources.headers import Header

Progress: TypeAlias = Callable[[int], None]
"""Called now and then with how many bytes of the file (compressed, where it is) have been read so far."""

LIST_ROWS: Final = 20_000
_PROGRESS_ROWS: Final = 4_096


class Part(NamedTuple):
    """Rows that were read together. Good bets may come as columns instead: id, user_id, stake, win, instant."""

    rows: list[Row | BadRow]
    bets: Sequence[npt.NDArray[np.int64]] = ()

    @property
    def many(self) -> int:
        """How many rows these are."""
        return len(self.rows) + (len(self.bets[0]) if self.bets else 0)


class SourceFile(ABC):
    """A checked table: a CSV file, or a sheet of a workbook. Each reading starts from the first row.

    `kind` says what it is, `mapping_found` is column -> header text, `ignored` the header texts nothing was taken
    from, `line` the line of the last BadRow that was yielded (1 is the first line of the file or the sheet).
    """

    def __init__(self, header: Header, source: Source, match: HeaderMatch, kind: str, size_bytes: int) -> None:
        self.path: Final = header.path
        self.sheet: Final = header.sheet
        self.source: Final[Source] = source
        self.mapping_found: Final = {column: header.names[index] for column, index in match.columns.items()}
        self.ignored: Final = match.ignored
        self.kind: Final = kind
        self.size_bytes: Final = size_bytes
        self.line = 0

    @abstractmethod
    def _opened(self) -> AbstractContextManager[tuple[Iterator[Row | BadRow], Callable[[], int]]]:
        """All rows, in the order of the file, and how far they are read, in bytes of `size_bytes`."""

    def rows(self, progress: Progress | None = None) -> Iterator[Row | BadRow]:
        """All rows, in the order of the file. Raises SourceFileError for a file that changed since it was checked."""
        with self._opened() as (rows, position):
            for number, row in enumerate(rows):
                if progress is not None and number % _PROGRESS_ROWS == 0:
                    progress(position())
                yield row
        if progress is not None:
            progress(self.size_bytes)

    def lists(self, size: int = LIST_ROWS, progress: Progress | None = None) -> Iterator[list[Row | BadRow]]:
        """All rows, as lists of up to `size`: the same as `rows`, faster to take."""
        with self._opened() as (parsed, position):
            while rows := list(islice(parsed, size)):
                if progress is not None:
                    progress(position())
                yield rows

    def parts(self, size: int = LIST_ROWS, progress: Progress | None = None) -> Iterator[Part]:
        """All rows, in the form that is fastest to take and to apply; up to `size` rows that are objects in a part."""
        for rows in self.lists(size, progress):
            yield Part(rows)
