"""Dashboards and leaderboards over HTTP, beside a hello world and beside PostgreSQL, both in the same server.

32 clients, one worker, token check and metrics on. People are drawn at random from those who have a network. `again` is
a read while nothing was written since it was made (remembered), `anew` the same with remembered answers off, as it is
while rows come in, and `held` one whose caller has the answer already (304).
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Final

import httpx

from bench import served
from bench.http_load import Load, load
from bench.ingest import ingest, peer_rate, set_up
from bench.servers import SLUG, Servers
from bench.workloads import LAST_DAY, Workload
from fature_kv.access import tokens
from fature_kv.ingest.session import system_clock

CLIENTS: Final = 32
_PEOPLE: Final = 1000
_HEAD: Final = "Host: 127.0.0.1\r\n"


def reads(servers: Servers, workload: Workload, part: int, first: int, seconds: float, repeats: int) -> dict[str, Load]:
    """The median load of each kind, in turns, on a tenant of the workload with its first bets."""
    bets = workload.bets.span(0, first)
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(servers.redis())
        set_up(workload, running)
        ingest(running, bets, len(bets.id))
        peer_rate(servers, workload.name, part, first, first)
        token = tokens.create(running.store, SLUG, "manager", now_us=system_clock())
        warm = stack.enter_context(served.ours(running))
        cold = stack.enter_context(served.ours(running, FATURE_ANSWER_CACHE_BYTES="0"))
        hello = stack.enter_context(served.application("hello_world"))
        postgres = stack.enter_context(served.application("postgres", BENCH_DSN=servers.filled_database()))
        people = _people(workload)
        dashboards = [f"/api/v1/affiliates/{who}/dashboard" for who in people]
        boards = [f"/api/v1/leaderboards/{metric}?limit=50" for metric in ("bets", "ggr", "referrals", "rev")]
        tags = _tags(warm, dashboards, token)
        kinds: dict[str, tuple[int, Iterator[bytes]]] = {
            "hello": (hello, _requests(["/hello"])),
            "dashboard again": (warm, _requests(dashboards, token)),
            "dashboard held": (warm, _requests(dashboards, token, tags)),
            "dashboard anew": (cold, _requests(dashboards, token)),
            "leaderboard again": (warm, _requests(boards, token)),
            "leaderboard anew": (cold, _requests(boards, token)),
            "postgres rank": (postgres, _requests([f"/rank/{who}/{LAST_DAY - 1}" for who in people])),
            "postgres plain": (postgres, _requests([f"/plain/{who}/{LAST_DAY - 1}" for who in people])),
        }
        for port, requests in kinds.values():
            load(port, requests, CLIENTS, seconds / 3, _good)
        loads: dict[str, list[Load]] = {kind: [] for kind in kinds}
        for _ in range(repeats):
            for kind, (port, requests) in kinds.items():
                loads[kind].append(load(port, requests, CLIENTS, seconds, _good))
    return {kind: sorted(several, key=lambda each: each.rate)[repeats // 2] for kind, several in loads.items()}


def _people(workload: Workload) -> list[int]:
    sponsors = sorted(set(workload.sponsor.tolist()) - {0})
    return random.Random(5).sample(sponsors, min(_PEOPLE, len(sponsors)))


def _requests(paths: Sequence[str], token: str | None = None, tags: Sequence[str] = ()) -> Iterator[bytes]:
    """The requests, again and again."""
    who = f"Authorization: Bearer {token}\r\n" if token else ""
    held = [f"If-None-Match: {tag}\r\n" for tag in tags] or [""] * len(paths)
    texts = [f"GET {path} HTTP/1.1\r\n{_HEAD}{who}{tag}\r\n" for path, tag in zip(paths, held, strict=True)]
    return itertools.cycle([text.encode() for text in texts])


def _good(status: bytes, _body: bytes) -> bool:
    return status[9:] in (b"200", b"304")


def _tags(port: int, paths: Sequence[str], token: str) -> list[str]:
    """What our API answers as tags of the paths."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}) as client:
        return [client.get(path).headers["etag"] for path in paths]
