"""Referrals: the members of one level, by ascending id.

The first round trip lists who stands there, the second reads their records at one instant. Whoever moved in between
is judged by the record: a member that is no longer on the level, or of the status asked for, is left out.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import Any, Final

from fature_kv.domain import cells
from fature_kv.domain.calendar import rfc3339
from fature_kv.domain.player import Own
from fature_kv.figures import cursors
from fature_kv.figures.answers import Referral, ReferralsAnswer, Validation, as_of, optional_day
from fature_kv.figures.explanation import earned, grounds
from fature_kv.figures.reading import Hash, Read, hash_of, number, text
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, own_of

STATUSES: Final = ("pending", "validated")
_CURSOR: Final = "referrals"


def referrals(
    tenant: Tenant,
    person: int,
    level: int,
    status: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
    viewer: Viewer = EVERYTHING,
) -> Read[ReferralsAnswer]:
    """`GET /affiliates/{id}/referrals`"""
    after = 0 if cursor is None else cursors.decode_number(_CURSOR, cursor)
    keys = tenant.keys
    sets = [keys.members(person, level, each) for each in STATUSES if status in (None, each)]
    fresh, head, *listed = yield tenant.ask(
        "read_members", [keys.affiliate(person), keys.own(person), *sets], after, limit + 1
    )
    viewer.check(person, *head)
    found = list(islice(heapq.merge(*([int(member) for member in members] for members in listed)), limit + 1))
    page = found[:limit]
    held: list[Any] = []
    if page:
        fresh, *held = yield tenant.records(list(map(keys.affiliate, page)), list(map(keys.own, page)))
    items = [
        referral
        for member, record, state in zip(page, held[: len(page)], held[len(page) :], strict=True)
        if (referral := _referral(tenant, person, member, level, hash_of(record), own_of(state), viewer))
        and status in (None, referral.status)
    ]
    more = cursors.encode(_CURSOR, page[-1]) if len(found) > limit else None
    return ReferralsAnswer(items, more, as_of(fresh))


def _referral(
    tenant: Tenant, person: int, member: int, level: int, record: Hash, own: Own, viewer: Viewer
) -> Referral | None:
    """The member as the affiliate sees it; None where it is not on that level, or too deep for who looks."""
    if own.path[level - 1 : level] != (person,) or not viewer.sees(member, own.path):
        return None
    criteria, sums = grounds(own)
    validated_on = optional_day(own.qualified_on)
    tracked_at = text(record, b"tracked_at")
    return Referral(
        affiliate_id=member,
        level=level,
        status="pending" if validated_on is None else "validated",
        registered_at=rfc3339(number(record, b"registered_at")),
        tracked_at=None if tracked_at is None else rfc3339(int(tracked_at)),
        validated_on=validated_on,
        deposits_cents=own.totals[cells.OWN_DEPOSITS],
        bets_cents=own.totals[cells.OWN_BETS],
        cpa_cents=earned(own, level, tenant.configuration),
        validation=Validation(criteria, *sums),
    )
