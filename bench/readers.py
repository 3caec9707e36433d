"""Line 5: what readers of dashboards notice of an ingest.

`python -m bench.readers URL SLUG PEOPLE RATE` is a process that reads dashboards at a steady pace, as the product does
(figures of a person chosen at random, through a store), until its standard input ends; then it prints when each read
began (seconds of the monotonic clock, which all processes share) and how long it took. A read that could not begin in
time because the one before had not ended counts from when it should have begun.
"""

from __future__ import annotations

import gc
import json
import select
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from bench.ingest import ingest
from bench.servers import SLUG, Redis
from bench.workloads import LAST_DAY, Bets
from fature_kv.figures import tenant as tenant_of
from fature_kv.figures.answers import DashboardAnswer
from fature_kv.figures.dashboard import dashboard
from fature_kv.figures.reading import Read, run
from fature_kv.store import Store


class Latencies(NamedTuple):
    """Milliseconds."""

    many: int
    p50_ms: float
    p99_ms: float


class Readers(AbstractContextManager["Readers"]):
    """The reading process; `between` tells of its reads once the block has ended."""

    def __init__(self, running: Redis, people: int, rate: float, slug: str = SLUG) -> None:
        words = [sys.executable, "-m", "bench.readers", running.url, slug, str(people), str(rate)]
        here = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here)
        self._began = self._took = np.empty(0)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        out, _err = self._process.communicate()
        if kind is None:
            told = json.loads(out)
            self._began, self._took = np.array(told["began"]), np.array(told["took"])

    def between(self, start: float, end: float) -> Latencies:
        """Reads that began between two instants of the monotonic clock."""
        took = self._took[(self._began >= start) & (self._began < end)]
        p50, p99 = np.percentile(took, [50, 99]) * 1000 if len(took) else (0.0, 0.0)
        return Latencies(len(took), round(float(p50), 3), round(float(p99), 3))


class Disturbed(NamedTuple):
    """Readers at rest, and beside an ingest of each window size; rows a second of those."""

    idle: Latencies
    beside: dict[int, Latencies]
    rates: dict[int, float]
    journal_bytes: int
    """What all the bets took in the journal."""

    def ratio(self, window: int) -> float:
        """How many times their p99 at rest it is."""
        return self.beside[window].p99_ms / max(self.idle.p99_ms, 1e-9)


def disturbed(running: Redis, people: int, parts: list[tuple[Bets, int]], *, rate: float, idle_s: float) -> Disturbed:
    """Reads at a steady rate: first alone, then while bets are applied, each part in its window size."""
    spans: dict[int, tuple[float, float]] = {}
    rates: dict[int, float] = {}
    journal_bytes = 0
    with Readers(running, people, rate) as readers:
        alone = time.monotonic()
        time.sleep(idle_s)
        rested = time.monotonic()
        for bets, window in parts:
            began = time.monotonic()
            done = ingest(running, bets, window)
            spans[window], rates[window] = (began, time.monotonic()), done.rate
            journal_bytes += done.journal_bytes
    beside = {window: readers.between(*span) for window, span in spans.items()}
    return Disturbed(readers.between(alone, rested), beside, rates, journal_bytes)


def main(url: str, slug: str, people: int, rate: float) -> None:
    store, rng = Store(url, timeout=120), np.random.default_rng(3)
    tenant = run(store, tenant_of.load(slug))

    def read() -> None:
        who = int(rng.integers(1, people + 1))

        def question(tenant: tenant_of.Tenant) -> Read[DashboardAnswer]:
            return dashboard(tenant, who, LAST_DAY - 1)

        run(store, tenant_of.standing(slug, question, tenant))

    for _ in range(20):
        read()
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    began, took = [], []
    due = time.monotonic()
    while not _told_to_end():
        due += 1 / rate
        late = time.monotonic() > due
        if not late:
            time.sleep(due - time.monotonic())
        start = due if late else time.monotonic()
        read()
        began.append(start)
        took.append(time.monotonic() - start)
    print(json.dumps({"began": began, "took": took}))


def _told_to_end() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
