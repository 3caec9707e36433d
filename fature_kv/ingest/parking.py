"""Rows that wait and rows that are bad: kept, bounded, tried again by themselves or on demand.

A parked row waits on one missing person (`waits:{id}`) or for its day (`due`); people.lua marks people who came as
`ripe`. Each parked version of a row is kept, since any of them may be the newest that can be applied.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from fature_kv.domain import calendar
from fature_kv.domain.money import money_text
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Row
from fature_kv.domain.versions import latest_time
from fature_kv.errors import ServerUnavailable
from fature_kv.ingest.fold import Fold, KeyList
from fature_kv.ingest.window import Bets, Item, Origin, Parked, Window, pack_row, row_id, source_of, unpack_row

MISSING_USER, MISSING_REFERRER, FUTURE = "missing_user", "missing_referrer", "future"
_AT_ONCE = 200


def back_off(attempt: int) -> None:
    """Lets the others who write the same people come to an end; longer the more often it was needed."""
    time.sleep(random.uniform(0.0005, 0.005) * min(attempt + 1, 20))


def crowded(fold: Fold) -> ServerUnavailable:
    """The error after all attempts were refused."""
    return ServerUnavailable(
        f"others wrote the same people {fold.settings.retry_attempts} times in between (FATURE_RETRY_ATTEMPTS): "
        "run the same again"
    )


def digest(packed: bytes) -> str:
    return hashlib.blake2b(packed, digest_size=8).hexdigest()


def parked_field(row: Row) -> str:
    """The field under which this version of the row is parked."""
    return f"{source_of(row)}:{row_id(row)}:{digest(msgspec.json.encode(pack_row(row)))}"


def quarantine_field(row: Row | BadRow) -> str:
    """A row's place in quarantine: its identity, or a digest of it where it has no readable id."""
    identity = row_id(row)
    if identity is None:
        assert isinstance(row, BadRow)
        # Texts, without what is empty: by whatever path a row came, it has one place.
        told = {column: str(value) for column, value in row.raw.items() if value not in (None, "")}
        return f"{row.source}:#{digest(msgspec.json.encode(told, order='deterministic'))}"
    return f"{source_of(row)}:{identity}"


# -- parking --------------------------------------------------------------------------------------------------------


def park_until_due(fold: Fold, window: Window, items: Sequence[Item]) -> None:
    """Parks rows whose time is over a day ahead of now."""
    _park(fold, window, [(item, FUTURE, None) for item in items])


def park_waiting(fold: Fold, window: Window, items: Sequence[Item]) -> list[Item]:
    """Parks rows whose user is not there; returns those whose user came meanwhile."""
    return _park(fold, window, [(item, MISSING_USER, item.row.user_id) for item in items])


def park_links(fold: Fold, window: Window, waiting: Sequence[tuple[Item, str, int]]) -> list[Item]:
    """Parks links, each on the first person it lacks; returns those whose person came meanwhile."""
    return _park(fold, window, waiting)


def _park(fold: Fold, window: Window, waiting: Sequence[tuple[Item, str, int | None]]) -> list[Item]:
    present: list[Item] = []
    for start in range(0, len(waiting), _AT_ONCE):
        batch = list(waiting[start : start + _AT_ONCE])
        while batch:
            there = set(_park_once(fold, batch))
            if not there:
                for item, reason, _ in batch:
                    window.settle([item], "parked", reason)
                break
            present += [item for i, (item, _, _) in enumerate(batch, start=1) if i in there]
            batch = [row for i, row in enumerate(batch, start=1) if i not in there]
    return present


def _park_once(fold: Fold, batch: Sequence[tuple[Item, str, int | None]]) -> list[int]:
    keys = fold.key_list()
    rows, unpark, entries = [], [], []
    for item, reason, person in batch:
        run, at = _origin(fold, item)
        packed = msgspec.msgpack.encode(
            {"row": pack_row(item.row), "reason": reason, "person": person, "at": at, "run": run}
        )
        field = parked_field(item.row)
        due = due_ms(item.row) if person is None else None
        rows.append(
            [
                field,
                packed,
                keys(fold.keys.waits(person)) if person is not None else False,
                keys(fold.keys.affiliate(person)) if person is not None else False,
                due if due is not None else False,
            ]
        )
        entries.append([field, packed])
        if item.parked:
            unpark.append(_unpark(fold, item.parked.field, item.parked.person, keys))
    new = [item for item, _, _ in batch if not item.parked]  # one that still waits clears nothing
    if fold.building:  # where it may have waited on somebody else, and nobody looks through what is ripe
        unpark += places(fold, [parked_field(item.row) for item in new], keys)
    _, clear = release(fold, new, keys)
    journal = [fold.entry("parked", {"rows": entries, "cleared": clear})]
    plan = {"parked": rows, "quarantined": [], "limits": limits(fold), "unpark": unpark, "unquarantine": clear}
    return list(fold.apply("park", keys, journal, **plan))


def _origin(fold: Fold, item: Item) -> Origin:
    """By which run the row came and when: it stays a row of that run, whoever tries it again."""
    return item.origin or Origin(fold.run, fold.clock())


def due_ms(row: Row) -> int:
    """The millisecond from which a row that is early can be applied, rounded up."""
    return -((calendar.DAY - latest_time(row)) // 1000)


def limits(fold: Fold) -> list[int]:
    """How many rows the tenant may have parked and in quarantine."""
    return [fold.settings.parked_limit, fold.settings.quarantine_limit]


def _unpark(fold: Fold, field: str, person: int | None, keys: KeyList) -> list[Any]:
    return [field, keys(fold.keys.waits(person)) if person is not None else False]


def places(fold: Fold, fields: Sequence[str], keys: KeyList) -> list[list[Any]]:
    """What a plan carries to take parked rows off, wherever they wait."""
    held = fold.store.call("HMGET", fold.keys.parked, *fields) if fields else []
    return [_unpark(fold, field, _waits_on(packed), keys) for field, packed in zip(fields, held, strict=True) if packed]


def released(fold: Fold) -> list[tuple[Row, Parked]]:
    """Parked rows that can be tried again: their person is there, or their day has come."""
    now = fold.clock() // 1000
    due = fold.store.call("ZRANGEBYSCORE", fold.keys.due, "-inf", now, "LIMIT", 0, fold.settings.window_rows)
    fields = dict.fromkeys([*due, *_ripe_fields(fold)])
    return waiting(fold, list(fields)[: fold.settings.window_rows])


def applicable(fold: Fold) -> list[tuple[Row, Parked]]:
    """Every parked row whose person is there or whose day has come, found by looking at each."""
    rows = waiting(fold, fold.store.call("HKEYS", fold.keys.parked))
    people = sorted({parked.person for _, parked in rows if parked.person is not None})
    found = fold.store.pipeline([("EXISTS", fold.keys.affiliate(person)) for person in people])
    there = {person for person, exists in zip(people, found, strict=True) if exists}
    return [
        (row, parked)
        for row, parked in rows
        if (parked.person in there if parked.person is not None else not fold.is_early(row))
    ]


def _ripe_fields(fold: Fold) -> list[bytes]:
    """Rows that wait on somebody who is there by now."""
    ripe = sorted(map(int, fold.store.call("SMEMBERS", fold.keys.ripe)))
    waits = fold.store.pipeline([("SMEMBERS", fold.keys.waits(person)) for person in ripe])
    found: list[bytes] = []
    for person, fields in zip(ripe, waits, strict=True):
        entries = fold.store.call("HMGET", fold.keys.parked, *fields) if fields else []
        here = [f for f, packed in zip(fields, entries, strict=True) if packed and _waits_on(packed) == person]
        # Read again meanwhile, a row may be gone or wait on somebody else; nobody parks here any more.
        gone = [field for field in fields if field not in here]
        if gone:
            fold.store.write("waits", "SREM", fold.keys.waits(person), *gone)
        if not here:
            fold.store.write("ripe", "SREM", fold.keys.ripe, person)
        found += here
    return found


def _waits_on(packed: bytes) -> int | None:
    person: int | None = msgspec.msgpack.decode(packed)["person"]
    return person


def waiting(fold: Fold, fields: Sequence[str | bytes]) -> list[tuple[Row, Parked]]:
    """The parked rows of these fields, as far as they are there."""
    held = fold.store.call("HMGET", fold.keys.parked, *fields) if fields else []
    found = []
    for field, packed in zip(fields, held, strict=True):
        if packed is not None:
            entry = msgspec.msgpack.decode(packed)
            name = field if isinstance(field, str) else field.decode()
            parked = Parked(name, entry["person"], Origin(entry["run"], entry["at"]))
            found.append((unpack_row(entry["row"]), parked))
    return found


# -- quarantine -----------------------------------------------------------------------------------------------------


def quarantine(fold: Fold, window: Window, items: Sequence[Item]) -> None:
    """Keeps bad rows; a link that was refused comes as a BadRow too, made by `bad_link`."""
    for start in range(0, len(items), _AT_ONCE):
        keys = fold.key_list()
        rows, unpark = [], []
        for item in items[start : start + _AT_ONCE]:
            bad: BadRow = item.row
            rows.append([quarantine_field(bad), _quarantine_entry(bad, _origin(fold, item))])
            if item.parked:
                unpark.append(_unpark(fold, item.parked.field, item.parked.person, keys))
        journal = [fold.entry("quarantined", {"rows": rows, "released": [place[0] for place in unpark]})]
        fold.apply("park", keys, journal, parked=[], quarantined=rows, limits=limits(fold), unpark=unpark)
    for item in items:
        window.settle([item], "quarantined", item.row.reason)


def _quarantine_entry(bad: BadRow, origin: Origin) -> bytes:
    return msgspec.json.encode(
        {"source": bad.source, "id": bad.id, "reason": bad.reason, "row": bad.raw, "at": origin.at, "run": origin.run},
        order="deterministic",
    )


def bad_link(row: Link, reason: str) -> BadRow:
    """A link that can't be accepted, as a row of quarantine."""
    raw = {"user_id": row.user_id, "referrer_id": row.referrer_id, "tracked_em": calendar.rfc3339(row.tracked_at)}
    return BadRow("tracked", row_id(row), reason, raw)


def too_large(row: Money | Bet) -> BadRow:
    """A row that would take a sum beyond what a figure can hold, as a row of quarantine."""
    raw: dict[str, object] = {"id": row.id, "user_id": row.user_id, "criado_em": calendar.rfc3339(row.created_at)}
    if isinstance(row, Bet):
        raw |= {"stake": money_text(row.stake), "win": money_text(row.win)}
    else:
        raw |= {"valor": money_text(row.amount), "status": row.status}
        raw |= {} if row.updated_at is None else {"atualizado_em": calendar.rfc3339(row.updated_at)}
    return BadRow(source_of(row), row_id(row), "overflow", raw)


def look_up_quarantine(fold: Fold, window: Window) -> None:
    """Remembers which of the window's rows are in quarantine now."""
    fields = (
        [quarantine_field(item.row) for item in window.good] if fold.store.call("EXISTS", fold.keys.quarantine) else []
    )
    held = fold.store.call("HMGET", fold.keys.quarantine, *fields) if fields else []
    fold.quarantined = frozenset(field for field, entry in zip(fields, held, strict=True) if entry is not None)


def clear(fold: Fold, fields: Sequence[str]) -> None:
    """Takes fields off quarantine."""
    for start in range(0, len(fields), _AT_ONCE):
        some = list(fields[start : start + _AT_ONCE])
        fold.apply("settle", fold.key_list(), [fold.entry("cleared", {"fields": some})], state=[], unquarantine=some)


# -- letting go -----------------------------------------------------------------------------------------------------


def release(fold: Fold, items: Sequence[Item], keys: KeyList) -> tuple[list[list[Any]], list[str]]:
    """What a plan carries for good rows: parked places they leave, quarantine they clear."""
    unpark = [_unpark(fold, item.parked.field, item.parked.person, keys) for item in items if item.parked]
    clear = {quarantine_field(item.row) for item in items} & fold.quarantined if fold.quarantined else set()
    return unpark, sorted(clear)


def settle_duplicates(fold: Fold, window: Window, items: Sequence[Item], bets: Bets | None = None) -> None:
    """Released rows that turned out to need nothing leave their place; good rows clear quarantine all the same."""
    if not (window.parked or fold.quarantined):
        return
    settled = [
        item
        for item in (*items, *(window.items(bets) if bets else ()))
        if (outcome := window.outcome(item.place)) is not None
        and outcome.result == "duplicate"
        and (item.parked or (fold.quarantined and quarantine_field(item.row) in fold.quarantined))
    ]
    for start in range(0, len(settled), _AT_ONCE):
        keys = fold.key_list()
        batch = settled[start : start + _AT_ONCE]
        unpark, clear = release(fold, batch, keys)
        journal = []
        if unpark:
            journal.append(fold.entry("released", {"fields": [place[0] for place in unpark]}))
        if clear:
            journal.append(fold.entry("cleared", {"fields": clear}))
        fold.apply("settle", keys, journal, state=[], unpark=unpark, unquarantine=clear)
