"""What our API is measured beside: a plain-JSON hello world, and the same dashboard from PostgreSQL.

Same server (granian, one worker), same framework (Litestar). BENCH_DSN names the database that the peer has filled
(bench/ingest.py): a dashboard is one prepared statement of its tables, as good as they allow.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import psycopg
from litestar import Litestar, get
from psycopg.rows import dict_row

_CONNECTIONS: Final = 8
"""More were slower on few cores."""
_RANKED: Final = """(select coalesce(json_object_agg(metric, rank), '{}') from (
    select 'bets' as metric, rank from (select affiliate, rank() over (order by bets desc) as rank
        from boards where code = 0 and bets <> 0) b where affiliate = %(who)s
    union all
    select 'ggr', rank from (select affiliate, rank() over (order by ggr desc) as rank
        from boards where code = 0 and ggr <> 0) g where affiliate = %(who)s) ranked)"""
_DASHBOARD: Final = """select
    (select row_to_json(own) from own where user_id = %(who)s) as own,
    (select json_agg(levels order by level) from levels where affiliate = %(who)s) as levels,
    (select json_agg(m) from (select level, sum(bets) as bets, sum(wins) as wins from days
        where affiliate = %(who)s and day between %(first)s and %(last)s group by level order by level) m) as month,
    (select json_agg(d) from (select level, bets, wins from days
        where affiliate = %(who)s and day = %(last)s order by level) d) as today,
    (select count(*) from active where user_id = %(who)s) as days_active,
    RANKS as ranks"""
DASHBOARDS: Final = {"rank": _DASHBOARD.replace("RANKS", _RANKED), "plain": _DASHBOARD.replace("RANKS", "null")}


@get("/ready")
async def ready() -> dict[str, str]:
    """The server answers."""
    return {"status": "ok"}


@get("/hello")
async def hello() -> dict[str, str]:
    """As little as can be answered."""
    return {"hello": "world"}


def hello_world() -> Litestar:
    """The hello world."""
    return Litestar([ready, hello], openapi_config=None, logging_config=None)


def postgres() -> Litestar:
    """The dashboard from PostgreSQL, with all-time ranks by bets and GGR (`/rank/ID`) and without (`/plain/ID`)."""
    free: asyncio.Queue[psycopg.AsyncConnection[dict[str, Any]]] = asyncio.Queue()

    async def connect() -> None:
        for _ in range(_CONNECTIONS):
            connection = await psycopg.AsyncConnection.connect(
                os.environ["BENCH_DSN"], autocommit=True, row_factory=dict_row, prepare_threshold=0
            )
            await connection.execute("set jit = off")
            free.put_nowait(connection)

    @get("/{kind:str}/{who:int}/{last:int}")
    async def dashboard(kind: str, who: int, last: int) -> dict[str, Any]:
        connection = await free.get()
        try:
            asked = {"who": who, "first": last - 30, "last": last}
            found = await (await connection.execute(DASHBOARDS[kind], asked)).fetchone()
        finally:
            free.put_nowait(connection)
        return found or {}

    return Litestar([ready, dashboard], on_startup=[connect], openapi_config=None, logging_config=None)
