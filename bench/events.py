"""Line 3: POST /events, one row a request, from many clients at once, beside a PostgreSQL transaction a row.

Ours is the real `fature-kv serve` over loopback, with connections that are kept; an answer means that the row is
durable and on the boards. The peer does the same fold by the peer's own statements, with a window of one row, from as
many connections (events_postgres.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.servers import SLUG, Redis
from bench.workloads import SECOND, Bets
from fature_kv.access import tokens
from fature_kv.ingest.session import system_clock

_START_S = 30.0


class Load(NamedTuple):
    """Rows answered one by one: rate, and latencies in milliseconds."""

    rows: int
    rate: float
    p50_ms: float
    p99_ms: float


def load_of(took: Sequence[float], seconds: float) -> Load:
    """From the seconds that each row took."""
    p50, p99 = np.percentile(took, [50, 99]) * 1000
    return Load(len(took), len(took) / seconds, round(float(p50), 2), round(float(p99), 2))


class Service:
    """A served API and requests that are ready to be sent, a bet each; none is sent twice."""

    def __init__(self, port: int, token: str, bets: Bets) -> None:
        self.port = port
        self._requests = _requests(token, bets)

    def load(self, clients: int, seconds: float) -> Load:
        """Clients that each send the next row when the last one was answered."""
        took: list[float] = []
        began = time.perf_counter()
        asyncio.run(self._load(clients, began + seconds, took))
        return load_of(took, time.perf_counter() - began)

    async def _load(self, clients: int, end: float, took: list[float]) -> None:
        loop = asyncio.get_running_loop()
        pairs = [
            await loop.create_connection(lambda: _Client(self._requests, end, took), "127.0.0.1", self.port)
            for _ in range(clients)
        ]
        try:
            await asyncio.gather(*(client.done for _, client in pairs))
        finally:
            for transport, _ in pairs:
                transport.close()


@contextlib.contextmanager
def service(running: Redis, bets: Bets) -> Iterator[Service]:
    """`fature-kv serve` on a server, warm."""
    token = tokens.create(running.store, SLUG, "manager", now_us=system_clock())
    port = _free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FATURE_")}
    environ |= {"FATURE_REDIS_URL": running.url, "FATURE_DATA": running.settings.data_dir}
    words = [sys.executable, "-m", "fature_kv.cli.main", "serve", "--port", str(port)]
    here = Path(__file__).resolve().parents[1]
    with (Path(running.settings.data_dir) / "serve.log").open("w") as log:
        process = subprocess.Popen(words, env=environ, stdout=log, stderr=log, cwd=here)
        try:
            _wait_for(port, process)
            ready = Service(port, token, bets)
            ready.load(clients=8, seconds=0.5)
            yield ready
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class _Client(asyncio.Protocol):
    """One connection, one request at a time, until the time is up or no request is left."""

    def __init__(self, requests: Iterator[bytes], end: float, took: list[float]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._end, self._took = requests, end, took
        self._answer = b""
        self._began = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None or time.perf_counter() > self._end:
            self.done.set_result(None)
            return
        self._answer = b""
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        if b'"result":"applied"' not in body:
            self._fail(f"not applied: {self._answer[:500].decode(errors='replace')}")
            return
        self._took.append(time.perf_counter() - self._began)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the API closed a connection ({error})")

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


def _requests(token: str, bets: Bets) -> Iterator[bytes]:
    """A request for each bet, in their order."""
    for number, user, stake, win, instant in zip(*(column.tolist() for column in bets), strict=True):
        row = {
            "source": "casino_bets_v",
            "id": number,
            "user_id": user,
            "stake": f"{stake / 100:.2f}",
            "win": f"{win / 100:.2f}",
            "criado_em": datetime.fromtimestamp(instant / SECOND, UTC).isoformat(),
        }
        body = json.dumps([row], separators=(",", ":")).encode()
        yield (
            f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"fature-kv serve ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET /health/ready HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            if b" 200 " in connection.recv(100):
                return
        time.sleep(0.05)
    raise RuntimeError("fature-kv serve does not answer")
