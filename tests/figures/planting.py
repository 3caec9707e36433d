"""Puts a tenant into Redis as the write path would leave it, from the model's figures, and reads it like the model.

So the reads are held against the model without the write path between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import msgspec

from fature_kv import tenants
from fature_kv.commission.configuration import set_configuration
from fature_kv.domain import cells, streaks
from fature_kv.domain.calendar import parse_day
from fature_kv.domain.commission import Qualification
from fature_kv.domain.player import Own, pack_state
from fature_kv.errors import NotFound
from fature_kv.figures import affiliates, boards, dashboard, explanation, levels, reading, referrals, summaries
from fature_kv.figures import streaks as streak_reads
from fature_kv.figures import tenant as tenant_reads
from fature_kv.figures.reading import Read
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer
from fature_kv.keyspace import GenerationKeys, board_member, tenant_keys
from fature_kv.scripts import Command
from fature_kv.store import Store
from tests.model.answers import BOARD_PERIODS
from tests.model.figures import LEVELS, Network, key_of
from tests.model.model import Model

APPLIED_AT, SYNCED_AT = 1_750_000_000_000_000, 1_750_000_001_500_000
AS_OF = {"applied_at": "2025-06-15T15:06:40Z", "synced_at": "2025-06-15T15:06:41.500000Z"}


def plant(store: Store, slug: str, model: Model, days: list[date]) -> None:
    """The tenant, its configuration and generation 1, with all boards that hold one of these days."""
    tenants.create(store, slug, name=f"Operator {slug}", timezone=model.zone, currency="BRL", now_us=1)
    for since, document in model.config:
        set_configuration(store, slug, document, since, today=0, now_us=0)
    keys = tenant_keys(slug).generation(1)
    commands: list[Command] = [("HSET", keys.state, "applied_at", APPLIED_AT, "synced_at", SYNCED_AT)]
    for person in model.people:
        commands += _person(model, keys, person)
        commands += _network(model, keys, person)
    commands += _boards(model, keys, days)
    store.pipeline(commands)


def _hash(key: str, fields: dict[str, Any]) -> Iterator[Command]:
    """HSET of what is neither absent, empty nor zero."""
    pairs = [word for name, value in fields.items() if value for word in (name, value)]
    if pairs:
        yield ("HSET", key, *pairs)


def _person(model: Model, keys: GenerationKeys, person: int) -> Iterator[Command]:
    figures, facts = model.figures, model.facts
    row, own, active = facts.people[person], figures.own(person), figures.active_days(person)
    found, first_deposit = figures.qualified[person], figures.first_deposit_on(person)
    record = {
        "rev": 1,
        "status": row.status,
        "sponsor_id": facts.sponsor.get(person),
        "tracked_at": facts.tracked_at(person) if person in facts.sponsor else None,
        "network_size": figures.network_size(person),
    }
    yield ("HSET", keys.affiliate(person), "registered_at", row.registered_at)
    yield from _hash(keys.affiliate(person), record)
    yield from _hash(keys.personal(person), {"name": row.name, "email": row.email, "phone": row.phone})
    state = Own(
        path=tuple(facts.ancestors(person))[:5],
        totals=[getattr(own, name) for name in cells.OWN_FIELDS],
        runs=streaks.pack_runs(streaks.runs_of(map(number_of, active))),
        first_deposit_on=number_of(first_deposit) if first_deposit else None,
        qualification=Qualification(number_of(found.day), found.criteria, list(found.sums.values())) if found else None,
    )
    if packed := pack_state(b"12345678", state):
        yield ("SET", keys.own(person), packed)


def number_of(day: date) -> int:
    return parse_day(day.isoformat())


def _numbers(level: int, network: Network) -> dict[int, int]:
    values = (
        *(network.members, network.validated, network.ftd, network.deposits),
        *(network.bets, network.wins, network.cpa),
    )
    return {cells.slot(level, metric): value for metric, value in enumerate(values)}


def _network(model: Model, keys: GenerationKeys, person: int) -> Iterator[Command]:
    figures = model.figures
    record: dict[str, int] = {}
    months: dict[str, dict[int, int]] = {}
    days: dict[str, dict[int, int]] = {}
    for level in LEVELS:
        for kind, series in (("month", months), ("day", days)):
            for key, network in figures.network(person, level, kind).items():
                series.setdefault(key, {}).update(_numbers(level, network))
        for slot, value in _numbers(level, figures.network(person, level, "all").get("all", Network())).items():
            record[cells.RECORD_FIELDS[slot]] = value
            total = cells.RECORD_FIELDS[cells.TOTALS + slot % len(cells.METRICS)]
            if level == 1 or not total.endswith("referrals"):
                record[total] = record.get(total, 0) + value
        for member in figures.members(person, level):
            status = "pending" if figures.qualified[member] is None else "validated"
            yield ("ZADD", keys.members(person, level, status), member, member)
    yield from _hash(keys.affiliate(person), record)
    yield from _hash(keys.months(person), {key: cells.pack(numbers) for key, numbers in months.items()})
    for key, numbers in days.items():
        yield from _hash(keys.days(person, key[:7]), {key[-2:]: cells.pack(numbers)})


def _boards(model: Model, keys: GenerationKeys, days: list[date]) -> Iterator[Command]:
    for metric, kinds in BOARD_PERIODS.items():
        for kind in kinds:
            for key in {key_of(kind, day) for day in days}:
                for item in model.figures.board(metric, kind, key):
                    yield ("ZADD", keys.board(metric, key), -item["score"], board_member(item["affiliate_id"]))


class Service:
    """The reads, shaped like the model: without `as_of`, and None for who does not exist."""

    def __init__(self, store: Store, slug: str, viewer: Viewer = EVERYTHING, limit: int = 1000) -> None:
        self.store, self.slug, self.viewer, self.limit = store, slug, viewer, limit

    def ask(self, question: Callable[[Tenant], Read[Any]]) -> Any:
        """The answer as JSON, its `as_of` checked and taken off; None for NotFound."""
        try:
            answer = reading.run(self.store, tenant_reads.standing(self.slug, question))
        except NotFound:
            return None
        told = msgspec.to_builtins(answer)
        assert told.pop("as_of") == AS_OF
        return told

    def pages(self, question: Callable[[Tenant, str | None], Read[Any]]) -> Any:
        """All pages of a list as one answer."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            at = cursor
            page = self.ask(lambda tenant: question(tenant, at))  # noqa: B023 -- asked at once
            if page is None:
                return None
            assert len(page["items"]) <= self.limit
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return {"items": items}

    def affiliate(self, affiliate: int) -> Any:
        return self.ask(lambda tenant: affiliates.affiliate(tenant, affiliate, self.viewer))

    def mlm_structure(self, affiliate: int) -> Any:
        return self.ask(lambda tenant: levels.mlm_structure(tenant, affiliate, self.viewer))

    def referrals(self, affiliate: int, level: int, status: str | None = None) -> Any:
        return self.pages(
            lambda tenant, cursor: referrals.referrals(
                tenant, affiliate, level, status, self.limit, cursor, self.viewer
            )
        )

    def summary(self, affiliate: int, period: Any, first: str | None = None, last: str | None = None) -> Any:
        begin, end = (None if day is None else parse_day(day) for day in (first, last))
        return self.pages(
            lambda tenant, cursor: summaries.summary(
                tenant, affiliate, period, begin, end, self.limit, cursor, self.viewer
            )
        )

    def streak(self, affiliate: int, at_day: str) -> Any:
        return self.ask(lambda tenant: streak_reads.streak(tenant, affiliate, parse_day(at_day), self.viewer))

    def dashboard(self, affiliate: int, today: str) -> Any:
        return self.ask(lambda tenant: dashboard.dashboard(tenant, affiliate, parse_day(today), self.viewer))

    def leaderboard(self, metric: str, period: str = "all", at: str | None = None) -> Any:
        kind = boards.check_board(metric, period)
        day = 0 if at is None else parse_day(at)
        pages: list[Any] = []
        while not pages or len(pages[-1]["items"]) == self.limit:
            offset = self.limit * len(pages)
            page = self.ask(lambda t: boards.board(t, metric, kind, day, self.limit, offset, self.viewer))  # noqa: B023 -- asked at once
            pages.append(page)
        return {**pages[0], "items": [item for page in pages for item in page["items"]]}

    def validate_cpa(self, player: int) -> Any:
        return self.ask(lambda tenant: explanation.validate_cpa(tenant, player, self.viewer))
