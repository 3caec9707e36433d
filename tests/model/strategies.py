"""Hypothesis strategies: small worlds in which every rule bites, and ways to cut the same rows into windows.

A world is 10 to 25 people, a forest, money over three weeks that straddle a month, an ISO week and sometimes a year or
a change of the clocks, and whatever comes wrong, twice, late or early. Amounts lie around the default CPA criteria.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from fature_kv.domain.rows import MAX_ID, MONEY_SOURCES, BadRow, Bet, Link, Money, Person, Row
from tests.model.model import DEFAULT_CONFIG_VERSIONS, Model

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
SPAN = 21  # days of a world
BEGINNINGS = ("2024-12-20", "2025-06-20", "2025-03-01", "2025-10-25")  # new year; plain; clocks in New York, twice
ZONES = ("America/Sao_Paulo", "America/New_York")
# UTC minutes of a day: midnights in both zones (in summer too) with their neighbours, and any hour
MINUTES = (0, 179, 180, 181, 239, 240, 299, 300, 301, 720, 1439)
AMOUNTS = (0, 1, 5, 25, 999, 1_500, 2_999, 3_000, 3_001, 10_557, 100_000)
STATUSES = ("approved", "approved", "approved", "", "pago", "pending", "rejected", "reversed", "chargeback")
PERSON_STATUSES = ("active", "active", "active", "blocked", "inactive")

OTHER_DOCUMENT: dict[str, Any] = {
    "cpa": {
        "levels_cents": [7000, 100, 0, 30, 1],
        "criteria": [{"deposits_count": 2, "bets_count": 1}, {"deposits_cents": 50_000}],
    },
    "rev": {"levels_bp": [1500, 333, 250, 125, 7], "negative_carryover": True},
}


@dataclass(frozen=True)
class World:
    """Rows and what is needed to judge them."""

    zone: str
    config: list[tuple[str | None, dict[str, Any]]]
    rows: list[Row | BadRow]
    now: int  # while the rows are read
    later: int  # by then no row is early
    days: list[date]  # all days on which something may happen, and the two after them
    people: list[int]  # every id that may have a person

    def model(self) -> Model:
        return Model(self.zone, self.config)

    def read(self, windows: Sequence[Sequence[Row | BadRow]]) -> Model:
        """A model after these windows and, once nothing is early any more, what had been parked."""
        model = self.model()
        for window in windows:
            model.feed(window, self.now)
        model.feed([], self.later)
        return model


def instant(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY


def instants(begin: int, days: int = SPAN) -> st.SearchStrategy[int]:
    """Times to the microsecond, often at the edge of a day."""
    return st.builds(
        lambda day, minute, us: begin + day * DAY + minute * MINUTE + us,
        st.integers(0, days - 1),
        st.sampled_from(MINUTES),
        st.sampled_from((0, 0, 0, 1, 59_999_999)),
    )


@st.composite
def person_ids(draw: st.DrawFn, smallest: int = 10, largest: int = 25) -> list[int]:
    """Distinct ids in no order, mostly dense, some far off; the order is that of the forest, roots first."""
    count = draw(st.integers(smallest, largest))
    ids = list(range(1, count + 1))
    for place, far in draw(st.dictionaries(st.integers(0, count - 1), st.sampled_from((0, 1, 2)), max_size=2)).items():
        ids[place] = (MAX_ID, 1_622_968, 32_769)[far] - place
    random.Random(draw(st.integers(0, 999))).shuffle(ids)
    return ids


@st.composite
def forests(draw: st.DrawFn, ids: Sequence[int]) -> list[tuple[int, int]]:
    """(user, sponsor) pairs without a cycle or a second sponsor: one deep chain, wide, or any mixture."""
    shape = draw(st.sampled_from(("deep", "wide", "mixed")))
    pairs: list[tuple[int, int]] = []
    for place in range(1, len(ids)):
        match shape:
            case "deep":
                sponsor = place - 1
            case "wide":
                sponsor = draw(st.integers(0, min(place - 1, 2)))
            case _:
                sponsor = draw(st.integers(-1, place - 1))
        if sponsor >= 0:
            pairs.append((ids[place], ids[sponsor]))
    return pairs


@st.composite
def cadastro(draw: st.DrawFn, ids: Sequence[int], begin: int, order_free: bool) -> list[Row]:
    """One row or several versions a person; whom nobody ever registers is left out."""
    ghosts = draw(st.sets(st.sampled_from(list(ids)), max_size=2))
    rows: list[Row] = []
    for number in ids:
        if number in ghosts:
            continue
        versions = draw(st.sampled_from((1, 1, 1, 2, 3)))
        dated = True if order_free and versions > 1 else draw(st.booleans())
        at = begin + draw(st.sampled_from((-400, -1, 0, 3))) * DAY
        for turn in range(versions):
            rows.append(
                Person(
                    id=number,
                    name=f"Pessoa {number}" + f" ({turn})" * (turn > 0),
                    email=f"p{number}@example.com",
                    phone=draw(st.sampled_from(("", "+55 11 90000-0001"))),
                    status=draw(st.sampled_from(PERSON_STATUSES)),
                    registered_at=at,
                    updated_at=at + turn * MINUTE if dated else None,
                )
            )
    return rows


@st.composite
def links(draw: st.DrawFn, ids: Sequence[int], begin: int, order_free: bool) -> list[Row]:
    """The forest's links; besides, self-referrals and, unless it must be order-free, second sponsors and cycles."""
    rows: list[Row] = [Link(user, sponsor, draw(instants(begin))) for user, sponsor in draw(forests(ids))]
    anyone = st.sampled_from(list(ids))
    rows += [Link(person, person, begin) for person in draw(st.lists(anyone, max_size=1))]
    if not order_free:
        rows += draw(st.lists(st.builds(Link, anyone, anyone, instants(begin)), max_size=5))
    return rows


@st.composite
def money(draw: st.DrawFn, players: Sequence[int], begin: int, most: int) -> list[Row]:
    """Deposits, withdrawals and bonuses, some with later versions: other status, amount, player or day."""
    rows: list[Row] = []
    when, who = instants(begin), st.sampled_from(list(players))
    for number in range(1, draw(st.integers(0, most)) + 1):
        source = draw(st.sampled_from(("depositos", "depositos", "depositos", *MONEY_SOURCES)))
        created = draw(when)
        row = Money(
            source=source,
            id=number,
            user_id=draw(who),
            amount=draw(st.sampled_from(AMOUNTS)),
            status=draw(st.sampled_from(STATUSES)),
            created_at=created,
            updated_at=draw(st.sampled_from((None, created))),
        )
        rows.append(row)
        for what in draw(st.lists(st.sampled_from(("status", "amount", "player", "day", "all")), max_size=2)):
            row = Money(
                source=source,
                id=number,
                user_id=draw(who) if what in ("player", "all") else row.user_id,
                amount=draw(st.sampled_from(AMOUNTS)) if what in ("amount", "all") else row.amount,
                status=draw(st.sampled_from(STATUSES)) if what in ("status", "all") else row.status,
                created_at=draw(when) if what in ("day", "all") else row.created_at,
                updated_at=created + draw(st.sampled_from((0, 1, MINUTE, DAY))),  # equal ones too
            )
            rows.append(row)
    return rows


@st.composite
def bets(draw: st.DrawFn, players: Sequence[int], begin: int, most: int, order_free: bool) -> list[Row]:
    """Bets; unless it must be order-free, some ids come again with other content."""
    content = st.tuples(
        st.sampled_from(list(players)), st.sampled_from(AMOUNTS), st.sampled_from(AMOUNTS), instants(begin)
    )
    rows: list[Row] = [Bet(number, *bet) for number, bet in enumerate(draw(st.lists(content, max_size=most)), start=1)]
    if not order_free and rows:
        again = draw(st.lists(st.tuples(st.integers(1, len(rows)), content), max_size=3))
        rows += [Bet(number, *bet) for number, bet in again]
    return rows


@st.composite
def early_rows(draw: st.DrawFn, ids: Sequence[int], now: int) -> list[Row]:
    """Rows a day ahead of now, to the microsecond, which may be read, and later ones, which wait."""
    rows: list[Row] = []
    for number in range(draw(st.integers(0, 3))):
        at = now + DAY + draw(st.sampled_from((0, 1, DAY)))
        player = draw(st.sampled_from(list(ids)))
        if draw(st.booleans()):
            rows.append(Bet(900 + number, player, 3_000, 1, at))
        else:
            rows.append(Money("depositos", 900 + number, player, 3_000, "approved", at))
    return rows


def bad_rows() -> st.SearchStrategy[list[BadRow]]:
    """Rows that could not be read, some under the id of a good one."""
    row = st.builds(
        lambda source, number, reason: BadRow(source, number, reason, {"id": number or "?", "valor": "1.234"}),
        st.sampled_from(MONEY_SOURCES),
        st.sampled_from(("1", "2", "777", None)),
        st.sampled_from(("bad_money", "bad_time")),
    )
    return st.lists(row, max_size=2)


@st.composite
def configurations(draw: st.DrawFn, begin: int) -> list[tuple[str | None, dict[str, Any]]]:
    """The default, or one that is superseded in the middle of the world or on the first of its second month."""
    versions: list[tuple[str | None, dict[str, Any]]] = [(None, dict(DEFAULT_CONFIG_VERSIONS[0][1]))]
    since = draw(st.sampled_from((None, 5, 12, "month")))
    if since is not None:
        first = date(1970, 1, 1) + timedelta(days=begin // DAY)
        if since == "month":
            day = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
        else:
            day = first + timedelta(days=int(since))
        versions.append((day.isoformat(), OTHER_DOCUMENT))
    return versions


@st.composite
def worlds(draw: st.DrawFn, *, order_free: bool = True, most_rows: int = 40) -> World:
    """A world. `order_free`: without the three things whose outcome depends on the order of reading, which are
    conflicting links, two different bets under one id, and versions of a person without `atualizado_em`."""
    begin = instant(draw(st.sampled_from(BEGINNINGS)))
    now = begin + SPAN * DAY
    ids = draw(person_ids())
    players = draw(st.lists(st.sampled_from(ids), min_size=2, max_size=6, unique=True))
    rows: list[Row | BadRow] = [
        *draw(cadastro(ids, begin, order_free)),
        *draw(links(ids, begin, order_free)),
        *draw(money(players, begin, most_rows)),
        *draw(bets(players, begin, most_rows, order_free)),
        *draw(early_rows(ids, now)),
        *draw(bad_rows()),
    ]
    first = date(1970, 1, 1) + timedelta(days=begin // DAY - 1)
    return World(
        zone=draw(st.sampled_from(ZONES)),
        config=draw(configurations(begin)),
        rows=rows,
        now=now,
        later=now + 10 * DAY,
        days=[first + timedelta(days=number) for number in range(SPAN + 6)],
        people=sorted(ids),
    )


@st.composite
def splits(draw: st.DrawFn, rows: Sequence[Row | BadRow], *, most_windows: int = 6) -> list[list[Row | BadRow]]:
    """The same rows in any order, some of them twice or more, cut into windows anywhere. Shrinks to one window in
    the given order."""
    chance = random.Random(seed) if (seed := draw(st.integers(0, 2**32 - 1))) else None
    dealt = list(rows)
    if chance is not None:
        dealt += chance.choices(dealt, k=chance.randint(0, len(dealt))) if dealt else []
        chance.shuffle(dealt)
    cuts = sorted(draw(st.lists(st.integers(0, len(dealt)), max_size=most_windows - 1)))
    return [dealt[start:end] for start, end in zip([0, *cuts], [*cuts, len(dealt)], strict=True)]
