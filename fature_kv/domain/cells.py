"""Cells: the sparse numbers of one record and period, packed eight bytes a number.

A number is a little-endian i64 holding `value << 8 | slot`; a cell is its numbers by ascending slot, zeros left out.
The same bytes are what Redis keeps, what scripts add (struct format `Bi7`) and what numpy reads as a column, so a
cell is never translated. Values are exact within +-(2^53-1), which scripts enforce.

Network slots: `(level - 1) * 7 + metric` for levels 1..5; then the totals over levels, kept in records only.
Own slots: `(day of month - 1) * 8 + figure`: a player's month is one cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from fature_kv.errors import FigureOverflow

Numbers: TypeAlias = npt.NDArray[np.int64]
LEVELS: Final = 5
METRICS: Final = ("referrals", "validated", "ftd", "deposits", "bets", "wins", "cpa")
REFERRALS, VALIDATED, FTD, DEPOSITS, BETS, WINS, CPA = range(7)
MONEY_METRICS: Final = frozenset((DEPOSITS, BETS, WINS, CPA))
LIMIT: Final = 2**53 - 1
"""The most a figure holds, either way."""
COLUMN_LIMIT: Final = 2.0**62
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


def own_slot(day_of_month: int, figure: int) -> int:
    """The slot of an own figure in the cell of a month; days of a month count from 1."""
    return (day_of_month - 1) * len(OWN_FIELDS) + figure


def unpack_own(cell: bytes) -> dict[int, list[int]]:
    """Own figures by day of the month (from 1), each day's in the order of `OWN_FIELDS`, from the cell of a month."""
    days: dict[int, list[int]] = {}
    for slot, value in unpack(cell).items():
        day, figure = divmod(slot, len(OWN_FIELDS))
        days.setdefault(day + 1, [0] * len(OWN_FIELDS))[figure] = value
    return days


def sum_runs(values: Numbers, starts: Numbers) -> Numbers:
    """The sum of each run of a column; FigureOverflow where it might not fit the column."""
    if not len(values):
        return values
    if float(np.add.reduceat(np.abs(values).astype(np.float64), starts).max()) > COLUMN_LIMIT:
        raise FigureOverflow("a sum is beyond 2^53-1: no figure of ours can hold it")
    sums: Numbers = np.add.reduceat(values, starts)
    return sums


def sum_by(keys: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    """Distinct keys ascending with the sums of their values, zero sums left out."""
    if not len(keys):
        return keys, values
    order = np.argsort(keys)
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sums = sum_runs(values[order], starts)
    kept = sums != 0
    return ordered[starts][kept], sums[kept]


def split(group: Numbers, slot: Numbers, value: Numbers, groups: int) -> list[bytes]:
    """Cells of the groups 0, 1, ..., empty for one without a number; columns come by ascending group and slot."""
    packed = (value << 8 | slot).astype("<i8").tobytes()
    ends = (8 * np.searchsorted(group, np.arange(groups + 1))).tolist()
    return [packed[start:end] for start, end in pairwise(ends)]


def columns(cells: Sequence[bytes]) -> tuple[Numbers, Numbers, Numbers]:
    """Many cells as columns `(index of the cell, slot, value)`, one element a number."""
    numbers = np.frombuffer(b"".join(cells), dtype="<i8")
    owner = np.repeat(np.arange(len(cells)), [len(cell) // 8 for cell in cells])
    return owner, numbers & 255, numbers >> 8
