"""`validate`: the rows of a source against what Redis holds of it, row by row and in sum.

Rows come in as lists, whatever they are read from; each source is compared by itself and reported by itself. What is
compared are the rows as they would be applied: of a row's versions in the source the newest. Nothing is written, and
nobody waits: rows that come in meanwhile may show as differences, which a second look settles.

Of deposits, withdrawals, bonuses, people and links the source's rows are kept in memory (some 0.3 KB each), of bets a
bit each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np

from fature_kv import tenants
from fature_kv.archive.held import Bits, Held
from fature_kv.domain import cells
from fature_kv.domain.commission import half_even
from fature_kv.domain.rows import SOURCES, BadRow, Bet, Link, Money, Person, Row, Source
from fature_kv.domain.status import counts
from fature_kv.domain.versions import money_key, supersedes
from fature_kv.errors import Conflict
from fature_kv.ingest.window import pack_row, row_id
from fature_kv.keyspace import SEEN_PAGE
from fature_kv.store import Store

Rows: TypeAlias = Iterable[Sequence[Row | BadRow]]
Kind: TypeAlias = Literal["missing", "other_version", "not_in_source", "sum"]
EXAMPLES: Final = 100
"""Differences of a source that are told one by one; how many there are is always told."""
_AT_ONCE: Final = 1000


class Difference(msgspec.Struct, frozen=True):
    """A row, or a figure, that is not the same on both sides; None where there is none."""

    kind: Kind
    id: str
    in_source: dict[str, Any] | int | None
    in_redis: dict[str, Any] | int | None


class Figure(msgspec.Struct, frozen=True):
    """A number as the source's rows make it, and as Redis holds it."""

    source: int
    redis: int


class SourceReport(msgspec.Struct):
    """A source: what became of its rows, its figures on both sides, and where these differ, by kind."""

    source: Source
    read: int = 0
    applied: int = 0
    duplicates: int = 0
    parked: int = 0
    quarantined: dict[str, int] = {}
    figures: dict[str, Figure] = {}
    differences: dict[Kind, int] = {}
    examples: list[Difference] = []

    def differ(
        self, kind: Kind, number: str, in_source: dict[str, Any] | int | None, in_redis: dict[str, Any] | int | None
    ) -> None:
        """Takes in a difference."""
        self.differences[kind] = self.differences.get(kind, 0) + 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(Difference(kind, number, in_source, in_redis))

    def compare(self, figures: dict[str, tuple[int, int]]) -> None:
        """Takes in figures, of the source and of Redis."""
        for name, (mine, held) in figures.items():
            self.figures[name] = Figure(mine, held)
            if mine != held:
                self.differ("sum", name, mine, held)


def validate(
    store: Store, slug: str, sources: Iterable[tuple[Source, Rows]], progress: Callable[[int], None] = lambda _: None
) -> list[SourceReport]:
    """A report for each source that there are rows of; several `sources` of one kind are one. `progress` is told how
    many rows have been read. Conflict when the figures were replaced meanwhile."""
    tenant = tenants.get(store, slug)
    held = Held(store, tenant.keys.generation(tenant.live))
    read: dict[Source, _Read] = {}
    rows_read = 0
    for source, lists in sources:
        if source not in read:
            read[source] = _BetsRead(held) if source == "casino_bets_v" else _RowsRead(source, held)
        for rows in lists:
            read[source].take(rows)
            rows_read += len(rows)
            progress(rows_read)
    totals = held.totals()
    for mine in read.values():
        mine.finish(totals)
    if tenants.get(store, slug).live != tenant.live:
        raise Conflict(f"a rebuild replaced the figures of '{slug}' meanwhile: run this again")
    return [read[source].report for source in SOURCES if source in read]


class _Read:
    """What was read of a source so far."""

    def __init__(self, source: Source, held: Held) -> None:
        self.report = SourceReport(source)
        self._held = held
        self._reasons: Counter[str] = Counter()
        self._nowhere: list[BadRow] = []
        """Bad rows that are not in quarantine, nor a good one of their identity in."""

    def take(self, rows: Sequence[Row | BadRow]) -> None:
        """Takes in rows, in the order they are read."""
        self.report.read += len(rows)
        bad = [row for row in rows if isinstance(row, BadRow)]
        self._reasons.update(row.reason for row in bad)
        for row, reason in zip(bad, self._held.quarantined(bad), strict=True):
            if reason is None and not self._held.is_in(row):
                self._nowhere.append(row)
        self._take([row for row in rows if not isinstance(row, BadRow)])

    def _take(self, rows: Sequence[Row]) -> None:
        raise NotImplementedError

    def finish(self, totals: Sequence[int]) -> None:
        """Compares with what Redis holds; `totals` are own figures of everybody (`cells.OWN_FIELDS`)."""
        raise NotImplementedError

    def _place(self, rows: Sequence[Row]) -> Iterator[tuple[Row, bool]]:
        """Counts rows that are not in as parked or quarantined; tells of each whether it is neither."""
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            for row, parked, reason in zip(some, self._held.is_parked(some), self._held.quarantined(some), strict=True):
                if parked:
                    self.report.parked += 1
                elif reason is not None:
                    self._reasons[reason] += 1
                yield row, not parked and reason is None

    def _has(self, number: str) -> bool:
        """Whether a good row of that identity was read."""
        raise NotImplementedError

    def _end(self) -> None:
        for row in self._nowhere:
            number = row_id(row)
            if number is None or not self._has(number):  # else the good one cleared it, and is looked for itself
                self.report.differ("missing", number or "?", {str(k): str(v) for k, v in row.raw.items()}, None)
        self.report.quarantined = dict(sorted(self._reasons.items()))


# -- people, links, deposits, withdrawals, bonuses -------------------------------------------------------------------


class _RowsRead(_Read):
    """Rows that have versions: the newest of each is kept."""

    def __init__(self, source: Source, held: Held) -> None:
        super().__init__(source, held)
        self._newest: dict[str, Row] = {}

    def _has(self, number: str) -> bool:
        return number in self._newest

    def _take(self, rows: Sequence[Row]) -> None:
        for row in rows:
            number = str(row_id(row))
            before = self._newest.get(number)
            self.report.duplicates += before is not None
            if before is None or _is_newer(row, before):
                self._newest[number] = row

    def finish(self, totals: Sequence[int]) -> None:
        report, mine, redis = self.report, _Sums(), _Sums()
        left, others = dict(self._newest), dict[str, Row]()
        for number, row in _held_rows(self._held, report.source):
            redis.add(row)
            if number not in left:
                report.differ("not_in_source", number, None, pack_row(row))
            elif _is_same(left[number], row):
                report.applied += 1
                mine.add(left.pop(number))
            else:
                others[number] = row
        for row, absent in self._place(list(left.values())):
            number = str(row_id(row))
            other = others.get(number)
            if absent:
                kind: Kind = "missing" if other is None else "other_version"
                report.differ(kind, number, pack_row(row), None if other is None else pack_row(other))
                mine.add(row)
            elif other is not None:
                mine.add(other)  # a newer version waits: until then the one held counts
        report.compare(_figures(report.source, mine, redis, totals))
        self._end()


class _Sums:
    """How many rows, how many that count (or people who are active), and what these come to."""

    def __init__(self) -> None:
        self.rows = self.counted = self.cents = 0

    def add(self, row: Row) -> None:
        self.rows += 1
        if isinstance(row, Money) and counts(row.status):
            self.counted += 1
            self.cents += row.amount
        elif isinstance(row, Person):
            self.counted += row.status == "active"


_OWN: Final = {
    "depositos": (cells.OWN_DEPOSITS, cells.OWN_DEPOSITS_COUNT),
    "saque": (cells.OWN_WITHDRAWALS, cells.OWN_WITHDRAWALS_COUNT),
    "bonus": (cells.OWN_BONUS, None),
}


def _figures(source: Source, mine: _Sums, redis: _Sums, totals: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Figures on both sides; sums of money as they stand in own figures, which everything shown is made of."""
    if source == "cadastro":
        return {"people": (mine.rows, redis.rows), "active": (mine.counted, redis.counted)}
    if source == "tracked":
        return {"links": (mine.rows, redis.rows)}
    cents_at, count_at = _OWN[source]
    cents, counted = totals[cents_at], redis.counted if count_at is None else totals[count_at]
    return {
        "rows": (mine.rows, redis.rows),
        "counted": (mine.counted, counted),
        "sum_cents": (mine.cents, cents),
        "average_cents": (_average(mine.cents, mine.counted), _average(cents, counted)),
    }


def _average(cents: int, many: int) -> int:
    return int(half_even(cents, many)) if many else 0


def _held_rows(held: Held, source: Source) -> Iterator[tuple[str, Row]]:
    if source == "cadastro":
        return held.people()
    if source == "tracked":
        return held.links()
    assert source != "casino_bets_v"
    return held.money(source)


def _is_newer(row: Row, before: Row) -> bool:
    """Whether a row takes the place of one of the same identity that was read before."""
    if isinstance(row, Person) and isinstance(before, Person):
        return supersedes(row, before)
    return isinstance(row, Money) and isinstance(before, Money) and money_key(row) > money_key(before)


def _is_same(mine: Row, held: Row) -> bool:
    """Whether Redis holds that version; of a link the pair alone tells."""
    if isinstance(mine, Money) and isinstance(held, Money):
        return money_key(mine) == money_key(held)
    return isinstance(mine, Link) or mine == held


# -- bets ------------------------------------------------------------------------------------------------------------


class _BetsRead(_Read):
    """Bets, of which Redis knows which are in, and their sums; the first of an id is the one that counts."""

    def __init__(self, held: Held) -> None:
        super().__init__("casino_bets_v", held)
        self._in = held.bets()
        self._mine: dict[int, Bits] = {}
        self._bets = self._stake = self._win = 0

    def _has(self, number: str) -> bool:
        page, offset = divmod(int(number), SEEN_PAGE)
        return page in self._mine and bool(self._mine[page][offset])

    def _take(self, rows: Sequence[Row]) -> None:
        absent: list[Row] = []
        for row in rows:
            assert isinstance(row, Bet)
            page, offset = divmod(row.id, SEEN_PAGE)
            mine = self._mine.get(page)
            if mine is None:
                mine = self._mine[page] = np.zeros(SEEN_PAGE, bool)
            if mine[offset]:
                self.report.duplicates += 1
                continue
            mine[offset] = True
            held = self._in.get(page)
            if held is not None and held[offset]:
                self.report.applied += 1
                self._add(row)
            else:
                absent.append(row)
        for row, missing in self._place(absent):
            if missing:
                self.report.differ("missing", str(row_id(row)), pack_row(row), None)
                self._add(row)

    def _add(self, row: Row) -> None:
        assert isinstance(row, Bet)
        self._bets += 1
        self._stake += row.stake
        self._win += row.win

    def finish(self, totals: Sequence[int]) -> None:
        for page, held in sorted(self._in.items()):
            mine = self._mine.get(page)
            more = held if mine is None else held & ~mine
            for offset in np.flatnonzero(more).tolist():
                self.report.differ("not_in_source", str(page * SEEN_PAGE + offset), None, None)
        bets, stake, win = (totals[at] for at in (cells.OWN_BETS_COUNT, cells.OWN_BETS, cells.OWN_WINS))
        averages = _average(self._stake, self._bets), _average(stake, bets)
        self.report.compare(
            {
                "rows": (self._bets, bets),
                "stake_cents": (self._stake, stake),
                "win_cents": (self._win, win),
                "average_stake_cents": averages,
            }
        )
        self._end()
