"""Keys of ours in readable form: what `inspect` shows, one decoder a kind of key (keyspace.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np

from fature_kv import journal
from fature_kv.domain import cells, streaks
from fature_kv.domain.calendar import day_text, month_text, rfc3339
from fature_kv.domain.commission import MINIMUMS
from fature_kv.domain.player import unpack_state
from fature_kv.figures.answers import optional_day
from fature_kv.ingest.marks import unpack_marks
from fature_kv.ingest.newest import unpack_version
from fature_kv.keyspace import SEEN_PAGE, TENANTS, board_person
from fature_kv.store import Store

Decoded: TypeAlias = tuple[int, Any]
"""How many entries there are, and the first of them in readable form."""
Decoder: TypeAlias = Callable[[Store, str, int, "re.Match[str]"], Decoded]

_MONEY: Final = ("amount", "stake", "win")
_DIGEST_SHOWN: Final = 8
_WHOLE: Final = 20_000
"""Up to so many fields a hash is read at once and shown in order."""


class Kind(NamedTuple):
    """A kind of key."""

    what: str
    decode: Decoder


# -- values ---------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as JSON can hold it: bytes as text, or as hexadecimal digits where they are none."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogateescape")
        return text if text.isprintable() else value.hex()
    if isinstance(value, dict):
        return {str(plain(name)): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def readable_row(packed: dict[str, Any]) -> dict[str, Any]:
    """A row of `pack_row`: times as RFC 3339, money under names that say centavos."""
    row: dict[str, Any] = {}
    for name, value in packed.items():
        if name.endswith("_at") and value is not None:
            row[name] = rfc3339(value)
        else:
            row[f"{name}_cents" if name in _MONEY else name] = value
    return row


def _network(cell: bytes) -> dict[str, int]:
    return {cells.RECORD_FIELDS[slot]: value for slot, value in cells.unpack(cell).items()}


def _own(day: Sequence[int]) -> dict[str, int]:
    return {name: value for name, value in zip(cells.OWN_FIELDS, day, strict=True) if value}


def _version(source: str, row: int, packed: bytes | None) -> dict[str, Any] | None:
    if packed is None:
        return None
    known: Any = source
    version = msgspec.structs.asdict(unpack_version(known, row, packed))
    return {name: value for name, value in readable_row(version).items() if name not in ("source", "id")}


def _ranges(ids: Iterable[int]) -> list[str]:
    """`7`, `9-12`: runs of consecutive ids."""
    return [str(first) if length == 1 else f"{first}-{first + length - 1}" for first, length in streaks.runs_of(ids)]


def _field(name: str, value: bytes) -> Any:
    """A field of a hash that people read: instants as RFC 3339."""
    text = plain(value)
    if name.endswith("_at") and isinstance(text, str) and text.isdigit():
        return rfc3339(int(text))
    return text


# -- one decoder a kind of key --------------------------------------------------------------------------------------


def _hash(store: Store, key: str, limit: int) -> tuple[int, dict[bytes, bytes]]:
    """Fields of a hash in order; of a huge one the first that come."""
    size = store.call("HLEN", key)
    if size <= _WHOLE:
        flat = store.call("HGETALL", key)
    else:
        cursor, flat = b"0", []
        while len(flat) < 2 * limit:
            cursor, some = store.call("HSCAN", key, cursor, "COUNT", limit)
            flat += some
            if cursor == b"0":
                break
    pairs = sorted(zip(flat[::2], flat[1::2], strict=True), key=lambda pair: (_order(pair[0]), pair[0]))
    return size, dict(pairs[:limit])


def _order(field: bytes) -> int:
    return int(field) if field.isdigit() and len(field) < 17 else 0


def _fields(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, held = _hash(store, key, limit)
    return size, {name.decode(): _field(name.decode(), value) for name, value in held.items()}


def _cells(store: Store, key: str, limit: int, found: re.Match[str]) -> Decoded:
    size, held = _hash(store, key, limit)
    month = found["rest"].partition(":")[2]
    prefix = f"{month}-" if month else ""
    return size, {prefix + period.decode(): _network(cell) for period, cell in held.items()}


def _own_state(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    own = unpack_state(store.call("GET", key))[1]
    shown = {
        "path": list(own.path),
        "own_totals": dict(zip(cells.OWN_FIELDS, own.totals, strict=True)),
        "months": list(map(month_text, own.months[:limit])),
        "days_active": own.days_active,
        "runs": _runs(own.runs)[:limit],
        "first_deposit_on": optional_day(own.first_deposit_on),
        "qualified_on": optional_day(own.qualified_on),
    }
    if own.moving:
        through, path = own.moving
        shown["moving"] = f"up to {day_text(through)} under {', '.join(map(str, path)) or 'nobody'}"
    if own.declared_on is not None:
        shown["declared_on"] = day_text(own.declared_on)
    if own.qualification:
        shown["criteria"] = own.qualification.criteria
        shown["sums"] = dict(zip(MINIMUMS, own.qualification.sums, strict=True))
    return 1, shown


def _own_month(store: Store, key: str, limit: int, found: re.Match[str]) -> Decoded:
    month = found["rest"].partition(":")[2]
    days = sorted(cells.unpack_own(store.call("GET", key)).items())
    return len(days), {f"{month}-{day:02d}": _own(own) for day, own in days[:limit]}


def _versions(store: Store, key: str, limit: int, found: re.Match[str]) -> Decoded:
    size, held = _hash(store, key, limit)
    source = found["rest"].partition(":")[0]
    return size, {row.decode(): _version(source, int(row), packed) for row, packed in held.items()}


def _json_fields(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, held = _hash(store, key, limit)
    return size, {name.decode(): _instants(msgspec.json.decode(value)) for name, value in held.items()}


def _parked(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, held = _hash(store, key, limit)
    return size, {name.decode(): _parked_entry(value) for name, value in held.items()}


def _parked_entry(packed: bytes) -> dict[str, Any]:
    entry = msgspec.msgpack.decode(packed)
    return {**_instants(entry), "row": readable_row(entry["row"])}


def _instants(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if isinstance(value, int) and (name == "at" or name.endswith("_at")) else plain(value)
        for name, value in entry.items()
    }


def _numbers(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, held = _hash(store, key, limit)
    return size, {name.decode(): int(value) for name, value in held.items()}


def _text(store: Store, key: str, _limit: int, _: re.Match[str]) -> Decoded:
    return 1, plain(store.call("GET", key))


def _json_text(store: Store, key: str, _limit: int, _: re.Match[str]) -> Decoded:
    return 1, _instants(msgspec.json.decode(store.call("GET", key)))


def _runs(packed: bytes) -> list[dict[str, Any]]:
    return [
        {"first": day_text(first), "last": day_text(first + days - 1), "days": days}
        for first, days in streaks.unpack_runs(packed)
    ]


def _seen(store: Store, key: str, limit: int, found: re.Match[str]) -> Decoded:
    offsets = np.flatnonzero(np.unpackbits(np.frombuffer(store.call("GET", key), np.uint8)))
    return _seen_ids(offsets.tolist(), int(found["rest"]), limit)


def _seen_few(store: Store, key: str, limit: int, found: re.Match[str]) -> Decoded:
    return _seen_ids(map(int, store.call("SMEMBERS", key)), int(found["rest"]), limit)


def _seen_ids(offsets: Iterable[int], page: int, limit: int) -> Decoded:
    ids = [page * SEEN_PAGE + offset for offset in offsets]
    return len(ids), _ranges(ids)[:limit]


def _set(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    members = sorted(store.call("SMEMBERS", key), key=lambda member: (_order(member), member))
    return len(members), plain(members[:limit])


def _board(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, flat = store.pipeline([("ZCARD", key), ("ZRANGE", key, 0, limit - 1, "WITHSCORES")])
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return size, [{"affiliate_id": board_person(member), "score": -int(float(score))} for member, score in pairs]


def _members(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, found = store.pipeline([("ZCARD", key), ("ZRANGE", key, 0, limit - 1)])
    return size, [int(member) for member in found]


def _due(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, flat = store.pipeline([("ZCARD", key), ("ZRANGE", key, 0, limit - 1, "WITHSCORES")])
    return size, {plain(row): rfc3339(int(float(at)) * 1000) for row, at in zip(flat[::2], flat[1::2], strict=True)}


def _forest(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, lines = store.pipeline([("LLEN", key), ("LRANGE", key, 0, limit - 1)])
    people = [line.decode().split() for line in lines]
    return size, [{"person": int(words[0]), "sponsor": int(words[1])} for words in people]


def _dirty(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, packed = store.pipeline([("LLEN", key), ("LRANGE", key, 0, limit - 1)])
    return size, [_marks(each) for each in packed]


def _marks(packed: bytes) -> dict[str, Any]:
    marks = unpack_marks(packed)
    moved = zip(marks.affiliates.tolist(), marks.days.tolist(), marks.metrics.tolist(), strict=True)
    return {
        "affiliates": [
            {
                "affiliate_id": affiliate,
                "day": day_text(day),
                "metrics": [name for i, name in enumerate(cells.METRICS) if bits >> i & 1],
            }
            for affiliate, day, bits in moved
        ],
        "streaks": [
            {"affiliate_id": person, "day": day_text(day)}
            for person, day in zip(marks.people.tolist(), marks.streak_days.tolist(), strict=True)
        ],
        "every_board_of": marks.whole.tolist(),
    }


# -- the journal ----------------------------------------------------------------------------------------------------


def _journal(store: Store, key: str, limit: int, _: re.Match[str]) -> Decoded:
    size, entries = store.pipeline([("XLEN", key), ("XRANGE", key, "-", "+", "COUNT", limit)])
    return size, [_entry(number, dict(zip(flat[::2], flat[1::2], strict=True)), limit) for number, flat in entries]


def _entry(number: bytes, fields: dict[bytes, bytes], limit: int) -> dict[str, Any]:
    kind = fields[b"kind"].decode()
    body = journal.body(fields[b"data"])
    shown = {"entry": number.decode(), "kind": kind, "run": body.pop("run", ""), "at": rfc3339(body.pop("at"))}
    return shown | {name: _part(kind, name, value, limit) for name, value in body.items()}


_LISTS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("personal", "people"): ("id", "name", "email", "phone"),
    ("people", "people"): ("id", "status", "registered_at", "updated_at"),
    ("links", "links"): ("user_id", "referrer_id", "tracked_at"),
    ("rows", "qualified"): ("affiliate_id", "qualified_on"),
}
_BETS: Final = ("id", "user_id", "stake", "win", "created_at")


def _part(kind: str, name: str, value: Any, limit: int) -> Any:
    """A part of an entry: columns as rows, packed versions and rows as fields."""
    if (names := _LISTS.get((kind, name))) and isinstance(value, list):
        return [readable_row(dict(zip(names, row, strict=False))) for row in value[:limit]]
    if (kind, name) == ("rows", "money"):
        return [_change(*row[:4]) for row in value[:limit]]
    if (kind, name) == ("rows", "bets"):
        columns = [journal.values(packed).tolist() for packed in value]
        return [readable_row(dict(zip(_BETS, row, strict=True))) for row in zip(*columns, strict=True)][:limit]
    if (kind, name) == ("parked", "rows"):
        return {plain(field): _parked_entry(packed) for field, packed in value[:limit]}
    if (kind, name) == ("quarantined", "rows"):
        return {plain(field): _instants(msgspec.json.decode(packed)) for field, packed in value[:limit]}
    if (kind, name) == ("token", "digest"):
        return f"{value[:_DIGEST_SHOWN]}..."
    if name.endswith("_at") and isinstance(value, int):
        return rfc3339(value)
    return plain(value[:limit] if isinstance(value, list) else value)


def _change(source: str, row: int, new: bytes, held: bytes | None) -> dict[str, Any]:
    change = {"source": source, "id": row, "version": _version(source, row, new)}
    return change if held is None else {**change, "replaces": _version(source, row, held)}


# -- which kind a key is of -----------------------------------------------------------------------------------------

_TENANT_KINDS: Final[dict[str, Kind]] = {
    "profile": Kind("a tenant's name, zone and currency", _fields),
    "control": Kind("which generation is live or being built, and the configuration's revision", _fields),
    "config": Kind("versions of the commission configuration", _json_fields),
    "journal": Kind("everything that can't be recomputed, in order", _journal),
    "runs": Kind("runs and their counts", _json_fields),
    "decisions": Kind("what managers decided, by entry of the journal", _json_fields),
    "mapping": Kind("the tenant's own names of tables, columns and status words", _json_text),
    "sync": Kind("how far each source of an operations database was read", _json_fields),
    "fsync": Kind("counts waits for the disk (durability waitaof)", _text),
    "token": Kind("an API token (its text is nowhere kept)", _fields),
}
_GENERATION_KINDS: Final[dict[str, Kind]] = {
    "state": Kind("when a row was last applied and a run last finished", _fields),
    "forest": Kind("every link and move in the order they were made", _forest),
    "moves": Kind("people whose history has to follow a link", _numbers),
    "pending-sizes": Kind("what network sizes still have to gain", _numbers),
    "dirty": Kind("what the leaderboards have to look at again", _dirty),
    "flush": Kind("who writes the leaderboards just now", _text),
    "mask": Kind("scratch of one script call", _text),
    "quarantine": Kind("rows that could not be applied", _json_fields),
    "parked": Kind("rows that wait for a person or a day", _parked),
    "due": Kind("when rows that wait for their day can be applied", _due),
    "ripe": Kind("people who came, and on whom rows wait", _set),
    "inactive": Kind("people who are on no leaderboard, since they are not active", _set),
    "affiliate": Kind("a person's record: status, sponsor, network totals and levels", _fields),
    "personal": Kind("a person's name, e-mail and phone", _fields),
    "own": Kind("a person's own state: totals, streaks, qualification, ancestors", _own_state),
    "own-month": Kind("a person's own figures by day of a month", _own_month),
    "waits": Kind("rows that wait for a person", _set),
    "months": Kind("an affiliate's network by month", _cells),
    "days": Kind("an affiliate's network by day of a month", _cells),
    "members": Kind("who stands on a level, by status", _members),
    "seen": Kind("bets that are in: a page of ids as bits", _seen),
    "seen-few": Kind("bets that are in: a page of ids that holds few", _seen_few),
    "versions": Kind("the newest version of money rows", _versions),
    "board": Kind("a leaderboard", _board),
}
_GLOBAL: Final = Kind("all tenants", _set)
_KEY: Final = re.compile(
    r"fkv:\{(?P<slug>[a-z0-9][a-z0-9-]{1,62})\}:(?:(?P<generation>[0-9]+):)?(?P<name>[a-z-]+)(?::(?P<rest>.+))?"
)


def kind_of(key: str) -> tuple[Kind, re.Match[str]] | None:
    """What a key is, and its parts; None for one that is not ours."""
    found = _KEY.fullmatch(key)
    if key == TENANTS:
        return _GLOBAL, re.fullmatch(r"(?P<rest>.*)", key)  # type: ignore[return-value]
    if found is None:
        return None
    kinds = _TENANT_KINDS if found["generation"] is None else _GENERATION_KINDS
    kind = kinds.get(found["name"])
    return None if kind is None else (kind, found)


def kinds() -> Sequence[str]:
    """Names of all kinds of keys there are."""
    return [TENANTS, *_TENANT_KINDS, *_GENERATION_KINDS]
