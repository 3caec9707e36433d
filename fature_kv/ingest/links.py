"""Rows of `tracked`: who came through whom (DOMAIN.md, "Links"). The first accepted pair stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fature_kv.domain.rows import Link
from fature_kv.errors import TreeMoved
from fature_kv.ingest import parking
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.window import Item, Window

_AT_ONCE = 200


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
    accepted: list[Item] = []
    waiting: list[tuple[Item, str, int]] = []
    bad: list[Item] = []
    early: list[Item] = []
    for item in items:
        link: Link = item.row
        first = held[link.user_id]
        if first == link.referrer_id:
            window.settle([item], "duplicate")
        elif fold.is_early(link):
            early.append(item)
        elif first is None or held[link.referrer_id] is None:
            reason, person = (
                (parking.MISSING_USER, link.user_id) if first is None else (parking.MISSING_REFERRER, link.referrer_id)
            )
            waiting.append((item, reason, person))
        elif first or forest.is_above(link.user_id, link.referrer_id, fresh):
            reason = "second_sponsor" if first else "cycle"
            bad.append(item._replace(row=parking.bad_link(link, reason)))
        else:
            held[link.user_id] = link.referrer_id
            fresh[link.user_id] = link.referrer_id
            accepted.append(item)
    refused = _hang(fold, window, accepted)
    if refused:
        # What was found bad was found so beside links that did not come to be: decide it anew with them.
        return window.pending(items)
    parking.park_until_due(fold, window, early)
    parking.quarantine(fold, window, bad)
    return parking.park_links(fold, window, waiting)


def _read(fold: Fold, items: Sequence[Item]) -> dict[int, int | None]:
    """The first accepted sponsor of each person: 0 for none, None for somebody who is not there."""
    people = sorted({person for item in items for person in (item.row.user_id, item.row.referrer_id)})
    commands = [("HMGET", fold.keys.affiliate(person), "rev", "first_sponsor_id") for person in people]
    replies = fold.store.pipeline(commands)
    return {p: None if rev is None else int(first or 0) for p, (rev, first) in zip(people, replies, strict=True)}


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
