"""Rows in which every step of the write path has work to do, made from a seed; and stores that fail at a chosen call.

The rows are order-free (no two sponsors, no two bets under one id, people with `atualizado_em`), so any disturbed
run that is completed has to end in the figures of an undisturbed one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np

from fature_kv import tenants
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from fature_kv.ingest import parking, seen
from fature_kv.ingest.session import Session
from fature_kv.keyspace import SEEN_PAGE, GenerationKeys, tenant_keys
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
PEOPLE = 20
SETTINGS = Settings(
    chunk_units=25,
    window_rows=300,
    flush_batch=10,
    flush_interval_ms=1,
    retry_attempts=200,
    durability="waitaof",  # on top of a server that fsyncs before it answers: every step there is gets taken
)
Rows = list[Row | BadRow]
Acknowledged = tuple[list[int], list[tuple[str, str | None]]]
"""Rows of a world, by number, and what was answered for each."""


def windows(seed: int, people: int = PEOPLE) -> list[Rows]:
    """Windows of rows: money before people, links late, newer versions, parked, early and bad rows.

    And what takes special steps: a page of bets that gets too full for a set, and a link that is read again after the
    first of its people came, so that it waits in two places.
    """
    chance = random.Random(seed)
    ids = chance.sample(range(1, 10_000), people)
    rows: Rows = [Person(n, f"P {n}", "", "", "active", BEGIN, BEGIN) for n in ids]
    rows += [Person(n, f"P {n}", "", "", "blocked", BEGIN, NOW) for n in chance.sample(ids, 3)]
    rows += [Link(ids[i], ids[max(0, i - chance.choice((1, 1, 2, 7)))], BEGIN + i) for i in range(1, people) if i % 13]
    for number in range(1, 4 * people + 1):
        source: Any = chance.choice(("depositos", "depositos", "saque", "bonus"))
        made = BEGIN + chance.randrange(30 * 24) * DAY // 24
        row = Money(source, number, chance.choice(ids), chance.randrange(100, 9_000), "approved", made)
        rows.append(row)
        if chance.random() < 0.3:
            word = chance.choice(("approved", "reversed", "pending"))
            player = chance.choice((row.user_id, chance.choice(ids)))
            rows.append(msgspec.structs.replace(row, user_id=player, status=word, amount=4_000, updated_at=made + DAY))
    for number in range(1, 6 * people + 1):
        at = BEGIN + chance.randrange(30 * 24) * DAY // 24
        rows.append(Bet(number * 977, chance.choice(ids[:15]), chance.randrange(1, 9_000), chance.randrange(9_000), at))
    rows += [Bet(7, ids[0], 1, 1, NOW + 3 * DAY), Bet(8, 20_001, 1, 1, BEGIN), Link(20_001, ids[0], BEGIN)]
    rows += [BadRow("bonus", "9001", "bad_money", {"id": "9001"}), BadRow("saque", None, "bad_id", {"id": "x"})]
    chance.shuffle(rows)
    late = Link(30_001, 30_002, BEGIN)
    rows.insert(0, late)
    full: Rows = [Bet(20 * SEEN_PAGE + number, ids[1], 10, 5, BEGIN + DAY) for number in range(seen.FEW + 1)]
    return [
        *(rows[start : start + 120] for start in range(0, len(rows), 120)),
        [Person(30_001, "", "", "", "active", BEGIN, BEGIN), late],
        [Person(30_002, "", "", "", "active", BEGIN, BEGIN), *full],
    ]


def numbered(seed: int, people: int = PEOPLE) -> Rows:
    """The rows of all windows; a row's number is its place here."""
    return [row for rows in windows(seed, people) for row in rows]


def run_of(number: int) -> str:
    """The name of the run of a window."""
    return f"run-{number}"


def feed(service: Service, some: Sequence[Rows]) -> None:
    """The windows as runs, and at the end whatever was early."""
    for number, rows in enumerate(some):
        service.feed(rows, NOW, run_of(number))
    service.feed([], LATER)


def decisions(seed: int) -> list[tuple[int, int | None, int]]:
    """People, the sponsor each is to go under, and a day on which each is declared qualified."""
    chance = random.Random(f"{seed} decisions")
    people = sorted({row.id for rows in windows(seed) for row in rows if isinstance(row, Person)} - {30_001, 30_002})
    chosen = chance.sample(people, 4)
    days = [chance.randrange(BEGIN // DAY, NOW // DAY - 1) for _ in chosen]
    return list(zip(chosen, [chosen[1], None, chosen[0], people[-1]], days, strict=True))


class InRealTime(Service):
    """A service whose writers go by the real clock, as they must where a rebuild makes them wait for some seconds."""

    def session(self, run: str = "run") -> Session:
        return Session(self.store, self.slug, self.settings, run=run)


def service(store: Store, slug: str | None = None, *, real_time: bool = False) -> Service:
    """The service on a tenant; on a new one where none is named."""
    kind = InRealTime if real_time else Service
    if slug is None:
        return kind(store, ZONE, DEFAULT_CONFIG_VERSIONS, SETTINGS)
    made = kind.__new__(kind)
    made.store, made.slug, made.settings, made.now = store, slug, SETTINGS, NOW
    return made


def held(store: Store, slug: str) -> dict[str, Any]:
    """All figures of a tenant; which rows wait or are bad; and which bets are in, whatever form their page has."""
    keys = live_keys(store, slug)
    found = figures_held(store, slug)
    pages = {name.split(":")[1] for name in found if name.startswith(("seen:", "seen-few:"))}
    found = {name: value for name, value in found.items() if not name.startswith(("seen:", "seen-few:"))}
    for page in pages:
        bits, few = store.call("GET", keys.seen(int(page))), store.call("SMEMBERS", keys.seen_few(int(page)))
        offsets = np.flatnonzero(np.unpackbits(np.frombuffer(bits or b"", np.uint8))).tolist()
        found[f"seen:{page}"] = sorted({*offsets, *map(int, few)})
    found["quarantine"], found["parked"] = in_the_way(store, slug)
    return found


def in_the_way(store: Store, slug: str) -> tuple[list[str], list[str]]:
    """Which rows are in quarantine, and which are parked."""
    keys = live_keys(store, slug)
    replies = store.pipeline([("HKEYS", keys.quarantine), ("HKEYS", keys.parked)])
    bad, parked = (sorted(field.decode() for field in reply) for reply in replies)
    return bad, parked


def live_keys(store: Store, slug: str) -> GenerationKeys:
    tenant = tenants.get(store, slug)
    return tenant.keys.generation(tenant.live)


def let_go(store: Store, slug: str) -> None:
    """What some seconds would do: ends what a dead flusher or a dead rebuild held."""
    store.pipeline([("DEL", live_keys(store, slug).flush), ("HDEL", tenant_keys(slug).control, "hold")])


def lost(made: Service, rows: Rows, acknowledged: Sequence[Acknowledged]) -> list[Any]:
    """Rows that were acknowledged and are not there: read again, they are applied, or wait for the first time.

    A row that waits is there as long as a version of it waits: an older one may have given way to it.
    """
    gone: list[Any] = []
    for numbers, told in acknowledged:
        some = [rows[number] for number in numbers]
        bad, parked = map(set, in_the_way(made.store, made.slug))
        parked = {field.rpartition(":")[0] for field in parked}
        again = made.feed(some, NOW)
        for row, (was, _), (now, _) in zip(some, told, again, strict=True):
            if was in ("applied", "duplicate"):
                there = now == "duplicate"
            elif was == "parked":
                there = now == "duplicate" or parking.parked_field(row).rpartition(":")[0] in parked
            else:
                there = parking.quarantine_field(row) in bad
            gone += [] if there else [(row, was, now)]
    return gone


def model(seed: int, people: int = PEOPLE) -> Model:
    made = Model(ZONE)
    for rows in windows(seed, people):
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


def day_text(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def days() -> list[date]:
    return [date(2025, 5, 20) + timedelta(days=n) for n in range(0, 35, 6)]


class FailingStore(Store):
    """A store that calls `fail` at one of its exchanges with the server.

    `moment` tells when: `before` it is sent, `sent` but not answered (or up to 2 ms `later`, while the server is at
    it), or `answered` but not told to the caller.
    """

    def __init__(self, url: str, at: int, moment: str, fail: Callable[[], object]) -> None:
        super().__init__(url, timeout=30)
        self.calls = 0
        self._at, self._moment, self._fail = at, moment, fail

    def _send(self, packed: bytes, **how: Any) -> None:
        self.calls += 1
        self._perhaps("before")
        super()._send(packed, **how)
        self._perhaps("sent")
        self._perhaps("later")

    def _receive(self, count: int) -> list[Any]:
        replies = super()._receive(count)
        self._perhaps("answered")
        return replies

    def _perhaps(self, moment: str) -> None:
        if self.calls == self._at and self._moment == moment:
            if moment == "later":
                time.sleep(self._at % 16 / 8000)
            self._fail()


MOMENTS = ("before", "sent", "later", "answered")
