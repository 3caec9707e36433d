"""Money is integer centavos; here is every spelling it may come in (DOMAIN.md, "Words": Money).

A text is read by its shape alone, never by a locale: where two readings are possible the amount is refused.

    105  105.5  105,57                  plain, up to two decimals after one separator
    1.234,56  1,234.56  1.234.567,89    thousands in groups of three, decimals after the other separator
    R$ 1.234,56                         any of these after the sign of the real
    1.234  1,234  1.234.567             refused: thousands or decimals? DOMAIN names thousands only before decimals
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

MAX_CENTS: Final = 2**53 - 1
"""The largest amount of a row, in centavos: what Lua and JSON readers still count exactly."""

Locale = Literal["pt-BR", "en"]

_LONGEST_TEXT: Final = 48
_TOLERANCE: Final = Decimal("0.000001")
_PLAIN: Final = re.compile(r"([0-9]+)(?:[.,]([0-9]{1,2}))?")
_GROUPED: Final = (
    re.compile(r"([1-9][0-9]{0,2}(?:\.[0-9]{3})+),([0-9]{1,2})"),
    re.compile(r"([1-9][0-9]{0,2}(?:,[0-9]{3})+)\.([0-9]{1,2})"),
)
_DRESSED: Final = re.compile(r"(-)?\s*(?:R\$)?\s*(-)?\s*(\S+)")


class MoneyError(ValueError):
    """An amount that can't be taken; `reason` is `bad_money` or `negative`, as in `rows.REASONS`."""

    def __init__(self, reason: Literal["bad_money", "negative"], value: object) -> None:
        super().__init__(f"{reason}: {value!r}")
        self.reason: Final = reason


def parse_money(value: object) -> int:
    """An amount in reais, as text or number, in centavos (0..2^53-1).

    A number (workbook, JSON) is taken to the nearest centavo when it lies within 1e-6 of a centavo from it.
    Raises MoneyError: `negative` for an amount below zero that is otherwise well written, `bad_money` for
    anything else, nothing (None, empty text) included.
    """
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise MoneyError("bad_money", value)
    return _of_number(value)


@lru_cache(maxsize=65_536)
def _of_text(text: str) -> int:
    digits = text[:-3] + text[-2:]
    if text[-3:-2] in (".", ",") and 2 < len(digits) <= _LONGEST_TEXT and digits.isascii() and digits.isdigit():
        cents = int(digits)  # the usual spelling, without thousands
    else:
        cents = _of_any_text(text)
    if cents > MAX_CENTS:
        raise MoneyError("bad_money", text)
    return cents


def _of_any_text(text: str) -> int:
    """The amount of a text that may have spaces, the currency's sign, thousands or a minus around its digits."""
    dressed = _DRESSED.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    if dressed is None or (dressed[1] and dressed[2]):
        raise MoneyError("bad_money", text)
    number = next((m for m in (p.fullmatch(dressed[3]) for p in (_PLAIN, *_GROUPED)) if m), None)
    if number is None:
        raise MoneyError("bad_money", text)
    cents = _cents(number[1].replace(".", "").replace(",", ""), number[2])
    if dressed[1] or dressed[2]:
        raise MoneyError("negative" if 0 < cents <= MAX_CENTS else "bad_money", text)
    return cents


def _cents(whole: str, decimals: str | None) -> int:
    return int(whole) * 100 + (int(decimals.ljust(2, "0")) if decimals else 0)


def _of_number(value: int | float | Decimal) -> int:
    """Floats count by their shortest decimal spelling, so that 1234567890.12 is exactly that."""
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number) > MAX_CENTS:
        raise MoneyError("bad_money", value)
    exact = number * 100
    cents = int(exact.to_integral_value())
    if abs(exact - cents) > _TOLERANCE or abs(cents) > MAX_CENTS:
        raise MoneyError("bad_money", value)
    if cents < 0:
        raise MoneyError("negative", value)
    return cents


def money_text(cents: int) -> str:
    """Reais with two decimals for files that programs read: -123456 is `-1234.56`."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}{whole}.{rest:02d}"


def format_money(cents: int, locale: Locale = "pt-BR") -> str:
    """Reais with thousands for people, without a currency sign: 123456 is `1.234,56`, in English `1,234.56`."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    english = f"{sign}{whole:,}.{rest:02d}"
    return english if locale == "en" else english.translate(_TO_BRAZILIAN)


_TO_BRAZILIAN: Final = str.maketrans(".,", ",.")
