"""`reconcile`: the figures folded anew beside the live ones, and every difference named.

Writers and readers go on meanwhile. What differs is looked at again after the journal's newest entries were folded,
so that only differences that stay are told. Compared is everything a reader can see and everything the fold decides
from; counters that tell how often something was written (`rev`) and queues are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fature_kv import tenants
from fature_kv.archive.rebuild import building
from fature_kv.archive.replay import Progress, Replay
from fature_kv.domain.player import NOTHING, unpack_state
from fature_kv.ingest.session import Session, new_run, system_clock
from fature_kv.keyspace import GenerationKeys
from fature_kv.settings import Settings
from fature_kv.store import Store

_AT_ONCE = 1000
_ROUNDS = 5
_QUEUES = frozenset({"state", "forest", "moves", "pending-sizes", "dirty", "flush", "mask", "ripe"})
_UNCOMPARED = frozenset({b"rev"})
_SEEN = frozenset({"seen", "seen-few"})


class Difference(NamedTuple):
    """A place where the live figures are not what the rows make; None for what is not there."""

    key: str
    field: str
    live: Any
    rebuilt: Any


def reconcile_with_journal(
    store: Store, slug: str, settings: Settings, progress: Progress | None = None
) -> list[Difference]:
    """Every difference between the live figures and those that the journal makes, by key."""
    with building(store, slug, settings) as replay:
        replay.catch_up(progress)
        return differences(store, slug, settings, replay)


def differences(store: Store, slug: str, settings: Settings, replay: Replay) -> list[Difference]:
    """Every difference between the live figures and those that were folded beside them, the newest rows in both."""
    session = Session(store, slug, settings, run=new_run("reconcile", system_clock()))
    session.release()
    session.settle()
    replay.catch_up()
    live = tenants.get(store, slug).keys.generation(session.tenant.live)
    names = sorted(names_of(store, live) | names_of(store, replay.fold.keys))
    for _ in range(_ROUNDS):
        found = list(_compare(store, live, replay.fold.keys, names))
        if not found:
            break
        names = sorted({difference.key for difference in found})
        session.settle()
        replay.catch_up()
    return list(_compare(store, live, replay.fold.keys, names)) if found else []


def names_of(store: Store, keys: GenerationKeys) -> set[str]:
    """Keys of a generation without its prefix; queues left out, pages of seen bets once."""
    names: set[str] = set()
    for found in store.scan(keys.state, f"{keys.prefix}*", _AT_ONCE):
        for key in found:
            name = key.decode()[len(keys.prefix) :]
            family = name.split(":", 1)[0]
            if family in _SEEN:
                names.add("seen:" + name.split(":", 1)[1])
            elif family not in _QUEUES:
                names.add(name)
    return names


def _compare(store: Store, live: GenerationKeys, rebuilt: GenerationKeys, names: list[str]) -> Iterator[Difference]:
    for start in range(0, len(names), _AT_ONCE):
        batch = names[start : start + _AT_ONCE]
        for name, one, other in zip(batch, contents(store, live, batch), contents(store, rebuilt, batch), strict=True):
            for field in sorted(one.keys() | other.keys()):
                if one.get(field) != other.get(field):
                    yield Difference(name, field.decode(), one.get(field), other.get(field))


def contents(store: Store, keys: GenerationKeys, names: Sequence[str]) -> Iterable[dict[bytes, Any]]:
    """Each key's content as fields, whatever its type."""
    full = [keys.prefix + name for name in names]
    types = store.pipeline([("TYPE", key) for key in full])
    commands: list[tuple[str, ...]] = []
    for name, key, kind in zip(names, full, types, strict=True):
        if name.startswith("seen:"):
            page = int(name.split(":")[1])
            commands += [("GET", keys.seen(page)), ("SMEMBERS", keys.seen_few(page))]
        else:
            commands.append(_COMMANDS[kind](key))
    replies = iter(store.pipeline(commands))
    for name, kind in zip(names, types, strict=True):
        if name.startswith("seen:"):
            yield _seen(next(replies), next(replies))
        else:
            fields = _fields(kind, next(replies))
            yield _own(fields) if name.startswith("own:") else fields


_COMMANDS: dict[bytes, Any] = {
    b"hash": lambda key: ("HGETALL", key),
    b"zset": lambda key: ("ZRANGE", key, "0", "-1", "WITHSCORES"),
    b"set": lambda key: ("SMEMBERS", key),
    b"string": lambda key: ("GET", key),
    b"none": lambda key: ("GET", key),
}


def _fields(kind: bytes, reply: Any) -> dict[bytes, Any]:
    if kind in (b"hash", b"zset"):
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {field: value for field, value in pairs if field not in _UNCOMPARED}
    if kind == b"set":
        return dict.fromkeys(reply, True)
    return {} if reply is None else {b"": reply}


def _own(fields: dict[bytes, Any]) -> dict[bytes, Any]:
    """A person's own state by its parts, without the `rev` it begins with."""
    own = unpack_state(fields.get(b""))[1]
    held = msgspec.structs.asdict(own).items()
    return {name.encode(): value for name, value in held if value != getattr(NOTHING, name)}


def _seen(bits: bytes | None, few: list[bytes]) -> dict[bytes, Any]:
    offsets = np.flatnonzero(np.unpackbits(np.frombuffer(bits or b"", np.uint8))).tolist()
    return {str(offset).encode(): True for offset in (*offsets, *map(int, few))}
