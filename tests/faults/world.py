"""Rows in which every step of the write path has work to do, made from a seed; and stores that fail at a chosen call.

The rows are order-free (no two sponsors, no two bets under one id, people with `atualizado_em`), so any disturbed
run that is completed has to end in the figures of an undisturbed one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from fature_kv.keyspace import tenant_keys
from fature_kv.settings import Settings
from fature_kv.store import Store
from tests.laws.service import Service
from tests.model.answers import everything
from tests.model.model import DEFAULT_CONFIG_VERSIONS, Model
from tests.model.strategies import DAY, instant
from tests.support.figures_held import figures_held

ZONE = "America/Sao_Paulo"
BEGIN = instant("2025-05-20")
NOW = BEGIN + 30 * DAY
LATER = NOW + 10 * DAY
PEOPLE = 40
SETTINGS = Settings(chunk_units=25, window_rows=300, flush_batch=10, flush_interval_ms=1, retry_attempts=200)
Rows = list[Row | BadRow]


def windows(seed: int) -> list[Rows]:
    """Windows of rows: money before people, links late, newer versions, parked, early and bad rows."""
    chance = random.Random(seed)
    ids = chance.sample(range(1, 10_000), PEOPLE)
    rows: Rows = [Person(n, f"P {n}", "", "", "active", BEGIN, BEGIN) for n in ids]
    rows += [Person(n, f"P {n}", "", "", "blocked", BEGIN, NOW) for n in chance.sample(ids, 3)]
    rows += [Link(ids[i], ids[max(0, i - chance.choice((1, 1, 2, 7)))], BEGIN + i) for i in range(1, PEOPLE) if i % 13]
    for number in range(1, 161):
        source: Any = chance.choice(("depositos", "depositos", "saque", "bonus"))
        made = BEGIN + chance.randrange(30 * 24) * DAY // 24
        row = Money(source, number, chance.choice(ids), chance.randrange(100, 9_000), "approved", made)
        rows.append(row)
        if chance.random() < 0.3:
            word = chance.choice(("approved", "reversed", "pending"))
            player = chance.choice((row.user_id, chance.choice(ids)))
            rows.append(msgspec.structs.replace(row, user_id=player, status=word, amount=4_000, updated_at=made + DAY))
    for number in range(1, 241):
        at = BEGIN + chance.randrange(30 * 24) * DAY // 24
        rows.append(Bet(number * 977, chance.choice(ids[:15]), chance.randrange(1, 9_000), chance.randrange(9_000), at))
    rows += [Bet(7, ids[0], 1, 1, NOW + 3 * DAY), Bet(8, 20_001, 1, 1, BEGIN), Link(20_001, ids[0], BEGIN)]
    rows += [BadRow("bonus", "9001", "bad_money", {"id": "9001"}), BadRow("saque", None, "bad_id", {"id": "x"})]
    chance.shuffle(rows)
    return [rows[start : start + 120] for start in range(0, len(rows), 120)]


def feed(service: Service, some: Sequence[Rows]) -> None:
    """The windows as runs, and at the end whatever was early."""
    for rows in some:
        service.feed(rows, NOW)
    service.feed([], LATER)


def service(store: Store, slug: str | None = None) -> Service:
    made = Service(store, ZONE, DEFAULT_CONFIG_VERSIONS, SETTINGS) if slug is None else Service.__new__(Service)
    if slug is not None:
        made.store, made.slug, made.settings, made.now = store, slug, SETTINGS, NOW
    return made


def held(store: Store, slug: str) -> dict[str, Any]:
    """All figures of a tenant; and which rows wait or are bad."""
    prefix = f"fkv:{{{slug}}}:1:"
    beside = {name: sorted(store.call("HKEYS", prefix + name)) for name in ("quarantine", "parked")}
    return figures_held(store, slug) | beside


def expire_flush(store: Store, slug: str) -> None:
    """What five seconds would do: lets go of the boards that a dead flusher held."""
    store.call("DEL", tenant_keys(slug).generation(1).flush)


def model(seed: int) -> Model:
    made = Model(ZONE)
    for rows in windows(seed):
        made.feed(rows, NOW)
    made.feed([], LATER)
    return made


def told(reader: Any, people: Sequence[int]) -> dict[str, Any]:
    """All that a reader says of these people, less where pages end, which the model does not know."""
    answers = everything(reader, people, days())
    for answer in answers.values():
        if isinstance(answer, dict):
            answer.pop("next_cursor", None)
    return answers


def days() -> list[date]:
    return [date(2025, 5, 20) + timedelta(days=n) for n in range(0, 35, 6)]


class FailingStore(Store):
    """A store that calls `fail` at one of its exchanges with the server.

    `moment` tells when: `before` it is sent, `sent` but not answered, or `answered` but not told to the caller.
    """

    def __init__(self, url: str, at: int, moment: str, fail: Callable[[], object]) -> None:
        super().__init__(url, timeout=30)
        self.calls = 0
        self._at, self._moment, self._fail = at, moment, fail

    def _send(self, packed: bytes) -> None:
        self.calls += 1
        self._perhaps("before")
        super()._send(packed)
        self._perhaps("sent")

    def _receive(self, count: int) -> list[Any]:
        replies = super()._receive(count)
        self._perhaps("answered")
        return replies

    def _perhaps(self, moment: str) -> None:
        if self.calls == self._at and self._moment == moment:
            self._fail()


MOMENTS = ("before", "sent", "answered")
