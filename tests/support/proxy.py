"""A TCP proxy before the server's socket that does harm to chosen exchanges, for the case 'did it happen?'.

refused  the connection is reset before the command was passed on: it did not happen
lost     reset when the server has answered: it happened, the reply is lost
cut      as `lost`, but the first half of the reply arrives
stalled  the reply never arrives, and the connection stays open: the client gives up
late     the reply arrives after a while
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

HARMS = ("refused", "lost", "cut", "stalled", "late")
_LATE_S = 0.05
_AT_ONCE = 1 << 16


class Harms:
    """Which exchanges are harmed and how, from a seed: so many in all, about one in `gap`."""

    def __init__(self, seed: str, *, gap: int, most: int) -> None:
        self._chance = random.Random(seed)
        self._gap, self._left = gap, most
        self.dealt: Counter[str] = Counter()

    def __call__(self) -> str | None:
        if self._left == 0 or self._chance.randrange(self._gap):
            return None
        self._left -= 1
        # Each kind in turn, shuffled: whatever the seed, none is left out.
        rarest = min(self.dealt[harm] for harm in HARMS)
        harm = self._chance.choice([harm for harm in HARMS if self.dealt[harm] == rarest])
        self.dealt[harm] += 1
        return harm


@contextlib.contextmanager
def proxied(url: str, choose: Callable[[], str | None]) -> Iterator[str]:
    """The URL of a proxy before the server of `url` (a unix socket); `choose` tells the harm of each exchange."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    connections: set[asyncio.Task[None]] = set()
    path = unquote(urlsplit(url).path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await _Connection(choose, reader, writer).carry(path)
        connections.discard(task)
        writer.transport.abort()

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.start_server(serve, sock=listener))
        ready.set()
        loop.run_forever()
        for task in connections:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*connections, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=work, name="proxy", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listener.close()


class _Connection:
    """One client's way to the server and back. An exchange begins with what a client sends behind a reply."""

    def __init__(
        self, choose: Callable[[], str | None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._choose, self._reader, self._writer = choose, reader, writer

    async def carry(self, path: str) -> None:
        """Carries bytes both ways until either side, or some harm, ends it."""
        from_server, to_server = await asyncio.open_unix_connection(path)
        asked, answered = self._next(self._reader), self._next(from_server)
        harm, begins = None, True
        try:
            while True:
                await asyncio.wait((asked, answered), return_when=asyncio.FIRST_COMPLETED)
                if answered.done():
                    if not await self._pass_back(answered.result(), harm):
                        return
                    harm, begins, answered = None, True, self._next(from_server)
                elif asked.done():
                    harm, begins = self._choose() if begins and asked.result() else harm, False
                    if not asked.result() or harm == "refused":
                        return self._reset()
                    to_server.write(asked.result())
                    await to_server.drain()
                    asked = self._next(self._reader)
        finally:
            asked.cancel()
            answered.cancel()
            to_server.transport.abort()

    def _next(self, reader: asyncio.StreamReader) -> asyncio.Task[bytes]:
        return asyncio.ensure_future(reader.read(_AT_ONCE))

    async def _pass_back(self, reply: bytes, harm: str | None) -> bool:
        """Whether the connection is still good when the reply was dealt with."""
        if not reply or harm == "lost":
            self._reset()
            return False
        if harm == "stalled":
            while not self._reader.at_eof():  # until the client gives up
                await asyncio.sleep(_LATE_S)
            return False
        if harm == "late":
            await asyncio.sleep(_LATE_S)
        self._writer.write(reply[: len(reply) // 2] if harm == "cut" else reply)
        await self._writer.drain()
        if harm == "cut":
            self._reset()
        return harm != "cut"

    def _reset(self) -> None:
        """Ends the client's connection by RST, as a broken network does."""
        sock = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
