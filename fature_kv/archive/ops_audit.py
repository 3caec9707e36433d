"""Rows of an operations database beside what a tenant holds of them, one window at a time.

What both know is confirmed, to be folded anew; what only one of them knows, or knows otherwise, is a `RowDifference`.
Of people, links and decisions the live tenant is the judge (DOMAIN.md, law 6): they are compared, never folded here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import msgspec
import numpy as np

from fature_kv import journal
from fature_kv.archive.reconcile import contents, names_of
from fature_kv.archive.replay import entries
from fature_kv.domain.rows import BadRow, Bet, Money, MoneySource, Row, Source
from fature_kv.domain.versions import money_key, supersedes
from fature_kv.ingest import parking
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.newest import held_versions, unpack_version
from fature_kv.ingest.people import held_people
from fature_kv.ingest.seen import SeenPages
from fature_kv.ingest.window import Item, row_id, source_of
from fature_kv.keyspace import SEEN_PAGE, GenerationKeys
from fature_kv.store import Store

Kind: TypeAlias = Literal["deleted", "only_here", "not_read", "newer_there", "newer_here", "changed"]
"""
deleted      a sync brought it, and it is no longer there
only_here    files or the API brought it, and it is not there
not_read     it is there and was never read
newer_there  a newer version is there
newer_here   what counts is newer than what is there
changed      it is there with another content of the same time, as after a change of the mapping
"""
Identity: TypeAlias = tuple[Source, str]
_AT_ONCE = 1000
_SYNC_RUN = "sync-"


class RowDifference(NamedTuple):
    """A row of which the tenant and the operations database say different things; None for what is not there."""

    source: Source
    id: str
    kind: Kind
    live: Any = None
    there: Any = None


class _Named(NamedTuple):
    """The identity of a row of money, whatever else of it can be read."""

    source: MoneySource
    id: int


class Audit:
    """One comparison. `live` is the tenant's live generation; what it holds is looked up when the rows come."""

    def __init__(self, live: Fold) -> None:
        self.live = live
        self.differences: list[RowDifference] = []
        self._there: dict[Source, set[str]] = {"cadastro": set(), "tracked": set()}

    def confirmed(self, source: Source, rows: Sequence[Row | BadRow]) -> list[Row]:
        """The rows of money and bets that both know, as they count."""
        if source in ("cadastro", "tracked"):
            self._there[source].update(filter(None, map(row_id, rows)))
            look = self._look_at_people if source == "cadastro" else self._look_at_links
            look([row for row in rows if not isinstance(row, BadRow)])
            return []
        return self._bets(rows) if source == "casino_bets_v" else self._money(cast(MoneySource, source), rows)

    def _look_at_people(self, rows: Sequence[Any]) -> None:
        held = held_people(self.live, [row.id for row in rows])
        for row in rows:
            person = held[row.id].person
            if person is not None and supersedes(row, person):
                self._tell(row, "newer_there", person)
        self._look_for([row for row in rows if held[row.id].person is None])

    def _look_at_links(self, rows: Sequence[Any]) -> None:
        keys = [self.live.keys.affiliate(row.user_id) for row in rows]
        first = self.live.store.pipeline([("HGET", key, "first_sponsor_id") for key in keys])
        self._look_for([row for row, sponsor in zip(rows, first, strict=True) if int(sponsor or 0) != row.referrer_id])

    def _money(self, source: MoneySource, rows: Sequence[Row | BadRow]) -> list[Row]:
        named = [(_Named(source, int(told)), row) for row in rows if (told := row_id(row)) is not None]
        held = held_versions(self.live, [Item(0, name) for name, _ in named])
        found: list[Row] = []
        unknown: list[Row] = []
        for name, row in named:
            packed = held.get(name)
            if packed is not None:
                version = unpack_version(*name, packed)
                found.append(version)
                if isinstance(row, Money) and row != version:
                    self._compare(row, version)
            elif isinstance(row, Money):
                unknown.append(row)
        self._look_for(unknown)
        return found

    def _compare(self, there: Money, version: Money) -> None:
        one, other = money_key(there), money_key(version)
        if one > other:
            self._look_for([there], "newer_there", version)
        else:
            self._tell(there, "newer_here" if other[0] > one[0] else "changed", version)

    def _bets(self, rows: Sequence[Row | BadRow]) -> list[Row]:
        named = [(int(told), row) for row in rows if (told := row_id(row)) is not None]
        ids = np.array([id_ for id_, _ in named], np.int64)
        found: list[Row] = []
        unknown: list[Row] = []
        for (_, row), known in zip(named, SeenPages(self.live, ids).known(ids).tolist(), strict=True):
            if isinstance(row, Bet):
                (found if known else unknown).append(row)
            elif known:
                self._tell(row, "changed", True)
        self._look_for(unknown)
        return found

    def _look_for(self, rows: Sequence[Row], kind: Kind = "not_read", live: Row | None = None) -> None:
        """Rows that don't count: nothing to tell of where they wait or are in quarantine."""
        if not rows:
            return
        keys = self.live.keys
        waits, bad = self.live.store.pipeline(
            [
                ("HMGET", keys.parked, *map(parking.parked_field, rows)),
                ("HMGET", keys.quarantine, *map(parking.quarantine_field, rows)),
            ]
        )
        for row, *known in zip(rows, waits, bad, strict=True):
            if known == [None, None]:
                self._tell(row, kind, live)

    def _tell(self, row: Row | BadRow, kind: Kind, live: Any) -> None:
        self.differences.append(RowDifference(source_of(row), str(row_id(row)), kind, live, row))

    # -- what only the tenant knows -----------------------------------------------------------------------------------

    def look_for_gone(
        self, people: Iterable[int], links: Iterable[str], rebuilt: GenerationKeys, catch_up: Callable[[], None]
    ) -> None:
        """Tells of what counts and was not there: people and links of these, rows that were not confirmed. `catch_up`
        folds what came meanwhile into the rebuilt generation: a row that it brings there is not gone."""
        gone: list[Identity] = [("cadastro", str(p)) for p in people if str(p) not in self._there["cadastro"]]
        gone += [("tracked", link) for link in links if link not in self._there["tracked"]]
        rows = set(_only_in(self.live.store, self.live.keys, rebuilt))
        if rows:
            catch_up()
            rows &= set(_only_in(self.live.store, self.live.keys, rebuilt))
        gone += rows
        brought = _origins(self.live, set(gone)) if gone else {}
        for source, id_ in sorted(gone):
            run = brought.get((source, id_), "")
            kind: Kind = "deleted" if run.startswith(_SYNC_RUN) else "only_here"
            self.differences.append(RowDifference(source, id_, kind, run or True))


def everybody(live: Fold) -> tuple[list[int], list[str]]:
    """Everybody there is, and the first accepted link of each who has one (`user:referrer`)."""
    store, keys = live.store, live.keys
    people = sorted(int(name.partition(":")[2]) for name in names_of(store, keys) if name.startswith("affiliate:"))
    links: list[str] = []
    for start in range(0, len(people), _AT_ONCE):
        some = people[start : start + _AT_ONCE]
        first = store.pipeline([("HGET", keys.affiliate(person), "first_sponsor_id") for person in some])
        links += [f"{person}:{int(sponsor)}" for person, sponsor in zip(some, first, strict=True) if sponsor]
    return people, links


def _only_in(store: Store, live: GenerationKeys, rebuilt: GenerationKeys) -> Iterator[Identity]:
    """Rows of money and bets that the live generation has and the rebuilt one has not."""
    names = sorted(name for name in names_of(store, live) if name.startswith(("seen:", "versions:")))
    for start in range(0, len(names), _AT_ONCE):
        batch = names[start : start + _AT_ONCE]
        for name, one, other in zip(batch, contents(store, live, batch), contents(store, rebuilt, batch), strict=True):
            _, *source, page = name.split(":")
            for field in one.keys() - other.keys():
                if source:
                    yield cast(Source, source[0]), field.decode()
                else:
                    yield "casino_bets_v", str(int(page) * SEEN_PAGE + int(field))


def _origins(live: Fold, wanted: set[Identity]) -> dict[Identity, str]:
    """The run that brought each of these rows, by the journal; for one that had waited not the run that released it."""
    found: dict[Identity, str] = {}
    waited: dict[str, str] = {}
    for _, kind, body in entries(live.store, live.tenant.journal, "0"):
        if kind == "parked":
            for field, packed in body["rows"]:
                if _parked_identity(field) in wanted:
                    waited[field] = msgspec.msgpack.decode(packed)["run"]
        released = {_parked_identity(field): waited[field] for field in body.get("released", ()) if field in waited}
        read = _IDENTITIES.get(kind)
        for identity in read(body) if read else ():
            if identity in wanted:
                found[identity] = released.get(identity, body["run"])
    return found


def _parked_identity(field: str) -> Identity:
    """Whose version is parked under a field (`parking.parked_field`)."""
    source, _, id_ = field.rpartition(":")[0].partition(":")
    return cast(Source, source), id_


def _of_rows(body: dict[str, Any]) -> Iterator[Identity]:
    for source, row, *_ in body["money"]:
        yield source, str(row)
    for id_ in journal.values(body["bets"][0]).tolist() if body.get("bets") else ():
        yield "casino_bets_v", str(id_)


_IDENTITIES: dict[str, Callable[[dict[str, Any]], Iterable[Identity]]] = {
    "people": lambda body: [("cadastro", str(person)) for person, *_ in body["people"]],
    "links": lambda body: [("tracked", f"{user}:{referrer}") for user, referrer, _ in body["links"]],
    "rows": _of_rows,
}
