"""The operator's first load at its true size (CONTRACT.md, "Data sets that anyone can make again"), made with a seed.

Three workbooks as an operator exports them: 409 people, 3,059 deposits of R$ 105.57 on average, 514,686 bets. Only
whole random numbers are drawn and the clock does not enter: the same bytes come out wherever zlib is the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Final, TypeAlias

import xlsxwriter

from fature_kv.sources.sample_names import full_name

Record: TypeAlias = Sequence[int | float | str]
Tell: TypeAlias = Callable[[int, int], None]

PEOPLE: Final = 409
DEPOSITS: Final = 3_059
BETS: Final = 514_686
AVERAGE_CENTS: Final = 10_557
FILES: Final = ("upbet_plataforma_public_users.xlsx", "deposits.xlsx", "casino_bets.xlsx")

_SEED: Final = 20241118
_DAY_SECONDS: Final = 86_400
_FIRST_DAY: Final = 45_614
"""2024-11-18 as a workbook counts days; everybody registers within a month, and plays in the 200 days after it."""
_REGISTERING_DAYS: Final = 30
_PLAYING_DAYS: Final = 200
_LEAST_CENTS: Final = 1_000
_WRITTEN_ON: Final = datetime(2025, 7, 1, tzinfo=UTC)
_WIDTH: Final = 20
_TELL_ROWS: Final = 8_192
_AMOUNT, _TIME, _PLAIN = "#,##0.00", "dd/mm/yyyy hh:mm:ss", "General"


def write(folder: Path, tell: Tell = lambda _done, _total: None) -> list[Path]:
    """Writes the three workbooks into a folder, which is made where it is not there, and returns them.

    `tell` is told now and then how many rows are written, and of how many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(_SEED)
    users, deposits, bets = (folder / name for name in FILES)
    named = {"id": _PLAIN, "name": _PLAIN, "email": _PLAIN, "phone": _PLAIN, "status": _PLAIN, "created_at": _TIME}
    _write_workbook(users, "users", named, _told(_people(rng), tell))
    paid = {"id": _PLAIN, "user_id": _PLAIN, "amount": _AMOUNT, "status": _PLAIN, "created_at": _TIME}
    _write_workbook(deposits, "deposits", paid, _told(_deposits(rng), tell, PEOPLE))
    played = {"id": _PLAIN, "user_id": _PLAIN, "bet_amount": _AMOUNT, "win_amount": _AMOUNT, "created_at": _TIME}
    _write_workbook(bets, "casino_bets", played, _told(_bets(rng), tell, PEOPLE + DEPOSITS))
    return [users, deposits, bets]


def _write_workbook(path: Path, name: str, columns: dict[str, str], records: Iterable[Record]) -> None:
    """One sheet; `columns` are header -> number format."""
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        book.set_properties({"created": _WRITTEN_ON})
        formats = [None if form == _PLAIN else book.add_format({"num_format": form}) for form in columns.values()]
        sheet = book.add_worksheet(name)
        sheet.set_column(0, len(columns) - 1, _WIDTH)
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, columns, book.add_format({"bold": True}))
        text, number = sheet.write_string, sheet.write_number
        for row, record in enumerate(records, start=1):
            for column, value in enumerate(record):
                (text if isinstance(value, str) else number)(row, column, value, formats[column])


def _told(records: Iterable[Record], tell: Tell, before: int = 0) -> Iterator[Record]:
    for number, record in enumerate(records, start=before):
        if number % _TELL_ROWS == 0:
            tell(number, PEOPLE + DEPOSITS + BETS)
        yield record


def _people(rng: random.Random) -> Iterable[Record]:
    moments = sorted(rng.randrange(_REGISTERING_DAYS * _DAY_SECONDS) for _ in range(PEOPLE))
    for person, moment in enumerate(moments, start=1):
        phone = f"+55 11 9{rng.randrange(10_000):04d}-{rng.randrange(10_000):04d}"
        yield person, full_name(rng), f"usuario{person}@example.com", phone, "active", _time(moment)


def _deposits(rng: random.Random) -> Iterable[Record]:
    amounts = [_LEAST_CENTS + rng.randrange(2 * (AVERAGE_CENTS - _LEAST_CENTS)) for _ in range(DEPOSITS)]
    lacking = AVERAGE_CENTS * DEPOSITS - sum(amounts)
    for place in cycle(range(DEPOSITS)):
        if not lacking:
            break
        change = max(_LEAST_CENTS - amounts[place], min(100, lacking)) if lacking < 0 else min(100, lacking)
        amounts[place] += change
        lacking -= change
    for number, (moment, amount) in enumerate(zip(_moments(rng, DEPOSITS), amounts, strict=True), start=1):
        yield number, 1 + rng.randrange(PEOPLE), amount / 100, "completed", _time(moment)


def _bets(rng: random.Random) -> Iterable[Record]:
    for number, moment in enumerate(_moments(rng, BETS), start=1):
        player = 1 + min(rng.randrange(PEOPLE), rng.randrange(PEOPLE))
        stake = 50 * (1 + min(rng.randrange(120), rng.randrange(120)))
        win = stake * rng.randrange(110, 400) // 100 if rng.randrange(100) < 37 else 0
        yield number, player, stake / 100, win / 100, _time(moment)


def _moments(rng: random.Random, many: int) -> list[int]:
    """Seconds since the first day, ascending."""
    playing = _PLAYING_DAYS * _DAY_SECONDS
    return sorted(_REGISTERING_DAYS * _DAY_SECONDS + rng.randrange(playing) for _ in range(many))


def _time(second: int) -> float:
    """A moment as a workbook counts days."""
    return _FIRST_DAY + second / _DAY_SECONDS
