"""Line `sync`: rows of an operations database into a tenant, and what a pull of nothing new costs that database.

The database is an operator's: a forest of people, deposits, bets below a view, with the indexes that docs/operations.md
asks for. What something costs is the time that PostgreSQL says it spent in statements (pg_stat_database.active_time).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from statistics import median
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from psycopg import conninfo

from bench.servers import Redis, Servers
from bench.workloads import DAY_SECONDS, LAST_DAY, SECOND, Column, random_bets, random_forest
from fature_kv import wiring
from fature_kv.domain.rows import Source
from fature_kv.settings import Settings
from fature_kv.sources import mappings
from fature_kv.sources.operations import Operations
from fature_kv.sources.ops_cursors import Cursor

_SCHEMA: Final = """
create table cadastro (id bigint primary key, nome text, email text, telefone text, status text,
    criado_em timestamptz, atualizado_em timestamptz);
create table tracked (user_id bigint primary key, referrer_id bigint, tracked_em timestamptz);
create table depositos (id bigint primary key, user_id bigint, valor numeric(14, 2), status text,
    criado_em timestamptz, atualizado_em timestamptz);
create table saque (like depositos including all);
create table apostas (id bigint primary key, user_id bigint, stake numeric(14, 2), win numeric(14, 2),
    criado_em timestamptz);
create view casino_bets_v as select id, user_id, stake, win, criado_em from apostas;
"""
_INDEXES: Final = """
create index on cadastro (atualizado_em);
create index on tracked (tracked_em);
create index on tracked (referrer_id);
create index on depositos (atualizado_em);
create index on depositos (user_id);
create index on saque (atualizado_em);
create index on apostas (user_id);
"""
_DASHBOARD: Final = """
with recursive network as (
    select user_id, 1 as level from tracked where referrer_id = %(affiliate)s
    union all
    select t.user_id, n.level + 1 from network n join tracked t on t.referrer_id = n.user_id where n.level < 5
)
select level, count(*), count(first_deposit), sum(deposits), sum(bets), sum(wins), sum(bets) - sum(wins),
       sum(deposits_month), sum(bets_month)
from network
left join lateral (
    select sum(valor) as deposits, min(criado_em) as first_deposit,
           sum(valor) filter (where criado_em >= %(month)s) as deposits_month
    from depositos d where d.user_id = network.user_id and status = 'approved'
) paid on true
left join lateral (
    select sum(stake) as bets, sum(win) as wins, sum(stake) filter (where criado_em >= %(month)s) as bets_month
    from casino_bets_v b where b.user_id = network.user_id
) played on true
group by level order by level
"""
"""What an operator's page asks today, for one affiliate: five levels, their sums, and those of the month."""
_MONTH: Final = "2025-05-01"
_SAMPLED: Final = 5
"""A deposit for so many bets."""
_SETTINGS: Final = Settings()


class Sizes(NamedTuple):
    """How many people and bets are in a database; a deposit for each fifth bet."""

    people: int
    bets: int


class Rates(NamedTuple):
    """A first sync, beside reading the cursor alone; in rows a second."""

    rows: int
    people: int
    ours: list[float]
    cursor: list[float]

    @property
    def ratio(self) -> float:
        """Time of a sync to the time of reading alone."""
        return median(self.cursor) / median(self.ours)


class Cost(NamedTuple):
    """What PostgreSQL says it worked for one, in milliseconds. `network`: people on levels 1..5 of the dashboard's."""

    people: int
    bets: int
    network: int
    nothing_ms: float
    dashboard_ms: float

    @property
    def share(self) -> float:
        """A pull of nothing new, of one dashboard."""
        return self.nothing_ms / self.dashboard_ms


def rates(servers: Servers, sizes: Sizes, repeats: int) -> Rates:
    """Reads a database alone and into a tenant in turns."""
    url = servers.operations_url()
    with psycopg.connect(url, autocommit=True) as connection:
        _fill(connection, sizes)
    cursor, ours = [], []
    for _ in range(repeats):
        rows, seconds = _alone(url)
        cursor.append(rows / seconds)
        with servers.redis() as running:
            ours.append(rows / _into(running, url))
    return Rates(rows, sizes.people, ours, cursor)


def cost(servers: Servers, sizes: Sizes, repeats: int) -> Cost:
    """What a pull of nothing new costs, each on a connection of its own, and what the largest network's dashboard."""
    url = servers.operations_url()
    with psycopg.connect(url, autocommit=True) as connection:
        affiliate, network = _fill(connection, sizes)
    cursors: dict[Source, Cursor] = {}
    _pull(url, cursors)
    nothing = _worked(url, lambda: _pull(url, cursors), repeats)
    dashboard = _worked(url, lambda: _ask(url, affiliate), repeats)
    return Cost(sizes.people, sizes.bets, network, nothing, dashboard)


def _pull(url: str, cursors: dict[Source, Cursor]) -> None:
    """A pull whose rows go nowhere; the cursors go on."""
    with _opened(url) as operations:
        for source in operations.tables:
            pull = operations.pull(source, cursors.get(source))
            for _ in pull.lists(_SETTINGS.window_rows):
                pass
            assert pull.cursor is not None
            cursors[source] = pull.cursor


def _ask(url: str, affiliate: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_DASHBOARD, {"affiliate": affiliate, "month": _MONTH}).fetchall()


def _worked(url: str, work: Callable[[], None], times: int) -> float:
    """Milliseconds that the server spent in statements for one, as it counts them itself."""
    with psycopg.connect(conninfo.make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
        work()
        before = _active(connection)
        for _ in range(times):
            work()
        return (_active(connection) - before) / times


def _active(connection: psycopg.Connection[Any]) -> float:
    """Counted when a session ends, so once none of them is left."""
    query = "select count(*) from pg_stat_activity where datname = 'operations'"
    while connection.execute(query).fetchone() != (0,):
        time.sleep(0.01)
    row = connection.execute("select active_time from pg_stat_database where datname = 'operations'").fetchone()
    assert row is not None
    return float(row[0])


def _fill(connection: psycopg.Connection[Any], sizes: Sizes) -> tuple[int, int]:
    """The rows; returns who has the largest network on five levels, and how many they are."""
    people, bets = sizes
    sponsor = random_forest(people)
    days = LAST_DAY - 60 + np.arange(bets) * 60 // bets
    played = random_bets(np.random.default_rng(3).integers(1, people + 1, bets), days, 1)
    connection.execute(_SCHEMA)
    came = _texts((LAST_DAY - 500) * DAY_SECONDS * SECOND + np.arange(people) * (400 * DAY_SECONDS * SECOND // people))
    _copy(connection, "cadastro", ((n, f"P{n}", "", "", "active", at, at) for n, at in enumerate(came, start=1)))
    links = zip(range(1, people + 1), sponsor.tolist(), came, strict=True)
    _copy(connection, "tracked", (link for link in links if link[1]))
    stamps = _texts(played.instant)
    rows = list(zip(played.user.tolist(), played.stake.tolist(), played.win.tolist(), stamps, strict=True))
    amounts = ((n, u, f"{s / 100:.2f}", f"{w / 100:.2f}", t) for n, (u, s, w, t) in enumerate(rows, start=1))
    _copy(connection, "apostas", amounts)
    some = rows[::_SAMPLED]
    paid = ((n, u, f"{s / 100 + 20:.2f}", "approved", t, t) for n, (u, s, _, t) in enumerate(some, start=1))
    _copy(connection, "depositos", paid)
    connection.execute(_INDEXES)
    connection.execute("vacuum analyze")
    return _largest(sponsor.tolist())


def _texts(instants: Column) -> list[str]:
    """Instants as times in UTC."""
    return [f"{text}Z" for text in np.datetime_as_string(instants.astype("datetime64[us]"), unit="s")]


def _copy(connection: psycopg.Connection[Any], table: str, rows: Iterator[Sequence[Any]]) -> None:
    with connection.cursor().copy(f"copy {table} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _largest(sponsor: list[int]) -> tuple[int, int]:
    """The affiliate with most people on levels 1..5."""
    many = [0] * (len(sponsor) + 1)
    for above in sponsor:
        for _ in range(5):
            if not above:
                break
            many[above] += 1
            above = sponsor[above - 1]
    return max(range(len(many)), key=many.__getitem__), max(many)


def _alone(url: str) -> tuple[int, float]:
    """How many rows there are, and the seconds it takes to read them through the cursor."""
    with _opened(url) as operations:
        rows, started = 0, time.perf_counter()
        for table in operations.tables.values():
            with operations.database.transaction("can't be read"):
                rows += sum(len(some) for some in operations.database.lists(table.query, _SETTINGS.window_rows))
        return rows, time.perf_counter() - started


def _into(running: Redis, url: str) -> float:
    """The seconds of a first sync, until all is durable and on the boards."""
    session = running.session()
    with _opened(url) as operations:
        started = time.perf_counter()
        with session.following():
            for source in operations.tables:
                for rows in operations.pull(source, None).lists(_SETTINGS.window_rows):
                    session.apply(rows)
        session.settle()
        seconds = time.perf_counter() - started
    counts = session.counts()
    assert (counts.duplicates, counts.parked, counts.quarantined) == (0, 0, {}), counts
    return seconds


def _opened(url: str) -> AbstractContextManager[Operations]:
    return wiring.operations(url, mappings.Stored(), ZoneInfo("America/Sao_Paulo"), _SETTINGS)
