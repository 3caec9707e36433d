"""Connections to Redis for the API: reads carried out, replies or our own errors out.

Replies come raw, as `store.Store` gives them, so that a read can't tell the two apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis.exceptions import NoScriptError, RedisError

from fature_kv.api.multiplexer import Multiplexer
from fature_kv.cluster import REDIRECTS, Exchange, Node, Pause, Routes, url_of
from fature_kv.errors import FatureError, ServerUnavailable
from fature_kv.figures.reading import Ask, Read, T
from fature_kv.scripts import Command
from fature_kv.store import translate

_pack: Final[Any] = hiredis.pack_command
"""Costs half of what the client's own packing does."""


class AsyncStore:
    """A connection that all share, one for each node of a cluster; `round_trips` counts what was sent.

    At most `most` questions wait at a time.
    """

    def __init__(self, url: str, timeout: float = 10.0, most: int = 10_000) -> None:
        self._url, self._timeout, self._most = url, timeout, most
        self._servers: dict[Node, Multiplexer] = {None: Multiplexer(url, timeout, most)}
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
        for server in self._servers.values():
            await server.close()

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        """Replies, errors among them; in a cluster those of whichever nodes hold the keys."""
        if self._clustered:
            return await self._carry_out(self._routes.exchange(commands))
        replies = await self._exchange(self._servers[None], commands)
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
                server = self._server(asked.node)
                try:
                    await server.connected()
                except ServerUnavailable as error:
                    asked = exchange.send(error)
                else:
                    asked = exchange.send(await self._exchange(server, asked.commands))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def _server(self, node: Node) -> Multiplexer:
        """The connection to a node."""
        server = self._servers.get(node)
        if server is None:
            assert node is not None
            server = self._servers[node] = Multiplexer(url_of(self._url, node), self._timeout, self._most)
        return server

    async def _exchange(self, server: Multiplexer, commands: Sequence[Command]) -> list[Any]:
        self.round_trips += 1
        return await server.ask(b"".join(map(_pack, commands)), len(commands))
