"""A window: rows that are decided together, and what became of each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row, Source

Result: TypeAlias = Literal["applied", "duplicate", "parked", "quarantined"]

TYPES: Final[dict[str, type[Any]]] = {
    "cadastro": Person,
    "tracked": Link,
    "depositos": Money,
    "casino_bets_v": Bet,
    "saque": Money,
    "bonus": Money,
}


class RowResult(NamedTuple):
    """What became of a row; `reason` is told for `parked` and `quarantined`."""

    result: Result
    reason: str | None = None


class Parked(NamedTuple):
    """Where a released row was parked: its field, the person it waited on (None when for its day), and by which run."""

    field: str
    person: int | None
    run: str


class Item(NamedTuple):
    """A row of the window: its place in it, and where it was parked when it comes from there."""

    place: int
    row: Any
    parked: Parked | None = None


def source_of(row: Row | BadRow) -> Source:
    """The source a row belongs to."""
    if isinstance(row, Bet):
        return "casino_bets_v"
    if isinstance(row, Person):
        return "cadastro"
    if isinstance(row, Link):
        return "tracked"
    return row.source


def row_id(row: Row | BadRow) -> str | None:
    """A row's identity within its source; `user:referrer` for links."""
    if isinstance(row, Link):
        return f"{row.user_id}:{row.referrer_id}"
    return row.id if isinstance(row, BadRow) else str(row.id)


def pack_row(row: Row) -> dict[str, Any]:
    """A row as plain values, for the journal and for parking."""
    return {"source": source_of(row), **msgspec.structs.asdict(row)}


def unpack_row(packed: dict[str, Any]) -> Row:
    """The row that `pack_row` was given."""
    kind = TYPES[packed["source"]]
    fields = packed if kind is Money else {k: v for k, v in packed.items() if k != "source"}
    row: Row = msgspec.convert(fields, kind)
    return row


class Window:
    """Rows sorted by kind, and a result for each place."""

    def __init__(self, rows: Sequence[Row | BadRow], released: Iterable[tuple[Row, Parked]] = ()) -> None:
        items = [Item(place, row) for place, row in enumerate(rows)]
        items += [Item(len(rows) + i, row, parked) for i, (row, parked) in enumerate(released)]
        self.size = len(rows)
        self.results: list[RowResult | None] = [None] * len(items)
        self.people = [item for item in items if type(item.row) is Person]
        self.links = [item for item in items if type(item.row) is Link]
        self.money = [item for item in items if type(item.row) is Money]
        self.bets = [item for item in items if type(item.row) is Bet]
        self.bad = [item for item in items if type(item.row) is BadRow]
        self._sources = [source_of(item.row) for item in items]
        self._parked = {item.place: item.parked for item in items if item.parked}

    @property
    def good(self) -> list[Item]:
        """All items that may be applied."""
        return [*self.people, *self.links, *self.money, *self.bets]

    def settle(self, items: Iterable[Item], result: Result, reason: str | None = None) -> None:
        outcome = RowResult(result, reason)
        for item in items:
            self.results[item.place] = outcome

    def take_back(self, items: Iterable[Item], result: Result) -> None:
        """Those of the items that were settled so are undecided again."""
        for item in items:
            told = self.results[item.place]
            if told is not None and told.result == result:
                self.results[item.place] = None

    def pending(self, items: Iterable[Item]) -> list[Item]:
        """Those of the items that have no result yet."""
        return [item for item in items if self.results[item.place] is None]

    def answers(self) -> list[RowResult]:
        """A result for each row that was given, in order."""
        answers = self.results[: self.size]
        assert all(answers), "a row of the window was forgotten"
        return answers  # type: ignore[return-value]

    def count_into(self, run: str, applied: Counter[str], others: Counter[str], reasons: Counter[str]) -> None:
        """Adds to the counts of a run: applied by source, duplicates and parked, quarantined by reason.

        A row that the same run had parked is counted anew; one of an earlier run only when something became of it.
        """
        for place, (source, outcome) in enumerate(zip(self._sources, self.results, strict=True)):
            assert outcome is not None
            parked = self._parked.get(place)
            if parked and outcome.result == "parked":
                continue
            if parked and parked.run == run:
                others["parked"] -= 1
            if outcome.result == "applied":
                applied[source] += 1
            elif outcome.result == "quarantined":
                reasons[str(outcome.reason)] += 1
            elif not parked or parked.run == run:
                others[outcome.result] += 1
