"""A person as the fold sees them: own days, and what follows from them (DOMAIN.md, "Own figures" and "CPA").

Days are tenant days as numbers since 1970-01-01. A day's own numbers are in the order of `cells.OWN_FIELDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fature_kv.domain import cells
from fature_kv.domain.commission import Configuration, Qualification, is_active
from fature_kv.domain.streaks import Runs, runs_of
from fature_kv.errors import FigureOverflow


class Outcome(NamedTuple):
    """What a player's days amount to."""

    runs: Runs
    first_deposit_on: int | None
    qualification: Qualification | None

    @property
    def qualified_on(self) -> int | None:
        return self.qualification.day if self.qualification else None


class Effect(NamedTuple):
    """What a person adds to each ancestor: `value` of `metric` on `day`; CPA as a count that each level's amount
    of the version in force on that day multiplies."""

    day: int
    metric: int
    value: int


class Player:
    """The state of one person that the fold decides from."""

    __slots__ = ("days", "id", "moving", "outcome", "path", "rev", "totals", "tracked_on")

    def __init__(
        self,
        person: int,
        rev: int,
        path: tuple[int, ...],
        tracked_on: int | None,
        days: dict[int, list[int]],
        configuration: Configuration,
        moving: tuple[int, tuple[int, ...]] | None = None,
    ) -> None:
        self.id = person
        self.rev = rev
        self.path = path
        self.tracked_on = tracked_on
        self.days = days
        self.moving = moving
        self.totals = [sum(column) for column in zip(*days.values(), strict=True)] or [0] * len(cells.OWN_FIELDS)
        self.outcome = Outcome(
            runs_of(day for day, own in days.items() if is_active(own)),
            _first_deposit(days),
            configuration.qualify(days),
        )

    def add(self, deltas: Mapping[int, Sequence[int]], configuration: Configuration) -> Outcome:
        """Adds to own days; returns the outcome there was before. FigureOverflow leaves the player half changed."""
        before = self.outcome
        activity_moved = deposits_moved = False
        for day, delta in deltas.items():
            own = self.days.get(day)
            was_active = own is not None and is_active(own)
            if own is None:
                own = self.days[day] = list(delta)
            else:
                for i, value in enumerate(delta):
                    own[i] += value
            activity_moved |= was_active != is_active(own)
            deposits_moved |= delta[cells.OWN_DEPOSITS_COUNT] != 0
            for i, value in enumerate(delta):
                self.totals[i] += value
                if self.totals[i] > cells.LIMIT:
                    raise FigureOverflow(f"a sum of person {self.id} is beyond 2^53-1: no figure of ours can hold it")
            if not any(own):
                del self.days[day]
        self.outcome = Outcome(
            runs_of(d for d, own in self.days.items() if is_active(own)) if activity_moved else before.runs,
            _first_deposit(self.days) if deposits_moved else before.first_deposit_on,
            self._qualification(before.qualification, min(deltas), configuration),
        )
        return before

    def _qualification(
        self, before: Qualification | None, earliest: int, configuration: Configuration
    ) -> Qualification | None:
        """What happens after the day of qualification can't move it."""
        if before is not None and earliest > before.day:
            return before
        return configuration.qualify(self.days)

    def effects(self) -> Iterator[Effect]:
        """All that this person adds to every ancestor."""
        if self.tracked_on is not None:
            yield Effect(self.tracked_on, cells.REFERRALS, 1)
        yield from outcome_effects(self.outcome, 1)
        for day, own in self.days.items():
            yield from money_effects(day, own)


def money_effects(day: int, own: Sequence[int]) -> Iterator[Effect]:
    """What a day's own numbers add to every ancestor."""
    for metric, position in (
        (cells.DEPOSITS, cells.OWN_DEPOSITS),
        (cells.BETS, cells.OWN_BETS),
        (cells.WINS, cells.OWN_WINS),
    ):
        if own[position]:
            yield Effect(day, metric, own[position])


def outcome_effects(outcome: Outcome, sign: int) -> Iterator[Effect]:
    """FTD, qualification and CPA of an outcome; `sign` -1 takes them back."""
    if outcome.first_deposit_on is not None:
        yield Effect(outcome.first_deposit_on, cells.FTD, sign)
    if outcome.qualified_on is not None:
        yield Effect(outcome.qualified_on, cells.VALIDATED, sign)
        yield Effect(outcome.qualified_on, cells.CPA, sign)


def outcome_change(before: Outcome, after: Outcome) -> Iterator[Effect]:
    """The effects of an outcome that moved."""
    if before.first_deposit_on != after.first_deposit_on or before.qualified_on != after.qualified_on:
        yield from outcome_effects(before, -1)
        yield from outcome_effects(after, 1)


def _first_deposit(days: Mapping[int, Sequence[int]]) -> int | None:
    return min((day for day, own in days.items() if own[cells.OWN_DEPOSITS_COUNT] > 0), default=None)
