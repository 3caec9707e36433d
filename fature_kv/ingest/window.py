"""A window: rows that are decided together, and what became of each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row, Source

Column: TypeAlias = npt.NDArray[np.int64]
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


class Origin(NamedTuple):
    """By which run a row came, and when."""

    run: str
    at: int


class Parked(NamedTuple):
    """Where a released row was parked: its field, the person it waited on (None when for its day), and its origin."""

    field: str
    person: int | None
    origin: Origin


class Item(NamedTuple):
    """A row of the window: its place in it, where it was parked when it comes from there, and its origin where that is
    not the run that applies it now."""

    place: int
    row: Any
    parked: Parked | None = None
    origin: Origin | None = None


class Bets(NamedTuple):
    """Bets as columns: place in the window, id, user_id, stake and win in centavos, instant."""

    place: Column
    id: Column
    user: Column
    stake: Column
    win: Column
    at: Column

    def take(self, chosen: Any) -> Bets:
        """Those that an index, a mask or a slice names."""
        return Bets(*(column[chosen] for column in self))


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
    """Rows sorted by kind, and a result for each place; bets come as rows, or as columns behind the rows."""

    def __init__(
        self,
        rows: Sequence[Row | BadRow],
        released: Iterable[tuple[Row, Parked]] = (),
        bets: Sequence[Column] = (),
        origins: Sequence[Origin] = (),
    ) -> None:
        """`bets` are the columns of `Bets` without `place`; `origins` are those of the rows, where they are told."""
        self._origins = dict(enumerate(origins))
        items = [Item(place, row, None, self._origins.get(place)) for place, row in enumerate(rows)]
        items += [Item(len(rows) + i, row, parked, parked.origin) for i, (row, parked) in enumerate(released)]
        self._origins |= {item.place: item.parked.origin for item in items if item.parked}
        self.size = len(rows)
        self.people = [item for item in items if type(item.row) is Person]
        self.links = [item for item in items if type(item.row) is Link]
        self.money = [item for item in items if type(item.row) is Money]
        self.bad = [item for item in items if type(item.row) is BadRow]
        self.bets = _columns([item for item in items if type(item.row) is Bet])
        if bets:
            columns = Bets(np.arange(len(items), len(items) + len(bets[0])), *bets)
            self.bets = Bets(*map(np.concatenate, zip(self.bets, columns, strict=True)))
        self.parked = {item.place: item.parked for item in items if item.parked}
        self._sources: list[Source] = [source_of(item.row) for item in items]
        self._results = np.zeros(len(items) + (len(bets[0]) if bets else 0), np.int64)
        self._outcomes: list[RowResult | None] = [None]

    @property
    def good(self) -> list[Item]:
        """All items that may be applied."""
        return [*self.people, *self.links, *self.money, *self.items(self.bets)]

    def items(self, bets: Bets) -> list[Item]:
        """The items of bets that stand as columns."""
        rows = zip(*(column.tolist() for column in bets), strict=True)
        return [Item(place, Bet(*row), self.parked.get(place), self._origins.get(place)) for place, *row in rows]

    def settle(self, items: Iterable[Item], result: Result, reason: str | None = None) -> None:
        self.settle_places([item.place for item in items], result, reason)

    def settle_places(self, places: Column | Sequence[int], result: Result, reason: str | None = None) -> None:
        outcome = RowResult(result, reason)
        if outcome not in self._outcomes:
            self._outcomes.append(outcome)
        self._results[places if len(places) else slice(0)] = self._outcomes.index(outcome)

    def take_back(self, items: Iterable[Item], result: Result) -> None:
        """Those of the items that were settled so are undecided again."""
        for item in items:
            told = self.outcome(item.place)
            if told is not None and told.result == result:
                self._results[item.place] = 0

    def outcome(self, place: int) -> RowResult | None:
        """What became of the row at a place, None while it is undecided."""
        return self._outcomes[int(self._results[place])]

    def pending(self, items: Iterable[Item]) -> list[Item]:
        """Those of the items that have no result yet."""
        return [item for item in items if not self._results[item.place]]

    def pending_bets(self, bets: Bets) -> Bets:
        """Those of the bets that have no result yet."""
        return bets.take(self._results[bets.place] == 0)

    @property
    def outcomes(self) -> set[Result]:
        """All there are of results."""
        told = (self._outcomes[code] for code in np.unique(self._results).tolist())
        return {outcome.result for outcome in told if outcome is not None}

    def answers(self) -> list[RowResult]:
        """A result for each row that was given, in order."""
        answers = [self._outcomes[code] for code in self._results[: self.size].tolist()]
        assert all(answers), "a row of the window was forgotten"
        return answers

    def count_into(self, run: str, applied: Counter[str], others: Counter[str], reasons: Counter[str]) -> None:
        """Adds to the counts of a run: applied by source, duplicates and parked, quarantined by reason.

        A row that the same run had parked is counted anew; one of an earlier run only when something became of it. Rows
        without a result are not counted: they are read and tried again.
        """
        rows = len(self._sources)
        told = Counter(zip(self._sources, self._results[:rows].tolist(), strict=True))
        codes, many = np.unique(self._results[rows:], return_counts=True)
        told.update({("casino_bets_v", code): count for code, count in zip(codes.tolist(), many.tolist(), strict=True)})
        for place, parked in self.parked.items():
            outcome = self.outcome(place)
            if outcome is None:
                continue
            if outcome.result == "parked" or (outcome.result == "duplicate" and parked.origin.run != run):
                told[self._sources[place], int(self._results[place])] -= 1
            if outcome.result != "parked" and parked.origin.run == run:
                others["parked"] -= 1
        for (source, code), count in told.items():
            outcome = self._outcomes[code]
            if outcome is None:
                continue
            if outcome.result == "applied":
                applied[source] += count
            elif outcome.result == "quarantined":
                reasons[str(outcome.reason)] += count
            else:
                others[outcome.result] += count


def _columns(items: Sequence[Item]) -> Bets:
    rows = [(item.place, r.id, r.user_id, r.stake, r.win, r.created_at) for item in items for r in (item.row,)]
    return Bets(*np.array(rows, np.int64).reshape(-1, 6).T)
