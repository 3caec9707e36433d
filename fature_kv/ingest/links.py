"""Rows of `tracked`: who came through whom (DOMAIN.md, "Links"). The first accepted pair stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fature_kv.domain.rows import Link
from fature_kv.errors import TreeMoved
from fature_kv.ingest import moves, parking, states
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.window import Item, Window

_AT_ONCE = 200


class _Held(NamedTuple):
    """What there is of somebody: the first accepted sponsor and the present one (0 for none), and whether a decision
    has given a link its time."""

    first: int
    sponsor: int
    dated: bool


def apply(fold: Fold, window: Window) -> None:
    """Applies the window's links in order of (tracked_em, user_id, referrer_id)."""
    items = sorted(window.pending(window.links), key=lambda item: _order(item.row))
    for attempt in range(fold.settings.retry_attempts):
        if not items:
            break
        items = _attempt(fold, window, items)
        if items:
            parking.back_off(attempt)
    if items:
        raise parking.crowded(fold)
    parking.settle_duplicates(fold, window, window.links)


def _order(link: Link) -> tuple[int, int, int]:
    return link.tracked_at, link.user_id, link.referrer_id


def _attempt(fold: Fold, window: Window, items: Sequence[Item]) -> list[Item]:
    """One try; returns the items that were refused, or whose person came meanwhile."""
    forest = fold.sync_forest()
    fresh: dict[int, int] = {}
    held = _read(fold, items)
    if _stand_elsewhere(fold, [person for person, user in held.items() if user and user.dated and not user.sponsor]):
        moves.drain(fold)
        return list(items)
    accepted: list[Item] = []
    waiting: list[tuple[Item, str, int]] = []
    bad: list[Item] = []
    early: list[Item] = []
    for item in items:
        link: Link = item.row
        user = held[link.user_id]
        if user and user.first == link.referrer_id:
            window.settle([item], "duplicate")
        elif fold.is_early(link):
            early.append(item)
        elif user is None:
            waiting.append((item, parking.MISSING_USER, link.user_id))
        elif held[link.referrer_id] is None:
            waiting.append((item, parking.MISSING_REFERRER, link.referrer_id))
        elif user.sponsor or user.first or forest.is_above(link.user_id, link.referrer_id, fresh):
            reason = "second_sponsor" if user.sponsor or user.first else "cycle"
            bad.append(item._replace(row=parking.bad_link(link, reason)))
        else:
            held[link.user_id] = _Held(link.referrer_id, link.referrer_id, user.dated)
            fresh[link.user_id] = link.referrer_id
            accepted.append(item)
    refused = _hang(fold, window, accepted)
    if refused:
        # What was found bad was found so beside links that did not come to be: decide it anew with them.
        return window.pending(items)
    parking.park_until_due(fold, window, early)
    parking.quarantine(fold, window, bad)
    return parking.park_links(fold, window, waiting)


def _read(fold: Fold, items: Sequence[Item]) -> dict[int, _Held | None]:
    """What there is of each person; None for somebody who is not there."""
    people = sorted({person for item in items for person in (item.row.user_id, item.row.referrer_id)})
    fields = ("rev", "first_sponsor_id", "sponsor_id", "tracked_at")
    replies = fold.store.pipeline([("HMGET", fold.keys.affiliate(person), *fields) for person in people])
    return {
        person: None if rev is None else _Held(int(first or 0), int(sponsor or 0), tracked is not None)
        for person, (rev, first, sponsor, tracked) in zip(people, replies, strict=True)
    }


def _stand_elsewhere(fold: Fold, people: Sequence[int]) -> bool:
    """Whether a history still stands under a sponsor that a decision took away, dated by what a link will change."""
    return any(player.own.path or player.own.moving for player in states.load(fold, people).values())


def _hang(fold: Fold, window: Window, items: Sequence[Item]) -> list[Item]:
    """Hangs the accepted links; returns those that were refused because the forest moved."""
    for start in range(0, len(items), _AT_ONCE):
        batch = items[start : start + _AT_ONCE]
        keys = fold.key_list(fold.keys.moves, fold.keys.pending_sizes)
        links = [_section(fold, item.row, keys) for item in batch]
        unpark, unquarantine = parking.release(fold, batch, keys)
        body = {
            "links": [[r.user_id, r.referrer_id, r.tracked_at] for r in (item.row for item in batch)],
            "released": [item.parked.field for item in batch if item.parked],
        }
        try:
            fold.apply(
                "links", keys, [fold.entry("links", body)], links=links, tree=fold.forest.version,
                unpark=unpark, unquarantine=unquarantine,
            )  # fmt: skip
        except TreeMoved:
            return list(items[start:])
        for item in batch:
            fold.forest.hang(item.row.user_id, item.row.referrer_id)
        fold.forest.version += len(batch)
        window.settle(batch, "applied")
    return []


def _section(fold: Fold, link: Link, keys: Any) -> list[Any]:
    pairs = ["sponsor_id", link.referrer_id, "first_sponsor_id", link.referrer_id, "tracked_at", link.tracked_at]
    return [keys(fold.keys.affiliate(link.user_id)), link.user_id, link.referrer_id, pairs]
