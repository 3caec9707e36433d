"""The answers, field for field as CONTRACT.md has them. Money is centavos, days are `YYYY-MM-DD`, times RFC 3339."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fature_kv.domain.calendar import day_text, rfc3339


class AsOf(msgspec.Struct, frozen=True):
    """How fresh the figures are: when a row was last applied, and when a run last finished."""

    applied_at: str | None
    synced_at: str | None


def as_of(held: Sequence[bytes | None]) -> AsOf:
    """From `applied_at, synced_at` in microseconds."""
    return AsOf(*(None if us is None else rfc3339(int(us)) for us in held))


def optional_day(day: int | None) -> str | None:
    """A day as text, or nothing."""
    return None if day is None else day_text(day)


class OwnFigures(msgspec.Struct, frozen=True):
    """A person's own figures."""

    deposits_cents: int
    deposits_count: int
    withdrawals_cents: int
    withdrawals_count: int
    bonus_cents: int
    bets_cents: int
    bets_count: int
    wins_cents: int
    ggr_cents: int
    days_active: int
    first_active_on: str | None
    last_active_on: str | None
    first_deposit_on: str | None
    qualified_on: str | None


class Affiliate(msgspec.Struct, frozen=True):
    """A person: the record, network totals and own figures."""

    affiliate_id: int
    name: str
    email: str
    phone: str
    status: str
    sponsor_id: int | None
    registered_at: str
    total_referrals: int
    total_validated_referrals: int
    total_ftd: int
    total_deposits_cents: int
    total_bets_cents: int
    total_wins_cents: int
    total_ggr_cents: int
    total_cpa_cents: int
    total_rev_cents: int
    network_size: int
    own: OwnFigures


class AffiliateAnswer(Affiliate, frozen=True):
    as_of: AsOf


class AffiliatesAnswer(msgspec.Struct, frozen=True):
    """People in the order they were asked for; who does not exist for the caller is left out."""

    items: list[Affiliate]
    as_of: AsOf


class Level(msgspec.Struct, frozen=True):
    """One level of a network, all-time."""

    level: int
    count: int
    validated: int
    ftd: int
    deposits_cents: int
    bets_cents: int
    wins_cents: int
    ggr_cents: int
    cpa_cents: int
    rev_cents: int


class MlmAnswer(msgspec.Struct, frozen=True):
    affiliate_id: int
    total_network_size: int
    levels: list[Level]
    as_of: AsOf


class PeriodLevel(msgspec.Struct, frozen=True):
    """One level of a network in one period."""

    level: int
    new_referrals: int
    validated: int
    ftd: int
    deposits_cents: int
    bets_cents: int
    wins_cents: int
    ggr_cents: int
    cpa_cents: int
    rev_cents: int


class Summary(msgspec.Struct, frozen=True):
    """A network in one period."""

    period: str
    new_referrals: int
    validated_referrals: int
    ftd: int
    deposits_cents: int
    bets_cents: int
    wins_cents: int
    ggr_cents: int
    cpa_cents: int
    rev_cents: int
    levels: list[PeriodLevel]


class SummaryAnswer(msgspec.Struct, frozen=True):
    items: list[Summary]
    next_cursor: str | None
    as_of: AsOf


class Sums(msgspec.Struct, frozen=True):
    """What the CPA criteria look at."""

    deposits_cents: int
    deposits_count: int
    bets_cents: int
    bets_count: int
    days_active: int


class Validation(msgspec.Struct, frozen=True):
    """The group of minimums met (none for a pending member, or by a manager's decision), and the sums: on the day of
    qualification, else so far."""

    criteria: dict[str, int] | None
    deposits_cents: int
    deposits_count: int
    bets_cents: int
    bets_count: int
    days_active: int


class Referral(msgspec.Struct, frozen=True):
    """A member of a level; `cpa_cents` is what the affiliate earns for them."""

    affiliate_id: int
    level: int
    status: str
    registered_at: str
    tracked_at: str | None
    validated_on: str | None
    deposits_cents: int
    bets_cents: int
    cpa_cents: int
    validation: Validation


class ReferralsAnswer(msgspec.Struct, frozen=True):
    items: list[Referral]
    next_cursor: str | None
    as_of: AsOf


class Streak(msgspec.Struct, frozen=True):
    """Consecutive active days, read on a day."""

    current: int
    longest: int
    last_day: str | None
    days_active: int


class StreakAnswer(Streak, frozen=True):
    as_of: AsOf


class DashboardAnswer(msgspec.Struct, frozen=True):
    affiliate: Affiliate
    levels: list[Level]
    direct_network: int
    ranks: dict[str, int | None]
    streak: Streak
    today: Summary
    month: Summary
    previous_month: Summary
    as_of: AsOf


class Award(msgspec.Struct, frozen=True):
    """What an ancestor earns for a player."""

    affiliate_id: int
    level: int
    cpa_cents: int


class CpaAnswer(msgspec.Struct, frozen=True):
    """Whether and why a player qualified, and who earns what by it."""

    qualified_on: str | None
    criteria: dict[str, int] | None
    sums: Sums
    awards: list[Award]
    as_of: AsOf


class Ranked(msgspec.Struct, frozen=True):
    rank: int
    affiliate_id: int
    name: str
    score: int


class BoardAnswer(msgspec.Struct, frozen=True):
    """A page of a leaderboard; `key` names its period, `total` counts who is listed."""

    metric: str
    period: str
    key: str
    total: int
    items: list[Ranked]
    as_of: AsOf


class AroundAnswer(msgspec.Struct, frozen=True):
    """The neighbours of one person; no rank and no items where they are not listed."""

    metric: str
    period: str
    key: str
    total: int
    rank: int | None
    items: list[Ranked]
    as_of: AsOf
