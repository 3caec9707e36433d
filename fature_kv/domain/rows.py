"""Rows as the fold takes them, whatever path they came by (DOMAIN.md, "Sources").

Instants are microseconds since 1970-01-01 UTC, money is centavos, ids are 1..2^53-1.
A source yields `Row`s and, for rows that can't be read, `BadRow`s: nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

Source: TypeAlias = Literal["cadastro", "tracked", "depositos", "casino_bets_v", "saque", "bonus"]
MoneySource: TypeAlias = Literal["depositos", "saque", "bonus"]

SOURCES: Final[tuple[Source, ...]] = ("cadastro", "tracked", "depositos", "casino_bets_v", "saque", "bonus")
MONEY_SOURCES: Final[tuple[MoneySource, ...]] = ("depositos", "saque", "bonus")
MAX_ID: Final = 2**53 - 1

RawValue: TypeAlias = object
Raw: TypeAlias = Mapping[str, RawValue]


class Person(msgspec.Struct, frozen=True, gc=False):
    """A row of `cadastro`. `status` is `active` or one of the inactive words, in English."""

    id: int
    name: str
    email: str
    phone: str
    status: str
    registered_at: int
    updated_at: int | None = None


class Link(msgspec.Struct, frozen=True, gc=False):
    """A row of `tracked`: `user_id` came through `referrer_id`."""

    user_id: int
    referrer_id: int
    tracked_at: int


class Money(msgspec.Struct, frozen=True, gc=False):
    """A row of `depositos`, `saque` or `bonus`; `status` is a lower-case word without accents, as in DOMAIN.md."""

    source: MoneySource
    id: int
    user_id: int
    amount: int
    status: str
    created_at: int
    updated_at: int | None = None


class Bet(msgspec.Struct, frozen=True, gc=False):
    """A row of `casino_bets_v`; append-only."""

    id: int
    user_id: int
    stake: int
    win: int
    created_at: int


class BadRow(msgspec.Struct, frozen=True):
    """A row that can't be applied, for quarantine.

    `id` is the row's id where it is readable (`"user:referrer"` for `tracked`), else None; `reason` is a
    stable code of `REASONS`; `raw` is the row as it came, for a person to look at and to try again.
    """

    source: Source
    id: str | None
    reason: str
    raw: dict[str, object]


Row: TypeAlias = Person | Link | Money | Bet

REASONS: Final[Mapping[str, str]] = {
    "bad_id": "an id is absent, no whole number, or outside 1..2^53-1",
    "bad_time": "a time is absent or in no known spelling",
    "before_2000": "a time lies before the year 2000",
    "bad_money": "an amount is absent, ambiguous, has more than two decimals, or is no number",
    "negative": "an amount is below zero",
    "unknown_status": "a status word that the tenant's mapping does not know",
    "error_cell": "a text is an error of a workbook, such as #N/A",
    "self_referral": "somebody refers themselves",
    "cycle": "the link would close a loop in the sponsor forest",
    "second_sponsor": "the person already came through another sponsor",
    "overflow": "a sum would pass 2^53-1 centavos, the most that a figure can hold",
    "bad_row": "the row lacks columns or has more than its header",
}
