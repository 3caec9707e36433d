"""Everything there is to read about a tenant, in one comparable document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Protocol

from tests.model.figures import METRICS, key_of

PERIODS = ("day", "week", "month", "year")
BOARD_PERIODS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(METRICS, ("all", "month", "week", "day")),
    "rev": ("all", "month"),
    "streak": ("day",),
}


class Reader(Protocol):
    """Whoever answers as the API does: the model, or the service behind an adapter."""

    def affiliate(self, affiliate: int) -> Any: ...
    def mlm_structure(self, affiliate: int) -> Any: ...
    def referrals(self, affiliate: int, level: int, status: str | None = None) -> Any: ...
    def summary(self, affiliate: int, period: str, first: str | None = None, last: str | None = None) -> Any: ...
    def streak(self, affiliate: int, at_day: str) -> Any: ...
    def dashboard(self, affiliate: int, today: str) -> Any: ...
    def leaderboard(self, metric: str, period: str = "all", at: str | None = None) -> Any: ...
    def validate_cpa(self, player: int) -> Any: ...


def everything(reader: Reader, people: Iterable[int], days: Sequence[date]) -> dict[str, Any]:
    """Every read for these people, and every board that holds one of these days; keys say what was asked."""
    answers: dict[str, Any] = {}
    for person in sorted(people):
        answers[f"affiliate {person}"] = reader.affiliate(person)
        answers[f"mlm_structure {person}"] = reader.mlm_structure(person)
        answers[f"validate_cpa {person}"] = reader.validate_cpa(person)
        for level in range(1, 6):
            answers[f"referrals {person} {level}"] = reader.referrals(person, level)
        for period in PERIODS:
            answers[f"summary {person} {period}"] = reader.summary(person, period)
        for day in days:
            answers[f"streak {person} {day}"] = reader.streak(person, day.isoformat())
    for metric, periods in BOARD_PERIODS.items():
        for period in periods:
            for key, day in {key_of(period, day): day for day in days}.items():
                answers[f"leaderboard {metric} {key}"] = reader.leaderboard(metric, period, day.isoformat())
    return answers
