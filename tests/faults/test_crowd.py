"""Law 8: importers, API writers and a rebuild on one tenant at once end in the figures of one after the other.

Some of them are killed in the middle and started again. And many tenants at once on one server.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from fature_kv import stop_points, tenants
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.store import Store
from tests.faults import victims, world
from tests.faults.conftest import Undisturbed
from tests.faults.victims import NEVER, Death, Job, Victim
from tests.model.model import Model
from tests.support import servers

MANY = 40
IMPORTERS: list[Job] = [partial(victims.import_shuffled, number=n, people=MANY) for n in range(3)]
API_WRITERS: list[Job] = [
    partial(victims.post_all, number=n, most=5, requests=40, real_time=True, people=MANY) for n in range(8)
]  # fmt: skip
CROWD = [*IMPORTERS, *API_WRITERS]
DOOMED = (0, 3, 5, 7)
"""An importer and three API writers; and the first of two rebuilds, while it holds all the others up."""


def test_a_crowd_some_of_whom_are_killed(
    undisturbed_of: Callable[..., Undisturbed], redis_server: str, store: Store, seed: int
) -> None:
    service, figures = world.service(store, real_time=True), undisturbed_of(seed, MANY).figures
    slug, rows = service.slug, world.numbered(seed, MANY)
    chance = random.Random(f"{seed} crowd")
    deaths = {i: Death(chance.choice(world.MOMENTS), chance.randint(10, 100)) for i in DOOMED}
    print(f"killed: {deaths}")
    for some in world.windows(seed, MANY)[:2]:
        service.feed(some, world.NOW)
    first = ready_rebuild(redis_server, store, slug, seed, Death("before generation", 3))
    crowd = [Victim(job, redis_server, slug, seed, deaths.get(i, NEVER)) for i, job in enumerate(CROWD)]
    go(store, slug)
    assert first.end().report is None
    second = ready_rebuild(redis_server, store, slug, seed)
    world.let_go(store, slug)  # the dead one's hold
    go(store, slug)
    [summary] = second.end().acknowledged
    ended = [one.end() for one in crowd]
    assert tuple(i for i, one in enumerate(ended) if one.report is None) == DOOMED
    assert tenants.get(store, slug).live > 1
    journal = tenants.get(store, slug).keys.journal
    assert summary["entries"] < store.call("XLEN", journal), "nobody wrote after the swap"
    # Nobody has read anything again: two importers came to their end, so every row was answered.
    service.feed([], world.LATER)
    assert world.held(store, slug) == figures
    assert reconcile_with_journal(store, slug, world.SETTINGS) == []
    acknowledged = [told for one in ended for told in one.acknowledged]
    outcomes = Counter(result for _, results in acknowledged for result, _ in results)
    assert outcomes["duplicate"] > len(rows), "they did not meet"
    for one in [Victim(CROWD[i], redis_server, slug, seed) for i in DOOMED]:
        acknowledged += one.end().acknowledged
    assert world.lost(service, rows, acknowledged) == []
    assert world.held(store, slug) == figures


def ready_rebuild(url: str, store: Store, slug: str, seed: int, death: Death = NEVER) -> Victim:
    """A rebuild that has caught up, and waits for a sign to hold the others and swap."""
    rebuild = Victim(victims.rebuild_at_a_sign, url, slug, seed, death)
    assert store.call("BLPOP", f"{slug} ready", 20)
    return rebuild


def go(store: Store, slug: str) -> None:
    """Gives the sign once the crowd has written something more."""
    journal = tenants.get(store, slug).keys.journal
    enough = store.call("XLEN", journal) + 10
    servers.wait_for(lambda: store.call("XLEN", journal) >= enough, "writes of the crowd")
    store.call("RPUSH", f"{slug} go", "")


TENANTS, WORLDS, PEOPLE = 50, 5, 16


def test_many_tenants_at_once(
    undisturbed_of: Callable[..., Undisturbed], redis_server: str, store: Store, seed: int
) -> None:
    """An importer for each, some of them killed; and one API writer, who goes from one to the next."""
    slugs = [world.service(store).slug for _ in range(TENANTS)]
    seeds = [seed + n % WORLDS for n in range(TENANTS)]
    chance = random.Random(f"{seed} tenants")
    deaths = {n: Death(chance.choice(world.MOMENTS), chance.randint(10, 100)) for n in range(0, TENANTS, 7)}
    work: Job = partial(victims.import_all, people=PEOPLE)
    api: Job = partial(victims.post_to_many, tenants=list(zip(slugs, seeds, strict=True)), people=PEOPLE)
    poster = Victim(api, redis_server, "", seed)
    importers = [
        Victim(work, redis_server, slug, its, deaths.get(n, NEVER))
        for n, (slug, its) in enumerate(zip(slugs, seeds, strict=True))
    ]
    killed = {n for n, one in enumerate(importers) if one.end().report is None}
    assert killed == set(deaths)
    assert [number for number, _ in poster.end().acknowledged] == [list(range(TENANTS))]
    for n, (slug, its) in enumerate(zip(slugs, seeds, strict=True)):
        world.let_go(store, slug)
        service = world.service(store, slug)
        world.feed(service, world.windows(its, PEOPLE) if n in killed else [[]])
        assert world.held(store, slug) == undisturbed_of(its, PEOPLE).figures, slug


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

    monkeypatch.setattr(stop_points, "reached", meet)
    service.feed(second, world.NOW)
    own.close()
    assert meets
    for rows in (first, between, second):
        model.feed(rows, world.NOW)
    assert world.told(service, [1, 2, 3]) == world.told(model, [1, 2, 3])


def run_together(work: Callable[[int], None], many: int) -> None:
    with ThreadPoolExecutor(many) as crowd:
        list(crowd.map(work, range(many)))
