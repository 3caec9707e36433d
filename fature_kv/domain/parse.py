"""From the values of one row to a `Row`, or to a `BadRow` with a stable reason (DOMAIN.md, "Quarantine").

Every path (CSV text, workbooks, JSON, later databases) ends here, so a rule exists once. The reason is
deterministic: columns are read in DOMAIN.md's order (`mapping.COLUMNS`) and the first that can't be read names
it; a row that reads in full is then checked for `self_referral`, and last for `before_2000`, on any of its times.

    column                          accepted                                 else
    id, user_id, referrer_id        digits, or a whole number; 1..2^53-1     bad_id
    valor, stake, win               money.parse_money                        bad_money, negative
    status                          status.money_status, person_status       unknown_status, error_cell
    criado_em, tracked_em           calendar.parse_time                      bad_time
    atualizado_em                   the same, or nothing                     bad_time
    nome, email, telefone           any text or number, or nothing           error_cell
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

from fature_kv.domain.calendar import MIN_DAY, TimeError, day_start, parse_time
from fature_kv.domain.mapping import COLUMNS, Mapping
from fature_kv.domain.money import MoneyError, parse_money
from fature_kv.domain.rows import MAX_ID, BadRow, Bet, Link, Money, MoneySource, Person, Raw, Row, Source
from fature_kv.domain.status import money_status, person_status

FIELDS: Final = "fields"
"""The only key of `BadRow.raw` for a `bad_row`: its fields as they came, since no column can be told for them."""

ERROR_CELLS: Final = frozenset(
    ("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA", "#SPILL!", "#CALC!")
)
"""What a workbook shows in a cell that has no value."""
_ID: Final = re.compile(r"[0-9]{1,32}")


class RuleError(ValueError):
    """A value, or a row, that a rule forbids; `reason` is a key of `rows.REASONS`."""

    def __init__(
        self, reason: Literal["bad_id", "unknown_status", "self_referral", "before_2000", "error_cell"]
    ) -> None:
        super().__init__(reason)
        self.reason: Final = reason


_REFUSALS: Final = (RuleError, MoneyError, TimeError)


def parse_id(value: object) -> int:
    """An id of 1..2^53-1 from digits (spaces around and leading zeros are fine) or a whole number. Raises RuleError."""
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) <= 16:
            number = int(value)
        elif _ID.fullmatch(text := value.strip()):
            number = int(text)
        else:
            raise RuleError("bad_id")
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float | Decimal) and 1 <= value <= MAX_ID and value == int(value):
        number = int(value)  # only behind the bounds: 1e999999 would take minutes
    else:
        raise RuleError("bad_id")
    if not 1 <= number <= MAX_ID:
        raise RuleError("bad_id")
    return number


def parse_text(value: object) -> str:
    """A name, address or number for people: stripped, '' for nothing; NUL, which PostgreSQL can't keep, left out.

    Raises RuleError for an error of a workbook, whether it comes from there or from CSV that was saved from one.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).replace("\x00", "").strip()
    if text in ERROR_CELLS:
        raise RuleError("error_cell")
    return text


class RowParser:
    """Parses rows of one tenant. Each source's method takes the values in the order of `mapping.COLUMNS`.

    A value that is absent is None; none of the methods raises, whatever the values are.
    """

    def __init__(self, zone: ZoneInfo, mapping: Mapping) -> None:
        self.zone: Final = zone
        self.mapping: Final = mapping
        self._money_words: Final = mapping.money_status
        self._year_2000: Final = day_start(MIN_DAY, zone)

    def parse(self, source: Source, raw: Raw) -> Row | BadRow:
        """One row under its column names; see `parse_row`."""
        if FIELDS in raw:
            return BadRow(source, None, "bad_row", dict(raw))
        return self.reader(source)(*map(raw.get, COLUMNS[source]))

    def reader(self, source: Source) -> Callable[..., Row | BadRow]:
        """The method for a source's values in the order of `mapping.COLUMNS`."""
        readers: dict[Source, Callable[..., Row | BadRow]] = {
            "cadastro": self._person,
            "tracked": self._link,
            "depositos": self._deposit,
            "casino_bets_v": self._bet,
            "saque": self._withdrawal,
            "bonus": self._bonus,
        }
        return readers[source]

    def _person(self, *values: object) -> Person | BadRow:
        id_, name, email, phone, status, registered, updated = values
        try:
            number = parse_id(id_)
            word = person_status(parse_text(status), self.mapping.person_status)
            if word is None:
                raise RuleError("unknown_status")
            registered_at = parse_time(registered, self.zone)
            updated_at = self._optional_time(updated)
            self._check_year(registered_at, updated_at)
            return Person(
                number, parse_text(name), parse_text(email), parse_text(phone), word, registered_at, updated_at
            )
        except _REFUSALS as error:
            return _bad_row("cadastro", values, error.reason)

    def _link(self, *values: object) -> Link | BadRow:
        user, referrer, tracked = values
        try:
            user_id, referrer_id = parse_id(user), parse_id(referrer)
            tracked_at = parse_time(tracked, self.zone)
            if user_id == referrer_id:
                raise RuleError("self_referral")
            self._check_year(tracked_at)
            return Link(user_id, referrer_id, tracked_at)
        except _REFUSALS as error:
            return _bad_row("tracked", values, error.reason)

    def _bet(self, id_: object, user: object, stake: object, win: object, created: object) -> Bet | BadRow:
        try:
            bet = Bet(
                parse_id(id_), parse_id(user), parse_money(stake), parse_money(win), parse_time(created, self.zone)
            )
            if bet.created_at < self._year_2000:
                raise RuleError("before_2000")
            return bet
        except _REFUSALS as error:
            return _bad_row("casino_bets_v", (id_, user, stake, win, created), error.reason)

    def _money(self, source: MoneySource, values: tuple[object, ...]) -> Money | BadRow:
        id_, user, amount, status, created, updated = values
        try:
            number, user_id, cents = parse_id(id_), parse_id(user), parse_money(amount)
            word = money_status(status if isinstance(status, str) else parse_text(status), self._money_words)
            if word is None:
                raise RuleError("unknown_status")
            created_at = parse_time(created, self.zone)
            updated_at = created_at if updated == created else self._optional_time(updated)
            self._check_year(created_at, updated_at)
            return Money(source, number, user_id, cents, word, created_at, updated_at)
        except _REFUSALS as error:
            return _bad_row(source, values, error.reason)

    def _deposit(self, *values: object) -> Money | BadRow:
        return self._money("depositos", values)

    def _withdrawal(self, *values: object) -> Money | BadRow:
        return self._money("saque", values)

    def _bonus(self, *values: object) -> Money | BadRow:
        return self._money("bonus", values)

    def _optional_time(self, value: object) -> int | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return parse_time(value, self.zone)

    def _check_year(self, first: int, second: int | None = None) -> None:
        if first < self._year_2000 or (second is not None and second < self._year_2000):
            raise RuleError("before_2000")


def parse_row(source: Source, raw: Raw, zone: ZoneInfo, mapping: Mapping) -> Row | BadRow:
    """One row, its values under the column names of DOMAIN.md; other keys are ignored, absent ones are nothing.

    Never raises for what the values are. For many rows keep a `RowParser`.
    """
    return RowParser(zone, mapping).parse(source, raw)


def row_id(source: Source, raw: Raw) -> str | None:
    """The row's identity as text (`"user:referrer"` for `tracked`), or None where it can't be read."""
    keys = ("user_id", "referrer_id") if source == "tracked" else ("id",)
    try:
        return ":".join(str(parse_id(raw.get(key))) for key in keys)
    except RuleError:
        return None


def _bad_row(source: Source, values: tuple[object, ...], reason: str) -> BadRow:
    raw = {column: value for column, value in zip(COLUMNS[source], values, strict=True) if value is not None}
    return BadRow(source, row_id(source, raw), reason, raw)
