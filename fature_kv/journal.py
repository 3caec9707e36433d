"""The journal's entries: what the tenant's stream holds, `kind` and `data` (zstd of one msgpack map).

Every entry carries `run` (text) and `at` (microseconds). Integers of many rows are kept as columns of the narrowest
width that holds them after their least value is taken off, so that ids and amounts up to 2^53-1 and instants to the
microsecond cost what they need and no more. Kinds and their fields are told in keyspace.md, "Journal".
"""

from __future__ import annotations

import threading
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

Kind: TypeAlias = Literal[
    "people",
    "personal",
    "links",
    "rows",
    "parked",
    "released",
    "quarantined",
    "cleared",
    "moved",
    "declared",
    "undone",
    "config",
    "mapping",
    "token",
    "tenant",
    "run",
]
Place: TypeAlias = tuple[int, int]
_LEVEL: Final = 1
_WIDTHS: Final = (("<u1", 8), ("<u2", 16), ("<u4", 32), ("<u8", 64))


class _PerThread(threading.local):
    """zstd's objects are not for several threads at once: shared ones garble what they write."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd: Final = _PerThread()


class Entry(NamedTuple):
    """An entry before it is in the stream, or read back from it."""

    kind: str
    data: bytes


def entry(kind: Kind, body: dict[str, Any]) -> Entry:
    """An entry of `body`, ready for XADD."""
    return Entry(kind, _zstd.compress(msgspec.msgpack.encode(body)))


def body(data: bytes) -> dict[str, Any]:
    """What was put into an entry."""
    return dict(msgspec.msgpack.decode(_zstd.decompress(data)))


def place(entry_id: str) -> Place:
    """An entry's place in the stream, by which entries compare."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def column(values: npt.NDArray[np.int64]) -> list[Any]:
    """Integers as `[least, width, bytes]`."""
    if not len(values):
        return [0, "<u1", b""]
    least = int(values.min())
    span = int(values.max()) - least
    width = next(name for name, bits in _WIDTHS if span < 1 << bits)
    return [least, width, (values - least).astype(width).tobytes()]


def values(packed: list[Any]) -> npt.NDArray[np.int64]:
    """The integers of a column."""
    least, width, raw = packed
    read: npt.NDArray[np.int64] = np.frombuffer(raw, dtype=width).astype(np.int64) + least
    return read
