"""The current facts: what is known after the rows read so far (DOMAIN.md, "Sources" and "Bad and early rows").

Nothing is counted here. A fact is the newest applicable version of a row, an accepted link or a manager's decision;
everything else waits in `parked`, stands in `quarantine`, or changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from tests.model.rows import Identity, fault, identity, is_newer_person, needs, times, version

AHEAD = 24 * 60 * 60 * 1_000_000  # a row may lie this far ahead of now, in microseconds


class Result(NamedTuple):
    """What became of one row of a window."""

    result: str  # applied | duplicate | parked | quarantined
    reason: str | None = None


class Happened(NamedTuple):
    """One thing that happened, for it all to be told again without what is void.

    `sent`: a row of a run was applied. `waits`: one came too early. `released`: one that had waited was tried again and
    waits no more. `bad`, `good`: a row's identity came into quarantine, or left it since a row of a run was in already.
    `moved`, `declared`: decisions, which are of no run.
    """

    what: str
    run: str | None
    row: Any = None
    identity: Identity | None = None
    words: tuple[Any, ...] = ()


class Bad(NamedTuple):
    """Why a row is in quarantine, the row, and the run that brought it."""

    reason: str
    row: Row | BadRow
    run: str


class Waiting(NamedTuple):
    """A row to be judged: one of the window, at its place in it, or a parked one (`at` is None)."""

    at: int | None
    row: Row


AnyRow = TypeVar("AnyRow", Person, Link, Money, Bet)


class Facts:
    """What stands after the windows fed so far."""

    def __init__(self, zone: str) -> None:
        self.year_2000 = int(datetime(2000, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000
        self.history: list[Happened] = []
        self._forget()

    def _forget(self) -> None:
        self.people: dict[int, Person] = {}
        self.money: dict[Identity, Money] = {}
        self.bets: dict[int, Bet] = {}
        self.accepted: dict[int, Link] = {}  # user -> the first accepted link, for ever
        self.sponsor: dict[int, int] = {}  # user -> the sponsor as of now, decisions included
        self.moved_at: dict[int, int] = {}  # user without an accepted link -> the time of the decision
        self.qualified: dict[int, str] = {}  # player -> the day a manager declared
        self.parked: dict[Row, str] = {}  # in order of reading, with the run that brought them last
        self.quarantine: dict[Identity, Bad] = {}

    def feed(self, rows: Iterable[Row | BadRow], now: int, run: str = "run") -> list[Result]:
        """Take one window of a run: people first, then links, then money.

        Rows that wait are tried again along with it: links together with the window's, people and money behind them.
        """
        window = list(rows)
        results: dict[int, Result] = {}
        fresh: list[Waiting] = []
        for place, row in enumerate(window):
            reason = row.reason if isinstance(row, BadRow) else fault(row, self.year_2000)
            if reason is not None:
                self.quarantine[identity(row)] = Bad(reason, row, run)
                self._note("bad", run, row, reason)
                results[place] = Result("quarantined", reason)
            elif not isinstance(row, BadRow):
                fresh.append(Waiting(place, row))
        sent = {row for _, row in fresh}
        parked = [Waiting(None, row) for row in self.parked]
        links = [*fresh, *(each for each in parked if each.row not in sent)]
        stages = [(self._people, fresh), (self._people, parked), (self._links, links)]
        stages += [(judge, rows) for judge in (self._money, self._bets) for rows in (fresh, parked)]
        for judge, waiting in stages:
            for (at, row), result in list(judge(waiting, now)):
                if at is not None:
                    results[at] = result
                    self._note_sent(run, row, result)
                    self._take(row, result, run, fresh=True)
                if row in self.parked and result.result != "parked" and (at is None or judge == self._links):
                    self._leave(row, result)
        return [results[at] for at in range(len(window))]

    def _leave(self, row: Row, result: Result) -> None:
        """A row waits no more."""
        run = self.parked.pop(row)
        if result.result == "quarantined":
            self._note("bad", run, row, result.reason)
        else:
            self._note("released", None, row)
        self._take(row, result, run, fresh=False)

    def _take(self, row: Row, result: Result, run: str, *, fresh: bool) -> None:
        """Where a row stays that is not applied, and what it clears."""
        if result.result == "parked":
            self.parked[row] = run
        if result.result == "quarantined":
            self.quarantine[identity(row)] = Bad(str(result.reason), row, run)
        elif fresh or result.result == "applied":
            self.quarantine.pop(identity(row), None)

    # -- what happened, told again -----------------------------------------------------------------------------------

    def _note(self, what: str, run: str | None, row: Row | BadRow, word: str | None = None) -> None:
        self.history.append(Happened(what, run, row, identity(row), (word,)))

    def _note_sent(self, run: str, row: Row, result: Result) -> None:
        clears = "clears" if identity(row) in self.quarantine else None
        match result.result:
            case "applied":
                self._note("sent", run, row)
            case "parked":
                self._note("waits", run, row, clears)
            case "quarantined":
                self._note("bad", run, row, result.reason)
            case _ if clears:
                self._note("good", run, row)

    def undo(self, run: str | None, rows: Iterable[Identity] = ()) -> None:
        """A manager's decision: what a run brought, or single rows, never came."""
        void = set(rows)
        kept = [
            each
            for each in self.history
            if (each.run is None or each.run != run) and (each.what == "released" or each.identity not in void)
        ]
        self._forget()
        self.history = []
        for each in kept:
            self._again(each)
        self.history = kept

    def retry_links(self, now: int) -> None:
        """Links that were refused for what else was there are sent again, run by run."""
        by_run: dict[str, list[Row | BadRow]] = {}
        for bad in self.quarantine.values():
            if bad.reason in ("second_sponsor", "cycle"):
                by_run.setdefault(bad.run, []).append(bad.row)
        for run in sorted(by_run):
            self.feed(by_run[run], now, run)

    def _again(self, each: Happened) -> None:
        now = max(times(each.row)) if each.row is not None and not isinstance(each.row, BadRow) else 0
        match each.what:
            case "sent":
                self._judge_again(each.row, now, str(each.run), fresh=True)
            case "released" if each.row in self.parked:
                self._judge_again(each.row, now, self.parked.pop(each.row), fresh=False)
            case "waits":
                self._take(each.row, Result("parked"), str(each.run), fresh=each.words[0] is not None)
            case "bad":
                self.quarantine[each.identity or ("", "")] = Bad(each.words[0], each.row, str(each.run))
                self.parked.pop(each.row, None) if not isinstance(each.row, BadRow) else None
            case "good":
                self.quarantine.pop(each.identity or ("", ""), None)
            case "moved" if self.people.keys() >= {person for person in each.words[:2] if person is not None}:
                with suppress(ValueError):
                    self._move(*each.words)
            case "declared" if each.words[0] in self.people:
                self.declare(*each.words)

    def _judge_again(self, row: Row, now: int, run: str, *, fresh: bool) -> None:
        for judge in (self._people, self._links, self._money, self._bets):
            for _, result in list(judge([Waiting(0, row)], now)):
                self._take(row, result, run, fresh=fresh)

    def declare(self, player: int, day: str | None) -> None:
        """A manager's decision: the player qualified on that day; None leaves it to the criteria."""
        if player not in self.people:
            raise ValueError("absent")
        self.history.append(Happened("declared", None, words=(player, day)))
        self.qualified.pop(player, None)
        if day is not None:
            self.qualified[player] = day

    def move(self, user: int, sponsor: int | None, now: int) -> None:
        """A manager's decision: the person, and the subtree with it, goes under another sponsor or none."""
        if user not in self.people or (sponsor is not None and sponsor not in self.people):
            raise ValueError("absent")
        self._move(user, sponsor, now)
        self.history.append(Happened("moved", None, words=(user, sponsor, now)))

    def _move(self, user: int, sponsor: int | None, now: int) -> None:
        if sponsor is None:
            self.sponsor.pop(user, None)
            return
        if user == sponsor or user in self.ancestors(sponsor):
            raise ValueError("cycle")
        self.sponsor[user] = sponsor
        if user not in self.accepted:
            self.moved_at.setdefault(user, now)

    def ancestors(self, person: int) -> Iterator[int]:
        """Sponsor, sponsor's sponsor and so on, to the root."""
        while person in self.sponsor:
            person = self.sponsor[person]
            yield person

    def tracked_at(self, user: int) -> int:
        """When the person came: the accepted link's time, or the decision's where there was no link."""
        return self.accepted[user].tracked_at if user in self.accepted else self.moved_at[user]

    def _ready(self, row: Row, now: int) -> bool:
        """Everybody it needs is there, and it is not over a day ahead."""
        return all(person in self.people for person in needs(row)) and max(times(row)) <= now + AHEAD

    def _people(self, waiting: list[Waiting], now: int) -> Iterator[tuple[Waiting, Result]]:
        for rows in by_identity(waiting, Person):
            known = self.people.get(rows[0][1].id)
            newest = known
            for _, row in rows:
                if self._ready(row, now) and is_newer_person(row, newest):
                    newest = row
            fresh = newest is not None and newest != known
            if newest is not None:
                self.people[newest.id] = newest
            for place, row in rows:
                if fresh and row == newest:
                    fresh = False
                    yield place, Result("applied")
                elif not self._ready(row, now) and is_newer_person(row, newest):
                    yield place, Result("parked")
                else:
                    yield place, Result("duplicate")

    def _links(self, waiting: list[Waiting], now: int) -> Iterator[tuple[Waiting, Result]]:
        links = [(place, place.row) for place in waiting if isinstance(place.row, Link)]
        for place, link in sorted(links, key=lambda item: (item[1].tracked_at, item[1].user_id, item[1].referrer_id)):
            yield place, self._link(link, now)

    def _link(self, link: Link, now: int) -> Result:
        user, referrer = link.user_id, link.referrer_id
        if user in self.accepted and self.accepted[user].referrer_id == referrer:
            return Result("duplicate")
        if not self._ready(link, now):
            return Result("parked")
        if user in self.accepted or user in self.sponsor:
            return Result("quarantined", "second_sponsor")
        if user in self.ancestors(referrer):
            return Result("quarantined", "cycle")
        self.accepted[user] = link
        self.sponsor[user] = referrer
        return Result("applied")

    def _money(self, waiting: list[Waiting], now: int) -> Iterator[tuple[Waiting, Result]]:
        for rows in by_identity(waiting, Money):
            known = self.money.get(identity(rows[0][1]))
            newest = known
            for _, row in rows:
                if self._ready(row, now) and (newest is None or version(row) > version(newest)):
                    newest = row
            fresh = newest is not known
            if newest is not None:
                self.money[identity(newest)] = newest
            for place, row in rows:
                if newest is None or version(row) > version(newest):
                    yield place, Result("parked")
                elif fresh and version(row) == version(newest):
                    fresh = False
                    yield place, Result("applied")
                else:
                    yield place, Result("duplicate")

    def _bets(self, waiting: list[Waiting], now: int) -> Iterator[tuple[Waiting, Result]]:
        for rows in by_identity(waiting, Bet):
            first = next((place for place, row in rows if self._ready(row, now)), None)
            for place, row in rows:
                if row.id in self.bets:
                    yield place, Result("duplicate")
                elif place is first:
                    self.bets[row.id] = row
                    yield place, Result("applied")
                else:
                    yield place, Result("parked" if first is None else "duplicate")


def by_identity(waiting: list[Waiting], kind: type[AnyRow]) -> list[list[tuple[Waiting, AnyRow]]]:
    """The rows of one kind, those of one identity together, in order of reading."""
    groups: dict[Identity, list[tuple[Waiting, AnyRow]]] = {}
    for place in waiting:
        if isinstance(place.row, kind):
            groups.setdefault(identity(place.row), []).append((place, place.row))
    return list(groups.values())
