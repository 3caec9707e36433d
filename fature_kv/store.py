"""One synchronous connection to Redis, for writers: commands in, replies or our own errors out.

Packs with hiredis directly, since redis-py's packing costs more than most of our commands. On a cluster a store has one
more of its kind for each node that it was sent to. Not for several threads.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import hiredis
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from fature_kv import stop_points
from fature_kv.cluster import REDIRECTS, Address, Exchange, Pause, Routes, url_of
from fature_kv.errors import FatureError, ServerUnavailable
from fature_kv.scripts import REFUSALS, WORDS, Command, Script, Word

_PASSING = (
    "OOM",
    "READONLY",
    "LOADING",
    "BUSY",
    "MISCONF",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
    "MOVED",
    "ASK",
)
"""Replies that the same call may not get later."""
_CODES = {
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "BusyLoadingError": "LOADING",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "MovedError": "MOVED",
    "AskError": "ASK",
}
"""Classes of redis-py that take the code off a reply's text."""
_REMEDY = {
    "OOM": "Redis is full (maxmemory reached): give it more memory, then run the same again",
    "READONLY": "Redis is read-only (a replica): point FATURE_REDIS_URL at the primary",
    "LOADING": "Redis is loading its data: try again in a moment",
    "MISCONF": "Redis can't persist its data (disk full?): free the disk, then run the same again",
    "NOREPLICAS": "Redis takes no writes without its replicas: start them, then run the same again",
    "CLUSTERDOWN": "the Redis Cluster does not serve this tenant now: start its nodes, then run the same again",
    "TRYAGAIN": "the Redis Cluster is moving this tenant to another node: run the same again when that is done",
}


def translate(error: RedisError) -> FatureError:
    """The error of ours that a Redis error stands for."""
    text = str(error).removeprefix("Transaction discarded because of: ")
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


def info_of(reply: bytes) -> dict[str, str]:
    """INFO's fields."""
    return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line and not line.startswith("#"))


def waitaof_is_true(info: Mapping[str, str], appendfsync: str) -> bool:
    """Whether what WAITAOF confirms is on disk.

    It came with Redis 7.2. Under `everysec` all of Valkey (9.1 too) and Redis before 8 confirm a write at once when the
    last fsync is less than a second ago: mended by github.com/redis/redis/pull/13793.
    """
    version = tuple(map(int, info.get("redis_version", "0.0").split(".")[:2]))
    if appendfsync == "everysec":
        return version >= (8, 0) and "valkey_version" not in info
    return appendfsync == "always" and version >= (7, 2)


_RECEIVE = 65_536
_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub knows one-word commands only


class Store:
    """A connection; made when first used, made anew after it broke."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._url, self._timeout = url, timeout
        self._pool = redis.ConnectionPool.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, protocol=2
        )
        self._connection: Any = None
        self._reader = hiredis.Reader()
        self._owes_a_reply = False
        self._redirected = False
        self._waitaof_is_true = False
        self._routes: Routes | None = None
        self._nodes: dict[Address, Store] = {}

    def call(self, *words: Word) -> Any:
        """The reply to one command."""
        return self.pipeline([words])[0]

    def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to several commands sent as one; the first error is raised after all replies are in."""
        if not commands:
            return []
        replies = self._ask(commands)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise translate(reply) from None
        return replies

    def transaction(self, watched: str, expected: bytes | None, commands: Sequence[Command]) -> bool:
        """Runs the commands as one, if the string `watched` is what is expected and stays so until they have run.

        False when it was not, and none of them ran. Never goes on over another connection than the one that watches.
        """
        _, held = self.pipeline([("WATCH", watched), ("GET", watched)])
        node = self._holder(("GET", watched))
        if held != expected:
            node.call("UNWATCH")
            return False
        stop_points.reached("before transaction")
        replies = node._on_this_connection([("MULTI",), *commands, ("EXEC",)])
        stop_points.reached("after transaction")
        if any(isinstance(reply, REDIRECTS) for reply in replies):
            return False  # its keys are elsewhere by now
        done = replies[-1]
        for reply in (*replies, *(done if isinstance(done, list) else ())):
            if isinstance(reply, hiredis.ReplyError):
                raise translate(node._told(reply)) from None
            if isinstance(reply, RedisError):
                raise translate(reply) from None
        return done is not None

    def another(self) -> Store:
        """A connection of its own to the same server, which knows what this one has learned of a cluster."""
        other = Store(self._url, self._timeout)
        other._routes = copy.deepcopy(self._routes)
        return other

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Any:
        """The reply of a script, loaded first where the server does not know it."""
        command = script.call(keys, args)
        stop_points.reached(f"before {script.name}")
        (reply,) = self._ask([command])
        if isinstance(reply, NoScriptError):
            _, reply = self.pipeline([("SCRIPT", "LOAD", script.source), command])
        stop_points.reached(f"after {script.name}")
        if isinstance(reply, RedisError):
            raise translate(reply) from None
        return reply

    def write(self, name: str, *words: Word) -> Any:
        """The reply to one plain command that writes, under its name among the boundaries (stop_points.py)."""
        stop_points.reached(f"before {name}")
        reply = self.call(*words)
        stop_points.reached(f"after {name}")
        return reply

    def wait_durable(self, key: str, timeout_ms: int) -> None:
        """Returns when all that was written before, by whatever connection, is fsynced (WAITAOF)."""
        if not self._waitaof_is_true:
            self._check_waitaof(key)
        stop_points.reached("before fsync")
        written, (local, _) = self.pipeline([("INCR", key), ("WAITAOF", 1, 0, timeout_ms)])
        stop_points.reached("after fsync")
        if not local:
            raise ServerUnavailable(f"Redis did not confirm within {timeout_ms} ms that write {written} is on disk")

    def _check_waitaof(self, key: str) -> None:
        told = self.pipeline([("EXISTS", key), ("INFO", "server"), ("CONFIG", "GET", "appendfsync")])
        if not waitaof_is_true(info_of(told[1]), told[2][1].decode()):
            raise ServerUnavailable(
                "FATURE_DURABILITY=waitaof: this Redis may confirm what is not on disk yet; use `always`, "
                "or Redis 8 or later with `appendfsync everysec`, then run the same again"
            )
        self._waitaof_is_true = True

    def scan(self, key: str, pattern: str, count: int) -> Iterator[list[bytes]]:
        """Names of keys like the pattern, some at a time, on the server that holds `key`; some may come twice."""
        cursor, node = b"0", self._holder(("EXISTS", key))
        while True:
            _, (cursor, names) = self.pipeline([("EXISTS", key), ("SCAN", cursor, "MATCH", pattern, "COUNT", count)])
            yield names
            moved, node = self._holder(("EXISTS", key)) is not node, self._holder(("EXISTS", key))
            if moved:
                cursor = b"0"  # another node's cursor means nothing here
            elif cursor == b"0":
                return

    def close(self) -> None:
        for node in self._nodes.values():
            node.close()
        self._connection = None
        self._pool.disconnect()

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        """Replies, errors among them; in a cluster those of whichever nodes hold the keys."""
        if self._routes is not None:
            return self._carry_out(self._routes.exchange(commands))
        replies = self._exchange(b"".join(map(_pack, commands)), len(commands))
        if not self._redirected:
            return replies
        self._routes = Routes()
        return self._carry_out(self._routes.exchange(commands, replies))

    def _carry_out(self, exchange: Exchange) -> list[Any]:
        try:
            asked = next(exchange)
            while True:
                if isinstance(asked, Pause):
                    time.sleep(asked.seconds)
                    asked = exchange.send(None)
                else:
                    node = self._node(asked.node)
                    packed = b"".join(map(_pack, asked.commands))
                    error = node._unreachable()
                    asked = exchange.send(error or node._exchange(packed, len(asked.commands)))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def _node(self, address: Address | None) -> Store:
        if address is None:
            return self
        if address not in self._nodes:
            self._nodes[address] = Store(url_of(self._url, address), self._timeout)
        return self._nodes[address]

    def _holder(self, command: Command) -> Store:
        """The store of the node that holds the command's keys, as far as known."""
        return self if self._routes is None else self._node(self._routes.of(command))

    def _exchange(self, packed: bytes, count: int) -> list[Any]:
        self._connect()
        self._send(packed)
        return self._receive(count)

    def _on_this_connection(self, commands: Sequence[Command]) -> list[Any]:
        """Replies, errors among them, over the connection there is; ServerUnavailable when it broke."""
        if self._connection is None or self._is_dead():
            raise translate(RedisConnectionError("the connection broke"))
        self._send(b"".join(map(_pack, commands)))
        return self._receive(len(commands))

    def _send(self, packed: bytes) -> None:
        with self._dropping():
            self._owes_a_reply = True
            self._connection.send_packed_command([packed])

    def _connect(self) -> None:
        if self._owes_a_reply or self._is_dead():  # nobody waited for it, so it must not be taken for the next one
            self._drop()
        if self._connection is None:
            with self._dropping():
                self._connection = self._pool.get_connection()
                self._reader = hiredis.Reader()

    def _unreachable(self) -> ServerUnavailable | None:
        """Why the node takes no connection; None when it does."""
        try:
            self._connect()
        except ServerUnavailable as error:
            return error
        return None

    def _is_dead(self) -> bool:
        """Whether the server has closed the connection meanwhile, as it does when it restarts (takes a microsecond)."""
        try:
            return self._connection is not None and self._connection.can_read(timeout=0)
        except (RedisError, OSError):
            return True

    def _receive(self, count: int) -> list[Any]:
        with self._dropping():
            replies = [self._reply() for _ in range(count)]
        self._owes_a_reply = False
        return replies

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
        """The next reply; by a reader of our own, since redis-py's takes longer than the server."""
        while (reply := self._reader.gets()) is False:
            received = self._connection._sock.recv(_RECEIVE)
            if not received:
                raise RedisConnectionError("the server closed the connection")
            self._reader.feed(received)
        return self._told(reply) if isinstance(reply, hiredis.ReplyError) else reply

    def _told(self, error: Exception) -> RedisError:
        """An error reply as redis-py has it."""
        told: RedisError = self._connection._parser.parse_error(str(error))
        self._redirected |= isinstance(told, REDIRECTS)
        return told

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._owes_a_reply = self._waitaof_is_true = False  # another server may answer next
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
