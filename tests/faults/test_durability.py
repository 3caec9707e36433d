"""What an acknowledgement is worth, per setting: what a killed server loses, and what a power cut would.

A `kill -9` loses no page cache, so it alone proves nothing about the disk. A power cut is simulated: the append-only
file is cut after the last byte that is known to be fsynced, which is the worst that a disk may do which keeps what it
was told to keep. Known are all bytes after a confirmation of WAITAOF where that is true, and else what `appendfsync
always` had written; under `everysec` the server begins no other fsync within the second that follows.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.errors import ServerUnavailable
from fature_kv.store import Store, info_of, waitaof_is_true
from tests.faults import world
from tests.support import servers
from tests.support.nodes import Node, node

HAS_WAITAOF = servers.engine_version() >= (7, 2)


class Mode(NamedTuple):
    """A way to run the server and the service; whether acknowledged rows survive a power cut; how many are tried."""

    appendfsync: str
    durability: str
    survives: bool
    rows: int


MODES = {
    "always (the default)": Mode("always", "always", True, 40),
    "always and waitaof": Mode("always", "waitaof", True, 40),
    "everysec and waitaof": Mode("everysec", "waitaof", True, 3),
    "everysec alone": Mode("everysec", "always", False, 3),
    "no": Mode("no", "always", False, 3),
}


class Acknowledged:
    """A service on a server, and what was acknowledged."""

    def __init__(self, home: Node) -> None:
        self.home, self.store = home, Store(home.url, timeout=30)
        self.service = world.service(self.store)
        self.number = 0
        self.rows: world.Rows = []

    @property
    def written(self) -> int:
        return self.file.stat().st_size

    @property
    def file(self) -> Path:
        (path,) = (self.home.home / "appendonlydir").glob("*.incr.aof")
        return path

    def acknowledge(self, mode: Mode) -> int:
        """Rows one at a time under the mode; up to which byte all is known to be fsynced when the last was answered."""
        self.under("always", "always")
        self.feed()
        began, synced = time.monotonic(), self.written
        self.under(mode.appendfsync, mode.durability)
        self.rows = [self.feed()]
        if mode.durability == "waitaof" and mode.appendfsync == "everysec":
            assert time.monotonic() - began > 0.9, "answered before the server can have fsynced"
        self.rows += [self.feed() for _ in range(1, mode.rows)]
        if mode.survives:
            assert not HAS_WAITAOF or self.store.call("WAITAOF", 1, 0, 1)[0] == 1
            synced = self.written
        elif mode.appendfsync == "everysec" and time.monotonic() - began > 0.9:
            return self.acknowledge(mode)  # too slow: the server may have fsynced meanwhile
        return synced

    def under(self, appendfsync: str, durability: str) -> None:
        self.store.call("CONFIG", "SET", "appendfsync", appendfsync)
        self.service.settings = msgspec.structs.replace(world.SETTINGS, durability=durability)

    def feed(self) -> world.Row:
        self.number += 1
        person = world.Person(self.number, "", "", "", "active", world.BEGIN)
        bet = world.Bet(self.number, self.number, 100, 40, world.BEGIN + self.number * world.DAY // 3)
        assert self.service.feed([person, bet], world.NOW) == [("applied", None)] * 2
        return bet

    def lost(self) -> int:
        """How many acknowledged rows the server does not know any more; it is whole all the same, and one more run
        completes it."""
        self.service.settings = world.SETTINGS
        assert reconcile_with_journal(self.store, self.service.slug, self.service.settings) == []
        people: world.Rows = [world.Person(n, "", "", "", "active", world.BEGIN) for n in range(1, self.number + 1)]
        self.service.feed(people, world.NOW)
        again = [result for result, _ in self.service.feed(self.rows, world.NOW)]
        assert set(again) <= {"applied", "duplicate"}
        assert {self.service.affiliate(row.user_id)["own"]["bets_count"] for row in self.rows} == {1}
        return again.count("applied")


@pytest.fixture
def held() -> Iterator[Acknowledged]:
    with node() as home:
        made = Acknowledged(home)
        yield made
        made.store.close()


@pytest.mark.parametrize("name", MODES)
def test_what_is_lost(name: str, seed: int, held: Acknowledged) -> None:
    mode = MODES[name]
    if (
        not waitaof_is_true(info_of(held.store.call("INFO", "server")), mode.appendfsync)
        and mode.durability != "always"
    ):
        refused(held, mode)
        return
    synced = held.acknowledge(mode)
    held.home.kill()
    whole = held.file.read_bytes()
    torn = random.Random(f"{seed} {name}").randint(synced, len(whole))
    lost = {}
    for what, cut in {"kill -9": len(whole), "torn": torn, "power cut": synced}.items():
        held.file.write_bytes(whole[:cut])
        held.home.start()
        lost[what] = held.lost()
        held.home.kill()
    print(f"{name}: of {len(held.rows)} acknowledged rows lost: {lost}; fsynced {synced} of {len(whole)} bytes")
    assert lost["kill -9"] == 0, "what was answered is at least written"
    assert lost["torn"] <= lost["power cut"]
    assert lost["power cut"] == (0 if mode.survives else len(held.rows))


def refused(held: Acknowledged, mode: Mode) -> None:
    """A confirmation that may be untrue is none: nothing is acknowledged."""
    held.under(mode.appendfsync, mode.durability)
    with pytest.raises(ServerUnavailable, match="may confirm what is not on disk yet"):
        held.feed()
    held.under("always", "always")
    assert {result for result, _ in held.service.feed([world.Bet(1, 1, 1, 1, world.BEGIN)], world.NOW)} == {"duplicate"}


@pytest.mark.parametrize(
    ("info", "appendfsync", "true"),
    [
        ({"redis_version": "7.0.15"}, "always", False),
        ({"redis_version": "7.2.0"}, "always", True),
        ({"redis_version": "7.4.1"}, "everysec", False),
        ({"redis_version": "8.0.0"}, "everysec", True),
        ({"redis_version": "8.2.3"}, "no", False),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "everysec", False),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "always", True),
        ({}, "always", False),
    ],
)
def test_which_servers_are_taken_at_their_word(info: dict[str, str], appendfsync: str, true: bool) -> None:
    assert waitaof_is_true(info, appendfsync) is true
