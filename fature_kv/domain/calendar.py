"""Instants, days and periods (DOMAIN.md, "Words": Time, Day).

An instant is an integer: microseconds since 1970-01-01T00:00:00Z. A day is an integer too: days since
1970-01-01 in the tenant's zone. A period is told by its key: day `2025-06-26`, week `2025-W26` (ISO),
month `2025-06`, year `2025`.

How instants become days quickly: the changes of a zone's offset between 1999 and 2070 are found once, by
probing `zoneinfo` week by week, and kept as a sorted table. A look-up is a bisection; instants outside the
table ask `zoneinfo` itself. The other way, a local time that does not exist or exists twice is read with the
offset before the change (`fold=0`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Day: TypeAlias = int
Period: TypeAlias = Literal["day", "week", "month", "year"]
PERIODS: Final[tuple[Period, ...]] = ("day", "week", "month", "year")

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
MIN_DAY: Final[Day] = date(2000, 1, 1).toordinal() - _EPOCH_ORDINAL
"""The first day a row may lie on; earlier ones are quarantined as `before_2000`."""
MIN_TIME: Final = (date.min.toordinal() - _EPOCH_ORDINAL) * DAY
MAX_TIME: Final = (date.max.toordinal() - _EPOCH_ORDINAL + 1) * DAY - 1


class TimeError(ValueError):
    """A time that is absent or in no known spelling."""

    reason: Final = "bad_time"


# --- zones ---------------------------------------------------------------------------------------


class _ZoneTable(NamedTuple):
    """Offsets of a zone in microseconds; `offsets[i]` holds from `starts[i-1]` (UTC) up to `starts[i]`."""

    starts: list[int]
    wall_starts: list[int]
    offsets: list[int]
    starts_array: NDArray[np.int64]
    wall_starts_array: NDArray[np.int64]
    offsets_array: NDArray[np.int64]


_TABLE_FROM: Final = (date(1999, 1, 1).toordinal() - _EPOCH_ORDINAL) * DAY
_TABLE_TO: Final = (date(2070, 1, 1).toordinal() - _EPOCH_ORDINAL) * DAY
_STEP: Final = 7 * DAY  # no zone of the tz database changes forth and back within a week of these years


def _probe(us: int, zone: ZoneInfo) -> int:
    """The zone's offset at an instant, from zoneinfo, in microseconds; instants of years 1 and 9999 are moved in."""
    inside = min(max(us, MIN_TIME + 366 * DAY), MAX_TIME - 366 * DAY)
    offset = (_EPOCH + timedelta(microseconds=inside)).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // _MICROSECOND


@lru_cache(maxsize=256)
def _zone_table(zone: ZoneInfo) -> _ZoneTable:
    starts: list[int] = []
    offsets = [_probe(_TABLE_FROM, zone)]
    for probe in range(_TABLE_FROM + _STEP, _TABLE_TO + _STEP, _STEP):
        after = _probe(probe, zone)
        while offsets[-1] != after:
            low, high = max([probe - _STEP, *starts[-1:]]), probe
            while high - low > SECOND:
                middle = (low + high) // 2 // SECOND * SECOND
                low, high = (middle, high) if _probe(middle, zone) == offsets[-1] else (low, middle)
            starts.append(high)
            offsets.append(_probe(high, zone))
    walls = [start + max(offsets[i], offsets[i + 1]) for i, start in enumerate(starts)]
    return _ZoneTable(starts, walls, offsets, *(np.array(each, dtype=np.int64) for each in (starts, walls, offsets)))


def offset_at(us: int, zone: ZoneInfo) -> int:
    """What the zone adds to UTC at an instant, in microseconds."""
    if not _TABLE_FROM <= us < _TABLE_TO:
        return _probe(us, zone)
    table = _zone_table(zone)
    return table.offsets[bisect_right(table.starts, us)]


def _offset_of_wall(wall: int, zone: ZoneInfo) -> int:
    """What the zone adds to UTC where its clocks show `wall` (microseconds, as if UTC), with `fold=0`."""
    if not _TABLE_FROM + DAY <= wall < _TABLE_TO - DAY:
        inside = min(max(wall, MIN_TIME + 366 * DAY), MAX_TIME - 366 * DAY)
        local = (_EPOCH + timedelta(microseconds=inside)).replace(tzinfo=zone)
        offset = local.utcoffset()
        assert offset is not None
        return offset // _MICROSECOND
    table = _zone_table(zone)
    return table.offsets[bisect_right(table.wall_starts, wall)]


def instants_of(walls: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """The instants at which the zone's clocks show `walls` (microseconds, as if UTC), read as `parse_time` does."""
    table = _zone_table(zone)
    offsets = table.offsets_array[np.searchsorted(table.wall_starts_array, walls, side="right")]
    for i in np.flatnonzero((walls < _TABLE_FROM + DAY) | (walls >= _TABLE_TO - DAY)):
        offsets[i] = _offset_of_wall(int(walls[i]), zone)
    return walls - offsets


# --- days ----------------------------------------------------------------------------------------


def day_of(us: int, zone: ZoneInfo) -> Day:
    """The calendar day of an instant in a zone."""
    return (us + offset_at(us, zone)) // DAY


def days_of(us: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """`day_of` for an array of instants."""
    table = _zone_table(zone)
    offsets = table.offsets_array[np.searchsorted(table.starts_array, us, side="right")]
    days: NDArray[np.int64] = (us + offsets) // DAY
    for i in np.flatnonzero((us < _TABLE_FROM) | (us >= _TABLE_TO)):
        days[i] = day_of(int(us[i]), zone)
    return days


def day_start(day: Day, zone: ZoneInfo) -> int:
    """The instant a day begins in a zone: its midnight, or what the clocks make of it."""
    wall = day * DAY
    return wall - _offset_of_wall(wall, zone)


@lru_cache(maxsize=65_536)
def day_text(day: Day) -> str:
    """`YYYY-MM-DD`."""
    return _date(day).isoformat()


_DAY_TEXT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(text: str) -> Day:
    """The day of `YYYY-MM-DD`, in no other spelling. Raises TimeError."""
    if not _DAY_TEXT.fullmatch(text):
        raise TimeError(f"{text!r} is no day, expected YYYY-MM-DD")
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        raise TimeError(f"{text!r} is no day of the calendar") from None


def _date(day: Day) -> date:
    return date.fromordinal(day + _EPOCH_ORDINAL)


def rfc3339(us: int) -> str:
    """`2025-06-26T15:55:36Z`, with six decimals of a second where there are any."""
    day, rest = divmod(us, DAY)
    seconds, fraction = divmod(rest, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day_text(day)}T{hour:02}:{minute:02}:{second:02}{f'.{fraction:06}' if fraction else ''}Z"


# --- reading times -------------------------------------------------------------------------------


def parse_time(value: object, zone: ZoneInfo) -> int:
    """The instant of a text or a date; without an offset it is the zone's local time.

    Texts: ISO 8601 `YYYY-MM-DD[(T or space)hh:mm[:ss[.fraction]][Z or offset]]`, offsets as `-03`, `-0300` or
    `-03:00`, fractions of 1 to 9 digits cut to the microsecond; or `dd/mm/yyyy[ hh:mm[:ss]]`, day first, always.
    A day alone is its midnight. Also `datetime` and `date` objects (a workbook's dates). Raises TimeError.
    """
    if isinstance(value, str):
        hour, clock, tail, fraction = _hour(value[:13]), _clock(value[13:19]), value[19:], 0
        if tail[:1] == "." and (digits := tail[1:7]).isdigit() and len(digits) == 6 and digits.isascii():
            fraction, tail = int(digits), tail[7:]
        offset = _offset(tail)
        if hour is None or clock is None or offset is None:
            return _parse_text(value, zone)
        us = hour + clock + fraction
        return us - (offset if offset != _LOCAL else _offset_of_wall(us, zone))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            wall = (value.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
            return _checked(wall - _offset_of_wall(wall, zone), value)
        return _checked((value - _EPOCH) // _MICROSECOND, value)
    if isinstance(value, date):
        return _checked(day_start(value.toordinal() - _EPOCH_ORDINAL, zone), value)
    raise TimeError(f"{value!r} is no time")


_LOCAL: Final = DAY  # no offset is that large
_OFFSET: Final = r"(?P<offset>[Zz]|[+-](?P<hours>[0-9]{2})(?::?(?P<minutes>[0-9]{2}))?)?"
_OFFSET_ALONE: Final = re.compile(_OFFSET)
_FRACTION: Final = r"(?:[.,](?P<fraction>[0-9]{1,9}))?"
_ISO: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    rf"(?:[Tt ](?P<hour>[0-9]{{2}}):(?P<minute>[0-9]{{2}})(?::(?P<second>[0-9]{{2}}){_FRACTION})?{_OFFSET})?"
)
_BRAZILIAN: Final = re.compile(
    r"(?P<day>[0-9]{2})/(?P<month>[0-9]{2})/(?P<year>[0-9]{4})"
    r"(?: (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?)?"
)
_HOUR: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2})")
_CLOCK: Final = re.compile(r":([0-9]{2})(?::([0-9]{2}))?")


def _parse_text(text: str, zone: ZoneInfo) -> int:
    """Any spelling, part by part; `parse_time` takes the usual ones from caches instead."""
    match = _ISO.fullmatch(text.strip()) or _BRAZILIAN.fullmatch(text.strip())
    if match is None:
        raise TimeError(f"{text!r} is in no known spelling of a time")
    part = match.groupdict()
    hour, minute, second = (int(part.get(name) or 0) for name in ("hour", "minute", "second"))
    fraction = int((part.get("fraction") or "")[:6].ljust(6, "0"))
    offset = _offset(part.get("offset") or "")
    if offset is None:
        raise TimeError(f"{text!r} has an offset that is none")
    try:
        moment = datetime(int(part["year"]), int(part["month"]), int(part["day"]), hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise TimeError(f"{text!r} is not on the calendar or the clock") from None
    us = (moment - _EPOCH) // _MICROSECOND + fraction
    return _checked(us - (offset if offset != _LOCAL else _offset_of_wall(us, zone)), text)


def _checked(us: int, value: object) -> int:
    if not MIN_TIME <= us <= MAX_TIME:
        raise TimeError(f"{value!r} lies outside the years 1 to 9999")
    return us


@lru_cache(maxsize=65_536)
def _hour(text: str) -> int | None:
    """`2025-05-26T12` as microseconds; None where `parse_time` has to look closer."""
    match = _HOUR.fullmatch(text)
    if match is None or not 1 < int(match[1]) < 9999:
        return None
    try:
        moment = datetime(int(match[1]), int(match[2]), int(match[3]), int(match[4]), tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=8_192)
def _clock(text: str) -> int | None:
    """`:55:36` or `:55` as microseconds; None where `parse_time` has to look closer."""
    match = _CLOCK.fullmatch(text)
    if match is None or int(match[1]) > 59 or int(match[2] or 0) > 59:
        return None
    return int(match[1]) * MINUTE + int(match[2] or 0) * SECOND


@lru_cache(maxsize=1_024)
def _offset(text: str) -> int | None:
    """`-03`, `-0300`, `-03:00` or `Z` as microseconds ahead of UTC, nothing as `_LOCAL`; None for anything else."""
    match = _OFFSET_ALONE.fullmatch(text)
    if match is None:
        return None
    if not match["offset"]:
        return _LOCAL
    if match["offset"] in "Zz":
        return 0
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    if hours > 23 or minutes > 59:
        return None
    ahead = hours * HOUR + minutes * MINUTE
    return -ahead if text[0] == "-" else ahead


# --- periods -------------------------------------------------------------------------------------


@lru_cache(maxsize=65_536)
def week_key(day: Day) -> str:
    """ISO week, `2025-W26`; the year is the week's, so 2024-12-30 lies in `2025-W01`."""
    year, week, _ = _date(day).isocalendar()
    return f"{year:04d}-W{week:02d}"


def month_key(day: Day) -> str:
    """`2025-06`."""
    return day_text(day)[:7]


def months_of(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Months as numbers, since 1970-01, of many days."""
    months: NDArray[np.int64] = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def month_starts(months: NDArray[np.int64]) -> NDArray[np.int64]:
    """First days of many months, which are numbers since 1970-01."""
    days: NDArray[np.int64] = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days


@lru_cache(4096)
def month_text(month: int) -> str:
    """The key of a month that is a number since 1970-01."""
    return f"{1970 + month // 12:04d}-{month % 12 + 1:02d}"


def month_number(key: str) -> int:
    """The number since 1970-01 of a month's key."""
    return (int(key[:4]) - 1970) * 12 + int(key[5:7]) - 1


def month_start(month: int) -> Day:
    """First day of a month that is a number since 1970-01."""
    return parse_day(f"{month_text(month)}-01")


def year_key(day: Day) -> str:
    """`2025`."""
    return day_text(day)[:4]


_KEYS: Final[dict[Period, Callable[[Day], str]]] = {
    "day": day_text,
    "week": week_key,
    "month": month_key,
    "year": year_key,
}


def period_key(period: Period, day: Day) -> str:
    """The key of the period that a day lies in."""
    return _KEYS[period](day)


_WEEK: Final = re.compile(r"([0-9]{4})-W([0-9]{2})")
_MONTH: Final = re.compile(r"([0-9]{4})-([0-9]{2})")
_YEAR: Final = re.compile(r"[0-9]{4}")


@lru_cache(maxsize=16_384)
def period_days(period: Period, key: str) -> tuple[Day, Day]:
    """First and last day (both inside) of a period. Raises TimeError for a key that is none."""
    try:
        if period == "day":
            return (day := parse_day(key)), day
        if period == "week" and (match := _WEEK.fullmatch(key)):
            first = date.fromisocalendar(int(match[1]), int(match[2]), 1).toordinal() - _EPOCH_ORDINAL
            return first, first + 6
        if period == "month" and (match := _MONTH.fullmatch(key)):
            year, month = int(match[1]), int(match[2])
            first = date(year, month, 1).toordinal() - _EPOCH_ORDINAL
            return first, first + monthrange(year, month)[1] - 1
        if period == "year" and _YEAR.fullmatch(key):
            return parse_day(f"{key}-01-01"), parse_day(f"{key}-12-31")
    except ValueError:
        pass
    raise TimeError(f"{key!r} is no {period}")


def periods_touching(period: Period, first: Day, last: Day) -> list[str]:
    """Keys of the periods that share a day with `first..last` (both inside), ascending; none when last < first."""
    keys: list[str] = []
    day = first
    while day <= last:
        keys.append(period_key(period, day))
        day = period_days(period, keys[-1])[1] + 1
    return keys
