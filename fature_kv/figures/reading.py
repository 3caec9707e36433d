"""How a read is carried out: generators without I/O, and their synchronous runner.

    def some_read(tenant, ...) -> Read[Answer]:
        replies = yield tenant.ask("read_records", keys, letters)     # a script's reply
        replies = yield [("HGETALL", key), ...]                        # replies of commands sent as one
        return Answer(...)

An error of ours is thrown into the generator, which may ask something else instead.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from fature_kv.errors import FatureError
from fature_kv.scripts import Command, Script, Word
from fature_kv.store import Store

T = TypeVar("T")


class Ask(NamedTuple):
    """A call of a read-only script."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Word]


Asked: TypeAlias = Ask | Sequence[Command]
Read: TypeAlias = Generator[Asked, Any, T]
Hash: TypeAlias = dict[bytes, bytes]


def run(store: Store, read: Read[T]) -> T:
    """The answer of a read, over a synchronous connection."""
    try:
        asked = next(read)
        while True:
            try:
                reply = store.run(*asked) if isinstance(asked, Ask) else store.pipeline(asked)
            except FatureError as error:
                asked = read.throw(error)
            else:
                asked = read.send(reply)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def hash_of(flat: Sequence[bytes]) -> Hash:
    """A hash from `[field, value, ...]`."""
    pairs = iter(flat)
    return dict(zip(pairs, pairs, strict=True))


def number(held: Hash, field: bytes) -> int:
    """A decimal field; absent is zero."""
    return int(held.get(field, 0))


def text(held: Hash, field: bytes) -> str | None:
    """A text field."""
    value = held.get(field)
    return None if value is None else value.decode()
