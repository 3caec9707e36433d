"""Connections to Redis for the API: reads carried out, replies or our own errors out.

Replies come raw, as `store.Store` gives them, so that a read can't tell the two apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from fature_kv.cluster import REDIRECTS, Exchange, Node, Pause, Routes, url_of
from fature_kv.errors import FatureError, ServerUnavailable
from fature_kv.figures.reading import Ask, Read, T
from fature_kv.scripts import Command
from fature_kv.store import translate

_CONNECTIONS: Final = 64
_pack: Final[Any] = hiredis.pack_command
"""Costs half of what the client's own packing does."""


class AsyncStore:
    """A pool of connections, one for each node of a cluster; `round_trips` counts what was sent."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._url, self._timeout = url, timeout
        self._pools: dict[Node, Any] = {None: _pool(url, timeout)}
        self._routes, self._clustered = Routes(), False
        self.round_trips = 0

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to several commands sent as one; the first error is raised after all replies are in."""
        replies = await self._ask(commands)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise translate(reply) from None
        return replies

    async def run(self, ask: Ask) -> Any:
        """The reply of a script, loaded first where the server does not know it."""
        command = ask.script.call(ask.keys, ask.args)
        (reply,) = await self._ask([command])
        if isinstance(reply, NoScriptError):
            _, reply = await self.pipeline([("SCRIPT", "LOAD", ask.script.source), command])
        if isinstance(reply, RedisError):
            raise translate(reply) from None
        return reply

    async def answer(self, read: Read[T]) -> T:
        """The answer of a read (`reading.run`, for an event loop)."""
        try:
            asked = next(read)
            while True:
                try:
                    reply = await (self.run(asked) if isinstance(asked, Ask) else self.pipeline(asked))
                except FatureError as error:
                    asked = read.throw(error)
                else:
                    asked = read.send(reply)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        """Replies, errors among them; in a cluster those of whichever nodes hold the keys."""
        if self._clustered:
            return await self._carry_out(self._routes.exchange(commands))
        replies = await self._exchange(await self._connection(None), commands)
        if not any(isinstance(reply, REDIRECTS) for reply in replies):
            return replies
        self._clustered = True
        return await self._carry_out(self._routes.exchange(commands, replies))

    async def _carry_out(self, exchange: Exchange) -> list[Any]:
        try:
            asked = next(exchange)
            while True:
                if isinstance(asked, Pause):
                    await asyncio.sleep(asked.seconds)
                    asked = exchange.send(None)
                    continue
                try:
                    connection = await self._connection(asked.node)
                except ServerUnavailable as error:
                    asked = exchange.send(error)
                else:
                    asked = exchange.send(await self._exchange(connection, asked.commands))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def _connection(self, node: Node) -> Any:
        """A connection of the node's pool, for `_exchange`."""
        if node is not None and node not in self._pools:
            self._pools[node] = _pool(url_of(self._url, node), self._timeout)
        try:
            return self._pools[node], await self._pools[node].get_connection()
        except (RedisError, OSError) as error:
            raise translate(_redis_error(error)) from None

    async def _exchange(self, held: Any, commands: Sequence[Command]) -> list[Any]:
        pool, connection = held
        self.round_trips += 1
        try:
            await connection.send_packed_command(b"".join(map(_pack, commands)))
            return [await self._reply(connection) for _ in commands]
        except (TimeoutError, RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise translate(_redis_error(error)) from None
        except BaseException:
            await connection.disconnect(nowait=True)  # a reply that was not read must not be taken for the next one's
            raise
        finally:
            await pool.release(connection)

    @staticmethod
    async def _reply(connection: Any) -> Any:
        try:
            return await connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error


def _pool(url: str, timeout: float) -> Any:
    return BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def _redis_error(error: BaseException) -> RedisError:
    return error if isinstance(error, RedisError) else RedisConnectionError(str(error) or type(error).__name__)
