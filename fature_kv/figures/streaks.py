"""Streaks: consecutive active days, read on a day (rules: fature_kv/domain/streaks.py)."""

from __future__ import annotations

from fature_kv.domain import streaks
from fature_kv.domain.calendar import day_text
from fature_kv.figures.answers import Streak, StreakAnswer, as_of
from fature_kv.figures.reading import Read, hash_of
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, check_record


def streak(tenant: Tenant, person: int, at: int, viewer: Viewer = EVERYTHING) -> Read[StreakAnswer]:
    """`GET /affiliates/{id}/streak?at=`"""
    keys = tenant.keys
    fresh, record, packed = yield tenant.records([keys.affiliate(person)], [keys.streak(person)])
    check_record(viewer, person, hash_of(record))
    return StreakAnswer(*_fields(packed, at), as_of(fresh))


def streak_of(packed: bytes | None, at: int) -> Streak:
    """The streak of packed runs on a day."""
    return Streak(*_fields(packed, at))


def _fields(packed: bytes | None, at: int) -> tuple[int, int, str | None, int]:
    current, longest, last_day, days_active = streaks.read(streaks.unpack_runs(packed or b""), at)
    return current, longest, None if last_day is None else day_text(last_day), days_active
