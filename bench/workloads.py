"""Workloads: the two shapes kept beside the project, our own forests and rows, and how people get in.

The shapes and the peer lie outside the project, in `../shared/bench`; FATURE_BENCH_PEERS names another folder.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from fature_kv.domain.rows import Link, Person
from fature_kv.ingest.session import Session

PEERS: Final = Path(
    os.environ.get("FATURE_BENCH_PEERS") or Path(__file__).resolve().parents[1].parent / "shared" / "bench"
)
SECOND: Final = 1_000_000
"""In microseconds."""
DAY_SECONDS: Final = 86_400
LAST_DAY: Final = 20_240
"""2025-06-01 in days since 1970-01-01: the shapes' days, and ours, end before it."""
REGISTERED: Final = 1_600_000_000 * SECOND
_PEOPLE_AT_ONCE: Final = 20_000

Column = npt.NDArray[np.int64]


class Bets(NamedTuple):
    """Bets as columns: ids, players, centavos, and instants in microseconds since 1970-01-01 UTC."""

    id: Column
    user: Column
    stake: Column
    win: Column
    instant: Column

    def span(self, start: int, end: int) -> Bets:
        """The bets from `start` to before `end`."""
        return Bets(*(column[start:end] for column in self))


class Workload(NamedTuple):
    """Who sponsors whom (`sponsor[i]` is the sponsor of person i + 1, 0 for none), and bets in order of time."""

    name: str
    sponsor: Column
    bets: Bets


def present() -> bool:
    """Whether the workloads and the peer are here."""
    return (PEERS / "shapes.py").is_file() and (PEERS / "peer_postgres.py").is_file()


def peer_module(name: str) -> Any:
    """`shapes` or `peer_postgres`, as they are."""
    if str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))
    return importlib.import_module(name)


@cache
def shape(name: str, part: int = 1) -> Workload:
    """The whole workload `historic` or `wide`, or a part of `wide`."""
    made = smaller(peer_module("shapes").make(name), part)
    return Workload(name, made.sponsor, Bets(made.id, made.user, made.stake, made.win, made.time * SECOND))


def smaller(made: Any, part: int) -> Any:
    """The first 1/part of the wide shape's affiliates, who are a forest of the same kind, with their players and bets.

    As many bets a player, a day and a row of the forest as the whole has; people and bets are numbered anew.
    """
    if part == 1:
        return made
    affiliates = int(made.user.min()) - 1
    kept = affiliates // part
    stays = np.concatenate([np.arange(1, affiliates + 1) <= kept, made.sponsor[affiliates:] <= kept])
    number = np.cumsum(stays)
    rows = stays[made.user - 1]
    return made._replace(
        sponsor=made.sponsor[stays],
        id=np.arange(1, int(rows.sum()) + 1),
        user=number[made.user[rows] - 1],
        **{field: getattr(made, field)[rows] for field in ("stake", "win", "time")},
    )


def random_forest(people: int, seed: int = 7) -> Column:
    """Sponsors of people who each came through one of the 200 or so before: deep, with a few large networks."""
    rng = np.random.default_rng(seed)
    order = np.arange(people)
    return np.where(order == 0, 0, (order * rng.random(people) ** 2).astype(np.int64) + 1).astype(np.int64)


def even_tree(people: int, root: int) -> list[Link]:
    """Links of people root, root + 1, ... that hang evenly within four levels below the root."""
    width = 1
    while sum(width**level for level in range(5)) < people:
        width += 1
    return [Link(root + n, root + (n - 1) // width, REGISTERED) for n in range(1, people)]


def random_bets(users: Column, days: Column, first_id: int, seed: int = 7) -> Bets:
    """A bet of each user on each day (since 1970-01-01), at any second of it."""
    rng = np.random.default_rng(seed)
    many = len(users)
    stake = np.round(rng.lognormal(7, 1.2, many)).astype(np.int64) + 1
    win = np.where(rng.random(many) < 0.4, stake * 2, 0)
    seconds = days * DAY_SECONDS + rng.integers(0, DAY_SECONDS, many)
    return Bets(np.arange(first_id, first_id + many), users, stake, win, seconds * SECOND)


def add_people(session: Session, many: int, links: list[Link]) -> None:
    """People 1..many and their links, with nothing left to do."""
    for first in range(1, many + 1, _PEOPLE_AT_ONCE):
        last = min(many, first + _PEOPLE_AT_ONCE - 1)
        session.apply([Person(n, f"Person {n}", "", "", "active", REGISTERED) for n in range(first, last + 1)])
    session.apply(links)
    session.settle()


def links_of(sponsor: Column) -> list[Link]:
    """A forest as rows."""
    return [Link(n, above, REGISTERED) for n, above in enumerate(sponsor.tolist(), start=1) if above]
