"""Levels of a network, all-time, and the REV that follows from the months (DOMAIN.md, "Network figures", "REV")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from fature_kv.domain import cells
from fature_kv.domain.calendar import Period, period_days
from fature_kv.domain.commission import Configuration, level_rev, month_rev
from fature_kv.figures.answers import Level, MlmAnswer, as_of
from fature_kv.figures.reading import Hash, Read, hash_of, number
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer

Numbers: TypeAlias = Mapping[int, int]
"""`slot -> value` of a network cell; zeros absent."""
NUMBERS: Final = range(1, cells.LEVELS + 1)
_FIELDS: Final = [name.encode() for name in cells.RECORD_FIELDS[: cells.TOTALS]]


class Rev(NamedTuple):
    """REV by level, never floored, and the REV of the period."""

    levels: list[int]
    total: int


def unfloored(kind: Period, key: str, numbers: Numbers, configuration: Configuration) -> Rev:
    """REV of a period by the version in force on its first day; an indication for days and weeks."""
    document = configuration.in_force(period_days(kind, key)[0])
    levels = [level_rev(ggr(numbers, level), document, level) for level in NUMBERS]
    return Rev(levels, sum(levels))


def of_month(key: str, numbers: Numbers, configuration: Configuration) -> Rev:
    """REV of a month, floored unless negatives carry over."""
    document = configuration.in_force(period_days("month", key)[0])
    levels = unfloored("month", key, numbers, configuration).levels
    return Rev(levels, month_rev(levels, document))


def of_months(months: Mapping[str, Numbers], configuration: Configuration) -> Rev:
    """REV of many months: what each of them has, added up."""
    levels, total = [0] * cells.LEVELS, 0
    for key, numbers in months.items():
        rev = of_month(key, numbers, configuration)
        levels = [held + more for held, more in zip(levels, rev.levels, strict=True)]
        total += rev.total
    return Rev(levels, total)


def ggr(numbers: Numbers, level: int) -> int:
    """Bets less wins of a level."""
    return numbers.get(cells.slot(level, cells.BETS), 0) - numbers.get(cells.slot(level, cells.WINS), 0)


def unpack_months(flat: list[bytes]) -> dict[str, dict[int, int]]:
    """The months of an affiliate, ascending, from the hash's `[field, cell, ...]`."""
    return {key.decode(): cells.unpack(cell) for key, cell in sorted(hash_of(flat).items())}


def levels_of(record: Hash, rev: Rev) -> list[Level]:
    """The five levels of a record."""
    levels = []
    for level, rev_cents in zip(NUMBERS, rev.levels, strict=True):
        first = cells.slot(level, 0)
        count, validated, ftd, deposits, bets, wins, cpa = (
            number(record, field) for field in _FIELDS[first : first + len(cells.METRICS)]
        )
        levels.append(Level(level, count, validated, ftd, deposits, bets, wins, bets - wins, cpa, rev_cents))
    return levels


def mlm_structure(tenant: Tenant, person: int, viewer: Viewer = EVERYTHING) -> Read[MlmAnswer]:
    """`GET /affiliates/{id}/mlm-structure`"""
    keys = tenant.keys
    fresh, flat, months, state = yield tenant.records([keys.affiliate(person), keys.months(person)], [keys.own(person)])
    record = hash_of(flat)
    viewer.check(person, record.get(b"rev"), state)
    rev = of_months(unpack_months(months), tenant.configuration)
    return MlmAnswer(person, number(record, b"network_size"), levels_of(record, rev), as_of(fresh))
