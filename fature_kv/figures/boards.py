"""Leaderboards: a page, or the neighbours of one person (DOMAIN.md, "Leaderboards").

Boards hold figures negated, so that ascending order lists the greatest first and ties by ascending id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from fature_kv.domain.calendar import period_key
from fature_kv.errors import UsageError
from fature_kv.figures.answers import AroundAnswer, BoardAnswer, Ranked, as_of
from fature_kv.figures.reading import Read, hash_of, text
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer
from fature_kv.keyspace import board_member, board_person

BoardPeriod: TypeAlias = Literal["all", "day", "week", "month"]
METRICS: Final = ("cpa", "rev", "referrals", "validated", "ftd", "deposits", "bets", "ggr")
"""What a network is ranked by; `streak` ranks people by their own days."""
BOARDS: Final[Mapping[str, tuple[BoardPeriod, ...]]] = {
    **dict.fromkeys(METRICS, ("all", "day", "week", "month")),
    "rev": ("all", "month"),
    "streak": ("day",),
}
"""The periods that each metric has boards for; the first is what is meant where none is named."""


def check_board(metric: str, period: str | None) -> BoardPeriod:
    """The period itself; UsageError for a metric or a period that has no board."""
    if metric not in BOARDS:
        raise UsageError(f"metric: '{metric}' has no leaderboard; expected one of {', '.join(BOARDS)}")
    periods = BOARDS[metric]
    if period is None:
        return periods[0]
    for known in periods:
        if period == known:
            return known
    raise UsageError(f"period: '{metric}' has no leaderboard by '{period}'; expected {' or '.join(periods)}")


def board_key(period: BoardPeriod, at: int) -> str:
    """The key of the board's period that day `at` lies in."""
    return "all" if period == "all" else period_key(period, at)


def board(
    tenant: Tenant, metric: str, period: BoardPeriod, at: int, limit: int, offset: int = 0, viewer: Viewer = EVERYTHING
) -> Read[BoardAnswer]:
    """`GET /leaderboards/{metric}`"""
    key = board_key(period, at)
    reply = yield tenant.ask("read_board", [tenant.keys.board(metric, key)], offset, limit)
    fresh, total, first, ahead, page, _ = reply
    names = yield from _names(tenant, page)
    return BoardAnswer(metric, period, key, total, _items(page, names, first, ahead, viewer), as_of(fresh))


def around(
    tenant: Tenant, metric: str, period: BoardPeriod, at: int, person: int, radius: int, viewer: Viewer = EVERYTHING
) -> Read[AroundAnswer]:
    """`GET /leaderboards/{metric}/around/{id}`: up to `radius` people on either side."""
    key = board_key(period, at)
    keys = [tenant.keys.board(metric, key), tenant.keys.affiliate(person), tenant.keys.own(person)]
    fresh, total, first, ahead, page, held = yield tenant.ask("read_board", keys, board_member(person), radius)
    viewer.check(person, *held)
    names = yield from _names(tenant, page)
    items = _items(page, names, first, ahead, viewer)
    rank = next((item.rank for item in items if item.affiliate_id == person), None)
    return AroundAnswer(metric, period, key, total, rank, items, as_of(fresh))


def _names(tenant: Tenant, page: Sequence[bytes]) -> Read[list[str]]:
    people = list(map(board_person, page[::2]))
    if not people:
        return []
    _, *held = yield tenant.records([tenant.keys.personal(person) for person in people])
    return [text(hash_of(flat), b"name") or "" for flat in held]


def _items(page: Sequence[Any], names: Sequence[str], first: int, ahead: int, viewer: Viewer) -> list[Ranked]:
    """A page with ranks: `ahead` figures are greater than its first; who ties with the one before shares the rank."""
    items: list[Ranked] = []
    for place, (member, negated, name) in enumerate(zip(page[::2], page[1::2], names, strict=True)):
        person, score = board_person(member), -int(float(negated))
        rank = first + place + 1 if items else ahead + 1
        if items and items[-1].score == score:
            rank = items[-1].rank
        items.append(Ranked(rank, person, viewer.name(person, name), score))
    return items
