"""Line 8: a network with years of play hangs under a sponsor at once.

Everybody of it stands within four levels of its root, so that everybody's history has to go to the sponsor and the
sponsor's own ancestors: the worst that a single row can ask for.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from bench.ingest import ingest
from bench.readers import Latencies, Readers
from bench.servers import Redis, ScriptTimes, Servers
from bench.workloads import LAST_DAY, REGISTERED, add_people, even_tree, random_bets
from fature_kv.domain.rows import Link

DAYS = 200
_ABOVE = 5
"""People in a line above the place where the network goes: a full path."""
_WINDOW = 500_000
_PATIENCE_S = 2.0
"""How long readers read before the link comes."""


class LateLink(NamedTuple):
    """Seconds until all is moved, durable and on the boards; server times; readers before and meanwhile."""

    people: int
    days: int
    seconds: float
    times: dict[str, ScriptTimes]
    idle: Latencies
    meanwhile: Latencies

    @property
    def longest_ms(self) -> float:
        """The longest call on the server."""
        return max(each.max_ms for each in self.times.values())


def late_link(servers: Servers, people: int, reads_per_s: float) -> LateLink:
    """A network of so many people with 200 active days each, a bet a day."""
    with servers.redis() as running:
        _set_up(running, people)
        session = running.session()
        running.forget_times()
        with Readers(running, people + _ABOVE, reads_per_s) as readers:
            alone = time.monotonic()
            time.sleep(_PATIENCE_S)
            began = time.monotonic()
            session.apply([Link(_ABOVE + 1, _ABOVE, REGISTERED)])
            session.settle()
            ended = time.monotonic()
            times = {command: running.times(command) for command in ("evalsha", "exec")}
        idle, meanwhile = readers.between(alone, began), readers.between(began, ended)
        return LateLink(people, DAYS, ended - began, times, idle, meanwhile)


def _set_up(running: Redis, people: int) -> None:
    above = [Link(n, n - 1, REGISTERED) for n in range(2, _ABOVE + 1)]
    add_people(running.session(), people + _ABOVE, above + even_tree(people, _ABOVE + 1))
    users = np.tile(np.arange(_ABOVE + 1, _ABOVE + 1 + people), DAYS)
    days = np.repeat(np.arange(LAST_DAY - DAYS, LAST_DAY), people)
    ingest(running, random_bets(users, days, 1), _WINDOW)
