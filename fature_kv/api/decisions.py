"""A manager's decisions over HTTP: carried out by a writer of their own, beside the one of `POST /events`."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import msgspec
from litestar.datastructures import State

from fature_kv.api.parameters import day
from fature_kv.api.session import Session
from fature_kv.domain.calendar import Day
from fature_kv.errors import UsageError
from fature_kv.ingest import session as ingest
from fature_kv.ingest.writer import API_RUN
from fature_kv.store import Store


class Override(NamedTuple):
    """A player is qualified on a day, or (None) as the criteria say again."""

    day: Day | None
    reason: str


def override_of(body: bytes) -> Override | None:
    """The decision that a request holds; None for a mere question."""
    if not body.strip():
        return None
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"the body is no JSON: {error}") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("override", False), bool):
        raise UsageError('the body: expected nothing, or {"override": true, "day": "YYYY-MM-DD", "reason": "..."}')
    if not asked.get("override"):
        return None
    if unknown := asked.keys() - {"override", "day", "reason"}:
        raise UsageError(f"the body: '{min(unknown)[:40]}' is none of override, day, reason")
    if "day" not in asked or not isinstance(asked["day"], str | None):
        raise UsageError("day: expected YYYY-MM-DD, or null to leave it to the criteria again")
    if not isinstance(asked.get("reason"), str):
        raise UsageError("reason: expected why, as text")
    return Override(day("day", asked["day"]), asked["reason"])


async def declare(state: State, session: Session, player: int, override: Override) -> None:
    """Carries an override out; all figures and boards follow it when this returns."""
    work = asyncio.to_thread(_declare, state, session.tenant.slug, player, override)
    await asyncio.shield(work)  # a caller who hangs up takes nothing back


def _declare(state: Any, slug: str, player: int, override: Override) -> None:
    store = Store(state.redis_url, state.settings.redis_timeout_s)
    try:
        writer = ingest.Session(store, slug, state.settings, run=API_RUN, clock=state.clock)
        writer.declare(player, override.day, override.reason)
    finally:
        store.close()
