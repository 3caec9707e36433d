"""The laws on a Redis Cluster of three nodes, where a key of another slot is refused, in scripts too.

A tenant is one slot. The tests put tenants on the node that the URL names and on others, move one while it is written,
and take nodes away.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from fature_kv import tenants, wiring
from fature_kv.access import tokens
from fature_kv.api.application import create_app
from fature_kv.api.async_store import AsyncStore
from fature_kv.archive.rebuild import rebuild_from_journal
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.domain.rows import Bet, Person
from fature_kv.errors import FatureError, ServerUnavailable
from fature_kv.figures import tenant as standing
from fature_kv.scripts import Script
from fature_kv.settings import Settings
from fature_kv.sources import sample_small
from fature_kv.store import Store
from tests.faults import world
from tests.faults.test_api import LINK, PEOPLE, deposit
from tests.laws.service import Service
from tests.laws.test_isolation import carried_out
from tests.laws.test_laws import fed, laws, told
from tests.model.model import DEFAULT_CONFIG_VERSIONS
from tests.model.strategies import World, splits, worlds
from tests.support import servers
from tests.support.cluster import NODES, Cluster, cluster
from tests.support.commands import Commands, data_folder
from tests.support.figures_held import figures_held

pytestmark = pytest.mark.timeout(900)
ZONE = "America/Sao_Paulo"
SEED = 20250626
few = settings(laws, max_examples=max(1, laws.max_examples // 5))


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture
def store(three: Cluster) -> Iterator[Store]:
    store = Store(three.url, timeout=30)
    yield store
    store.close()


def service_on(store: Store, slug: str) -> Service:
    """A service whose tenant has this slug."""
    made = Service.__new__(Service)
    made.store, made.slug, made.settings, made.now = store, slug, world.SETTINGS, world.NOW
    tenants.create(store, slug, name="", timezone=ZONE, currency="BRL", now_us=0)
    return made


@few
@given(worlds(), st.data())
def test_the_laws_hold(three: Cluster, world: World, data: st.DataObject) -> None:
    """A store of its own for each world, so that each learns anew where things are."""
    store = Store(three.url, timeout=30)
    service, expected = fed(store, world, data.draw(splits(world.rows))), told(world.read([world.rows]), world)
    assert told(service, world) == expected
    assert reconcile_with_journal(store, service.slug, service.settings) == []
    rebuild_from_journal(store, service.slug, service.settings)
    assert told(service, world) == expected
    assert names_of(three, service.slug, 1) == set(), "the old generation is deleted"
    store.close()


def names_of(three: Cluster, slug: str, generation: int) -> set[bytes]:
    return {key for node in three.nodes for key in node("KEYS", f"fkv:{{{slug}}}:{generation}:*")}


def test_every_step_of_the_write_path(three: Cluster, store: Store, redis_server: str) -> None:
    single = Store(redis_server, timeout=30)
    expected = carried_out(Service(single, ZONE, DEFAULT_CONFIG_VERSIONS))
    single.close()
    assert carried_out(Service(store, ZONE, DEFAULT_CONFIG_VERSIONS)) == expected
    every = {key for node in three.nodes for key in node("KEYS", "*")}
    assert {key for key in every if not key.startswith(b"fkv:{")} == {b"fkv:global:tenants"}


def test_tenants_of_every_node_are_listed(three: Cluster, store: Store) -> None:
    slugs = {three.slug_on(number, "listed") for number in range(NODES)}
    assert len({three.holder(slug).port for slug in slugs}) == NODES
    for slug in slugs:
        service_on(store, slug)
    assert slugs <= {tenant.slug for tenant in tenants.list_tenants(store)}


def test_scanning_asks_the_node_that_holds_the_tenant(three: Cluster, store: Store) -> None:
    """A node gives only keys of its own and never says MOVED: neither a new store nor one whose routes are old may ask
    another."""
    slug = three.slug_on(1, "scanned")
    service_on(store, slug)
    names = {b"fkv:{%s}:%s" % (slug.encode(), name) for name in (b"profile", b"control", b"journal")}
    for node in (three.nodes[2], three.nodes[0], three.nodes[1]):
        new = Store(three.url)
        for each in (store, new):
            found = {key for some in each.scan(f"fkv:{{{slug}}}:control", f"fkv:{{{slug}}}:*", 2) for key in some}
            assert found == names
        new.close()
        three.move(slug, node)


@pytest.mark.parametrize("number", range(NODES))
def test_a_key_of_another_slot_is_refused(three: Cluster, store: Store, number: int) -> None:
    """What the laws above would have met: a single server takes such a script without a word."""
    here, there = three.slug_on(number, "here"), three.slug_on((number + 1) % NODES, "there")
    source = "return redis.call('SET', ARGV[1], 1)"
    digest = store.call("SCRIPT", "LOAD", source).decode()
    poke = Script("poke", source, digest, False)
    own = f"fkv:{{{here}}}:x"
    assert store.run(poke, [own], [own]) == b"OK"
    with pytest.raises(FatureError, match=r"(?i)slot|non local"):
        store.run(poke, [own], [f"fkv:{{{there}}}:x"])
    with pytest.raises(FatureError, match=r"CROSSSLOT|same slot"):
        store.run(poke, [own, f"fkv:{{{there}}}:x"], [own])
    store.call("DEL", own)


# -- through the front doors ------------------------------------------------------------------------------------------


def test_an_import_by_the_command(three: Cluster, store: Store, tmp_path: Path) -> None:
    folder = sample_small.write(tmp_path / "rows")
    with data_folder() as data:
        cli = Commands(data, FATURE_REDIS_URL=three.url)
        slugs = [three.slug_on(number, "cli") for number in range(2)]
        for slug in slugs:
            cli("tenant", "create", slug)
            assert sum(cli.json("import", "--tenant", slug, folder)["applied"].values()) > 1_000
            assert cli.json("reconcile", "--tenant", slug, "--against", "journal")["differences"] == []
        assert {t["slug"] for t in cli.json("tenant", "list")["items"]} >= set(slugs)
        (told,) = (check["found"] for check in cli.json("doctor")["checks"] if check["name"] == "Redis")
        assert "a cluster" in told
    one, other = (figures_held(store, slug) for slug in slugs)
    assert one == other


def test_the_api_reads_and_writes(three: Cluster, store: Store) -> None:
    writer = wiring.writer(three.url, Settings())
    writer.start()
    with TestClient(create_app(Settings(), three.url, writer, now=lambda: world.LATER)) as http:
        for number in range(NODES):
            slug = three.slug_on(number, "api")
            service_on(store, slug)
            headers = {"Authorization": f"Bearer {tokens.create(store, slug, 'manager', now_us=world.NOW)}"}
            posted = http.post("/api/v1/events", json=[*PEOPLE, LINK, deposit(1)], headers=headers)
            assert [item["result"] for item in posted.json()["items"]] == ["applied"] * 4, posted.text
            shown = http.get("/api/v1/affiliates/1", headers=headers).json()
            assert shown["total_deposits_cents"] == 3_000
            board = http.get("/api/v1/leaderboards/deposits", headers=headers)
            assert [item["score"] for item in board.json()["items"]] == [3_000], board.text
    writer.stop()


# -- while it changes -----------------------------------------------------------------------------------------------


def test_a_tenant_moved_while_it_is_written(three: Cluster, store: Store, redis_server: str) -> None:
    """Key by key, on and on until the run ends: nothing is lost, nothing counts twice, no read fails."""
    rows = world.windows(SEED)
    single = Store(redis_server, timeout=30)
    expected = world.service(single)
    world.feed(expected, rows)
    moved = service_on(store, three.slug_on(1, "moved"))
    done = threading.Event()

    def journal() -> int:
        return int(three.holder(moved.slug)("XLEN", f"fkv:{{{moved.slug}}}:journal"))

    def move() -> int:
        times = 0
        while not done.is_set() or times < 3:
            three.move(moved.slug, three.nodes[times % NODES])
            times, before = times + 1, journal()
            servers.wait_for(lambda n=before: done.is_set() or journal() > n + 15, "writes after the move")
        return times

    def read() -> None:
        asyncio.run(read_until(three.url, moved.slug, done))

    with ThreadPoolExecutor(2) as others:
        moves, reads = others.submit(move), others.submit(read)
        try:
            world.feed(moved, rows)
        finally:
            done.set()
        assert moves.result(120) >= 3
        reads.result(120)
    assert world.held(store, moved.slug) == world.held(single, expected.slug)
    assert reconcile_with_journal(store, moved.slug, moved.settings) == []
    single.close()


async def read_until(url: str, slug: str, done: threading.Event) -> None:
    store, reads = AsyncStore(url), 0
    while not done.is_set():
        tenant = await store.answer(standing.load(slug))
        assert tenant.slug == slug
        reads += 1
    await store.close()
    assert reads > 10


@pytest.mark.parametrize("number", [0, 1])
def test_a_node_killed_and_started_again(three: Cluster, store: Store, number: int) -> None:
    """Its tenants are told so at once; those of the others are served, whichever node the URL names."""
    hurt, well = (service_on(store, three.slug_on(n, f"killed-{number}")) for n in (number, number + 1))
    rows = [Person(1, "", "", "", "active", world.BEGIN), *(Bet(n, 1, 100, 0, world.BEGIN) for n in range(1, 5))]
    for each in (hurt, well):
        assert {result for result, _ in each.feed(rows, world.NOW)} == {"applied"}
    three.nodes[number].kill()
    with pytest.raises(ServerUnavailable, match="can't be reached"):
        hurt.feed([Bet(9, 1, 100, 0, world.BEGIN)], world.NOW)
    assert well.feed([Bet(9, 1, 100, 0, world.BEGIN)], world.NOW) == [("applied", None)]
    asyncio.run(reads_apart(store, three.url, hurt.slug, well.slug))
    three.nodes[number].start()
    three.whole()
    assert [result for result, _ in hurt.feed([*rows, Bet(9, 1, 100, 0, world.BEGIN)], world.NOW)] == [
        *["duplicate"] * 5,
        "applied",
    ]
    assert hurt.affiliate(1)["own"]["bets_cents"] == well.affiliate(1)["own"]["bets_cents"] == 500


async def reads_apart(store: Store, url: str, hurt: str, well: str) -> None:
    """The API's store, which knew all nodes before."""
    reads = AsyncStore(url)
    reads._routes, reads._clustered = store._routes, True
    assert (await reads.answer(standing.load(well))).slug == well
    with pytest.raises(ServerUnavailable, match="can't be reached"):
        await reads.answer(standing.load(hurt))
    await reads.close()


def test_a_node_that_forgot_its_scripts(three: Cluster, store: Store) -> None:
    service = service_on(store, three.slug_on(2, "forgot"))
    for number, node in enumerate(three.nodes):
        node("SCRIPT", "FLUSH")
        row: Any = Person(number + 1, "", "", "", "active", world.BEGIN)
        assert service.feed([row], world.NOW) == [("applied", None)]
