"""Commission configuration, CPA and REV (DOMAIN.md, "Commission configuration").

A configuration version is never edited, only superseded; the version in force on a day is the newest whose
`effective_from` is not after it. Days are tenant days as numbers since 1970-01-01, money is centavos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fature_kv.domain import cells
from fature_kv.errors import UsageError

MINIMUMS: Final = ("deposits_cents", "deposits_count", "bets_cents", "bets_count", "days_active")
_PLACE: Final = {name: place for place, name in enumerate(MINIMUMS)}
_DAYS_ACTIVE: Final = _PLACE["days_active"]
_MINIMUM_SLOTS: Final = (cells.OWN_DEPOSITS, cells.OWN_DEPOSITS_COUNT, cells.OWN_BETS, cells.OWN_BETS_COUNT)
BEGINNING: Final = -(2**31)
"""`effective_from` of the version that holds from the beginning of time."""
DAYS_OF_NOTICE: Final = 2
MAX_CENTS: Final = 2**40
MAX_BP: Final = 1_000_000


class Cpa(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    levels_cents: list[int]
    criteria: list[dict[str, int]]


class Rev(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    levels_bp: list[int]
    negative_carryover: bool = False


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration document of DOMAIN.md."""

    cpa: Cpa
    rev: Rev


class Version(msgspec.Struct, frozen=True):
    """A document and the tenant day from which it is in force."""

    revision: int
    effective_from: int
    document: Document


DEFAULT: Final = Document(
    cpa=Cpa([5000, 2000, 500, 500, 500], [{"deposits_cents": 3000, "bets_cents": 3000, "days_active": 2}]),
    rev=Rev([2000, 500, 300, 200, 100], False),
)


def parse_document(raw: object) -> Document:
    """A checked document; UsageError names the place and what was expected."""
    try:
        document = msgspec.convert(raw, Document)
    except msgspec.ValidationError as error:
        raise UsageError(f"configuration: {error}") from None
    _check_levels("cpa.levels_cents", document.cpa.levels_cents, MAX_CENTS)
    _check_levels("rev.levels_bp", document.rev.levels_bp, MAX_BP)
    for i, group in enumerate(document.cpa.criteria):
        if not group:
            raise UsageError(
                f"configuration: cpa.criteria[{i}] names no minimum; expected some of {', '.join(MINIMUMS)}"
            )
        for name, minimum in group.items():
            if name not in MINIMUMS:
                raise UsageError(
                    f"configuration: cpa.criteria[{i}].{name} is no minimum; expected {', '.join(MINIMUMS)}"
                )
            if not 0 <= minimum <= cells_limit():
                raise UsageError(f"configuration: cpa.criteria[{i}].{name} must be a whole number from 0 to 2^53-1")
    return document


def cells_limit() -> int:
    """The largest number a figure can hold."""
    return 2**53 - 1


def _check_levels(where: str, amounts: list[int], most: int) -> None:
    if len(amounts) != cells.LEVELS:
        raise UsageError(f"configuration: {where} needs {cells.LEVELS} numbers, one a level, not {len(amounts)}")
    if not all(0 <= amount <= most for amount in amounts):
        raise UsageError(f"configuration: {where} takes whole numbers from 0 to {most}")


class Qualification(NamedTuple):
    """That a player qualified: the day, the group met (None for a manager's decision), and the sums at the end of
    that day in the order of `MINIMUMS`."""

    day: int
    criteria: dict[str, int] | None
    sums: list[int]


class Configuration:
    """All versions of a tenant's configuration, ready to be asked."""

    def __init__(self, versions: Sequence[Version] = ()) -> None:
        base = [Version(0, BEGINNING, DEFAULT), *(v for v in versions if v.effective_from == BEGINNING)]
        first = max(base, key=lambda v: v.revision)
        later = sorted(
            (v for v in versions if v.effective_from != BEGINNING), key=lambda v: (v.effective_from, v.revision)
        )
        self.versions: Final = (first, *later)
        self.revision: Final = max((v.revision for v in versions), default=0)
        groups = [group for version in self.versions for group in version.document.cpa.criteria]
        self._minimums = [[(_PLACE[name], minimum) for name, minimum in group.items()] for group in groups]

    def in_force(self, day: int) -> Document:
        """The document in force on `day`."""
        chosen = self.versions[0]
        for version in self.versions[1:]:
            if version.effective_from <= day:
                chosen = version
        return chosen.document

    def cpa_cents(self, level: int, qualified_on: int) -> int:
        """What an ancestor at `level` earns for a player who qualified on that day."""
        return self.in_force(qualified_on).cpa.levels_cents[level - 1]

    def qualify(self, days: Mapping[int, Sequence[int]]) -> Qualification | None:
        """The first active day at whose end any group of the version in force that day holds in full.

        `days` maps a tenant day to the player's own numbers of that day (`cells.OWN_FIELDS`).
        """
        sums = [0] * len(MINIMUMS)
        for day in sorted(days):
            numbers = days[day]
            if not is_active(numbers):
                continue
            for i, position in enumerate(_MINIMUM_SLOTS):
                sums[i] += numbers[position]
            sums[_DAYS_ACTIVE] += 1
            for group in self.in_force(day).cpa.criteria:
                if _holds(group, sums):
                    return Qualification(day, group, sums)
        return None

    def can_hold(self, totals: Sequence[int], days_active: int) -> bool:
        """Whether any group of any version could hold: sums only grow from day to day, so one that a player's totals
        (`cells.OWN_FIELDS`) fail never does."""
        sums = sums_of(totals, days_active)
        for group in self._minimums:
            for place, minimum in group:
                if sums[place] < minimum:
                    break
            else:
                return True
        return False


def sums_of(totals: Sequence[int], days_active: int) -> list[int]:
    """Own totals (`cells.OWN_FIELDS`) and active days in the order of `MINIMUMS`."""
    return [*(totals[position] for position in _MINIMUM_SLOTS), days_active]


def _holds(group: Mapping[str, int], sums: Sequence[int]) -> bool:
    return all(sums[_PLACE[name]] >= minimum for name, minimum in group.items())


def is_active(own: Sequence[int]) -> bool:
    """A day is active when it holds a counted deposit or a bet (DOMAIN.md, "Own figures")."""
    return own[cells.OWN_DEPOSITS_COUNT] > 0 or own[cells.OWN_BETS_COUNT] > 0


def half_even(numerator: Any, denominator: int) -> Any:
    """`numerator / denominator` to the nearest integer, halves to the even one; ints or numpy columns alike."""
    whole = numerator // denominator
    twice = 2 * (numerator - whole * denominator)
    return whole + ((twice > denominator) | ((twice == denominator) & (whole % 2 == 1)))


def level_rev(ggr_cents: int, document: Document, level: int) -> int:
    """REV of one level for a period's GGR: negative when GGR is."""
    return int(half_even(ggr_cents * document.rev.levels_bp[level - 1], 10_000))


def month_rev(level_revs: Sequence[int], document: Document) -> int:
    """The month's REV: the sum over levels, zero when negative unless `negative_carryover`."""
    total = sum(level_revs)
    return total if total > 0 or document.rev.negative_carryover else 0
