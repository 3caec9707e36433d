"""Redis Cluster: which node a command goes to. Sans-I/O; `store.Store` and the API's `AsyncStore` carry it out.

A tenant is one hash slot, so whoever holds it is asked as a single server would be. Nothing is known of a cluster until
a node answers MOVED; from then on nodes are remembered by slot, as nodes tell. What is sent anew surely did not run:
MOVED, ASK and TRYAGAIN say so, and a node that takes no connection was sent nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, TryAgainError

from fature_kv.errors import ServerUnavailable
from fature_kv.scripts import Command

REDIRECTS: Final = (AskError, MovedError, TryAgainError)
"""Replies of a node that did not carry a command out, and say that the same goes through elsewhere or soon."""
_KEY: Final = "fkv:"
_ROUNDS: Final = 16
_PAUSE_S: Final = 0.01
_PAUSE_MAX_S: Final = 0.25

Address: TypeAlias = tuple[str, int]
Node: TypeAlias = Address | None
"""A node by its address; None is the one that the URL names."""


class Send(NamedTuple):
    """Commands for one node. Answered with their replies, or with the error when it takes no connection."""

    node: Node
    commands: list[Command]


class Pause(NamedTuple):
    """Nothing to send for a moment."""

    seconds: float


Exchange: TypeAlias = Generator[Send | Pause, Any, list[Any]]


@dataclass(slots=True)
class _Unit:
    """A command with a key and the ones without beside it (SCRIPT LOAD, WAITAOF): they stay together."""

    indexes: list[int]
    slot: int | None
    keyed: int = 0
    ask: Node = None
    waits: bool = True


class Routes:
    """Which node holds which slot, as far as nodes have told."""

    def __init__(self) -> None:
        self._holders: dict[int, Address] = {}
        self._known: dict[Address, None] = {}
        self._home: Node = None

    def of(self, command: Command) -> Node:
        """The node to ask first."""
        slot = slot_of(command)
        return self._home if slot is None else self._holders.get(slot, self._home)

    def exchange(self, commands: Sequence[Command], replies: Sequence[Any] | None = None) -> Exchange:
        """The replies to commands, errors among them; those of `replies` that are no redirects stand."""
        answers: list[Any] = [None] * len(commands) if replies is None else list(replies)
        units = _units(commands)
        if replies is not None:
            units = [unit for unit in units if self._must_repeat(unit, answers, None)]
        silent: set[Node] = set()
        for attempt in range(_ROUNDS):
            for node, some in self._by_node(units).items():
                told = yield Send(node, [word for unit in some for word in _words(unit, commands)])
                if isinstance(told, ServerUnavailable):
                    self._forget(node, silent, told)
                    continue
                _fill(some, told, answers)
                for unit in some:
                    unit.waits = self._must_repeat(unit, answers, node)
            units = [unit for unit in units if unit.waits]
            if not units:
                break
            if any(isinstance(answers[index], TryAgainError) for unit in units for index in unit.indexes):
                yield Pause(min(_PAUSE_S * 2**attempt, _PAUSE_MAX_S))
        return answers

    def _by_node(self, units: Sequence[_Unit]) -> dict[Node, list[_Unit]]:
        found: dict[Node, list[_Unit]] = {}
        for unit in units:
            known = self._home if unit.slot is None else self._holders.get(unit.slot, self._home)
            found.setdefault(unit.ask or known, []).append(unit)
        return found

    def _must_repeat(self, unit: _Unit, answers: Sequence[Any], asked: Node) -> bool:
        """Whether the unit was sent elsewhere; where to is remembered."""
        reply = next((answers[i] for i in unit.indexes if isinstance(answers[i], REDIRECTS)), None)
        unit.ask = None
        if not isinstance(reply, AskError):
            return reply is not None
        node = (reply.host or (asked[0] if asked else ""), reply.port)
        self._known[node] = None
        if isinstance(reply, MovedError):
            unit.slot = reply.slot_id
            self._holders[reply.slot_id] = node
        else:
            unit.ask = node
        return True

    def _forget(self, node: Node, silent: set[Node], error: ServerUnavailable) -> None:
        """A node takes no connection: another is asked who holds its slots now. The error where that led nowhere."""
        if node in silent:
            raise error
        silent.add(node)
        self._holders = {slot: holder for slot, holder in self._holders.items() if holder != node}
        if node == self._home:
            others: list[Node] = [None, *self._known]
            self._home = next((other for other in others if other not in silent), None)
            if self._home in silent:
                raise error


def slot_of(command: Command) -> int | None:
    """The slot of a command's first key of ours, or of a pattern of such; None where it has none."""
    for word in command[1:5]:
        text = word.decode("latin-1") if isinstance(word, bytes) else word
        if isinstance(text, str) and text.startswith(_KEY):
            return _slot(text[: text.find("}") + 1] or text)
    return None


@lru_cache(4096)
def _slot(key: str) -> int:
    return key_slot(key.encode("latin-1"))


def url_of(url: str, node: Address) -> str:
    """The URL of another node of the cluster, reached as the first one is."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    host = node[0] or parts.hostname or ""
    return parts._replace(netloc=f"{user}{at}{f'[{host}]' if ':' in host else host}:{node[1]}").geturl()


def _units(commands: Sequence[Command]) -> list[_Unit]:
    units: list[_Unit] = []
    for index, command in enumerate(commands):
        slot = slot_of(command)
        if units and (slot is None or units[-1].slot is None):
            units[-1].indexes.append(index)
            if slot is not None:
                units[-1].slot, units[-1].keyed = slot, index
        else:
            units.append(_Unit([index], slot, index))
    return units


def _words(unit: _Unit, commands: Sequence[Command]) -> list[Command]:
    sent: list[Command] = []
    for index in unit.indexes:
        if unit.ask is not None and index == unit.keyed:
            sent.append(("ASKING",))
        sent.append(commands[index])
    return sent


def _fill(units: Sequence[_Unit], told: Sequence[Any], answers: list[Any]) -> None:
    """Puts replies where they belong; those to ASKING belong nowhere."""
    replies = iter(told)
    for unit in units:
        for index in unit.indexes:
            if unit.ask is not None and index == unit.keyed:
                next(replies)
            answers[index] = next(replies)
