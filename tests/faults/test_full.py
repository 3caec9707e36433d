"""Redis runs full in the middle of a window, of memory or of disk: said so, nothing half done, then completion."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

import msgspec
import pytest

from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.errors import ServerUnavailable
from fature_kv.settings import Settings
from fature_kv.store import Store
from tests.faults import world
from tests.faults.conftest import Undisturbed
from tests.faults.test_api import LINK, PEOPLE, Api, deposit, unavailable
from tests.laws.service import Service
from tests.support import servers
from tests.support.commands import Commands, data_folder, held_servers
from tests.support.figures_held import figures_held
from tests.support.nodes import Node, node

STEP = 24 * 1024
STEPS = 200


# -- memory -----------------------------------------------------------------------------------------------------------


def limit(store: Store, room: int) -> None:
    """Leaves `room` bytes until memory is full."""
    lines = store.call("INFO", "memory").decode().splitlines()
    used = next(int(line.split(":")[1]) for line in lines if line.startswith("used_memory:"))
    store.call("CONFIG", "SET", "maxmemory", used + room)


def unlimited(store: Store) -> None:
    store.call("CONFIG", "SET", "maxmemory", 0)


def test_memory_runs_out_within_a_run(undisturbed: Undisturbed) -> None:
    """A little more of it at a time, and each time the same run anew: it gets further, and what is in is whole."""
    with node() as made:
        store = Store(made.url, timeout=30)
        service, stops = world.service(store), 0
        for _ in range(STEPS):
            limit(store, STEP)
            if not stopped(service, world.windows(undisturbed.seed)):
                break
            stops += 1
            unlimited(store)
            world.let_go(store, service.slug)
            if stops in (3, 6):
                assert reconcile_with_journal(store, service.slug, service.settings) == [], "figures are the journal's"
        assert stops > 6
        unlimited(store)
        world.feed(service, world.windows(undisturbed.seed))
        assert world.held(store, service.slug) == undisturbed.figures
        store.close()


def stopped(service: Service, windows: Sequence[world.Rows]) -> bool:
    """Whether the run ended for lack of memory."""
    told = ""
    try:
        world.feed(service, windows)
    except ServerUnavailable as error:
        told = str(error)
    assert told == "" or told.startswith("Redis is full (maxmemory reached)")
    return bool(told)


def test_memory_runs_out_within_a_request() -> None:
    """503. Some chunks of its rows are in, each whole; sent again they are duplicates, and the rest goes in."""
    with node() as made:
        api = Api(made.url, Settings(redis_timeout_s=20, chunk_units=25))
        with api.http:
            assert api.applied([*PEOPLE, LINK]) == ["applied"] * 3
            rows, held = next(filter(None, (stopped_within(api, first) for first in range(1, 20_000, 900))))
            assert reconcile_with_journal(api.store, "acme", api.settings) == []
            before = deposits(api)
            results = api.applied(rows)
            assert (results.count("duplicate"), results.count("applied")) == (held, len(rows) - held)
            assert deposits(api) == before + len(rows) - held
        api.close()


def stopped_within(api: Api, first: int) -> tuple[list[dict[str, object]], int] | None:
    """Rows in whose midst memory ended, and how many of them are in; None when they all fitted in suddenly."""
    rows = [deposit(n, criado_em=f"2025-05-{1 + n % 28:02}") for n in range(first, first + 900)]
    before = deposits(api)
    for steps in range(1, STEPS):
        limit(api.store, steps * STEP // 8)
        answer = api.post(rows)
        held = deposits(api) - before  # reads go on
        unlimited(api.store)
        if answer.status_code == 200:
            return None
        unavailable(answer, "Redis is full (maxmemory reached)")
        if held:
            return rows, held
    raise AssertionError("memory is never enough")


def deposits(api: Api) -> int:
    """How many deposits of 30.00 are in, each with all of its effects."""
    own = api.get("/affiliates/2").json()["own"]
    assert own["deposits_cents"] == 3_000 * own["deposits_count"]
    assert api.get("/affiliates/1").json()["total_deposits_cents"] == own["deposits_cents"]
    return int(own["deposits_count"])


def test_memory_runs_out_within_an_import(rows_folder: Path) -> None:
    """The command ends with 1, says what was applied and what to do; the same command again completes it."""
    with data_folder() as data, held_servers(data) as url:
        cli = Commands(data, FATURE_WINDOW_ROWS="300")
        store = Store(url, timeout=30)
        for slug in ("whole", "stopped"):
            cli("tenant", "create", slug)
        cli("import", "--tenant", "whole", rows_folder)
        limit(store, 1_000_000)
        failed = cli("import", "--tenant", "stopped", rows_folder, code=1)
        assert "Redis is full (maxmemory reached)" in failed.complaint
        assert "applied so far: " in failed.err
        assert "running the same again completes it" in failed.err
        unlimited(store)
        entries = store.call("XLEN", "fkv:{stopped}:journal")
        assert entries > 10, failed.err
        assert reconcile_with_journal(store, "stopped", Settings()) == []
        done = cli.json("import", "--tenant", "stopped", rows_folder)
        assert done["duplicates"] > 0
        assert sum(done["applied"].values()) > 0
        assert figures_held(store, "stopped") == figures_held(store, "whole")
        store.close()


# -- disk -------------------------------------------------------------------------------------------------------------


class Disk:
    """A small file system of its own: a tmpfs in a mount namespace, which lives as long as a process in it does."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        path.mkdir()
        mount = f"mount -t tmpfs -o size={megabytes}m tmpfs '{path}' && echo ready && exec cat"
        for self._options, enter in ((["-rm"], ["--user", "--preserve-credentials"]), (["-m"], [])):
            self._keeper = self._keep(mount)
            if self._keeper.stdout is not None and self._keeper.stdout.readline() == b"ready\n":
                self.enter = ["nsenter", f"--target={self._keeper.pid}", "--mount", *enter]
                return
            self.end()
        pytest.skip("no file system of its own for a test here: unshare may not mount a tmpfs")

    def _keep(self, mount: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["unshare", *self._options, "sh", "-c", mount],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            pytest.skip(f"no file system of its own for a test here: {error}")

    @property
    def _filler(self) -> Path:
        return Path(f"/proc/{self._keeper.pid}/root{self.path}/filler")

    def fill(self, room: int) -> None:
        """Leaves `room` bytes."""
        with self._filler.open("wb", buffering=0) as file:
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                write_on(file)
            file.truncate(file.tell() - room)

    def free(self) -> None:
        self._filler.unlink()

    def end(self) -> None:
        self._keeper.communicate()


@pytest.fixture
def disk() -> Iterator[Disk]:
    with servers.scratch_dir() as home:
        made = Disk(home / "disk", megabytes=32)
        try:
            yield made
        finally:
            made.end()


def write_on(file: FileIO) -> None:
    while file.write(b"\0" * 65_536):
        pass


TWICE = ("applied", "applied")
Told = list[tuple[world.Rows, list[tuple[str, str | None]]]]


def fed_until_full(service: Service, windows: Sequence[world.Rows], says: str) -> Told:
    """The windows that were answered before the disk was full."""
    told: Told = []
    with pytest.raises(ServerUnavailable, match=says):
        told.extend((rows, service.feed(rows, world.NOW)) for rows in windows)
    assert told
    return told


def assert_all_there(service: Service, told: Told) -> None:
    """Nothing that was acknowledged is applied again."""
    for rows, before in told:
        again = service.feed(rows, world.NOW)
        lost = [row for row, (was, _), (now, _) in zip(rows, before, again, strict=True) if (was, now) == TWICE]
        assert lost == []


def test_the_disk_is_full_and_redis_ends(undisturbed: Undisturbed, disk: Disk) -> None:
    """`appendfsync always`: a server that can't write ends itself, since it can't take back what it did. It comes up
    again without a part of a command; nothing that was answered is lost."""
    made = Node(disk.path, disk.enter)
    try:
        made.start()
        store = Store(made.url, timeout=30)
        service, windows = world.service(store), world.windows(undisturbed.seed)
        disk.fill(room=200_000)
        told = fed_until_full(service, windows, "Redis can't be reached")
        servers.wait_for(made.ended, "the end of the server")
        assert "the AOF fsync policy is 'always'. Exiting" in made.log
        made.start()
        assert service.affiliate(windows_person(windows)) is not None, "reads go on, until the next write"
        with pytest.raises(ServerUnavailable, match="Redis can't be reached"):
            world.feed(service, windows)
        servers.wait_for(made.ended, "the end of the server")
        disk.free()
        made.start()
        completed(service, windows, told, undisturbed)
    finally:
        made.kill()


def test_the_disk_is_full_and_writes_are_refused(undisturbed: Undisturbed, disk: Disk) -> None:
    """`appendfsync everysec`: the server goes on and refuses writes until there is room. What it answered in the second
    before is at risk, unless the service waits for the fsync (test_durability.py)."""
    made = Node(disk.path, disk.enter, appendfsync="everysec")
    try:
        made.start()
        service = world.service(Store(made.url, timeout=30))
        service.settings = msgspec.structs.replace(service.settings, durability="always")  # the service does not wait
        windows = world.windows(undisturbed.seed)
        disk.fill(room=200_000)
        told = fed_until_full(service, windows, "Redis can't persist its data")
        with pytest.raises(ServerUnavailable, match="Redis can't persist its data"):
            servers.wait_for(lambda: service.feed(windows[-1], world.NOW) and False, "a refusal")
        assert service.affiliate(windows_person(windows)) is not None
        disk.free()
        servers.wait_for(lambda: made.info("persistence")["aof_last_write_status"] == "ok", "a write that succeeds")
        completed(service, windows, told, undisturbed)
    finally:
        made.kill()


def windows_person(windows: Sequence[world.Rows]) -> int:
    """Somebody of the first window."""
    return next(row.id for row in windows[0] if isinstance(row, world.Person))


def completed(service: Service, windows: Sequence[world.Rows], told: Told, undisturbed: Undisturbed) -> None:
    world.let_go(service.store, service.slug)
    assert reconcile_with_journal(service.store, service.slug, service.settings) == [], "something was half done"
    assert_all_there(service, told)
    world.feed(service, windows)
    assert world.held(service.store, service.slug) == undisturbed.figures
    service.store.close()
