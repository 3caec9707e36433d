"""Streaks: consecutive active days, read on a day (rules: fature_kv/domain/streaks.py)."""

from __future__ import annotations

from fature_kv.domain import streaks
from fature_kv.domain.player import Own
from fature_kv.figures.answers import Streak, StreakAnswer, as_of, optional_day
from fature_kv.figures.reading import Read, hash_of
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, own_of


def streak(tenant: Tenant, person: int, at: int, viewer: Viewer = EVERYTHING) -> Read[StreakAnswer]:
    """`GET /affiliates/{id}/streak?at=`"""
    keys = tenant.keys
    fresh, record, state = yield tenant.records([keys.affiliate(person)], [keys.own(person)])
    viewer.check(person, hash_of(record).get(b"rev"), state)
    return StreakAnswer(*_fields(own_of(state), at), as_of(fresh))


def streak_of(own: Own, at: int) -> Streak:
    """The streak of a person on a day."""
    return Streak(*_fields(own, at))


def _fields(own: Own, at: int) -> tuple[int, int, str | None, int]:
    current, longest, last_day, days_active = streaks.read(streaks.unpack_runs(own.runs), at)
    return current, longest, optional_day(last_day), days_active
