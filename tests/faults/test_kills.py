"""`kill -9` of importers and of the server at any call: after one more run the figures are the undisturbed ones."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fature_kv import embedded
from fature_kv.errors import ServerUnavailable
from fature_kv.store import Store
from tests.faults import world
from tests.faults.conftest import Undisturbed
from tests.support import servers

KILLS = int(os.environ.get("FATURE_KILLS", "12"))
SERVER_KILLS = 4
TWICE = ("applied", "applied")


def run_importer(url: str, slug: str, seed: int, at: int, moment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.faults.importer", url, slug, str(seed), str(at), moment]
    print("killed:", " ".join(words[1:]))
    environ = servers.environment_of(Path("unused"))
    return subprocess.run(
        words, env=environ, cwd=servers.REPO, capture_output=True, text=True, check=False, timeout=120
    )


def test_importers_killed_at_any_call(undisturbed: Undisturbed, redis_server: str, store: Store) -> None:
    chance = random.Random(f"{undisturbed.seed} importers")
    slug = world.service(store).slug
    for _ in range(KILLS):
        at, moment = chance.randrange(10, 200), chance.choice(world.MOMENTS)
        done = run_importer(redis_server, slug, undisturbed.seed, at, moment)
        assert done.returncode == -signal.SIGKILL or (done.returncode == 0 and int(done.stdout) < at), done.stderr
        world.expire_flush(store, slug)
        if done.returncode == 0:  # it came to its end: begin anew
            assert world.held(store, slug) == undisturbed.figures
            slug = world.service(store).slug
    world.feed(world.service(store, slug), world.windows(undisturbed.seed))
    assert world.held(store, slug) == undisturbed.figures


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

        def run(self, script: Any, keys: Any, args: Any) -> Any:
            if script.name == "release":
                raise Dies  # a process that is dead releases nothing
            return super().run(script, keys, args)

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


def test_the_server_killed_at_any_call(undisturbed: Undisturbed, home: Path) -> None:
    """What was acknowledged is there after the restart: read again, its rows are duplicates; the rest is completed."""
    chance = random.Random(f"{undisturbed.seed} server")
    rows = world.windows(undisturbed.seed)
    with embedded.lease(servers.settings_of(home)) as held:
        slug = world.service(opened := Store(held.redis_url)).slug
        opened.close()
    for _ in range(SERVER_KILLS):
        at, moment = chance.randrange(10, 250), chance.choice(world.MOMENTS)
        print(f"killed: at exchange {at}, {moment}")
        acknowledged: list[tuple[world.Rows, list[tuple[str, str | None]]]] = []
        with embedded.lease(servers.settings_of(home)) as held:
            failing = world.FailingStore(held.redis_url, at, moment, lambda: kill_server(home))
            service = world.service(failing, slug)
            with pytest.raises(ServerUnavailable, match="Redis can't be reached"):
                acknowledged.extend((some, service.feed(some, world.NOW)) for some in rows)
            failing.close()
        with embedded.lease(servers.settings_of(home)) as held:
            store = Store(held.redis_url, timeout=30)
            world.expire_flush(store, slug)
            service = world.service(store, slug)
            for some, told in acknowledged:
                again = service.feed(some, world.NOW)
                lost = [row for row, (was, _), (now, _) in zip(some, told, again, strict=True) if (was, now) == TWICE]
                assert not lost, "acknowledged rows were lost"
            store.close()
    with embedded.lease(servers.settings_of(home)) as held:
        store = Store(held.redis_url, timeout=30)
        world.feed(world.service(store, slug), rows)
        assert world.held(store, slug) == undisturbed.figures
        store.close()
    servers.assert_nothing_runs(home)


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
