"""Times, days and periods; the zone table against zoneinfo itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fature_kv.domain.calendar import (
    DAY,
    MAX_TIME,
    MIN_DAY,
    MIN_TIME,
    PERIODS,
    Period,
    TimeError,
    day_of,
    day_start,
    day_text,
    days_of,
    parse_day,
    parse_time,
    period_days,
    period_key,
    periods_touching,
    rfc3339,
    week_key,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
NAMES = (
    "America/Sao_Paulo America/St_Johns America/Havana Asia/Kathmandu Australia/Lord_Howe Pacific/Apia "
    "Africa/Casablanca Europe/Lisbon Pacific/Chatham America/Nuuk UTC"
)
ZONES = st.sampled_from([ZoneInfo(name) for name in NAMES.split()])
INSTANTS = st.integers(946_684_800_000_000, 4_000_000_000_000_000) | st.integers(MIN_TIME, MAX_TIME)
WALLS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)) | st.datetimes(datetime(1999, 1, 1), datetime(2060, 1, 1))
DAYS = st.integers(MIN_DAY, MIN_DAY + 40_000)


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def at(text: str, zone: ZoneInfo = SAO_PAULO) -> str:
    return rfc3339(parse_time(text, zone))


@given(st.integers(MIN_TIME + 2 * DAY, MAX_TIME - 2 * DAY), ZONES)
def test_day_of_agrees_with_zoneinfo(us: int, zone: ZoneInfo) -> None:
    local = (EPOCH + timedelta(microseconds=us)).astimezone(zone)
    assert day_text(day_of(us, zone)) == local.date().isoformat()


@pytest.mark.parametrize("name", NAMES.split())
def test_day_of_around_every_change_of_the_clocks(name: str) -> None:
    zone = ZoneInfo(name)
    hours = np.arange(946_684_800, 2_240_000_000, 3600, dtype=np.int64) * 1_000_000 - 1
    rows = [(EPOCH + timedelta(microseconds=int(us))).astimezone(zone).toordinal() for us in hours[::7]]
    assert (days_of(hours[::7], zone) + date(1970, 1, 1).toordinal()).tolist() == rows


@given(st.lists(INSTANTS), ZONES)
def test_days_of_is_day_of(instants: list[int], zone: ZoneInfo) -> None:
    days = days_of(np.array(instants, dtype=np.int64), zone)
    assert days.dtype == np.int64
    assert days.tolist() == [day_of(us, zone) for us in instants]


@given(WALLS, ZONES)
@example(datetime(2018, 11, 4, 0, 30), SAO_PAULO)  # does not exist
@example(datetime(2018, 2, 17, 23, 30), SAO_PAULO)  # exists twice
@example(datetime(2011, 12, 30, 12), ZoneInfo("Pacific/Apia"))  # a day that does not exist
def test_local_times_are_read_with_fold_0(wall: datetime, zone: ZoneInfo) -> None:
    expected = micros(wall.replace(tzinfo=zone))
    assert parse_time(wall.isoformat(), zone) == expected
    assert parse_time(wall.isoformat(sep=" "), zone) == expected
    assert parse_time(wall, zone) == expected


@given(WALLS, st.integers(-24 * 60 + 1, 24 * 60 - 1), ZONES)
def test_an_offset_wins_over_the_zone(wall: datetime, minutes: int, zone: ZoneInfo) -> None:
    moment = wall.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_time(moment.isoformat(), zone) == micros(moment)
    assert parse_time(moment, zone) == micros(moment)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2025-05-26T12:55:36-03:00", "2025-05-26T15:55:36Z"),
        ("2025-05-26 12:55:36-03", "2025-05-26T15:55:36Z"),
        ("2025-05-26 12:55:36-0300", "2025-05-26T15:55:36Z"),
        ("2025-05-26T12:55:36Z", "2025-05-26T12:55:36Z"),
        ("2025-05-26t12:55:36z", "2025-05-26T12:55:36Z"),
        ("2025-05-26T12:55Z", "2025-05-26T12:55:00Z"),
        ("2025-05-26T12:55", "2025-05-26T15:55:00Z"),
        ("2025-05-26T12:55-03:00", "2025-05-26T15:55:00Z"),
        (" 2025-05-26 12:55:36 ", "2025-05-26T15:55:36Z"),
        ("2025-05-26T12:55:36.1", "2025-05-26T15:55:36.100000Z"),
        ("2025-05-26T12:55:36,123456789-03:00", "2025-05-26T15:55:36.123456Z"),
        ("2025-05-26T12:55:36.9999999Z", "2025-05-26T12:55:36.999999Z"),
        ("2025-05-26", "2025-05-26T03:00:00Z"),
        ("26/05/2025", "2025-05-26T03:00:00Z"),
        ("26/05/2025 12:55", "2025-05-26T15:55:00Z"),
        ("02/01/2025 12:55:36", "2025-01-02T15:55:36Z"),
        ("2018-02-17T23:30:00", "2018-02-18T01:30:00Z"),
        ("2018-11-04", "2018-11-04T03:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_spellings(text: str, utc: str) -> None:
    assert at(text) == utc


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "05/26/2025",
        "1/2/2025",
        "26-05-2025",
        "26/05/25",
        "2025/05/26",
        "2025-5-26",
        "20250526",
        "2025-02-29",
        "2025-05-26T24:00:00",
        "2025-05-26T12:60:00",
        "2025-05-26T12:55:60",
        "2025-05-26T12",
        "2025-05-26T12:55:36.",
        "agora",
        "2025-05-26T12:55:36.1234567891",
        "2025-05-26T12:55:36+24:00",
        "2025-05-26T12:55:36-3",
        "2025-05-26Z",
        "45803.5",
        "26/05/2025 12:55:36-03:00",
        "2025-05-26  12:55:36",
        "0000-00-00 00:00:00",
        "9999-12-31T23:59:59-03:00",
        "２025-05-26",
        "2025-05-26T12:55:3",
        "2025-05-26T1:55:36",
        "2025-05-26T12:5536",
        "2025-05-26T12:55:36.123456.5Z",
        "2025-05-26T12:55:36.12345６Z",
        None,
        1700000000,
        45803.5,
        True,
        [],
        b"2025-05-26",
    ],
)
def test_anything_else_is_no_time(value: object) -> None:
    with pytest.raises(TimeError):
        parse_time(value, SAO_PAULO)


def test_dates_of_workbooks() -> None:
    assert rfc3339(parse_time(date(2025, 5, 26), SAO_PAULO)) == "2025-05-26T03:00:00Z"
    assert rfc3339(parse_time(datetime(2025, 5, 26, 12, 55), SAO_PAULO)) == "2025-05-26T15:55:00Z"


@given(st.integers(MIN_TIME, MAX_TIME))
def test_instants_are_read_back(us: int) -> None:
    assert parse_time(rfc3339(us), SAO_PAULO) == us


@given(DAYS, ZONES)
def test_a_day_starts_where_it_starts(day: int, zone: ZoneInfo) -> None:
    if not (zone.key == "Pacific/Apia" and day_text(day) == "2011-12-30"):
        assert day_of(day_start(day, zone), zone) == day


@given(DAYS)
def test_days_and_periods_agree(day: int) -> None:
    assert parse_day(day_text(day)) == day
    for period in PERIODS:
        first, last = period_days(period, period_key(period, day))
        assert first <= day <= last
        assert period_key(period, first) == period_key(period, last) == period_key(period, day)
        assert period_key(period, first - 1) != period_key(period, day) != period_key(period, last + 1)


@given(DAYS, st.integers(0, 800), st.sampled_from(PERIODS))
def test_periods_touching_is_every_key_once_in_order(first: int, length: int, period: Period) -> None:
    keys = periods_touching(period, first, first + length)
    assert keys == list(dict.fromkeys(period_key(period, day) for day in range(first, first + length + 1)))
    assert periods_touching(period, first, first - 1) == []


def test_iso_weeks() -> None:
    assert week_key(parse_day("2025-06-26")) == "2025-W26"
    assert week_key(parse_day("2024-12-30")) == "2025-W01"
    assert period_days("week", "2020-W53") == (parse_day("2020-12-28"), parse_day("2021-01-03"))


@pytest.mark.parametrize(
    ("period", "key"),
    [
        ("week", "2025-W53"),
        ("week", "2025-W00"),
        ("month", "2025-13"),
        ("month", "2025-6"),
        ("year", "0000"),
        ("day", "2025-02-30"),
        ("day", "2025-W26-4"),
        ("day", "20250626"),
        ("year", "25"),
    ],
)
def test_keys_that_are_none(period: Period, key: str) -> None:
    with pytest.raises(TimeError):
        period_days(period, key)
