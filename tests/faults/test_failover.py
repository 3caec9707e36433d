"""A server that loads its data, a replica, and a failover to one: each is said, nothing is half done, a run completes.

Replication is asynchronous: what was acknowledged is on the primary's disk, and perhaps not yet on the replica.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from fature_kv.api.async_store import AsyncStore
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.errors import ServerUnavailable
from fature_kv.figures import tenant as standing
from fature_kv.store import Store
from tests.faults import world
from tests.faults.conftest import Undisturbed
from tests.laws.service import Service
from tests.support import servers
from tests.support.nodes import Node


class Pair:
    """A primary and its replica."""

    def __init__(self, home: Path) -> None:
        self.primary, self.replica = Node(home / "primary", repl_diskless_sync_delay=0), Node(home / "replica")

    def start(self) -> None:
        self.primary.start()
        self.replica.start()
        self.replica("REPLICAOF", "127.0.0.1", self.primary.port)
        servers.wait_for(lambda: self.replica.info("replication")["master_link_status"] == "up", "the replica")

    def caught_up(self) -> None:
        servers.wait_for(lambda: self._offset(self.primary) == self._offset(self.replica), "the replica")

    def _offset(self, node: Node) -> str:
        return node.info("replication")["master_repl_offset"]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with servers.scratch_dir() as home:
        made = Pair(home)
        try:
            made.start()
            yield made
        finally:
            made.primary.kill()
            made.replica.kill()


def on(node: Node, slug: str) -> Service:
    """The tenant's service on another server: what a changed FATURE_REDIS_URL means."""
    return world.service(Store(node.url, timeout=30), slug)


def test_a_replica_takes_no_writes(pair: Pair, undisturbed: Undisturbed) -> None:
    service = world.service(Store(pair.primary.url, timeout=30))
    windows = world.windows(undisturbed.seed)
    service.feed(windows[0], world.NOW)
    pair.caught_up()
    copy = on(pair.replica, service.slug)
    before = world.held(copy.store, service.slug)
    assert before == world.held(service.store, service.slug), "reads of a replica"
    with pytest.raises(ServerUnavailable, match="read-only"):
        copy.feed(windows[1], world.NOW)
    assert world.held(copy.store, service.slug) == before
    for each in (service, copy):
        each.store.close()


def test_the_primary_dies_in_the_middle(pair: Pair, undisturbed: Undisturbed) -> None:
    """The replica takes over wherever it is: every row is there whole or not at all, and one more run completes it."""
    chance = random.Random(f"{undisturbed.seed} failover")
    windows = world.windows(undisturbed.seed)
    slug = world.service(opened := Store(pair.primary.url)).slug
    opened.close()
    at, moment = chance.randrange(60, 150), chance.choice(world.MOMENTS)
    print(f"killed: at exchange {at}, {moment}")
    failing = world.FailingStore(pair.primary.url, at, moment, pair.primary.kill)
    with pytest.raises(ServerUnavailable, match="Redis can't be reached"):
        world.feed(world.service(failing, slug), windows)
    failing.close()
    pair.replica("REPLICAOF", "NO", "ONE")
    promoted = on(pair.replica, slug)
    world.let_go(promoted.store, slug)
    assert reconcile_with_journal(promoted.store, slug, promoted.settings) == [], "something was half done"
    world.feed(promoted, windows)
    assert world.held(promoted.store, slug) == undisturbed.figures
    promoted.store.close()


def test_what_a_replica_had_not_yet_heard_of(pair: Pair, undisturbed: Undisturbed) -> None:
    """Acknowledged by the primary after the link broke, lost by the failover: sent again it is applied, not doubled."""
    windows = world.windows(undisturbed.seed)
    service = world.service(Store(pair.primary.url, timeout=30))
    service.feed(windows[0], world.NOW)
    pair.caught_up()
    pair.replica("REPLICAOF", "NO", "ONE")
    told = [result for rows in windows[1:3] for result, _ in service.feed(rows, world.NOW)]
    assert told.count("applied") > 50
    pair.primary.kill()
    promoted = on(pair.replica, service.slug)
    again = [result for rows in windows[:3] for result, _ in promoted.feed(rows, world.NOW)]
    heard, unheard = again[: len(windows[0])], again[len(windows[0]) :]
    assert "applied" not in heard
    assert unheard == told
    world.feed(promoted, windows)
    assert world.held(promoted.store, service.slug) == undisturbed.figures
    for each in (service, promoted):
        each.store.close()


def test_a_server_that_loads(undisturbed: Undisturbed) -> None:
    """Said while it lasts, by both stores; then the run completes."""
    with servers.scratch_dir() as home:
        node = Node(home / "node")
        try:
            node.start()
            windows = world.windows(undisturbed.seed)
            service = world.service(Store(node.url, timeout=30))
            service.feed(windows[0], world.NOW)
            fill(node)
            node.kill()
            node.directives |= {"key-load-delay": "150", "loading-process-events-interval-bytes": "1024"}
            node.begin()
            servers.wait_for(lambda: says_loading(service), "the server's loading")
            asyncio.run(reads_are_told(node.url, service.slug))
            servers.wait_for(node.answers, "the end of loading")
            world.let_go(service.store, service.slug)
            world.feed(service, windows)
            assert world.held(service.store, service.slug) == undisturbed.figures
            service.store.close()
        finally:
            node.kill()


def fill(node: Node) -> None:
    """Keys that take seconds to load, whatever the machine: 15,000 times 150 microseconds' delay."""
    store = Store(node.url)
    store.pipeline([("SET", f"filler:{n}", n) for n in range(15_000)])
    store.call("BGREWRITEAOF")  # the delay is one for keys of an image
    servers.wait_for(lambda: int(node.info("persistence")["aof_base_size"]) > 100_000, "the rewritten file")
    store.close()


def says_loading(service: Service) -> bool:
    try:
        service.feed([world.Person(77_777, "", "", "", "active", world.BEGIN)], world.NOW)
    except ServerUnavailable as error:
        return "Redis is loading its data" in str(error)
    raise AssertionError("it has loaded already")


async def reads_are_told(url: str, slug: str) -> None:
    store = AsyncStore(url)
    with pytest.raises(ServerUnavailable, match="Redis is loading its data"):
        await store.answer(standing.load(slug))
    await store.close()
