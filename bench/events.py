"""Line 3: POST /events, one row a request, from many clients at once, beside a PostgreSQL transaction a row.

Ours is the real `fature-kv serve` over loopback, with connections that are kept; an answer means that the row is
durable and on the boards. The peer does the same fold by the peer's own statements, with a window of one row, from as
many connections (events_postgres.py).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from bench import served
from bench.http_load import Load, load
from bench.servers import SLUG, Redis
from bench.workloads import SECOND, Bets
from fature_kv.access import tokens
from fature_kv.ingest.session import system_clock


class Service:
    """A served API and requests that are ready to be sent, a bet each; none is sent twice."""

    def __init__(self, port: int, token: str, bets: Bets) -> None:
        self.port = port
        self._requests = _requests(token, bets)

    def load(self, clients: int, seconds: float) -> Load:
        """Clients that each send the next row when the last one was answered."""
        return load(self.port, self._requests, clients, seconds, lambda _, body: b'"result":"applied"' in body)


@contextlib.contextmanager
def service(running: Redis, bets: Bets) -> Iterator[Service]:
    """`fature-kv serve` on a server, warm."""
    token = tokens.create(running.store, SLUG, "manager", now_us=system_clock())
    with served.ours(running) as port:
        ready = Service(port, token, bets)
        ready.load(clients=8, seconds=0.5)
        yield ready


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
