"""Managers' decisions and crashes: killed at any boundary, a decision is there with all its figures or not at all."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import pytest

from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.archive.undo import undo_run
from fature_kv.errors import Conflict
from fature_kv.store import Store
from tests.faults import victims, world
from tests.faults.victims import Death, Victim
from tests.laws.service import Service
from tests.model.model import Model

STEPS = ("links", "chunk", "moved", "sizes", "transaction", "generation", "unlink", "people", "park")
"""Boundaries that a moved person, a declared player or an undone run come to."""


def loaded(store: Store, seed: int) -> Service:
    """A tenant that holds the rows, each window a run of its own."""
    service = world.service(store)
    world.feed(service, world.windows(seed))
    return service


def again(service: Service, seed: int) -> None:
    """The decisions once more, whatever of them was done."""
    world.let_go(service.store, service.slug)
    victims.decide_all(service.store, service.slug, seed, lambda _: None)
    service.feed([], world.LATER)


@pytest.fixture(scope="session")
def decided(session_store: Store, seed: int) -> dict[str, Any]:
    """All figures after the decisions, undisturbed; they are those of the model."""
    service, model = loaded(session_store, seed), Model(world.ZONE)
    for _ in range(2):
        again(service, seed)
    for number, rows in enumerate(world.windows(seed)):
        model.feed(rows, world.NOW, world.run_of(number))
    model.feed([], world.LATER)
    for _ in range(2):
        for person, sponsor, day in world.decisions(seed):
            with suppress(ValueError):
                model.move(person, sponsor, world.NOW)
            with suppress(ValueError):
                model.override(person, world.day_text(day))
        model.undo(world.run_of(1), (), world.NOW)
        model.feed([], world.LATER)
    shown = model.people[:: max(1, len(model.people) // 8)]
    assert world.told(service, shown) == world.told(model, shown)
    assert reconcile_with_journal(session_store, service.slug, world.SETTINGS) == []
    return world.held(session_store, service.slug)


@pytest.fixture(scope="session")
def times_at(redis_server: str, session_store: Store, seed: int) -> Callable[[], dict[str, int]]:
    """How often the decisions come to each boundary."""

    @cache
    def found() -> dict[str, int]:
        slug = loaded(session_store, seed).slug
        report = Victim(victims.decide_all, redis_server, slug, seed).end().report
        assert report is not None
        return report.boundaries

    return found


def kills(seed: int) -> Iterator[tuple[str, float]]:
    """Boundaries, and how far into the work."""
    chance = random.Random(seed)
    for step in STEPS:
        for when in ("before", "after"):
            yield f"{when} {step}", chance.random()


@pytest.mark.parametrize(("name", "part"), list(kills(7)), ids=lambda value: str(value)[:16])
def test_decisions_killed_at(
    decided: dict[str, Any],
    times_at: Callable[[], dict[str, int]],
    redis_server: str,
    store: Store,
    seed: int,
    name: str,
    part: float,
) -> None:
    """Nothing is half decided: the journal makes what is live, and the same decisions again complete it."""
    service = loaded(store, seed)
    at = 1 + int(part * (times_at()[name] - 1))
    while Victim(victims.decide_all, redis_server, service.slug, seed, Death(name, at)).end().report is not None:
        assert at > 1, f"it never came to '{name}'"
        service, at = loaded(store, seed), at // 2  # how often boards are flushed depends on how fast it went
    world.let_go(store, service.slug)
    assert reconcile_with_journal(store, service.slug, world.SETTINGS) == []
    again(service, seed)
    assert world.held(store, service.slug) == decided
    assert reconcile_with_journal(store, service.slug, world.SETTINGS) == []


def test_an_undo_among_writers(store: Store, redis_server: str, seed: int) -> None:
    """Rows that come while a run is taken back are all there; the same rows of that run count anew after it."""
    service = loaded(store, seed)
    run, rows = world.run_of(0), world.windows(seed)[0]
    done, written = threading.Event(), []

    def write() -> None:
        mine = Store(redis_server, timeout=30)
        writer = world.service(mine, service.slug, real_time=True)
        person = next(row.id for row in world.windows(seed)[1] if isinstance(row, world.Person))
        while not done.is_set() or len(written) < 5:
            written.append(900_000 + len(written))
            writer.feed([world.Bet(written[-1], person, 1, 0, world.BEGIN)], world.NOW, "beside")
        mine.close()

    thread = threading.Thread(target=write)
    thread.start()
    undo_run(store, service.slug, world.SETTINGS, run, "a test")
    done.set()
    thread.join()
    assert reconcile_with_journal(store, service.slug, world.SETTINGS) == []
    fresh = world.service(store)
    for number, some in enumerate(world.windows(seed)[1:], start=1):
        fresh.feed(some, world.NOW, world.run_of(number))
    for each in (fresh, service):
        each.feed([row for some in world.windows(seed) for row in some], world.NOW, "again")
    person = next(row.id for row in world.windows(seed)[1] if isinstance(row, world.Person))
    fresh.feed([world.Bet(number, person, 1, 0, world.BEGIN) for number in written], world.NOW, "beside")
    assert rows
    assert world.held(store, service.slug) == world.held(store, fresh.slug)


def test_two_undos_at_once(store: Store, redis_server: str, seed: int) -> None:
    """One of them is done, or both; whoever is told that another began does it again."""
    service = loaded(store, seed)
    told: list[Exception] = []

    def take_back(number: int) -> None:
        mine = Store(redis_server, timeout=30)
        try:
            undo_run(mine, service.slug, world.SETTINGS, world.run_of(number), "a test")
        except Conflict as error:
            told.append(error)
        mine.close()

    threads = [threading.Thread(target=take_back, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) < 2
    for number in (0, 1):
        undo_run(store, service.slug, world.SETTINGS, world.run_of(number), "a test")
    other = loaded(store, seed)
    for number in (1, 0):
        undo_run(store, other.slug, world.SETTINGS, world.run_of(number), "a test")
    assert world.held(store, service.slug) == world.held(store, other.slug)
    assert reconcile_with_journal(store, service.slug, world.SETTINGS) == []
