"""`kill -9` of writers and of the server, whenever: after one more run the figures are the undisturbed ones."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fature_kv import embedded
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.errors import ServerUnavailable
from fature_kv.store import Store
from tests.faults import victims, world
from tests.faults.conftest import KILLS, Undisturbed
from tests.faults.victims import Death, Job, Victim
from tests.support import servers

A_ROUND = 5
ROUNDS = -(-KILLS // A_ROUND)
SERVER_ROUNDS = -(-ROUNDS // 3)
WORLDS = 7
"""How many different ones the rounds take their turns in."""
JOBS: list[Job] = [victims.import_all, victims.import_all, victims.post_all, victims.rebuild_once]
MOST_CALLS = 700
"""About as many exchanges as each of them takes."""


def deaths(chance: random.Random) -> Iterator[tuple[Job, Death]]:
    """Who dies, and when."""
    while True:
        job, death = chance.choice(JOBS), Death(chance.choice(world.MOMENTS), chance.randint(1, MOST_CALLS))
        print(f"{job.__name__}: {death}")
        yield job, death


def complete(undisturbed: Undisturbed, store: Store, slug: str, acknowledged: list[world.Acknowledged]) -> None:
    """What was acknowledged is there; one more run makes the figures what they are without any kill."""
    world.let_go(store, slug)
    service = world.service(store, slug)
    assert world.lost(service, world.numbered(undisturbed.seed), acknowledged) == []
    world.feed(service, world.windows(undisturbed.seed))
    assert world.held(store, slug) == undisturbed.figures
    assert reconcile_with_journal(store, slug, world.SETTINGS) == []


@pytest.mark.parametrize("number", range(ROUNDS - SERVER_ROUNDS))
def test_writers_killed_whenever(
    undisturbed_of: Callable[[int], Undisturbed], redis_server: str, store: Store, seed: int, number: int
) -> None:
    undisturbed, chance = undisturbed_of(seed + number % WORLDS), random.Random(f"{seed} writers {number}")
    slug, acknowledged, killed = world.service(store).slug, [], 0
    for job, death in deaths(chance):
        ended = Victim(job, redis_server, slug, undisturbed.seed, death).end()
        acknowledged += ended.acknowledged
        world.let_go(store, slug)
        killed += ended.report is None
        if killed == A_ROUND:
            break
        if ended.report and job is not victims.rebuild_once:  # it came to its end: begin anew
            complete(undisturbed, store, slug, acknowledged)
            slug, acknowledged = world.service(store).slug, []
    complete(undisturbed, store, slug, acknowledged)


def test_a_dead_flusher_holds_nobody_up_for_long(undisturbed: Undisturbed, redis_server: str, store: Store) -> None:
    """Nothing is let go of by hand here: the next run waits for the token's end, and then writes the boards."""
    slug = world.service(store).slug
    rows = world.windows(undisturbed.seed)
    flush = f"fkv:{{{slug}}}:1:flush"

    class Dies(Exception):
        pass

    def die() -> None:
        if store.call("EXISTS", flush):
            raise Dies

    class Dying(Store):
        def call(self, *words: Any) -> Any:
            die()
            return super().call(*words)

        def transaction(self, watched: str, expected: bytes, commands: Any) -> bool:
            if ("DEL", watched) in commands:
                raise Dies  # a process that is dead lets go of nothing
            return super().transaction(watched, expected, commands)

    dying = Dying(redis_server, timeout=30)
    with pytest.raises(Dies):
        world.feed(world.service(dying, slug), rows)
    dying.close()
    assert 0 < store.call("PTTL", flush) <= 1000
    world.feed(world.service(store, slug), rows)
    assert world.held(store, slug) == undisturbed.figures


# -- the server -----------------------------------------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[Path]:
    with servers.scratch_dir() as path:
        try:
            yield path
        finally:
            servers.kill_servers(path)


def kill_server(home: Path) -> None:
    pids = [int(line.split()[0]) for line in servers.processes_of(home)]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)
    servers.wait_for(lambda: not servers.processes_of(home), "the end of the server")


@pytest.mark.parametrize("number", range(SERVER_ROUNDS))
def test_the_server_killed_whenever(
    undisturbed_of: Callable[[int], Undisturbed], home: Path, seed: int, number: int
) -> None:
    undisturbed, chance = undisturbed_of(seed + number % WORLDS), random.Random(f"{seed} server {number}")
    settings = servers.settings_of(home, durability=chance.choice(("always", "waitaof")))
    slug, acknowledged, killed = "", [], 0
    for job, death in deaths(chance):
        with embedded.lease(settings) as held:
            slug = ready_tenant(held.redis_url, slug)
            store = world.FailingStore(held.redis_url, death.at, death.moment, lambda: kill_server(home))
            died = work_on(job, store, slug, undisturbed.seed, acknowledged.append)
            store.close()
        killed += died
        if killed == A_ROUND:
            break
        if not died and job is not victims.rebuild_once:
            complete_on(settings, undisturbed, slug, acknowledged)
            slug, acknowledged = "", []
    complete_on(settings, undisturbed, slug, acknowledged)
    servers.assert_nothing_runs(home)


def ready_tenant(url: str, slug: str) -> str:
    """The tenant, which nobody dead holds up; a new one where none is named."""
    store = Store(url)
    slug = slug or world.service(store).slug
    world.let_go(store, slug)
    store.close()
    return slug


def work_on(job: Job, store: world.FailingStore, slug: str, seed: int, tell: victims.Tell) -> bool:
    """Whether the server died under the work."""
    try:
        job(store, slug, seed, tell)
    except ServerUnavailable as error:
        if not str(error).startswith("Redis can't be reached"):
            raise
        return True
    return False


def complete_on(settings: Any, undisturbed: Undisturbed, slug: str, acknowledged: list[world.Acknowledged]) -> None:
    with embedded.lease(settings) as held:
        store = Store(held.redis_url, timeout=30)
        complete(undisturbed, store, slug, acknowledged)
        store.close()


def test_an_import_command_killed_and_run_again(rows_folder: Path) -> None:
    """The command itself, killed from outside in the middle of its windows."""
    from tests.support.commands import Commands, data_folder, end, held_servers
    from tests.support.figures_held import figures_held

    chance = random.Random(f"{os.environ.get('FATURE_FAULT_SEED', '')} command")
    with data_folder() as data, held_servers(data) as url:
        cli = Commands(data, FATURE_WINDOW_ROWS="150")
        store = Store(url)
        for slug in ("whole", "killed"):
            cli("tenant", "create", slug)
        cli("import", "--tenant", "whole", rows_folder)
        for _ in range(2):
            entries = store.call("XLEN", "fkv:{killed}:journal") + chance.randrange(1, 30)
            process = cli.start("import", "--tenant", "killed", rows_folder)
            servers.wait_for(
                lambda n=entries: store.call("XLEN", "fkv:{killed}:journal") >= n, f"{entries} journal entries"
            )
            end(process, -signal.SIGKILL, signal.SIGKILL)
        done = cli.json("import", "--tenant", "killed", rows_folder)
        assert done["duplicates"] > 0
        assert figures_held(store, "killed") == figures_held(store, "whole")
        listed = cli.json("run", "list", "--tenant", "killed")["items"]
        assert [re.sub(r"-.*", "", run["run"]) for run in listed] == ["import"], "a run that died is not listed"
        store.close()
