"""Cells against plain dictionaries."""

from __future__ import annotations

from struct import unpack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv.domain import cells

LIMIT = 2**53 - 1
values = st.integers(-LIMIT, LIMIT)
numbers = st.dictionaries(st.integers(0, 255), values)
own_days = st.lists(values, min_size=8, max_size=8)


@given(numbers)
def test_a_cell_holds_what_was_packed_less_zeros(numbers: dict[int, int]) -> None:
    cell = cells.pack(numbers)
    kept = {slot: value for slot, value in numbers.items() if value}
    assert cells.unpack(cell) == kept
    assert list(cells.unpack(cell)) == sorted(kept)
    assert len(cell) == 8 * len(kept)
    assert cells.pack(list(numbers.items())) == cell


@given(st.integers(0, 255), values.filter(bool))
def test_the_bytes_are_what_scripts_read(slot: int, value: int) -> None:
    cell = cells.pack({slot: value})
    assert cell[0] == slot
    assert int.from_bytes(cell[1:], "little", signed=True) == value
    assert unpack("<q", cell)[0] == value * 256 + slot


@given(st.dictionaries(st.integers(1, 31), own_days.filter(any)))
def test_own_days_of_a_month_round_trip(days: dict[int, list[int]]) -> None:
    numbers = {cells.own_slot(day, i): value for day, own in days.items() for i, value in enumerate(own)}
    assert cells.unpack_own(cells.pack(numbers)) == days


@given(st.lists(numbers, max_size=8))
def test_columns_hold_every_number_under_its_cell(many: list[dict[int, int]]) -> None:
    owner, slot, value = cells.columns([cells.pack(numbers) for numbers in many])
    rows = [(i, s, v) for i, numbers in enumerate(many) for s, v in sorted(numbers.items()) if v]
    assert list(zip(owner.tolist(), slot.tolist(), value.tolist(), strict=True)) == rows
    assert slot.dtype == value.dtype == np.int64


def test_columns_of_nothing() -> None:
    for nothing in ([], [b"", b""]):
        assert [column.tolist() for column in cells.columns(nothing)] == [[], [], []]


def test_slots_and_field_names_agree() -> None:
    for level in range(1, cells.LEVELS + 1):
        for metric in range(len(cells.METRICS)):
            assert cells.RECORD_FIELDS[cells.slot(level, metric)] == cells.level_field(level, metric)
    assert cells.RECORD_FIELDS[cells.TOTALS] == "total_referrals"
    assert len(set(cells.RECORD_FIELDS)) == len(cells.RECORD_FIELDS) == cells.TOTALS + len(cells.METRICS) <= 256


@pytest.mark.parametrize(
    ("level", "metric", "field"),
    [
        (1, cells.REFERRALS, "l1_referrals"),
        (2, cells.DEPOSITS, "l2_deposits_cents"),
        (3, cells.FTD, "l3_ftd"),
        (4, cells.WINS, "l4_wins_cents"),
        (5, cells.CPA, "l5_cpa_cents"),
    ],
)
def test_fields(level: int, metric: int, field: str) -> None:
    assert cells.level_field(level, metric) == field


def test_own_slots_name_their_fields() -> None:
    named = {
        cells.OWN_DEPOSITS: "deposits_cents",
        cells.OWN_DEPOSITS_COUNT: "deposits_count",
        cells.OWN_WITHDRAWALS: "withdrawals_cents",
        cells.OWN_WITHDRAWALS_COUNT: "withdrawals_count",
        cells.OWN_BONUS: "bonus_cents",
        cells.OWN_BETS: "bets_cents",
        cells.OWN_BETS_COUNT: "bets_count",
        cells.OWN_WINS: "wins_cents",
    }
    assert tuple(named[slot] for slot in range(8)) == cells.OWN_FIELDS
