"""Managers' decisions on people: another sponsor, or the day of a qualification (DOMAIN.md, "Links", "CPA").

A decision is journaled, and kept in `decisions` for people to read, by the script call that carries it out. A rebuild
carries them out again at their place in the journal and keeps nothing anew; taking a run back (archive/undo.py) is the
third kind.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from fature_kv import journal
from fature_kv.domain import calendar
from fature_kv.domain.calendar import Day
from fature_kv.errors import Conflict, NotFound, Stale, TreeMoved, UsageError
from fature_kv.ingest import moves, parking, parts
from fature_kv.ingest.chunks import sections
from fature_kv.ingest.fold import Fold, KeyList
from fature_kv.ingest.states import Player
from fature_kv.keyspace import TenantKeys
from fature_kv.store import Store

Kind: TypeAlias = Literal["moved", "declared", "undone"]
_REASON_MAX = 500


class Decision(NamedTuple):
    """A decision as it is kept: the journal's entry that tells it, and what it says."""

    entry: str
    body: dict[str, Any]


def checked_reason(text: str) -> str:
    """A reason as it is kept; UsageError for none."""
    reason = " ".join(text.split())
    if not reason or len(reason) > _REASON_MAX:
        raise UsageError(f"a decision needs a reason of 1 to {_REASON_MAX} characters")
    return reason


def read(store: Store, keys: TenantKeys) -> list[Decision]:
    """All decisions, the latest first."""
    flat = store.call("HGETALL", keys.decisions)
    found = [
        Decision(entry.decode(), msgspec.json.decode(told)) for entry, told in zip(flat[::2], flat[1::2], strict=True)
    ]
    return sorted(found, key=lambda decision: journal.place(decision.entry), reverse=True)


def concerns(decision: Decision, person: int) -> bool:
    """Whether a decision is about a person, or put somebody under them."""
    return person in (decision.body.get("affiliate_id"), decision.body.get("sponsor_id"), decision.body.get("before"))


def told(body: dict[str, Any]) -> bytes:
    """A decision as `decisions` keeps it."""
    return msgspec.json.encode(body, order="deterministic")


def _recorded(fold: Fold, keys: KeyList, kind: Kind, at: int, **body: Any) -> tuple[Any, ...]:
    """The journal entry of a decision, which the script keeps in `decisions` as well."""
    body["at"] = at
    return (*fold.entry(kind, body), keys(fold.tenant.decisions), told({"kind": kind, **body}))


# -- another sponsor --------------------------------------------------------------------------------------------------


def move(fold: Fold, person: int, sponsor: int | None, reason: str, at: int) -> bool:
    """Puts a person, and all below, under another sponsor or none; histories follow (moves.py). False when that is so.

    NotFound for somebody who is not there, Conflict where it would close a loop.
    """
    for attempt in range(fold.settings.retry_attempts):
        fold.sync_forest()
        before, dated = _standing(fold, person, sponsor)
        if before == sponsor:
            return False
        if sponsor is not None and fold.forest.is_above(person, sponsor, {}):
            raise Conflict(f"{sponsor} stands below {person}: the move would close a loop; move {sponsor} away first")
        pairs = ["sponsor_id", sponsor, *(() if dated else ("tracked_at", at))]
        keys = fold.key_list(fold.keys.moves, fold.keys.pending_sizes)
        link = [keys(fold.keys.affiliate(person)), person, sponsor or 0, pairs]
        entry = _recorded(
            fold, keys, "moved", at, affiliate_id=person, sponsor_id=sponsor, before=before, reason=reason
        )  # fmt: skip
        try:
            fold.apply("links", keys, [entry], links=[link], tree=fold.forest.version)
        except TreeMoved:
            parking.back_off(attempt)
        else:
            return True
    raise parking.crowded(fold)


def _standing(fold: Fold, person: int, sponsor: int | None) -> tuple[int | None, bool]:
    """Under whom the person stands, and whether the link has a time."""
    (rev, before, tracked_at), there = fold.store.pipeline(
        [
            ("HMGET", fold.keys.affiliate(person), "rev", "sponsor_id", "tracked_at"),
            ("HEXISTS", fold.keys.affiliate(sponsor or person), "rev"),
        ]
    )
    if rev is None or not there:
        raise NotFound(f"there is no affiliate {person if rev is None else sponsor}")
    return None if before is None else int(before), tracked_at is not None


# -- the day of a qualification ---------------------------------------------------------------------------------------


def declare(fold: Fold, player: int, day: Day | None, reason: str, at: int) -> bool:
    """Declares a player qualified on a day, whatever the criteria say; None leaves it to them again. False when that is
    so already. NotFound for somebody who is not there, UsageError for a day to come."""
    if day is not None and not calendar.MIN_DAY <= day <= fold.day_of(at):
        raise UsageError(f"a player can be declared qualified on a day up to today, not on {calendar.day_text(day)}")
    for attempt in range(fold.settings.retry_attempts):
        before = moves.settled(fold, [player]).get(player)
        if before is None:
            raise NotFound(f"there is no affiliate {player}")
        if before.own.declared_on == day:
            return False
        try:
            _declare(fold, before, day, reason, at)
        except Stale:
            parking.back_off(attempt)
        else:
            return True
    raise parking.crowded(fold)


def _declare(fold: Fold, before: Player, day: Day | None, reason: str, at: int) -> None:
    (chunk,) = parts.declared(fold, before, day).cut(fold.configuration, fold.settings.chunk_units)
    keys, plan = sections(fold, chunk)
    text = None if day is None else calendar.day_text(day)
    entry = _recorded(fold, keys, "declared", at, affiliate_id=before.id, qualified_on=text, reason=reason)
    plan["config"] = str(fold.configuration.revision)
    fold.apply("chunk", keys, [entry], seen=[], versions=[], money=False, **plan)
