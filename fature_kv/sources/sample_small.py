"""A small seeded data set as an operator would export it: for the demo where no real data are at hand, and for tests.

300 people in a forest of sponsors, 3,000 deposits, 5,000 bets, withdrawals; Portuguese headers, `;`, Brazilian amounts
and times. Only whole random numbers are drawn, so that the same bytes come out on every platform and Python version.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

from fature_kv.sources.sample_names import full_name

Record: TypeAlias = Sequence[object]

PEOPLE: Final = 300
DEPOSITS: Final = 3_000
BETS: Final = 5_000
WITHDRAWALS: Final = 250
_SEED: Final = 20250626
_FIRST: Final = datetime(2025, 1, 6, 8)
_MINUTES: Final = 175 * 24 * 60
"""All of it happens within 175 days."""


def write(folder: Path) -> Path:
    """Writes the five files into a folder and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (header, records) in tables().items():
        lines = [header, *(";".join(map(str, record)) for record in records)]
        (folder / f"{name}.csv").write_bytes(("\n".join(lines) + "\n").encode())
    return folder


def tables() -> dict[str, tuple[str, list[Record]]]:
    """Header and records by source."""
    rng = random.Random(_SEED)
    joined = sorted(rng.randrange(_MINUTES * 2 // 3) for _ in range(PEOPLE))
    players = [person for person in range(1, PEOPLE + 1) if rng.randrange(10) < 8]
    return {
        "cadastro": ("id;nome;email;telefone;status;criado_em", list(_people(rng, joined))),
        "tracked": ("user_id;referrer_id;tracked_em", list(_links(rng, joined))),
        "depositos": (
            "id;user_id;valor;status;criado_em",
            list(_payments(rng, joined, players, DEPOSITS, (1_000, 30_000))),
        ),
        "casino_bets_v": ("id;user_id;stake;win;criado_em", list(_bets(rng, joined, players))),
        "saque": (
            "id;user_id;valor;status;criado_em",
            list(_payments(rng, joined, players, WITHDRAWALS, (2_000, 40_000))),
        ),
    }


def _people(rng: random.Random, joined: Sequence[int]) -> Iterable[Record]:
    for person, minute in enumerate(joined, start=1):
        name = full_name(rng)
        status = "bloqueado" if rng.randrange(25) == 0 else "ativo"
        yield person, name, f"pessoa{person}@example.com", f"+55 11 9{person:04d}-{person:04d}", status, _time(minute)


def _links(rng: random.Random, joined: Sequence[int]) -> Iterable[Record]:
    """Most people come through somebody who was there before, the early ones more often than the late."""
    for person in range(2, PEOPLE + 1):
        if rng.randrange(100) < 94:
            sponsor = 1 + min(rng.randrange(person - 1), rng.randrange(person - 1))
            yield person, sponsor, _time(joined[person - 1] + rng.randrange(30))


def _payments(
    rng: random.Random, joined: Sequence[int], players: Sequence[int], count: int, cents: tuple[int, int]
) -> Iterable[Record]:
    states = ("aprovado",) * 46 + ("pendente", "recusado", "estornado", "cancelado")
    for number, (minute, player) in enumerate(_moments(rng, joined, players, count), start=1):
        amount = rng.randrange(*cents) * (1 + 9 * (rng.randrange(40) == 0))
        yield number, player, _amount(amount), states[rng.randrange(len(states))], _time(minute)


def _bets(rng: random.Random, joined: Sequence[int], players: Sequence[int]) -> Iterable[Record]:
    for number, (minute, player) in enumerate(_moments(rng, joined, players, BETS), start=1):
        stake = 100 * (1 + min(rng.randrange(150), rng.randrange(150)))
        win = stake * rng.randrange(110, 400) // 100 if rng.randrange(100) < 38 else 0
        yield number, player, _amount(stake), _amount(win), _time(minute)


def _moments(rng: random.Random, joined: Sequence[int], players: Sequence[int], count: int) -> list[tuple[int, int]]:
    """Who did something when, in order of time; a few play much more than the others."""
    drawn = []
    for _ in range(count):
        player = players[min(rng.randrange(len(players)) for _ in range(2))]
        begin = joined[player - 1] + 60
        drawn.append((begin + rng.randrange(_MINUTES - begin), player))
    return sorted(drawn)


def _time(minute: int) -> str:
    return f"{_FIRST + timedelta(minutes=minute):%d/%m/%Y %H:%M:%S}"


def _amount(cents: int) -> str:
    whole, rest = divmod(cents, 100)
    return f"{whole:,}".replace(",", ".") + f",{rest:02d}"
