"""The dashboard: all that a person looks at first, from one script call."""

from __future__ import annotations

from typing import Final

from fature_kv.domain import cells
from fature_kv.domain.calendar import day_text, month_key, period_days
from fature_kv.figures.affiliates import affiliate_of, record_keys
from fature_kv.figures.answers import DashboardAnswer, as_of
from fature_kv.figures.boards import METRICS
from fature_kv.figures.levels import levels_of, of_months, unpack_months
from fature_kv.figures.reading import Read, hash_of
from fature_kv.figures.streaks import streak_of
from fature_kv.figures.summaries import day_item, month_item
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, own_of
from fature_kv.keyspace import board_member

_ALL_TIME: Final = "all"


def dashboard(tenant: Tenant, person: int, today: int, viewer: Viewer = EVERYTHING) -> Read[DashboardAnswer]:
    """`GET /affiliates/{id}/dashboard`, read on a day."""
    keys, month, day = tenant.keys, month_key(today), day_text(today)
    listed = [
        *record_keys(keys, person),
        keys.own(person),
        keys.days(person, month),
        *(keys.board(metric, _ALL_TIME) for metric in METRICS),
    ]
    fresh, flat, personal, packed_months, state, cell, ranks = yield tenant.ask(
        "read_dashboard", listed, day[-2:], board_member(person)
    )
    record, months = hash_of(flat), unpack_months(packed_months)
    viewer.check(person, record.get(b"rev"), state)
    own = own_of(state)
    rev, before = of_months(months, tenant.configuration), month_key(period_days("month", month)[0] - 1)
    levels = levels_of(record, rev)
    return DashboardAnswer(
        affiliate=affiliate_of(person, record, hash_of(personal), own, rev, viewer),
        levels=levels,
        direct_network=sum(level.count for level in levels),
        ranks={metric: rank or None for metric, rank in zip(METRICS, ranks, strict=True)},
        streak=streak_of(own, today),
        today=day_item(day, cells.unpack(cell or b""), tenant),
        month=month_item(month, months.get(month, {}), tenant),
        previous_month=month_item(before, months.get(before, {}), tenant),
        as_of=as_of(fresh),
    )
