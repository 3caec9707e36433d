"""The service behind the model's reading interface: rows go in by a writer's session, answers come out by the reads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from fature_kv import tenants
from fature_kv.commission import configuration
from fature_kv.domain import calendar
from fature_kv.domain.rows import BadRow, Link, Money, Row
from fature_kv.errors import NotFound
from fature_kv.figures import affiliates, boards, dashboard, explanation, levels, referrals, streaks, summaries
from fature_kv.figures import tenant as standing
from fature_kv.figures.reading import run
from fature_kv.ingest.session import Session
from fature_kv.settings import Settings
from fature_kv.store import Store

_numbers = itertools.count(1)
SETTINGS = Settings(chunk_units=12, window_rows=500, flush_batch=3, flush_interval_ms=1)
"""Bounds so small that worlds of a few rows meet them."""


class Service:
    """A tenant of its own on a real server, asked and fed as the model is."""

    def __init__(
        self,
        store: Store,
        zone: str,
        config: Sequence[tuple[str | None, dict[str, Any]]],
        settings: Settings = SETTINGS,
    ) -> None:
        self.store = store
        self.slug = f"law-{next(_numbers)}"
        self.settings = settings
        self.now = 0
        tenants.create(store, self.slug, name="", timezone=zone, currency="BRL", now_us=0)
        for effective_from, document in config:
            configuration.set_configuration(store, self.slug, document, effective_from, today=0, now_us=0, rebuild=True)

    def session(self, run: str = "run") -> Session:
        return Session(self.store, self.slug, self.settings, run=run, clock=lambda: self.now)

    def feed(self, rows: Sequence[Row | BadRow], now: int, run: str = "run") -> list[tuple[str, str | None]]:
        """One window, as a run of its own."""
        self.now = now
        session = self.session(run)
        session.begin({})
        results = session.apply([as_parsed(row) for row in rows])
        session.finish({})
        return [tuple(result) for result in results]

    def ask(self, read: Any, *args: Any, **more: Any) -> Any:
        try:
            answer = run(self.store, standing.standing(self.slug, lambda t: read(t, *args, **more)))
        except NotFound:
            return None
        plain = msgspec.to_builtins(answer)
        plain.pop("as_of", None)
        return plain

    def affiliate(self, affiliate: int) -> Any:
        return self.ask(affiliates.affiliate, affiliate)

    def mlm_structure(self, affiliate: int) -> Any:
        return self.ask(levels.mlm_structure, affiliate)

    def referrals(self, affiliate: int, level: int, status: str | None = None) -> Any:
        return self.ask(referrals.referrals, affiliate, level, status, 10_000)

    def summary(self, affiliate: int, period: str, first: str | None = None, last: str | None = None) -> Any:
        days = [None if day is None else calendar.parse_day(day) for day in (first, last)]
        return self.ask(summaries.summary, affiliate, period, *days, 10_000)

    def streak(self, affiliate: int, at_day: str) -> Any:
        return self.ask(streaks.streak, affiliate, calendar.parse_day(at_day))

    def dashboard(self, affiliate: int, today: str) -> Any:
        return self.ask(dashboard.dashboard, affiliate, calendar.parse_day(today))

    def leaderboard(self, metric: str, period: str = "all", at: str | None = None) -> Any:
        day = 0 if at is None else calendar.parse_day(at)
        return self.ask(boards.board, metric, period, day, 1000)

    def validate_cpa(self, player: int) -> Any:
        return self.ask(explanation.validate_cpa, player)


def as_parsed(row: Row | BadRow) -> Row | BadRow:
    """A row as the parsers give it: no word is `approved`, nobody refers themselves (tests/domain/test_parse.py)."""
    if isinstance(row, Money) and not row.status:
        return msgspec.structs.replace(row, status="approved")
    if isinstance(row, Link) and row.user_id == row.referrer_id:
        return BadRow("tracked", f"{row.user_id}:{row.referrer_id}", "self_referral", {})
    return row
