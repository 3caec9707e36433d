"""Lines 1, 2 and 4: ingest of both shapes beside a set-based PostgreSQL, and how long the server stalls meanwhile.

Both start from the same arrays, with people, links and connections there; both end when all is durable and on the
boards of every period. Ours and the peer take turns.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.servers import SLUG, Engine, Redis, ScriptTimes, Servers
from bench.workloads import Bets, Workload, add_people, links_of
from fature_kv.keyspace import tenant_keys

COMMANDS = ("evalsha", "exec")
"""Chunks are scripts; boards are written by transactions."""


class Ingest(NamedTuple):
    """One run of ours."""

    rows: int
    seconds: float
    times: dict[str, ScriptTimes]
    journal_bytes: int
    """What they took in the journal."""

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


class Race(NamedTuple):
    """Rows a second of ours and of the peer; times of the server's calls during ours."""

    ours: list[float]
    peer: dict[int, list[float]]
    """By window."""
    times: list[dict[str, ScriptTimes]]

    @property
    def best(self) -> tuple[int, float]:
        """The peer's fastest window and its median rate."""
        return max(((window, median(rates)) for window, rates in self.peer.items()), key=lambda each: each[1])

    @property
    def ratio(self) -> float:
        """How many times the peer's best rate ours is."""
        return median(self.ours) / self.best[1]


def set_up(workload: Workload, running: Redis) -> None:
    """The workload's people and links."""
    add_people(running.session(), len(workload.sponsor), links_of(workload.sponsor))


def ingest(running: Redis, bets: Bets, window: int) -> Ingest:
    """Applies the bets in windows and waits until all is durable and on the boards."""
    session = running.session()
    before = _journal_bytes(running)
    running.forget_times()
    gc.collect()
    many = len(bets.id)
    started = time.perf_counter()
    with session.following():
        for start in range(0, many, window):
            session.apply([], bets.span(start, start + window))
    session.settle()
    seconds = time.perf_counter() - started
    counts = session.counts()
    assert counts.applied == {"casino_bets_v": many}, counts
    times = {command: running.times(command) for command in COMMANDS}
    return Ingest(many, seconds, times, _journal_bytes(running) - before)


def _journal_bytes(running: Redis) -> int:
    """What the tenant's journal takes."""
    return int(running.store.call("MEMORY", "USAGE", tenant_keys(SLUG).journal, "SAMPLES", 0) or 0)


def peer_rate(servers: Servers, shape: str, part: int, first: int, window: int, durable: bool = True) -> float:
    """Rows a second of the peer, boards of every period, on the first bets of a part of the shape."""
    dsn = servers.database(durable)
    words = [sys.executable, "-m", "bench.peer", dsn, shape, *map(str, (part, first, window)), "every"]
    here = Path(__file__).resolve().parents[1]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=here)
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["synchronous_commit"] == ("on" if durable else "off"), told
    return float(told["rows"] / told["seconds"])


def race(
    servers: Servers,
    workload: Workload,
    snapshot: Path,
    *,
    part: int = 1,
    first: int,
    window: int,
    peer_windows: Sequence[int],
    repeats: int,
    fsync: str = "always",
) -> Race:
    """The first bets of the shape: ours in one window size, the peer in each of its own; ours comes first and last."""
    bets = workload.bets.span(0, first)
    result = Race([], {each: [] for each in peer_windows}, [])

    def ours() -> None:
        with servers.redis(copy_of=snapshot, fsync=fsync) as running:
            done = ingest(running, bets, window)
        result.ours.append(done.rate)
        result.times.append(done.times)

    for _ in range(repeats):
        for each in peer_windows:
            if len(result.ours) < repeats:
                ours()
            result.peer[each].append(peer_rate(servers, workload.name, part, first, each, fsync == "always"))
    while len(result.ours) < repeats:
        ours()
    return result


def rates(
    servers: Servers, workload: Workload, snapshot: Path, engine: Engine, window: int, repeats: int
) -> list[float]:
    """Rows a second of ours on another engine."""
    found = []
    for _ in range(repeats):
        with servers.redis(copy_of=snapshot, engine=engine) as running:
            found.append(ingest(running, workload.bets, window).rate)
    return found
