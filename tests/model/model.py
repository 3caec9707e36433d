"""The model: what the service must answer, from the rules alone and as naively as can be.

It shares nothing with the service but the row types. It keeps the rows (facts.py), adds everything up anew after each
change (figures.py), and answers in the JSON shapes of the API. Where the two differ, read the rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from fature_kv.domain.rows import BadRow, Row
from tests.model.facts import Facts, Result
from tests.model.figures import EPOCH, LEVELS, METRICS, Figures, Json, Network, Qualification, Versions, key_of
from tests.model.rows import Identity

DEFAULT_CONFIG_VERSIONS: Versions = [
    (
        None,
        {
            "cpa": {
                "levels_cents": [5000, 2000, 500, 500, 500],
                "criteria": [{"deposits_cents": 3000, "bets_cents": 3000, "days_active": 2}],
            },
            "rev": {"levels_bp": [2000, 500, 300, 200, 100], "negative_carryover": False},
        },
    )
]


def instant(us: int) -> str:
    """RFC 3339, UTC."""
    return (EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def day_or_none(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


class Model:
    """One tenant."""

    def __init__(self, zone: str = "America/Sao_Paulo", config: Versions = DEFAULT_CONFIG_VERSIONS) -> None:
        self.zone = zone
        self.config = list(config)
        self.facts = Facts(zone)
        self._figures: Figures | None = None

    # -- what changes ----------------------------------------------------------------------------------------------

    def feed(self, rows: Iterable[Row | BadRow], now_us: int, run: str = "run") -> list[Result]:
        """Read one window of a run's rows; `feed([], now)` lets parked rows in whose time has come."""
        self._figures = None
        return self.facts.feed(rows, now_us, run)

    def configure(self, effective_from: str | None, document: Json) -> None:
        """Another version of the commission configuration."""
        self._figures = None
        self.config.append((effective_from, document))

    def move(self, user: int, sponsor: int | None, now_us: int) -> None:
        """A manager moves a person under another sponsor, or none."""
        self._figures = None
        self.facts.move(user, sponsor, now_us)

    def override(self, player: int, day: str | None) -> None:
        """A manager declares a player qualified on a day; None takes that back."""
        self._figures = None
        self.facts.declare(player, day)

    def undo(self, run: str | None, rows: Iterable[Identity], now_us: int) -> None:
        """A manager takes back a run, or single rows: what they stood in the way of is tried again."""
        self._figures = None
        self.facts.undo(run, rows)
        self.facts.feed([], now_us)
        self.facts.retry_links(now_us)

    @property
    def figures(self) -> Figures:
        """The figures of the facts as they are now."""
        if self._figures is None:
            self._figures = Figures(self.facts, self.zone, self.config)
        return self._figures

    @property
    def people(self) -> list[int]:
        return sorted(self.facts.people)

    @property
    def quarantine(self) -> dict[tuple[str, str], str]:
        """(source, id) -> reason."""
        return {number: bad.reason for number, bad in self.facts.quarantine.items()}

    @property
    def parked(self) -> list[Row]:
        return list(self.facts.parked)

    # -- what is read: each answers None where the affiliate does not exist ----------------------------------------

    def affiliate(self, affiliate: int) -> Json | None:
        """`GET /affiliates/{id}`"""
        person = self.facts.people.get(affiliate)
        if person is None:
            return None
        figures = self.figures
        total = self._item(affiliate, "all", "all")
        own = figures.own(affiliate)
        active = figures.active_days(affiliate)
        found = figures.qualified[affiliate]
        return {
            "affiliate_id": person.id,
            "name": person.name,
            "email": person.email,
            "phone": person.phone,
            "status": person.status,
            "sponsor_id": self.facts.sponsor.get(affiliate),
            "registered_at": instant(person.registered_at),
            "total_referrals": total["new_referrals"],
            "total_validated_referrals": total["validated_referrals"],
            "total_ftd": total["ftd"],
            "total_deposits_cents": total["deposits_cents"],
            "total_bets_cents": total["bets_cents"],
            "total_wins_cents": total["wins_cents"],
            "total_ggr_cents": total["ggr_cents"],
            "total_cpa_cents": total["cpa_cents"],
            "total_rev_cents": total["rev_cents"],
            "network_size": figures.network_size(affiliate),
            "own": {
                "deposits_cents": own.deposits_cents,
                "deposits_count": own.deposits_count,
                "withdrawals_cents": own.withdrawals_cents,
                "withdrawals_count": own.withdrawals_count,
                "bonus_cents": own.bonus_cents,
                "bets_cents": own.bets_cents,
                "bets_count": own.bets_count,
                "wins_cents": own.wins_cents,
                "ggr_cents": own.bets_cents - own.wins_cents,
                "days_active": own.days_active,
                "first_active_on": day_or_none(min(active, default=None)),
                "last_active_on": day_or_none(max(active, default=None)),
                "first_deposit_on": day_or_none(figures.first_deposit_on(affiliate)),
                "qualified_on": None if found is None else found.day.isoformat(),
            },
        }

    def mlm_structure(self, affiliate: int) -> Json | None:
        """`GET /affiliates/{id}/mlm-structure`"""
        if affiliate not in self.facts.people:
            return None
        return {
            "affiliate_id": affiliate,
            "total_network_size": self.figures.network_size(affiliate),
            "levels": self._levels(affiliate),
        }

    def referrals(self, affiliate: int, level: int, status: str | None = None) -> Json | None:
        """`GET /affiliates/{id}/referrals`"""
        if affiliate not in self.facts.people:
            return None
        items = [self._referral(member, level) for member in sorted(self.figures.members(affiliate, level))]
        return {"items": [item for item in items if status in (None, item["status"])]}

    def summary(self, affiliate: int, period: str, first: str | None = None, last: str | None = None) -> Json | None:
        """`GET /affiliates/{id}/financial-summary`, all of it."""
        if affiliate not in self.facts.people:
            return None
        keys = {key for level in LEVELS for key in self.figures.network(affiliate, level, period)}
        if first is not None:
            keys = {key for key in keys if key >= key_of(period, date.fromisoformat(first))}
        if last is not None:
            keys = {key for key in keys if key <= key_of(period, date.fromisoformat(last))}
        items = [self._item(affiliate, period, key) for key in sorted(keys)]
        return {"items": [item for item in items if not is_empty(item)]}

    def streak(self, affiliate: int, at_day: str) -> Json | None:
        """`GET /affiliates/{id}/streak?at=`"""
        if affiliate not in self.facts.people:
            return None
        return self.figures.streak(affiliate, date.fromisoformat(at_day))

    def dashboard(self, affiliate: int, today: str) -> Json | None:
        """`GET /affiliates/{id}/dashboard`, read on a day."""
        if affiliate not in self.facts.people:
            return None
        day = date.fromisoformat(today)
        month_before = day.replace(day=1) - timedelta(days=1)
        return {
            "affiliate": self.affiliate(affiliate),
            "levels": self._levels(affiliate),
            "direct_network": sum(len(self.figures.members(affiliate, level)) for level in LEVELS),
            "ranks": {metric: self.rank(affiliate, metric) for metric in METRICS},
            "streak": self.streak(affiliate, today),
            "today": self._item(affiliate, "day", today),
            "month": self._item(affiliate, "month", key_of("month", day)),
            "previous_month": self._item(affiliate, "month", key_of("month", month_before)),
        }

    def leaderboard(self, metric: str, period: str = "all", at: str | None = None) -> Json:
        """`GET /leaderboards/{metric}`, all of it; `at` is the period's key or a day in it."""
        key = board_key(period, at)
        items = self.figures.board(metric, period, key)
        return {"metric": metric, "period": period, "key": key, "total": len(items), "items": items}

    def rank(self, affiliate: int, metric: str, period: str = "all", at: str | None = None) -> int | None:
        """An affiliate's rank, None when not listed."""
        items = self.figures.board(metric, period, board_key(period, at))
        return next((item["rank"] for item in items if item["affiliate_id"] == affiliate), None)

    def validate_cpa(self, player: int) -> Json | None:
        """`POST /affiliates/{id}/validate-cpa`"""
        if player not in self.facts.people:
            return None
        found = self.figures.qualified[player]
        criteria, sums = self._validation(player, found)
        ancestors = list(self.facts.ancestors(player))[: len(LEVELS)]
        return {
            "qualified_on": None if found is None else found.day.isoformat(),
            "criteria": criteria,
            "sums": sums,
            "awards": [
                {"affiliate_id": ancestor, "level": level, "cpa_cents": self.figures.cpa_cents(player, level)}
                for level, ancestor in enumerate(ancestors, start=1)
                if found is not None
            ],
        }

    # -- parts -----------------------------------------------------------------------------------------------------

    def _levels(self, affiliate: int) -> list[Json]:
        return [
            {
                "level": item["level"],
                "count": item["new_referrals"],
                **{name: value for name, value in item.items() if name not in ("level", "new_referrals")},
            }
            for item in self._item(affiliate, "all", "all")["levels"]
        ]

    def _item(self, affiliate: int, kind: str, key: str) -> Json:
        """The figures of a period: headlines, and by level."""
        levels = [self.figures.network(affiliate, level, kind).get(key, Network()) for level in LEVELS]
        return {
            "period": key,
            "new_referrals": levels[0].members,
            "validated_referrals": levels[0].validated,
            "ftd": sum(level.ftd for level in levels),
            "deposits_cents": sum(level.deposits for level in levels),
            "bets_cents": sum(level.bets for level in levels),
            "wins_cents": sum(level.wins for level in levels),
            "ggr_cents": sum(level.ggr for level in levels),
            "cpa_cents": sum(level.cpa for level in levels),
            "rev_cents": self.figures.rev(affiliate, kind, key),
            "levels": [
                {
                    "level": number,
                    "new_referrals": level.members,
                    "validated": level.validated,
                    "ftd": level.ftd,
                    "deposits_cents": level.deposits,
                    "bets_cents": level.bets,
                    "wins_cents": level.wins,
                    "ggr_cents": level.ggr,
                    "cpa_cents": level.cpa,
                    "rev_cents": self.figures.level_rev(affiliate, number, kind, key),
                }
                for number, level in zip(LEVELS, levels, strict=True)
            ],
        }

    def _referral(self, member: int, level: int) -> Json:
        own = self.figures.own(member)
        found = self.figures.qualified[member]
        criteria, sums = self._validation(member, found)
        return {
            "affiliate_id": member,
            "level": level,
            "status": "pending" if found is None else "validated",
            "registered_at": instant(self.facts.people[member].registered_at),
            "tracked_at": instant(self.facts.tracked_at(member)),
            "validated_on": None if found is None else found.day.isoformat(),
            "deposits_cents": own.deposits_cents,
            "bets_cents": own.bets_cents,
            "cpa_cents": self.figures.cpa_cents(member, level),
            "validation": {"criteria": criteria, **sums},
        }

    def _validation(self, player: int, found: Qualification | None) -> tuple[Json | None, Json]:
        """The group met and the sums on that day; of a player who has not qualified, none and the sums so far."""
        if found is None:
            return None, self.figures.own(player).sums()
        return (None if found.criteria is None else dict(found.criteria)), found.sums


def board_key(period: str, at: str | None) -> str:
    """The key of the board of a period; `at` is a key already, or a day."""
    if period == "all":
        return "all"
    if at is None:
        raise ValueError("a period needs a day or a key")
    is_day = len(at) == len("2025-06-20")
    return key_of(period, date.fromisoformat(at)) if is_day else at


def is_empty(item: Json) -> bool:
    """Nothing happened in the period: every figure, of every level too, is zero."""
    labels = ("period", "level", "levels")
    return not any(value for part in [item, *item["levels"]] for name, value in part.items() if name not in labels)
