"""Affiliate 1622968 as the operator published it (CONTRACT.md, "Data sets that anyone can make again"), with a seed.

Under the default commission level 1 has 757 people, deposits of 2,450,000.00 and CPA of 37,850.00, level 2 has 3,478
people, 8,950,000.00 and 69,560.00; everybody on both levels qualifies. 95,558 people in all stand below, on eight
levels; those from level 3 on have registered and done nothing, since nothing was published about them. Four CSV files,
the same bytes everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from fature_kv.sources.sample_names import full_name

Record: TypeAlias = Sequence[object]

AFFILIATE: Final = 1_622_968
LEVELS: Final = (757, 3_478, 12_000, 21_000, 24_000, 18_000, 10_000, 6_323)
"""People on each level."""
DEPOSITS_CENTS: Final = (245_000_000, 895_000_000)
"""Of levels 1 and 2."""

_SEED: Final = 1_622_968
_FIRST_ID: Final = 1_700_001
_FIRST: Final = datetime(2024, 3, 4)
_DAY_MINUTES: Final = 24 * 60
_LINK_MINUTES: Final = 40 * _DAY_MINUTES
"""Everybody registers within 40 days after their sponsor."""
_LEAST_CENTS: Final = 3_000
"""The least that somebody deposits and bets: what the default criteria ask for."""


class _Person(NamedTuple):
    id: int
    sponsor: int
    level: int
    minute: int
    """Of the registration."""


def write(folder: Path, tell: Callable[[int, int], None] = lambda _done, _total: None) -> list[Path]:
    """Writes the four files into a folder, which is made where it is not there, and returns them.

    `tell` is told after each file how many are written, and of how many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(_SEED)
    people = _network(rng)
    tables: dict[str, tuple[str, Iterable[Record]]] = {
        "cadastro": ("id,nome,email,telefone,status,criado_em", _people(rng, people)),
        "tracked": ("user_id,referrer_id,tracked_em", _links(people)),
        "depositos": ("id,user_id,valor,status,criado_em", _deposits(rng, people)),
        "casino_bets": ("id,user_id,stake,win,criado_em", _bets(rng, people)),
    }
    written = []
    for name, (header, records) in tables.items():
        written.append(folder / f"{name}.csv")
        with written[-1].open("w", encoding="utf-8", newline="") as file:
            file.write(f"{header}\n")
            file.writelines(",".join(map(str, record)) + "\n" for record in records)
        tell(len(written), len(tables))
    return written


def _network(rng: random.Random) -> list[_Person]:
    """Level by level; some sponsors have many more referrals than others, and nobody comes before their sponsor."""
    above = [_Person(AFFILIATE, 0, 0, 0)]
    people: list[_Person] = []
    for level, many in enumerate(LEVELS, start=1):
        here = []
        for number in range(many):
            sponsor = above[min(rng.randrange(len(above)), rng.randrange(len(above)))]
            minute = sponsor.minute + 1 + rng.randrange(_LINK_MINUTES)
            here.append(_Person(_FIRST_ID + len(people) + number, sponsor.id, level, minute))
        people += here
        above = here
    return people


def _people(rng: random.Random, people: Sequence[_Person]) -> Iterable[Record]:
    for person in (_Person(AFFILIATE, 0, 0, 0), *people):
        phone = f"+55 21 9{rng.randrange(10_000):04d}-{rng.randrange(10_000):04d}"
        name, email = full_name(rng), f"afiliado{person.id}@example.com"
        yield person.id, name, email, phone, "ativo", _time(person.minute)


def _links(people: Sequence[_Person]) -> Iterable[Record]:
    return ((person.id, person.sponsor, _time(person.minute)) for person in people)


def _deposits(rng: random.Random, people: Sequence[_Person]) -> Iterable[Record]:
    number = 0
    for level, total in enumerate(DEPOSITS_CENTS, start=1):
        players = [person for person in people if person.level == level]
        for person, cents in zip(players, _shares(rng, total, len(players)), strict=True):
            parts = min(1 + rng.randrange(4), cents // _LEAST_CENTS)
            for part, amount in enumerate(_shares(rng, cents, parts)):
                number += 1
                yield number, person.id, _amount(amount), "aprovado", _time(_play(person, part))


def _bets(rng: random.Random, people: Sequence[_Person]) -> Iterable[Record]:
    """On the days of the deposits and one more: two active days at least."""
    number = 0
    for person in people:
        if person.level <= len(DEPOSITS_CENTS):
            for day in range(2 + rng.randrange(4)):
                number += 1
                stake = _LEAST_CENTS // 2 + 50 * rng.randrange(200)
                win = stake * rng.randrange(110, 300) // 100 if rng.randrange(100) < 35 else 0
                yield number, person.id, _amount(stake), _amount(win), _time(_play(person, day) + 5)


def _shares(rng: random.Random, total: int, many: int) -> list[int]:
    """A total in `many` uneven parts, each at least `_LEAST_CENTS`."""
    weights = [1 + rng.randrange(100) for _ in range(many)]
    rest, whole = total - many * _LEAST_CENTS, sum(weights)
    shares = [_LEAST_CENTS + rest * weight // whole for weight in weights]
    shares[-1] += total - sum(shares)
    return shares


def _play(person: _Person, day: int) -> int:
    """The minute at which a person plays on the n-th day after the registration."""
    return person.minute + 30 + day * _DAY_MINUTES


def _time(minute: int) -> str:
    return f"{_FIRST + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}"


def _amount(cents: int) -> str:
    whole, rest = divmod(cents, 100)
    return f"{whole}.{rest:02d}"
