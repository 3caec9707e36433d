"""The text of a CSV file: what is really in the file, its encoding, and its records.

Before anything is taken from a file, `scan` reads it once from end to end: compressed data intact, no binary
data, and the encoding chosen, UTF-8 where the whole file is UTF-8, else Latin-1. Then `records` streams it.
Memory stays flat: blocks of 256 KiB in the scan, a line at a time afterwards, and lines are bounded.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol

from fature_kv.errors import SourceFileError

END: Final = "\x00"
"""The only field of the record that `records` adds after the last one; no file that passed `scan` holds it."""

DELIMITERS: Final = ",;\t|"
_BLOCK: Final = 1 << 18
_LONGEST_LINE: Final = 1 << 20
_BROKEN_GZIP: Final = (EOFError, gzip.BadGzipFile, zlib.error)
_MAGIC: Final = (
    (b"PK\x03\x04", "an Excel workbook or a zip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)

_HINTS: Final = {b"\x1f\x8b": "; rename it to .csv.gz", b"PK\x03\x04": "; rename it to .xlsx if it is a workbook"}


class Scan(NamedTuple):
    """What a whole read of a file showed. `encoding` is `utf-8` or `latin-1`; `bom` tells that 3 bytes lead it."""

    gzipped: bool
    encoding: str
    bom: bool
    quotes: bool
    ends_with_newline: bool
    size_bytes: int


class Reader(Protocol):
    """A `csv.reader`."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class _Text:
    """State of a scan: is it text, which text, how far are we."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 1
        self.quotes = False
        self.last = b""
        self._line_bytes = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._is_utf8 = True
        self._any_accent = False

    def add(self, block: bytes) -> None:
        """Take the next bytes. Raises SourceFileError for what can't be text."""
        if (nul := block.find(b"\x00")) >= 0:
            line = self.line + block.count(b"\n", 0, nul)
            raise SourceFileError(str(self.path), "holds binary data, expected text", line=line)
        newlines = block.count(b"\n") or block.count(b"\r")
        self._line_bytes = self._line_bytes + len(block) if not newlines else 0
        if self._line_bytes > _LONGEST_LINE:
            raise SourceFileError(str(self.path), "a line of more than 1 MiB, expected CSV", line=self.line)
        self.line += newlines
        self.quotes = self.quotes or b'"' in block
        self.last = block[-1:]
        if self._is_utf8:
            self._decode(block)

    def encoding(self) -> str:
        """The encoding of all that was added. Raises SourceFileError where UTF-8 ends inside a character."""
        if self._is_utf8 and self._utf8.getstate()[0]:
            if self._any_accent:
                raise SourceFileError(str(self.path), "ends inside a character: it is truncated", line=self.line)
            self._is_utf8 = False  # the only accent is the last byte: Latin-1
        return "utf-8" if self._is_utf8 else "latin-1"

    def _decode(self, block: bytes) -> None:
        try:
            self._any_accent = not self._utf8.decode(block).isascii() or self._any_accent
        except UnicodeDecodeError:
            self._is_utf8 = False


def scan(path: Path) -> Scan:
    """Read a file from end to end and tell what it is. Raises SourceFileError for what is no intact CSV text."""
    gzipped = path.name.lower().endswith(".gz")
    text = _Text(path)
    with translated(path, lambda: text.line), path.open("rb") as raw:
        size = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        _check_magic(path, raw.read(16), gzipped)
        raw.seek(0)
        with gzip.open(raw) if gzipped else nullcontext(raw) as stream:
            block = head = stream.read1(_BLOCK)
            _check_magic(path, head[:16], False)
            while block:
                text.add(block)
                block = stream.read1(_BLOCK)
    if not head:
        raise SourceFileError(str(path), "is empty, expected a header line")
    ends = text.last in (b"\n", b"\r")
    return Scan(gzipped, text.encoding(), head.startswith(codecs.BOM_UTF8), text.quotes, ends, size)


def _check_magic(path: Path, head: bytes, gzipped: bool) -> None:
    if gzipped and head and not head.startswith(b"\x1f\x8b"):
        raise SourceFileError(str(path), "is not gzip data, though its name says so; rename it to .csv if it is plain")
    for magic, what in _MAGIC:
        if head.startswith(magic) and not (gzipped and magic == b"\x1f\x8b"):
            hint = _HINTS.get(magic, "")
            raise SourceFileError(str(path), f"is {what}, expected CSV text{hint}")


@contextmanager
def translated(path: Path, line: Callable[[], int]) -> Iterator[None]:
    """Turn what can go wrong while reading a file into SourceFileError, naming the line reached."""
    try:
        yield
    except _BROKEN_GZIP:
        problem = "the compressed data breaks off or is damaged: the file is truncated"
        raise SourceFileError(str(path), problem, line=line()) from None
    except UnicodeDecodeError:
        raise SourceFileError(str(path), "changed while it was read: other encoding", line=line()) from None
    except csv.Error as error:
        problem = f"{error}; a quoted field is never closed before this line" if "limit" in str(error) else str(error)
        raise SourceFileError(str(path), problem, line=line()) from None
    except OSError as error:
        raise SourceFileError(str(path), f"can't be read: {error.strerror or error}") from None


@contextmanager
def open_text(path: Path, found: Scan) -> Iterator[tuple[IO[str], IO[bytes]]]:
    """The decoded text of a scanned file, line endings kept, and the raw file below, whose `tell()` shows progress."""
    with path.open("rb") as raw, gzip.open(raw) if found.gzipped else nullcontext(raw) as stream:
        if found.bom:
            stream.read(len(codecs.BOM_UTF8))
        buffered = io.BufferedReader(stream, _BLOCK) if found.gzipped else stream
        with io.TextIOWrapper(buffered, encoding=found.encoding, newline="") as text:
            yield text, raw


def records(text: Iterable[str], delimiter: str) -> Reader:
    """All records, header and blank lines included, then `[END]`.

    An unterminated quote swallows END, so whoever sees the iteration stop without `[END]` knows of one.
    """
    return csv.reader(chain(text, (END,)), delimiter=delimiter)


def sniff_delimiter(line: str) -> str:
    """The delimiter that cuts a header line into most fields; a comma when none does."""
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([line], delimiter=delimiter), [])))


def check_end(path: Path, found: Scan, delimiter: str, width: int) -> None:
    """Read all records where the end of the file is in doubt: quotes that may not close, no newline at the end.

    Raises SourceFileError when a quote is never closed, or the last record, without a newline, lacks fields.
    """
    if found.ends_with_newline and not found.quotes:
        return
    start, last_start, last = 1, 1, [""]
    with translated(path, lambda: start), open_text(path, found) as (text, _):
        reader = records(text, delimiter)
        for fields in reader:
            if fields == [END]:
                break
            if fields:
                last, last_start = fields, start
            start = reader.line_num + 1
        else:
            raise SourceFileError(str(path), "a quoted field opened in this row is never closed", line=last_start)
    if not found.ends_with_newline and len(last) < width and "".join(last).strip():
        problem = f"the file breaks off in this row: {len(last)} of {width} fields, and no line end"
        raise SourceFileError(str(path), problem, line=last_start)
