"""One synchronous connection to Redis, for writers: commands in, replies or our own errors out.

Packs with hiredis directly, since redis-py's packing costs more than most of our commands. Not for several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hiredis
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from fature_kv import stop_points
from fature_kv.errors import FatureError, ServerUnavailable
from fature_kv.scripts import REFUSALS, WORDS, Command, Script, Word

_PASSING = ("OOM", "READONLY", "LOADING", "BUSY", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")
"""Replies that the same call may not get later."""
_CODES = {
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "BusyLoadingError": "LOADING",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
}
"""Classes of redis-py that take the code off a reply's text."""
_REMEDY = {
    "OOM": "Redis is full (maxmemory reached): give it more memory, then run the same again",
    "READONLY": "Redis is read-only (a replica): point FATURE_REDIS_URL at the primary",
    "LOADING": "Redis is loading its data: try again in a moment",
    "MISCONF": "Redis can't persist its data (disk full?): free the disk, then run the same again",
    "NOREPLICAS": "Redis takes no writes without its replicas: start them, then run the same again",
}


def translate(error: RedisError) -> FatureError:
    """The error of ours that a Redis error stands for."""
    text = str(error)
    code, _, rest = text.partition(" ")
    if code in REFUSALS:
        return REFUSALS[code](WORDS.get(text.strip(), rest.strip() or code))
    passing = _CODES.get(type(error).__name__) or next(
        (word for word in _PASSING if code.rstrip(":") == word or f"-{word} " in text), None
    )
    if passing:
        return ServerUnavailable(_REMEDY.get(passing, f"Redis can't take the command now: {text}"))
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        return ServerUnavailable(f"Redis can't be reached: {text}")
    return FatureError(f"Redis refused: {text}")


_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub knows one-word commands only


class Store:
    """A connection; made when first used, made anew after it broke."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, protocol=2
        )
        self._connection: Any = None
        self._owes_a_reply = False

    def call(self, *words: Word) -> Any:
        """The reply to one command."""
        return self.pipeline([words])[0]

    def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to several commands sent as one; the first error is raised after all replies are in."""
        if not commands:
            return []
        replies = self._exchange(b"".join(map(_pack, commands)), len(commands))
        for reply in replies:
            if isinstance(reply, RedisError):
                raise translate(reply) from None
        return replies

    def begin(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Callable[[], Any]:
        """Sends a script call; what is returned waits for its reply. Nothing else may be sent before it was called."""
        packed = self._send_script(script, keys, args)
        self._owes_a_reply = True

        def finish() -> Any:
            self._owes_a_reply = False
            return self._script_reply(script, packed)

        return finish

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Any:
        """The reply of a script, loaded first where the server does not know it."""
        return self._script_reply(script, self._send_script(script, keys, args))

    def write(self, name: str, *words: Word) -> Any:
        """The reply to one plain command that writes, under its name among the boundaries (stop_points.py)."""
        stop_points.reached(f"before {name}")
        reply = self.call(*words)
        stop_points.reached(f"after {name}")
        return reply

    def wait_durable(self, key: str, timeout_ms: int) -> None:
        """Returns when all that was written before, by whatever connection, is fsynced (WAITAOF)."""
        stop_points.reached("before fsync")
        written, (local, _) = self.pipeline([("INCR", key), ("WAITAOF", 1, 0, timeout_ms)])
        stop_points.reached("after fsync")
        if not local:
            raise ServerUnavailable(f"Redis did not confirm within {timeout_ms} ms that write {written} is on disk")

    def close(self) -> None:
        self._connection = None
        self._pool.disconnect()

    def _send_script(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> bytes:
        stop_points.reached(f"before {script.name}")
        packed = _pack(script.call(keys, args))
        self._send(packed)
        return packed

    def _script_reply(self, script: Script, packed: bytes) -> Any:
        (reply,) = self._receive(1)
        if isinstance(reply, NoScriptError):
            self.call("SCRIPT", "LOAD", script.source)
            (reply,) = self._exchange(packed, 1)
        stop_points.reached(f"after {script.name}")
        if isinstance(reply, RedisError):
            raise translate(reply) from None
        return reply

    def _exchange(self, packed: bytes, count: int) -> list[Any]:
        self._send(packed)
        return self._receive(count)

    def _send(self, packed: bytes) -> None:
        if self._owes_a_reply or self._is_dead():  # nobody waited for it, so it must not be taken for the next one
            self._drop()
        with self._dropping():
            if self._connection is None:
                self._connection = self._pool.get_connection()
            self._connection.send_packed_command([packed])

    def _is_dead(self) -> bool:
        """Whether the server has closed the connection meanwhile, as it does when it restarts (takes a microsecond)."""
        try:
            return self._connection is not None and self._connection.can_read(timeout=0)
        except (RedisError, OSError):
            return True

    def _receive(self, count: int) -> list[Any]:
        with self._dropping():
            return [self._reply() for _ in range(count)]

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            self._drop()
            raise translate(error if isinstance(error, RedisError) else RedisConnectionError(str(error))) from None
        except BaseException:
            self._drop()  # a reply that was not read must not be taken for the next one's
            raise

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            return error
        except redis.exceptions.BusyLoadingError as error:
            return error

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._owes_a_reply = False
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
