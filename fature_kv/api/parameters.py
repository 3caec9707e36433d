"""Query parameters: what they may hold, and what a caller is told who sent something else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final, TypeAlias

from litestar.params import QueryParameter

from fature_kv.domain.calendar import PERIODS, Day, Period, TimeError, parse_day
from fature_kv.domain.rows import MAX_ID
from fature_kv.errors import UsageError
from fature_kv.settings import PAGE_LIMIT_MAX

MAX_IDS: Final = 100

Limit: TypeAlias = Annotated[int | None, QueryParameter(ge=1, le=PAGE_LIMIT_MAX, description="Items of this answer.")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(description="`next_cursor` of the answer before.")]


def day(name: str, text: str | None) -> Day | None:
    """A day parameter."""
    if text is None:
        return None
    try:
        return parse_day(text)
    except TimeError:
        raise UsageError(f"{name}: expected a day of the calendar as YYYY-MM-DD, not '{text[:40]}'") from None


def one_of(name: str, text: str | None, known: Collection[str]) -> str:
    """A parameter that is one of a few words."""
    if text is None or text not in known:
        told = "nothing" if text is None else f"'{text[:40]}'"
        raise UsageError(f"{name}: expected {' or '.join(known)}, not {told}")
    return text


def period(text: str | None) -> Period:
    """The period of a summary."""
    one_of("period", text, PERIODS)
    return next(each for each in PERIODS if each == text)


def level(value: int | None) -> int:
    """A level, 1 to 5."""
    if value is None:
        raise UsageError("level: expected a level from 1 to 5")
    return value


def ids(text: str | None) -> list[int]:
    """Ids apart by commas."""
    words = (text or "").split(",")
    good = all(word.isascii() and word.isdigit() and len(word) <= 16 and 1 <= int(word) <= MAX_ID for word in words)
    if not good or len(words) > MAX_IDS:
        raise UsageError(f"ids: expected 1 to {MAX_IDS} ids of affiliates, apart by commas, as in ids=1,2,3")
    return list(map(int, words))
