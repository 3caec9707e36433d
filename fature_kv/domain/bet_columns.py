"""Bets as columns: what `RowParser` makes of a bet, for many at once (DOMAIN.md, "Sources").

The rules are defined once, in `money`, `calendar` and `parse`; this is their form for arrays, which takes the plain
majority: whole numbers, amounts below a million, dates. A value of any other type goes to the scalar rule, and a row
that is not taken here is not bad for that: the row parser says what it is. A test compares both on any values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from fature_kv.domain.calendar import MIN_DAY, SECOND, day_start, instants_of, parse_time
from fature_kv.domain.money import parse_money
from fature_kv.domain.parse import parse_id
from fature_kv.domain.rows import MAX_ID

Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Values: TypeAlias = Sequence[object]

_NUMBERS: Final = frozenset((int, float))
_DATES: Final = frozenset((datetime,))
_EPOCH: Final = datetime(1970, 1, 1)
_PLAIN_AMOUNT: Final = 1e6
"""Below it an amount times 100 is within 1e-7 of what it is in decimals."""
_EXACT_SECONDS: Final = 2.0**31
"""Up to 2038 the seconds since 1970, as a float, tell the microsecond."""
_SURE: Final = 5e-7
"""Half of the tolerance of `money.parse_money`: what is within it is within that, too."""


def parse_bets(columns: Sequence[Values], zone: ZoneInfo) -> tuple[list[Ints], Mask]:
    """Columns id, user_id, stake, win and instant of all rows, and which rows were taken; the others hold anything.

    `columns` are id, user_id, stake, win and criado_em; dates among them are without an offset.
    """
    id_, user, stake, win, created = columns
    parsed = [_ids(id_), _ids(user), _money(stake), _money(win), _times(created, zone)]
    taken = np.logical_and.reduce([mask for _, mask in parsed])
    taken &= parsed[-1][0] >= day_start(MIN_DAY, zone)
    return [values for values, _ in parsed], taken


def _ids(values: Values) -> tuple[Ints, Mask]:
    if not _all_of(_NUMBERS, values):
        return _each(values, parse_id)
    numbers = np.array(values, np.float64)
    taken = (numbers >= 1) & (numbers <= MAX_ID) & (numbers == np.floor(numbers))
    return np.where(taken, numbers, 0).astype(np.int64), taken


def _money(values: Values) -> tuple[Ints, Mask]:
    if not _all_of(_NUMBERS, values):
        return _each(values, parse_money)
    amounts = np.array(values, np.float64)
    taken = (amounts >= 0) & (amounts < _PLAIN_AMOUNT)
    exact = np.where(taken, amounts, 0) * 100
    cents = np.rint(exact)
    return cents.astype(np.int64), taken & (np.abs(exact - cents) < _SURE)


def _times(values: Values, zone: ZoneInfo) -> tuple[Ints, Mask]:
    if not _all_of(_DATES, values):
        return _each(values, lambda value: parse_time(value, zone))
    seconds = np.array([(value - _EPOCH).total_seconds() for value in values])  # type: ignore[operator]
    taken = np.abs(seconds) < _EXACT_SECONDS
    walls = np.rint(np.where(taken, seconds, 0) * SECOND).astype(np.int64)
    return instants_of(walls, zone), taken


def _all_of(types: frozenset[type], values: Values) -> bool:
    return types.issuperset(map(type, values))


def _each(values: Values, parse: Callable[[object], int]) -> tuple[Ints, Mask]:
    """Value by value."""
    found, taken = np.zeros(len(values), np.int64), np.ones(len(values), np.bool_)
    for place, value in enumerate(values):
        try:
            found[place] = parse(value)
        except ValueError:
            taken[place] = False
    return found, taken
