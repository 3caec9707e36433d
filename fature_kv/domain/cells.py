"""Cells: the sparse numbers of one record and period, packed eight bytes a number.

A number is a little-endian i64 holding `value << 8 | slot`; a cell is its numbers by ascending slot, zeros left out.
The same bytes are what Redis keeps, what scripts add (struct format `Bi7`) and what numpy reads as a column, so a
cell is never translated. Values are exact within +-(2^53-1), which scripts enforce.

Network slots: `(level - 1) * 7 + metric` for levels 1..5; then the totals over levels, kept in records only.
Own slots: the figures of a player's own day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct
from typing import Final

import numpy as np
import numpy.typing as npt

from fature_kv.errors import FigureOverflow

LEVELS: Final = 5
METRICS: Final = ("referrals", "validated", "ftd", "deposits", "bets", "wins", "cpa")
REFERRALS, VALIDATED, FTD, DEPOSITS, BETS, WINS, CPA = range(7)
MONEY_METRICS: Final = frozenset((DEPOSITS, BETS, WINS, CPA))
LIMIT: Final = 2**53 - 1
"""The most a figure holds, either way."""
_COLUMN_LIMIT: Final = 2.0**62
TOTALS: Final = LEVELS * len(METRICS)

OWN_FIELDS: Final = (
    "deposits_cents",
    "deposits_count",
    "withdrawals_cents",
    "withdrawals_count",
    "bonus_cents",
    "bets_cents",
    "bets_count",
    "wins_cents",
)
(
    OWN_DEPOSITS,
    OWN_DEPOSITS_COUNT,
    OWN_WITHDRAWALS,
    OWN_WITHDRAWALS_COUNT,
    OWN_BONUS,
    OWN_BETS,
    OWN_BETS_COUNT,
    OWN_WINS,
) = range(8)

_TOTAL_NAMES: Final = (
    "total_referrals",
    "total_validated_referrals",
    "total_ftd",
    "total_deposits_cents",
    "total_bets_cents",
    "total_wins_cents",
    "total_cpa_cents",
)


def slot(level: int, metric: int) -> int:
    """The slot of `metric` at `level` (1..5)."""
    return (level - 1) * len(METRICS) + metric


def level_field(level: int, metric: int) -> str:
    """The field of an affiliate's hash that holds `metric` at `level`, e.g. `l1_bets_cents`."""
    return f"l{level}_{METRICS[metric]}" + ("_cents" if metric in MONEY_METRICS else "")


RECORD_FIELDS: Final = (
    *(level_field(level, metric) for level in range(1, LEVELS + 1) for metric in range(len(METRICS))),
    *_TOTAL_NAMES,
)
"""Field of an affiliate's hash by slot."""


def pack(numbers: Mapping[int, int] | Iterable[tuple[int, int]]) -> bytes:
    """The cell of `slot -> value`."""
    pairs = sorted(numbers.items() if isinstance(numbers, Mapping) else numbers)
    return b"".join((value << 8 | slot).to_bytes(8, "little", signed=True) for slot, value in pairs if value)


def unpack(cell: bytes) -> dict[int, int]:
    """`slot -> value` of a cell."""
    numbers = {}
    for i in range(0, len(cell), 8):
        number = int.from_bytes(cell[i : i + 8], "little", signed=True)
        numbers[number & 255] = number >> 8
    return numbers


def unpack_own(cell: bytes) -> list[int]:
    """The eight numbers of a player's own day, in the order of `OWN_FIELDS`."""
    numbers = [0] * len(OWN_FIELDS)
    for i in range(0, len(cell), 8):
        number = int.from_bytes(cell[i : i + 8], "little", signed=True)
        numbers[number & 255] = number >> 8
    return numbers


_PACKERS: Final = [Struct(f"<{n}q").pack for n in range(len(OWN_FIELDS) + 1)]


def pack_own(numbers: Sequence[int]) -> bytes:
    """The cell of a player's own day."""
    packed = [value << 8 | i for i, value in enumerate(numbers) if value]
    return _PACKERS[len(packed)](*packed)


def sum_runs(values: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The sum of each run of a column; FigureOverflow where it might not fit the column."""
    if not len(values):
        return values
    if float(np.add.reduceat(np.abs(values).astype(np.float64), starts).max()) > _COLUMN_LIMIT:
        raise FigureOverflow("a sum is beyond 2^53-1: no figure of ours can hold it")
    sums: npt.NDArray[np.int64] = np.add.reduceat(values, starts)
    return sums


def columns(cells: Sequence[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Many cells as columns `(index of the cell, slot, value)`, one element a number."""
    numbers = np.frombuffer(b"".join(cells), dtype="<i8")
    owner = np.repeat(np.arange(len(cells)), [len(cell) // 8 for cell in cells])
    return owner, numbers & 255, numbers >> 8
