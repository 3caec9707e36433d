"""What Redis holds of each source, row by row and in sum, for a source to be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from fature_kv.domain import cells
from fature_kv.domain.player import unpack_state
from fature_kv.domain.rows import BadRow, Link, MoneySource, Person, Row
from fature_kv.ingest import parking
from fature_kv.ingest.newest import unpack_version
from fature_kv.ingest.window import row_id, source_of
from fature_kv.keyspace import SEEN_PAGE, VERSION_PAGE, GenerationKeys
from fature_kv.scripts import Command
from fature_kv.store import Store

Bits: TypeAlias = npt.NDArray[np.bool_]
_AT_ONCE = 1000
_FIELDS = ("rev", "status", "registered_at", "updated_at", "first_sponsor_id", "tracked_at")


class Held:
    """A generation of a tenant, to be read as rows."""

    def __init__(self, store: Store, keys: GenerationKeys) -> None:
        self._store = store
        self._keys = keys

    def _names(self, family: str) -> Iterator[list[str]]:
        """What stands behind a family's name in its keys, each once."""
        seen: set[str] = set()
        prefix = f"{self._keys.prefix}{family}:"
        for found in self._store.scan(self._keys.state, f"{prefix}*", _AT_ONCE):
            names = {key.decode()[len(prefix) :] for key in found} - seen
            seen |= names
            yield sorted(names)

    def money(self, source: MoneySource) -> Iterator[tuple[str, Row]]:
        """The version that counts of each row, by id."""
        for pages in self._names(f"versions:{source}"):
            replies = self._store.pipeline([("HGETALL", self._keys.versions(source, int(page))) for page in pages])
            for flat in replies:
                for row, packed in zip(flat[::2], flat[1::2], strict=True):
                    yield row.decode(), unpack_version(source, int(row), packed)

    def people(self) -> Iterator[tuple[str, Row]]:
        """Everybody, by id."""
        for person, figures, personal in self._records():
            _, status, registered_at, updated_at, _, _ = figures
            name, email, phone = ((value or b"").decode() for value in personal)
            updated = None if updated_at is None else int(updated_at)
            yield (
                str(person),
                Person(person, name, email, phone, (status or b"").decode(), int(registered_at or 0), updated),
            )

    def links(self) -> Iterator[tuple[str, Row]]:
        """The first accepted link of each person, by `user:referrer`."""
        for person, figures, _ in self._records():
            first, tracked_at = figures[4:]
            if first is not None:
                yield f"{person}:{int(first)}", Link(person, int(first), int(tracked_at or 0))

    def _records(self) -> Iterator[tuple[int, Sequence[bytes | None], Sequence[bytes | None]]]:
        for people in self._names("affiliate"):
            commands: list[Command] = []
            for person in map(int, people):
                commands.append(("HMGET", self._keys.affiliate(person), *_FIELDS))
                commands.append(("HMGET", self._keys.personal(person), "name", "email", "phone"))
            replies = self._store.pipeline(commands)
            for person, figures, personal in zip(map(int, people), replies[::2], replies[1::2], strict=True):
                if figures[0] is not None:
                    yield person, figures, personal

    def bets(self) -> dict[int, Bits]:
        """Which bets are in: bits by page of ids (keyspace.md, "`seen`")."""
        pages: dict[int, Bits] = {}
        for names in self._names("seen"):
            for page, raw in zip(
                names, self._store.pipeline([("GET", self._keys.seen(int(p))) for p in names]), strict=True
            ):
                pages[int(page)] = np.unpackbits(np.frombuffer(raw or b"", np.uint8), count=SEEN_PAGE).astype(bool)
        for names in self._names("seen-few"):
            replies = self._store.pipeline([("SMEMBERS", self._keys.seen_few(int(p))) for p in names])
            for page, offsets in zip(names, replies, strict=True):
                bits = pages.setdefault(int(page), np.zeros(SEEN_PAGE, bool))
                bits[[int(offset) for offset in offsets]] = True
        return pages

    def totals(self) -> list[int]:
        """Own figures of everybody added up, in the order of `cells.OWN_FIELDS`."""
        sums = [0] * len(cells.OWN_FIELDS)
        for people in self._names("own"):
            for packed in self._store.pipeline([("GET", self._keys.own(int(person))) for person in people]):
                sums = [held + more for held, more in zip(sums, unpack_state(packed)[1].totals, strict=True)]
        return sums

    def is_parked(self, rows: Sequence[Row]) -> list[bool]:
        """Which of the rows wait."""
        fields = [parking.parked_field(row) for row in rows]
        held = self._store.call("HMGET", self._keys.parked, *fields) if fields else []
        return [packed is not None for packed in held]

    def quarantined(self, rows: Sequence[Row | BadRow]) -> list[str | None]:
        """Why each of the rows is in quarantine; None for one that is not."""
        fields = [parking.quarantine_field(row) for row in rows]
        held = self._store.call("HMGET", self._keys.quarantine, *fields) if fields else []
        return [None if entry is None else str(msgspec.json.decode(entry)["reason"]) for entry in held]

    def is_in(self, row: BadRow) -> bool:
        """Whether a good row of the identity of a bad one is in, which clears it."""
        source, identity = source_of(row), row_id(row)
        if identity is None:
            return False
        if source == "tracked":
            user, _, referrer = identity.partition(":")
            first: bytes | None = self._store.call("HGET", self._keys.affiliate(int(user)), "first_sponsor_id")
            return first == referrer.encode()
        number = int(identity)
        if source == "cadastro":
            return bool(self._store.call("HEXISTS", self._keys.affiliate(number), "rev"))
        if source == "casino_bets_v":
            page, offset = divmod(number, SEEN_PAGE)
            bit, few = self._store.pipeline(
                [("GETBIT", self._keys.seen(page), offset), ("SISMEMBER", self._keys.seen_few(page), offset)]
            )
            return bool(bit or few)
        return bool(self._store.call("HEXISTS", self._keys.versions(source, number // VERSION_PAGE), number))
