"""Rows of `cadastro`: people come, change and are known by name; figures and personal data stay apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fature_kv import journal
from fature_kv.domain.rows import Person
from fature_kv.domain.versions import supersedes
from fature_kv.errors import Stale
from fature_kv.ingest import parking
from fature_kv.ingest.fold import Fold, KeyList
from fature_kv.ingest.marks import whole_marks
from fature_kv.ingest.window import Item, Window

_AT_ONCE = 100
_PERSONAL = ("name", "email", "phone")


class Held(NamedTuple):
    """What is held of a person; None for one who is not there."""

    rev: bytes | None
    person: Person | None


def apply(fold: Fold, window: Window) -> None:
    """Applies the window's rows of `cadastro`, in the order they came in."""
    items = window.pending(window.people)
    for attempt in range(fold.settings.retry_attempts):
        if not items:
            break
        items = _attempt(fold, window, items)
        if items:
            parking.back_off(attempt)
    if items:
        raise parking.crowded(fold)
    parking.settle_duplicates(fold, window, window.people)


def _attempt(fold: Fold, window: Window, items: Sequence[Item]) -> list[Item]:
    """One try; returns the items that were refused."""
    by_person: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        by_person[item.row.id].append(item)
    refused: list[Item] = []
    people = list(by_person)
    for start in range(0, len(people), _AT_ONCE):
        batch = {person: by_person[person] for person in people[start : start + _AT_ONCE]}
        refused += _apply(fold, window, batch, held_people(fold, list(batch)))
    return refused


def held_people(fold: Fold, people: Sequence[int]) -> dict[int, Held]:
    """What is held of each person."""
    commands: list[tuple[str, ...]] = []
    for person in people:
        commands.append(("HMGET", fold.keys.affiliate(person), "rev", "status", "registered_at", "updated_at"))
        commands.append(("HMGET", fold.keys.personal(person), *_PERSONAL))
    replies = fold.store.pipeline(commands)
    return {
        person: _held(person, figures, personal)
        for person, figures, personal in zip(people, replies[::2], replies[1::2], strict=True)
    }


def _held(person: int, figures: Sequence[bytes | None], personal: Sequence[bytes | None]) -> Held:
    rev, status, registered_at, updated_at = figures
    if rev is None or status is None or registered_at is None:
        return Held(None, None)
    name, email, phone = ((value or b"").decode() for value in personal)
    updated = None if updated_at is None else int(updated_at)
    return Held(rev, Person(person, name, email, phone, status.decode(), int(registered_at), updated))


def _apply(fold: Fold, window: Window, batch: dict[int, list[Item]], held: dict[int, Held]) -> list[Item]:
    keys = fold.key_list(fold.keys.inactive)
    people, winners, whole, applied, early = [], [], [], [], []
    for person, items in batch.items():
        rev, before = held[person]
        newest = _newest(fold, [item.row for item in items], before)
        winner = None if newest == before else next(item for item in items if item.row == newest)
        for item in items:
            if item is winner:
                applied.append(item)
            elif fold.is_early(item.row) and (newest is None or supersedes(item.row, newest)):
                early.append(item)
            else:
                window.settle([item], "duplicate")
        if winner is None:
            continue
        winners.append(winner.row)
        people.append(_section(fold, winner.row, rev, keys))
        if before is not None and before.status != winner.row.status:
            whole.append(person)
    parking.park_until_due(fold, window, early)
    if not people:
        return []
    unpark, unquarantine = parking.release(fold, applied, keys)
    marks = whole_marks(whole) if whole else False
    try:
        fold.apply(
            "people", keys, _journal(fold, winners, applied), people=people, unpark=unpark,
            unquarantine=unquarantine, dirty=marks,
        )  # fmt: skip
    except Stale:
        return applied
    window.settle(applied, "applied")
    return []


def _newest(fold: Fold, rows: Iterable[Person], held: Person | None) -> Person | None:
    """The row that counts after these, in the order they were read; those that wait for their day aside."""
    newest = held
    for row in rows:
        if not fold.is_early(row) and (newest is None or supersedes(row, newest)):
            newest = row
    return newest


def _section(fold: Fold, person: Person, rev: bytes | None, keys: KeyList) -> list[Any]:
    pairs = ["rev", int(rev or 0) + 1, "status", person.status, "registered_at", person.registered_at]
    if person.updated_at is not None:
        pairs += ["updated_at", person.updated_at]
    personal = [word for name in _PERSONAL if (value := getattr(person, name)) for word in (name, value)]
    return [
        keys(fold.keys.affiliate(person.id)),
        rev if rev is not None else False,
        pairs,
        keys(fold.keys.personal(person.id)),
        personal,
        keys(fold.keys.waits(person.id)),
        person.id,
        [] if person.updated_at is not None else ["updated_at"],
        person.status == "active",
    ]


def _journal(fold: Fold, people: Sequence[Person], applied: Iterable[Item]) -> list[journal.Entry]:
    """Figures' part and personal part, each an entry of its own."""
    released = [item.parked.field for item in applied if item.parked]
    figures = [[p.id, p.status, p.registered_at, p.updated_at] for p in people]
    return [
        fold.entry("personal", {"people": [[p.id, p.name, p.email, p.phone] for p in people]}),
        fold.entry("people", {"people": figures, "released": released}),
    ]
