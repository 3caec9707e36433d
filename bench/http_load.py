"""Requests over kept connections from many clients at once, each waiting for its answer before the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class Load(NamedTuple):
    """Requests answered: rate, and latencies in milliseconds."""

    many: int
    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


def load_of(took: Sequence[float], seconds: float) -> Load:
    """From the seconds that each took."""
    p50, p99, p999 = (round(float(each), 2) for each in np.percentile(took, [50, 99, 99.9]) * 1000)
    return Load(len(took), len(took) / seconds, p50, p99, p999)


def load(
    port: int, requests: Iterator[bytes], clients: int, seconds: float, good: Callable[[bytes, bytes], bool]
) -> Load:
    """Sends until the time is up or no request is left; `good` tells from status line and body. RuntimeError if not."""
    took: list[float] = []
    began = time.perf_counter()
    asyncio.run(_load(port, requests, clients, began + seconds, took, good))
    return load_of(took, time.perf_counter() - began)


async def _load(
    port: int,
    requests: Iterator[bytes],
    clients: int,
    end: float,
    took: list[float],
    good: Callable[[bytes, bytes], bool],
) -> None:
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: _Client(requests, end, took, good), "127.0.0.1", port)
        for _ in range(clients)
    ]
    try:
        await asyncio.gather(*(client.done for _, client in pairs))
    finally:
        for transport, _ in pairs:
            transport.close()


class _Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(
        self, requests: Iterator[bytes], end: float, took: list[float], good: Callable[[bytes, bytes], bool]
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._end, self._took, self._good = requests, end, took, good
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
        if not self._good(head[:12], body):
            self._fail(f"not as expected: {self._answer[:500].decode(errors='replace')}")
            return
        self._took.append(time.perf_counter() - self._began)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the API closed a connection ({error})")

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))


def _content_length(head: bytes) -> int:
    told = head.lower().partition(b"content-length:")[2]
    return int(told.split(b"\r\n", 1)[0]) if told else 0
