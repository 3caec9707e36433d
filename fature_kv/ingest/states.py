"""People's own states as the fold reads them: nothing is remembered between windows, so nothing can be outdated.

A state is one string (`own`), guarded by the `rev` it begins with; own figures lie beside it, a string a month.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fature_kv.domain import calendar
from fature_kv.domain.cells import unpack_own
from fature_kv.domain.player import REV_BYTES, Own, unpack_state
from fature_kv.ingest.fold import Fold
from fature_kv.scripts import Command

_AT_ONCE = 1000


class Player(NamedTuple):
    """A person, `rev` of the state that was read (empty where nothing is kept yet), and that state."""

    id: int
    rev: bytes
    own: Own


def new_rev() -> bytes:
    """What a state begins with after a write: random, so that two writers from one state never end in the same."""
    return random.getrandbits(8 * REV_BYTES).to_bytes(REV_BYTES, "little")


def load(fold: Fold, people: Iterable[int]) -> dict[int, Player]:
    """States by person, of those who exist."""
    asked = list(people)
    found = {
        person: Player(person, *unpack_state(held))
        for person, held in zip(asked, packed(fold, asked), strict=True)
        if held is not None
    }
    unknown = [person for person in asked if person not in found]
    commands: list[Command] = [("EXISTS", fold.keys.affiliate(person)) for person in unknown]
    for person, exists in zip(unknown, fold.reader.pipeline(commands), strict=True):
        if exists:
            found[person] = Player(person, *unpack_state(None))
    return found


def packed(fold: Fold, people: Sequence[int]) -> list[bytes | None]:
    """States as Redis keeps them."""
    return _strings(fold, [fold.keys.own(person) for person in people])


def months(fold: Fold, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
    """Own figures of people's months, `(person, month)`; empty where there are none."""
    keys = [fold.keys.own_month(person, calendar.month_text(month)) for person, month in wanted]
    return [held or b"" for held in _strings(fold, keys)]


def days_of(month: int, cell: bytes) -> dict[int, list[int]]:
    """Own figures by day, of one month's cell."""
    before = calendar.month_start(month) - 1
    return {before + day: own for day, own in unpack_own(cell).items()}


def _strings(fold: Fold, keys: Sequence[str]) -> list[bytes | None]:
    commands = [("MGET", *keys[start : start + _AT_ONCE]) for start in range(0, len(keys), _AT_ONCE)]
    return [held for reply in fold.reader.pipeline(commands) for held in reply]
