"""Bets as columns are the bets that the row parser makes, one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv.domain.bet_columns import parse_bets
from fature_kv.domain.calendar import MAX_TIME, MIN_TIME, instants_of, parse_time
from fature_kv.domain.mapping import Mapping
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import MAX_ID, BadRow, Bet

ZONES = [ZoneInfo("America/Sao_Paulo"), ZoneInfo("Europe/Lisbon"), ZoneInfo("UTC")]
ids = st.one_of(
    st.integers(1, MAX_ID),
    st.integers(1, 10**6).map(float),
    st.sampled_from([0, -1, 1.5, 2.0**53, float("nan"), float("inf"), True, None, "7", " 8 ", "x", Decimal("7.0"), ""]),
)
amounts = st.one_of(
    st.integers(0, 10**8).map(lambda cents: cents / 100),
    st.floats(0, 2e6),
    st.builds(lambda cents, off: cents / 100 + off, st.integers(0, 10**6), st.floats(-2e-6, 2e-6)),
    st.integers(-5, 10**7),
    st.sampled_from(["105,57", "1.234", "R$ 1,00", "", None, True, -0.0, -0.5, 1e300, float("nan"), Decimal("1.10")]),
)
moments = st.one_of(
    st.datetimes(datetime(1990, 1, 1), datetime(2080, 1, 1)),
    st.datetimes(),
    st.dates(date(1999, 12, 1), date(2040, 1, 1)),
    st.sampled_from(["26/06/2025 09:00", "2025-06-26T12:00:00Z", "x", "", None, True, 45834.5, timedelta(1)]),
)
plain = (
    st.integers(1, 10**6).map(float),
    st.integers(1, 10**6).map(float),
    st.integers(0, 10**8).map(lambda cents: cents / 100),
    st.integers(0, 10**8).map(lambda cents: cents / 100),
    st.datetimes(datetime(1999, 6, 1), datetime(2040, 1, 1)),
)


def compare(rows: list[tuple[object, ...]], zone: ZoneInfo) -> int:
    """Whether columns agree with rows; returns how many were taken as columns."""
    parse = RowParser(zone, Mapping()).reader("casino_bets_v")
    columns, taken = parse_bets([list(column) for column in zip(*rows, strict=True)], zone)
    for number, row in enumerate(rows):
        found = parse(*row)
        if taken[number]:
            assert found == Bet(*(int(column[number]) for column in columns))
        elif not isinstance(found, BadRow):
            assert max(found.stake, found.win) >= 10**8 or found.created_at >= 2**31 * 10**6 - 10**11
    return int(taken.sum())


@given(st.lists(st.tuples(ids, ids, amounts, amounts, moments), min_size=1, max_size=20), st.sampled_from(ZONES))
def test_any_values(rows: list[tuple[object, ...]], zone: ZoneInfo) -> None:
    compare(rows, zone)


@given(st.lists(st.tuples(*plain), min_size=1, max_size=20), st.sampled_from(ZONES))
def test_plain_values_are_all_taken(rows: list[tuple[object, ...]], zone: ZoneInfo) -> None:
    good = [row for row in rows if datetime(2000, 1, 2) < row[4] < datetime(2038, 1, 1) and max(row[2:4]) < 1e6]  # type: ignore[operator,type-var]
    assert compare(rows, zone) >= len(good)


@given(st.lists(st.datetimes(), max_size=20), st.sampled_from(ZONES))
def test_instants_of_walls(walls: list[datetime], zone: ZoneInfo) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    many = np.array([(wall.replace(tzinfo=UTC) - epoch) // timedelta(microseconds=1) for wall in walls], np.int64)
    for wall, found in zip(walls, instants_of(many, zone).tolist(), strict=True):
        if MIN_TIME <= found <= MAX_TIME:
            assert found == parse_time(wall, zone)


@pytest.mark.parametrize("wall", [datetime(2018, 11, 4, 0, 30), datetime(2018, 2, 17, 23, 30), datetime(1999, 1, 1)])
def test_walls_that_do_not_exist_or_exist_twice(wall: datetime) -> None:
    zone = ZONES[0]
    (_, _, _, _, at), _ = parse_bets([[1], [7], [1], [1], [wall]], zone)
    assert at[0] == parse_time(wall, zone)
