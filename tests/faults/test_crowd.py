"""Law 8, lightly: importers and API writers on one tenant at once end in the figures of one after the other."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from fature_kv.ingest import fold
from fature_kv.ingest.writer import Writer
from fature_kv.store import Store
from tests.faults import world
from tests.faults.conftest import Undisturbed
from tests.model.model import Model

IMPORTERS = 3
REQUESTS = 120


def test_importers_and_an_api_writer_at_once(undisturbed: Undisturbed, redis_server: str, store: Store) -> None:
    slug = world.service(store).slug
    begin = threading.Barrier(IMPORTERS + 1)
    rows = [row for some in world.windows(undisturbed.seed) for row in some]
    told: list[list[tuple[str, str | None]]] = [[] for _ in range(IMPORTERS)]

    def import_all(number: int) -> None:
        mine = rows[:]
        random.Random(f"{undisturbed.seed} {number}").shuffle(mine)
        own = Store(redis_server, timeout=30)
        begin.wait(30)
        for start in range(0, len(mine), 120):
            told[number] += world.service(own, slug).feed(mine[start : start + 120], world.NOW)
        own.close()

    def post_all() -> list[Any]:
        chance = random.Random(f"{undisturbed.seed} posts")
        writer = Writer(Store(redis_server, timeout=30), world.SETTINGS, clock=lambda: world.NOW)
        writer.start()
        begin.wait(30)
        answers: list[Future[Any]] = [
            writer.submit(slug, chance.sample(rows, chance.choice((1, 1, 5)))) for _ in range(REQUESTS)
        ]
        results = [result for answer in answers for result in answer.result(120)]
        writer.stop()
        return results

    with ThreadPoolExecutor(IMPORTERS + 1) as crowd:
        posted = crowd.submit(post_all)
        list(crowd.map(import_all, range(IMPORTERS)))
        by_post = posted.result(120)
    world.service(store, slug).feed([], world.LATER)
    assert world.held(store, slug) == undisturbed.figures
    outcomes = Counter(result for results in (*told, by_post) for result, _ in results)
    assert outcomes["duplicate"] > len(rows), "they did not meet"


def test_writers_who_meet_on_one_person_all_get_through(redis_server: str, store: Store) -> None:
    """Everybody deposits for the same player: refused chunks are decided anew, no row is lost or counted twice."""
    service = world.service(store)
    people: world.Rows = [world.Person(n, "", "", "", "active", world.BEGIN, world.BEGIN) for n in (1, 2)]
    service.feed([*people, world.Link(2, 1, world.BEGIN)], world.NOW)
    begin = threading.Barrier(4)

    def deposit(number: int) -> None:
        own = Store(redis_server, timeout=30)
        begin.wait(30)
        for i in range(15):
            row = world.Money("depositos", 100 * (number + 1) + i, 2, 100, "approved", world.BEGIN + i * world.DAY)
            assert world.service(own, service.slug).feed([row], world.NOW) == [("applied", None)]
        own.close()

    run_together(deposit, 4)
    assert service.affiliate(1)["total_deposits_cents"] == 4 * 15 * 100
    assert service.affiliate(2)["own"]["deposits_count"] == 60
    assert service.leaderboard("deposits")["items"][0]["score"] == 6_000


@pytest.mark.parametrize("what", ["money", "moves"])
def test_parts_of_a_heavy_player_stand_or_fall_together(
    redis_server: str, store: Store, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A heavy player's later chunk never passes for one that follows what another writer put in between.

    The first of several chunks is refused since somebody else wrote the player; that very write brings the player's
    `rev` to what the second chunk expects.
    """
    service, model = world.service(store), Model(world.ZONE)
    people: world.Rows = [world.Person(n, "", "", "", "active", world.BEGIN, world.BEGIN) for n in (1, 2, 3)]
    bets: world.Rows = [world.Bet(n, 3, 5_000, 100, world.BEGIN + n % 29 * world.DAY) for n in range(1, 200)]
    between: world.Rows = [world.Bet(900, 3, 7, 3, world.BEGIN + 10 * world.DAY)]
    link: world.Rows = [world.Link(3, 2, world.BEGIN)]
    first, second = (people + link, bets) if what == "money" else (people + bets, link)
    service.feed(first, world.NOW)
    own = Store(redis_server, timeout=30)
    meets: list[str] = []

    def meet(name: str) -> None:
        if name == "before chunk" and not meets:
            meets.append(name)
            world.service(own, service.slug).session().apply(between)  # and nothing else: one write

    monkeypatch.setattr(fold, "stop_point", meet)
    service.feed(second, world.NOW)
    own.close()
    assert meets
    for rows in (first, between, second):
        model.feed(rows, world.NOW)
    assert world.told(service, [1, 2, 3]) == world.told(model, [1, 2, 3])


def run_together(work: Callable[[int], None], many: int) -> None:
    with ThreadPoolExecutor(many) as crowd:
        list(crowd.map(work, range(many)))
