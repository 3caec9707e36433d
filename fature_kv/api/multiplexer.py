"""One connection to a Redis, shared by all requests: what is asked in one turn of the event loop is one write.

redis-py makes the connection (address, TLS, AUTH, SELECT) and hands its transport over; from then on packed questions
go in and replies come out in their order. Kept clients were measured first: a pool of redis-py's connections costs ten
times as much for each question, valkey-glide five times.

A connection that breaks, or whose oldest question was not answered in time, fails all that wait on it: whether they
happened is not known. The next question connects anew, at once the first time; while that fails, questions wait a
little before they try again together, so that a server that is gone is not asked for a connection by every request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from fature_kv.api import metrics
from fature_kv.errors import ServerUnavailable
from fature_kv.store import translate

_FIRST_DELAY_S: Final = 0.05
_LONGEST_DELAY_S: Final = 0.25
_error: Final[Any] = DefaultParser.parse_error


class Multiplexer:
    """A server, and the connection to it while there is one. Of one event loop."""

    def __init__(self, url: str, timeout: float, most: int) -> None:
        self._timeout, self._most = timeout, most
        self._pool: Any = ConnectionPool.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0), protocol=2
        )
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[_Wire] | None = None
        self._delay = 0.0

    async def ask(self, packed: bytes, count: int) -> list[Any]:
        """The replies to so many commands, errors of Redis among them as redis-py has them.

        ServerUnavailable when the server can't be reached, does not answer in time, or too many wait already.
        """
        wire = self._wire
        if wire is None or wire.broken:
            wire = await self.connected()
        if len(wire.questions) >= self._most:
            raise ServerUnavailable("too many reads wait to be answered: try again in a moment")
        return await wire.ask(packed, count)

    async def connected(self) -> _Wire:
        """A connection that stands, shared by all that wait for one."""
        if self._wire is not None and not self._wire.broken:
            return self._wire
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
        return await asyncio.shield(self._connecting)  # who gives up does not take it from the others

    async def _connect(self) -> _Wire:
        connection = self._pool.make_connection()
        try:
            await asyncio.sleep(self._delay)
            await connection.connect()
            self._wire = _Wire(connection, self._timeout)
        except (RedisError, OSError) as error:
            self._delay = min(max(2 * self._delay, _FIRST_DELAY_S), _LONGEST_DELAY_S)
            raise translate(error if isinstance(error, RedisError) else RedisConnectionError(str(error))) from None
        finally:
            self._connecting = None
        self._delay = 0.0
        return self._wire

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            await self._wire.close()


class _Question:
    __slots__ = ("answer", "missing", "replies", "since")

    def __init__(self, answer: asyncio.Future[list[Any]], count: int, since: float) -> None:
        self.answer, self.missing, self.since = answer, count, since
        self.replies: list[Any] = []


class _Wire(asyncio.Protocol):
    """A connection that stands until it is `broken`."""

    def __init__(self, connection: Any, timeout: float) -> None:
        self.questions: deque[_Question] = deque()
        self.broken = False
        self._connection, self._timeout = connection, timeout  # the connection's end closes its transport
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._outgoing: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport = connection._writer.transport
        self._transport.set_protocol(self)
        if self._transport.is_closing():
            self._break(RedisConnectionError("the server closed the connection"))

    def ask(self, packed: bytes, count: int) -> asyncio.Future[list[Any]]:
        """Sends with whatever else is asked in this turn. ServerUnavailable when the wire broke before."""
        if self.broken:
            raise translate(RedisConnectionError("the server closed the connection"))
        now = self._loop.time()
        question = _Question(self._loop.create_future(), count, now)
        self.questions.append(question)
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(packed)
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._look)
        return question.answer

    def _send(self) -> None:
        if not self.broken:
            self._transport.write(b"".join(self._outgoing))
            metrics.sent_to_redis(len(self._outgoing), len(self.questions))
        self._outgoing.clear()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except hiredis.ProtocolError as error:
            self._break(RedisConnectionError(f"an answer that is no RESP: {error}"))

    def _take(self, reply: Any) -> None:
        if not self.questions:
            raise hiredis.ProtocolError("nothing was asked")
        question = self.questions[0]
        question.replies.append(_error(str(reply)) if isinstance(reply, hiredis.ReplyError) else reply)
        question.missing -= 1
        if not question.missing:
            self.questions.popleft()
            if not question.answer.done():  # who asked may have gone; the reply is read all the same
                question.answer.set_result(question.replies)

    def connection_lost(self, error: Exception | None) -> None:
        self._break(RedisConnectionError(str(error or "the server closed the connection")))

    def _look(self) -> None:
        """Whether the oldest question has waited too long."""
        self._watch = None
        if self.questions and not self.broken:
            left = self.questions[0].since + self._timeout - self._loop.time()
            if left <= 0:
                self._break(RedisTimeoutError(f"no answer within {self._timeout:g} s"))
            else:
                self._watch = self._loop.call_later(left, self._look)

    def _break(self, error: RedisError) -> None:
        if self.broken:
            return
        self.broken = True
        self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        while self.questions:
            answer = self.questions.popleft().answer
            if not answer.done():
                answer.set_exception(translate(error))

    async def close(self) -> None:
        self._break(RedisConnectionError("the service is stopping"))
        await self._connection.disconnect(nowait=True)
