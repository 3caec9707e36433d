"""'Did it happen?': replies that come late, are lost on the way, or never come, to all who write."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from fature_kv.archive.rebuild import rebuild_from_journal
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.errors import ServerUnavailable
from fature_kv.ingest.writer import Writer
from fature_kv.store import Store
from tests.faults import world
from tests.faults.conftest import Undisturbed
from tests.support.proxy import HARMS, Harms, proxied

TIMEOUT_S = 0.4
MOST = 20
ATTEMPTS = 10 * MOST
HAPPENED = {"refused": False, "lost": True, "cut": True, "stalled": True, "late": True}
ANSWERED = {"late"}


@pytest.mark.parametrize("harm", HARMS)
def test_what_each_harm_does(redis_server: str, store: Store, harm: str) -> None:
    """The proxy itself: whether the command ran, whether its reply came, and that the next one is told the truth."""
    armed: list[str] = []
    store.call("DEL", "counter")
    with proxied(redis_server, lambda: armed.pop() if armed else None) as url:
        mine = Store(url, TIMEOUT_S)
        assert mine.call("INCR", "counter") == 1
        armed.append(harm)
        began = time.monotonic()
        try:
            assert (mine.call("INCR", "counter"), harm in ANSWERED) == (2, True)
        except ServerUnavailable:
            assert harm not in ANSWERED
        assert (time.monotonic() - began >= TIMEOUT_S) == (harm == "stalled")
        assert not armed
        assert int(store.call("GET", "counter")) == 1 + HAPPENED[harm]
        assert mine.call("GET", "counter") == str(1 + HAPPENED[harm]).encode(), "a reply of an earlier call"
        mine.close()
    store.call("DEL", "counter")


def again_and_again(store: Store, slug: str, work: Callable[[], Any]) -> Any:
    """Does it until it is done; how often it was broken off is bounded by how much harm there is."""
    for _ in range(ATTEMPTS):
        try:
            return work()
        except ServerUnavailable as error:
            if not str(error).startswith("Redis can't be reached"):
                raise
            world.let_go(store, slug)
    raise AssertionError("it never comes to its end")


def test_an_importer(undisturbed: Undisturbed, redis_server: str, store: Store) -> None:
    service, rows = world.service(store), world.numbered(undisturbed.seed)
    harms = Harms(f"{undisturbed.seed} importer", gap=40, most=MOST)
    acknowledged: list[world.Acknowledged] = []
    with proxied(redis_server, harms) as url:
        mine, first = Store(url, TIMEOUT_S), 0
        for some in world.windows(undisturbed.seed):

            def feed(some: world.Rows = some) -> Any:
                return world.service(mine, service.slug).feed(some, world.NOW)

            acknowledged.append((list(range(first, first + len(some))), again_and_again(store, service.slug, feed)))
            first += len(some)
        mine.close()
    complete(undisturbed, store, service.slug, rows, acknowledged, harms)


def test_an_api_writer(undisturbed: Undisturbed, redis_server: str, store: Store) -> None:
    """Who gets no answer sends the same again, alone or with others, until there is one."""
    service, rows = world.service(store), world.numbered(undisturbed.seed)
    harms, chance = Harms(f"{undisturbed.seed} api", gap=40, most=MOST), random.Random(f"{undisturbed.seed} requests")
    acknowledged: list[world.Acknowledged] = []
    waiting = [list(range(start, min(start + 40, len(rows)))) for start in range(0, len(rows), 40)]
    chance.shuffle(waiting)
    with proxied(redis_server, harms) as url:
        writer = Writer(Store(url, TIMEOUT_S), world.SETTINGS, clock=lambda: world.NOW)
        writer.start()
        for _ in range(ATTEMPTS):
            some, waiting = waiting[:3], waiting[3:]
            answers = [(numbers, writer.submit(service.slug, [rows[n] for n in numbers])) for numbers in some]
            for numbers, answer in answers:
                try:
                    acknowledged.append((numbers, [tuple(result) for result in answer.result(60)]))
                except ServerUnavailable:
                    waiting.append(numbers)
        writer.stop()
    assert not waiting
    complete(undisturbed, store, service.slug, rows, acknowledged, harms)


def complete(
    undisturbed: Undisturbed,
    store: Store,
    slug: str,
    rows: world.Rows,
    acknowledged: list[world.Acknowledged],
    harms: Harms,
) -> None:
    """Every kind of harm was done; every row was answered, and is there; the figures are the undisturbed ones."""
    assert min(harms.dealt[harm] for harm in HARMS) >= 2, harms.dealt
    assert sorted(n for numbers, _ in acknowledged for n in numbers) == list(range(len(rows)))
    world.let_go(store, slug)
    service = world.service(store, slug)
    assert world.lost(service, rows, acknowledged) == []
    service.feed([], world.LATER)
    assert world.held(store, slug) == undisturbed.figures


def test_a_rebuild(undisturbed: Undisturbed, redis_server: str, store: Store) -> None:
    service = world.service(store)
    world.feed(service, world.windows(undisturbed.seed))
    harms = Harms(f"{undisturbed.seed} rebuild", gap=40, most=MOST)
    with proxied(redis_server, harms) as url:
        mine = Store(url, TIMEOUT_S)
        again_and_again(store, service.slug, lambda: rebuild_from_journal(mine, service.slug, world.SETTINGS))
        mine.close()
    assert harms.dealt["lost"], harms.dealt
    world.let_go(store, service.slug)
    service.feed([], world.LATER)
    assert world.held(store, service.slug) == undisturbed.figures
    assert reconcile_with_journal(store, service.slug, world.SETTINGS) == []
