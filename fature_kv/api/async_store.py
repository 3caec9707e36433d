"""Connections to Redis for the API: reads carried out, replies or our own errors out.

Replies come raw, as `store.Store` gives them, so that a read can't tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from fature_kv.errors import FatureError
from fature_kv.figures.reading import Ask, Asked, Read, T
from fature_kv.scripts import Command
from fature_kv.store import translate

_CONNECTIONS: Final = 64
_pack: Final[Any] = hiredis.pack_command
"""Costs half of what the client's own packing does."""


class AsyncStore:
    """A pool of connections; `round_trips` counts what was sent."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._pool: Any = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self.round_trips = 0

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to several commands sent as one; the first error is raised after all replies are in."""
        replies = await self._exchange(commands)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise translate(reply) from None
        return replies

    async def run(self, ask: Ask) -> Any:
        """The reply of a script, loaded first where the server does not know it."""
        command = ask.script.call(ask.keys, ask.args)
        (reply,) = await self._exchange([command])
        if isinstance(reply, NoScriptError):
            await self.pipeline([("SCRIPT", "LOAD", ask.script.source)])
            (reply,) = await self._exchange([command])
        if isinstance(reply, RedisError):
            raise translate(reply) from None
        return reply

    async def answer(self, read: Read[T]) -> T:
        """The answer of a read (`reading.run`, for an event loop)."""
        try:
            asked = next(read)
            while True:
                try:
                    reply = await self._ask(asked)
                except FatureError as error:
                    asked = read.throw(error)
                else:
                    asked = read.send(reply)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def close(self) -> None:
        await self._pool.aclose()

    async def _ask(self, asked: Asked) -> Any:
        return await self.run(asked) if isinstance(asked, Ask) else await self.pipeline(asked)

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        self.round_trips += 1
        try:
            connection: Any = await self._pool.get_connection()
        except (RedisError, OSError) as error:
            raise translate(_redis_error(error)) from None
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
            await self._pool.release(connection)

    @staticmethod
    async def _reply(connection: Any) -> Any:
        try:
            return await connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error


def _redis_error(error: BaseException) -> RedisError:
    return error if isinstance(error, RedisError) else RedisConnectionError(str(error) or type(error).__name__)
