"""Financial summaries: a network by day, week, month or year (DOMAIN.md, "Network figures of A").

Months answer months and years. Days and weeks are read from the days of the months they lie in: at once where the
range says which those are, else after a look at the months there are. All numbers of a day are zero or more, so a month
that is there has a day that is not empty, and a page never needs more months than it has places (twice, for weeks).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from fature_kv.domain import cells
from fature_kv.domain.calendar import Period, TimeError, month_key, parse_day, period_days, period_key, periods_touching
from fature_kv.errors import ServerUnavailable, Stale, UsageError
from fature_kv.figures import cursors
from fature_kv.figures.answers import AsOf, PeriodLevel, Summary, SummaryAnswer, as_of
from fature_kv.figures.levels import NUMBERS, Numbers, Rev, of_month, of_months, unfloored, unpack_months
from fature_kv.figures.reading import Read, hash_of
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer

DEFAULT_LIMIT: Final = 400
MAX_LIMIT: Final = 10_000
_FIRST_DAY: Final = parse_day("1999-12-01")
_LAST_DAY: Final = parse_day("2199-12-31")
"""No figure lies outside: rows begin in 2000, and later ones than tomorrow wait."""
_KNOWN_MONTHS: Final = 36
"""A range of so many months is read without a look at which there are."""
_ATTEMPTS: Final = 3


class Range(NamedTuple):
    """Whole periods, from the first day of the first to the last of the last; none when `last` comes before `first`."""

    kind: Period
    first: int
    last: int
    bounded: bool
    """Whether the caller gave both ends."""

    def holds(self, key: str) -> bool:
        """Whether a period lies inside."""
        return period_key(self.kind, self.first) <= key <= period_key(self.kind, self.last)

    def months(self, there: Iterable[str] | None = None) -> list[str]:
        """The months its days lie in; of those that are there, where that is known."""
        if there is None:
            return periods_touching("month", self.first, self.last)
        return [month for month in there if month_key(self.first) <= month <= month_key(self.last)]


def summary(
    tenant: Tenant,
    person: int,
    kind: Period,
    first: int | None = None,
    last: int | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    viewer: Viewer = EVERYTHING,
) -> Read[SummaryAnswer]:
    """`GET /affiliates/{id}/financial-summary`; `first` and `last` are days, both inside."""
    asked = _range(kind, first, last, cursor)
    read = _by_months if kind in ("month", "year") else _by_days
    items, fresh = yield from read(tenant, person, asked, limit, viewer)
    more = cursors.encode(kind, items[limit - 1].period) if len(items) > limit else None
    return SummaryAnswer(items[:limit], more, fresh)


def _range(kind: Period, first: int | None, last: int | None, cursor: str | None) -> Range:
    if first is not None and last is not None and last < first:
        raise UsageError("to: expected a day that is not before `from`")
    begin, end = (_FIRST_DAY if first is None else first), (_LAST_DAY if last is None else last)
    begin = period_days(kind, period_key(kind, min(max(begin, _FIRST_DAY), _LAST_DAY)))[0]
    end = period_days(kind, period_key(kind, min(max(end, _FIRST_DAY), _LAST_DAY)))[1]
    if cursor is not None:
        begin = max(begin, min(_day_behind(kind, cursor), _LAST_DAY + 8))
    return Range(kind, begin, end, first is not None and last is not None)


def _day_behind(kind: Period, cursor: str) -> int:
    place = cursors.decode(kind, cursor)
    try:
        return period_days(kind, place)[1] + 1
    except TimeError:
        raise cursors.refused() from None


def _by_months(
    tenant: Tenant, person: int, asked: Range, limit: int, viewer: Viewer
) -> Read[tuple[list[Summary], AsOf]]:
    keys = tenant.keys
    fresh, record, flat, state = yield tenant.records([keys.affiliate(person), keys.months(person)], [keys.own(person)])
    viewer.check(person, hash_of(record).get(b"rev"), state)
    months = unpack_months(flat)
    if asked.kind == "month":
        wanted = [key for key in months if asked.holds(key)][: limit + 1]
        return [month_item(key, months[key], tenant) for key in wanted], as_of(fresh)
    years: dict[str, dict[str, Numbers]] = defaultdict(dict)
    for key, numbers in months.items():
        if asked.holds(year := key[:4]):
            years[year][key] = numbers
    return [_year_item(year, of_year, tenant) for year, of_year in list(years.items())[: limit + 1]], as_of(fresh)


def _by_days(tenant: Tenant, person: int, asked: Range, limit: int, viewer: Viewer) -> Read[tuple[list[Summary], AsOf]]:
    days, fresh = yield from _read_days(tenant, person, asked, limit, viewer)
    if asked.kind == "day":
        wanted = [key for key in sorted(days) if asked.holds(key)][: limit + 1]
        return [day_item(key, days[key], tenant) for key in wanted], fresh
    weeks: dict[str, list[Numbers]] = defaultdict(list)
    for key in sorted(days):
        if asked.holds(week := period_key("week", parse_day(key))):
            weeks[week].append(days[key])
    return [_week_item(key, add(of_week), tenant) for key, of_week in list(weeks.items())[: limit + 1]], fresh


def _read_days(
    tenant: Tenant, person: int, asked: Range, limit: int, viewer: Viewer
) -> Read[tuple[dict[str, Numbers], AsOf]]:
    """Days by their key: all of the range, or as many as `limit` and one more periods take."""
    keys = tenant.keys
    enough = (limit + 1) * (7 if asked.kind == "week" else 1) + 62
    for _ in range(_ATTEMPTS):
        known, months = "*", asked.months() if asked.bounded else []
        if not asked.bounded or len(months) > _KNOWN_MONTHS:
            _, flat = yield tenant.records([keys.months(person)])
            there = [month.decode() for month in sorted(hash_of(flat))]
            known, months = " ".join(there), asked.months(there)
        listed = [
            keys.affiliate(person),
            keys.own(person),
            keys.months(person),
            *(keys.days(person, month) for month in months),
        ]
        try:
            fresh, head, *read = yield tenant.ask("read_days", listed, enough, known)
        except Stale:
            continue
        viewer.check(person, *head)
        return _unpack_days(months, read), as_of(fresh)
    raise ServerUnavailable("months come in too quickly to be read; try again in a moment")


def _unpack_days(months: Iterable[str], read: Iterable[list[bytes]]) -> dict[str, Numbers]:
    days: dict[str, Numbers] = {}
    for month, flat in zip(months, read, strict=False):
        for day, cell in hash_of(flat).items():
            days[f"{month}-{day.decode()}"] = cells.unpack(cell)
    return days


def add(cells_of_days: Iterable[Numbers]) -> dict[int, int]:
    """The sum of cells."""
    total: dict[int, int] = defaultdict(int)
    for numbers in cells_of_days:
        for slot, value in numbers.items():
            total[slot] += value
    return total


def day_item(key: str, numbers: Numbers, tenant: Tenant) -> Summary:
    """The item of a day."""
    return _item(key, numbers, unfloored("day", key, numbers, tenant.configuration))


def _week_item(key: str, numbers: Numbers, tenant: Tenant) -> Summary:
    return _item(key, numbers, unfloored("week", key, numbers, tenant.configuration))


def month_item(key: str, numbers: Numbers, tenant: Tenant) -> Summary:
    """The item of a month."""
    return _item(key, numbers, of_month(key, numbers, tenant.configuration))


def _year_item(key: str, months: Mapping[str, Numbers], tenant: Tenant) -> Summary:
    return _item(key, add(months.values()), of_months(months, tenant.configuration))


def _item(key: str, numbers: Numbers, rev: Rev) -> Summary:
    levels = [_level(level, numbers, rev.levels[level - 1]) for level in NUMBERS]
    return Summary(
        period=key,
        new_referrals=levels[0].new_referrals,
        validated_referrals=levels[0].validated,
        ftd=sum(level.ftd for level in levels),
        deposits_cents=sum(level.deposits_cents for level in levels),
        bets_cents=sum(level.bets_cents for level in levels),
        wins_cents=sum(level.wins_cents for level in levels),
        ggr_cents=sum(level.ggr_cents for level in levels),
        cpa_cents=sum(level.cpa_cents for level in levels),
        rev_cents=rev.total,
        levels=levels,
    )


def _level(level: int, numbers: Numbers, rev_cents: int) -> PeriodLevel:
    first = cells.slot(level, 0)
    slots = range(first, first + len(cells.METRICS))
    referrals, validated, ftd, deposits, bets, wins, cpa = (numbers.get(slot, 0) for slot in slots)
    return PeriodLevel(level, referrals, validated, ftd, deposits, bets, wins, bets - wins, cpa, rev_cents)
