"""Every figure from the current facts, the long way round (DOMAIN.md, "Own figures" to "Leaderboards").

Days are `datetime.date`s of the tenant's zone. A period is named by its key: `all`, `2025`, `2025-06`, `2025-W26` or
`2025-06-20`; keys of one kind sort by time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from tests.model.facts import Facts
from tests.model.rows import counts

Document: TypeAlias = Mapping[str, Any]
Versions: TypeAlias = Sequence[tuple[str | None, Document]]
Json: TypeAlias = dict[str, Any]

LEVELS = (1, 2, 3, 4, 5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
METRICS = ("cpa", "rev", "referrals", "validated", "ftd", "deposits", "bets", "ggr")


def key_of(kind: str, day: date) -> str:
    """The period of that kind which holds the day."""
    match kind:
        case "all":
            return "all"
        case "year":
            return f"{day.year:04}"
        case "month":
            return f"{day.year:04}-{day.month:02}"
        case "week":
            year, week, _ = day.isocalendar()
            return f"{year:04}-W{week:02}"
        case "day":
            return day.isoformat()
    raise ValueError(kind)


def first_day(kind: str, key: str) -> date:
    """The first day of a day, week or month."""
    if kind == "week":
        year, week = key.split("-W")
        return date.fromisocalendar(int(year), int(week), 1)
    return date.fromisoformat(f"{key}-01" if kind == "month" else key)


def half_even(value: Fraction) -> int:
    """The nearest whole number; of two equally near the even one (Python's `round` of an exact fraction)."""
    return round(value)


@dataclass(slots=True)
class Own:
    """A player's own figures of a day, or of many days added up."""

    deposits_cents: int = 0
    deposits_count: int = 0
    withdrawals_cents: int = 0
    withdrawals_count: int = 0
    bonus_cents: int = 0
    bets_cents: int = 0
    bets_count: int = 0
    wins_cents: int = 0
    days_active: int = 0

    @property
    def active(self) -> bool:
        """A day is active when it holds a counted deposit or a bet."""
        return self.deposits_count > 0 or self.bets_count > 0

    def sums(self) -> Json:
        """What the CPA criteria look at."""
        return {
            "deposits_cents": self.deposits_cents,
            "deposits_count": self.deposits_count,
            "bets_cents": self.bets_cents,
            "bets_count": self.bets_count,
            "days_active": self.days_active,
        }


@dataclass(slots=True)
class Network:
    """The figures of one level of an affiliate in one period, REV aside."""

    members: int = 0
    validated: int = 0
    ftd: int = 0
    deposits: int = 0
    bets: int = 0
    wins: int = 0
    cpa: int = 0

    @property
    def ggr(self) -> int:
        return self.bets - self.wins


@dataclass(frozen=True, slots=True)
class Qualification:
    """When a player qualified, by which group of minimums (None: a manager's word), and the sums on that day."""

    day: date
    criteria: Document | None
    sums: Json


class Figures:
    """All figures of one state of the facts; made anew when the facts change."""

    def __init__(self, facts: Facts, zone: str, config: Versions) -> None:
        self.facts = facts
        self.zone = ZoneInfo(zone)
        self.config = config
        self.days = self._own_days()
        self.below: dict[int, list[int]] = {}
        for user, sponsor in facts.sponsor.items():
            self.below.setdefault(sponsor, []).append(user)
        self.qualified = {person: self._qualification(person) for person in facts.people}
        self._buckets: dict[tuple[int, int, str], dict[str, Network]] = {}

    # -- days and configuration ------------------------------------------------------------------------------------

    def day_of(self, instant: int) -> date:
        """The calendar day of an instant in the tenant's zone."""
        return (EPOCH + timedelta(microseconds=instant)).astimezone(self.zone).date()

    def in_force(self, day: date) -> Document:
        """The configuration version in force on a day: the last that has begun."""
        begun = [(since or "", place) for place, (since, _) in enumerate(self.config) if (since or "") <= f"{day}"]
        return self.config[max(begun)[1]][1]

    # -- own figures -----------------------------------------------------------------------------------------------

    def _own_days(self) -> dict[int, dict[date, Own]]:
        days: dict[int, dict[date, Own]] = {}
        for row in self.facts.money.values():
            if not counts(row):
                continue
            own = days.setdefault(row.user_id, {}).setdefault(self.day_of(row.created_at), Own())
            match row.source:
                case "depositos":
                    own.deposits_cents += row.amount
                    own.deposits_count += 1
                case "saque":
                    own.withdrawals_cents += row.amount
                    own.withdrawals_count += 1
                case "bonus":
                    own.bonus_cents += row.amount
        for bet in self.facts.bets.values():
            own = days.setdefault(bet.user_id, {}).setdefault(self.day_of(bet.created_at), Own())
            own.bets_cents += bet.stake
            own.bets_count += 1
            own.wins_cents += bet.win
        return days

    def own(self, person: int, until: date = date.max) -> Own:
        """The sum of a person's days, up to and including one."""
        total = Own()
        for day, own in self.days.get(person, {}).items():
            if day <= until:
                total.deposits_cents += own.deposits_cents
                total.deposits_count += own.deposits_count
                total.withdrawals_cents += own.withdrawals_cents
                total.withdrawals_count += own.withdrawals_count
                total.bonus_cents += own.bonus_cents
                total.bets_cents += own.bets_cents
                total.bets_count += own.bets_count
                total.wins_cents += own.wins_cents
                total.days_active += own.active
        return total

    def active_days(self, person: int, until: date = date.max) -> list[date]:
        return sorted(day for day, own in self.days.get(person, {}).items() if own.active and day <= until)

    def first_deposit_on(self, person: int) -> date | None:
        return min((day for day, own in self.days.get(person, {}).items() if own.deposits_count), default=None)

    def streak(self, person: int, on: date) -> Json:
        """Runs of consecutive active days up to `on`; the current one ends there or the day before."""
        days = self.active_days(person, on)
        runs: list[list[date]] = []
        for day in days:
            if runs and runs[-1][-1] == day - timedelta(days=1):
                runs[-1].append(day)
            else:
                runs.append([day])
        running = bool(runs) and runs[-1][-1] >= on - timedelta(days=1)
        return {
            "current": len(runs[-1]) if running else 0,
            "longest": max(map(len, runs), default=0),
            "last_day": days[-1].isoformat() if days else None,
            "days_active": len(days),
        }

    def _qualification(self, person: int) -> Qualification | None:
        """A manager's word, else the first active day at whose end a group of that day's version holds in full."""
        if person in self.facts.qualified:
            day = date.fromisoformat(self.facts.qualified[person])
            return Qualification(day, None, self.own(person, day).sums())
        sums = dict.fromkeys(Own().sums(), 0)
        for day in self.active_days(person):
            sums = {name: sums[name] + value for name, value in self.days[person][day].sums().items()}
            sums["days_active"] += 1
            for group in self.in_force(day)["cpa"]["criteria"]:
                if all(sums[name] >= minimum for name, minimum in group.items()):
                    return Qualification(day, group, sums)
        return None

    def cpa_cents(self, player: int, level: int) -> int:
        """What the ancestor at that level earns by the player."""
        found = self.qualified[player]
        return 0 if found is None else int(self.in_force(found.day)["cpa"]["levels_cents"][level - 1])

    # -- network figures -------------------------------------------------------------------------------------------

    def members(self, affiliate: int, level: int) -> list[int]:
        """The people `level` steps below."""
        people = [affiliate]
        for _ in range(level):
            people = [member for person in people for member in self.below.get(person, [])]
        return people

    def network_size(self, affiliate: int) -> int:
        """The people below, at any depth."""
        size, people = 0, self.members(affiliate, 1)
        while people:
            size += len(people)
            people = [member for person in people for member in self.below.get(person, [])]
        return size

    def network(self, affiliate: int, level: int, kind: str) -> dict[str, Network]:
        """The figures of a level by period; periods without a trace are absent."""
        if (affiliate, level, kind) in self._buckets:
            return self._buckets[affiliate, level, kind]
        periods: dict[str, Network] = {}

        def period(day: date) -> Network:
            return periods.setdefault(key_of(kind, day), Network())

        for member in self.members(affiliate, level):
            period(self.day_of(self.facts.tracked_at(member))).members += 1
            found = self.qualified[member]
            if found is not None:
                period(found.day).validated += 1
                period(found.day).cpa += self.cpa_cents(member, level)
            first_deposit = self.first_deposit_on(member)
            if first_deposit is not None:
                period(first_deposit).ftd += 1
            for day, own in self.days.get(member, {}).items():
                period(day).deposits += own.deposits_cents
                period(day).bets += own.bets_cents
                period(day).wins += own.wins_cents
        self._buckets[affiliate, level, kind] = periods
        return periods

    # -- REV -------------------------------------------------------------------------------------------------------

    def level_rev(self, affiliate: int, level: int, kind: str, key: str) -> int:
        """Of a month, week or day: the level's GGR times the basis points in force on the first day. Else: months."""
        if kind in ("all", "year"):
            months = self._months(affiliate, kind, key)
            return sum(self.level_rev(affiliate, level, "month", month) for month in months)
        ggr = self.network(affiliate, level, kind).get(key, Network()).ggr
        points = self.in_force(first_day(kind, key))["rev"]["levels_bp"][level - 1]
        return half_even(Fraction(ggr * points, 10_000))

    def rev(self, affiliate: int, kind: str, key: str) -> int:
        """The sum over levels; a negative month is zero unless negatives carry over, and longer periods add months."""
        if kind in ("all", "year"):
            return sum(self.rev(affiliate, "month", month) for month in self._months(affiliate, kind, key))
        total = sum(self.level_rev(affiliate, level, kind, key) for level in LEVELS)
        if kind == "month" and not self.in_force(first_day(kind, key))["rev"]["negative_carryover"]:
            return max(total, 0)
        return total

    def _months(self, affiliate: int, kind: str, key: str) -> set[str]:
        months = {month for level in LEVELS for month in self.network(affiliate, level, "month")}
        return {month for month in months if kind == "all" or month.startswith(f"{key}-")}

    # -- boards ----------------------------------------------------------------------------------------------------

    def score(self, affiliate: int, metric: str, kind: str, key: str) -> int:
        """The number an affiliate is ranked by."""
        if metric == "streak":
            return int(self.streak(affiliate, date.fromisoformat(key))["current"])
        if metric == "rev":
            return self.rev(affiliate, kind, key)
        levels = [self.network(affiliate, level, kind).get(key, Network()) for level in LEVELS]
        match metric:
            case "referrals":
                return levels[0].members
            case "validated":
                return levels[0].validated
            case "cpa" | "ftd" | "deposits" | "bets" | "ggr":
                return sum(getattr(level, metric) for level in levels)
        raise ValueError(metric)

    def board(self, metric: str, kind: str, key: str) -> list[Json]:
        """Who is active and has a score, best first, ties by id; rank = 1 + how many are strictly better."""
        active = [person.id for person in self.facts.people.values() if person.status == "active"]
        scores = {affiliate: self.score(affiliate, metric, kind, key) for affiliate in active}
        listed = sorted((-score, affiliate) for affiliate, score in scores.items() if score != 0)
        items: list[Json] = []
        for place, (minus, affiliate) in enumerate(listed):
            tied = place > 0 and listed[place - 1][0] == minus
            items.append(
                {
                    "rank": items[-1]["rank"] if tied else place + 1,
                    "affiliate_id": affiliate,
                    "name": self.facts.people[affiliate].name,
                    "score": -minus,
                }
            )
        return items
