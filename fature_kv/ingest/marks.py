"""What boards have to look at again: packed columns, one element of `dirty` a write (keyspace.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from fature_kv.ingest.window import Column


class Marks(NamedTuple):
    """What boards have to look at again, as columns.

    Affiliates' days with the metrics that moved (bit m for metric m of `cells.METRICS`), people's streaks read on
    a day, and affiliates whose every board is due.
    """

    affiliates: Column
    days: Column
    metrics: Column
    people: Column
    streak_days: Column
    whole: Column


def pack_marks(marks: Marks) -> bytes:
    return msgspec.msgpack.encode([column.astype("<i8").tobytes() for column in marks])


def unpack_marks(packed: bytes) -> Marks:
    return Marks(*(np.frombuffer(raw, "<i8") for raw in msgspec.msgpack.decode(packed)))


def whole_marks(affiliates: Sequence[int]) -> bytes:
    """Marks that every board of these affiliates is due."""
    none = np.empty(0, np.int64)
    return pack_marks(Marks(none, none, none, none, none, np.array(affiliates, np.int64)))
