"""Line 7: what new bets cost on a tenant that already holds more and more history.

The same people, and the same new bets a day as the history had; the histories are 1, 4 and 16 times as many earlier
days. Each run starts from a copy of its history, and the sizes take turns.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from bench.ingest import ingest
from bench.servers import Redis, Servers
from bench.workloads import LAST_DAY, Bets, add_people, links_of, random_bets, random_forest

TIMES = (1, 4, 16)
_HISTORY_DAYS = 30
_WINDOW = 500_000


class Growth(NamedTuple):
    """Rows a second of the new bets, by how many times the history is there."""

    people: int
    history_rows: int
    new_rows: int
    window: int
    rates: dict[int, list[float]]

    def rate(self, times: int) -> float:
        return median(self.rates[times])

    @property
    def loss(self) -> float:
        """The share of the rate that is lost from the smallest history to the largest."""
        return 1 - self.rate(TIMES[-1]) / self.rate(TIMES[0])


def growth(servers: Servers, *, people: int, history_rows: int, new_rows: int, window: int, repeats: int) -> Growth:
    """Rates of `new_rows` on histories of `history_rows` (30 days of bets) and multiples of that."""
    found: dict[int, list[float]] = {times: [] for times in TIMES}
    fresh = _new_bets(people, history_rows, new_rows)
    snapshots = {
        times: servers.snapshot(lambda running, times=times: _history(running, people, history_rows, times))  # type: ignore[misc]
        for times in TIMES
    }
    for _ in range(repeats):
        for times, snapshot in snapshots.items():
            with servers.redis(copy_of=snapshot) as running:
                found[times].append(ingest(running, fresh, window).rate)
    _remove(list(snapshots.values()))
    return Growth(people, history_rows, new_rows, window, found)


def _history(running: Redis, people: int, rows: int, times: int) -> None:
    sponsor = random_forest(people)
    add_people(running.session(), people, links_of(sponsor))
    ingest(running, _bets(people, rows * times, _HISTORY_DAYS * times, LAST_DAY, 1), _WINDOW)


def _new_bets(people: int, history_rows: int, rows: int) -> Bets:
    """As many a day as the history has, on the days behind it."""
    days = max(1, round(rows * _HISTORY_DAYS / history_rows))
    return _bets(people, rows, days, LAST_DAY + days, history_rows * TIMES[-1] + 1)


def _bets(people: int, rows: int, days: int, end: int, first_id: int) -> Bets:
    """Bets of anybody on the days before `end`, in order of time."""
    rng = np.random.default_rng(first_id)
    when = np.sort(rng.integers(end - days, end, rows))
    return random_bets(rng.integers(1, people + 1, rows), when, first_id, seed=first_id)


def _remove(folders: Sequence[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
