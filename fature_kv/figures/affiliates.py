"""Affiliates: the record of a person, one or many."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from fature_kv.domain import cells, streaks
from fature_kv.domain.calendar import day_text, rfc3339
from fature_kv.domain.player import Own
from fature_kv.figures.answers import Affiliate, AffiliateAnswer, AffiliatesAnswer, OwnFigures, as_of, optional_day
from fature_kv.figures.levels import Rev, of_months, unpack_months
from fature_kv.figures.reading import Hash, Read, hash_of, number, text
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, own_of
from fature_kv.keyspace import GenerationKeys

_TOTALS = [name.encode() for name in cells.RECORD_FIELDS[cells.TOTALS :]]


def affiliate(tenant: Tenant, person: int, viewer: Viewer = EVERYTHING) -> Read[AffiliateAnswer]:
    """`GET /affiliates/{id}`"""
    keys = tenant.keys
    fresh, flat, personal, months, state = yield tenant.records(record_keys(keys, person), [keys.own(person)])
    record = hash_of(flat)
    viewer.check(person, record.get(b"rev"), state)
    found = affiliate_of(person, record, hash_of(personal), own_of(state), _rev(tenant, months), viewer)
    return AffiliateAnswer(**structs.asdict(found), as_of=as_of(fresh))


def affiliates(tenant: Tenant, people: Sequence[int], viewer: Viewer = EVERYTHING) -> Read[AffiliatesAnswer]:
    """`GET /affiliates?ids=`: each person once, in the order asked; who does not exist for the viewer is left out."""
    people = list(dict.fromkeys(people))
    keys = tenant.keys
    hashes = [key for person in people for key in record_keys(keys, person)]
    fresh, *held = yield tenant.records(hashes, list(map(keys.own, people)))
    states = held[len(hashes) :]
    items = []
    for i, person in enumerate(people):
        flat, personal, months = held[3 * i : 3 * i + 3]
        record, own = hash_of(flat), own_of(states[i])
        if b"rev" in record and viewer.sees(person, own.path):
            items.append(affiliate_of(person, record, hash_of(personal), own, _rev(tenant, months), viewer))
    return AffiliatesAnswer(items, as_of(fresh))


def record_keys(keys: GenerationKeys, person: int) -> list[str]:
    """The hashes that `affiliate_of` is made of: the record, the personal fields and the months."""
    return [keys.affiliate(person), keys.personal(person), keys.months(person)]


def affiliate_of(person: int, record: Hash, personal: Hash, own: Own, rev: Rev, viewer: Viewer) -> Affiliate:
    """A person, from the hashes of `record_keys` and the own state."""
    referrals, validated, ftd, deposits, bets, wins, cpa = (number(record, field) for field in _TOTALS)
    return Affiliate(
        affiliate_id=person,
        name=viewer.name(person, text(personal, b"name") or ""),
        email=viewer.contact(person, text(personal, b"email") or ""),
        phone=viewer.contact(person, text(personal, b"phone") or ""),
        status=text(record, b"status") or "active",
        sponsor_id=number(record, b"sponsor_id") or None,
        registered_at=rfc3339(number(record, b"registered_at")),
        total_referrals=referrals,
        total_validated_referrals=validated,
        total_ftd=ftd,
        total_deposits_cents=deposits,
        total_bets_cents=bets,
        total_wins_cents=wins,
        total_ggr_cents=bets - wins,
        total_cpa_cents=cpa,
        total_rev_cents=rev.total,
        network_size=number(record, b"network_size"),
        own=_own_figures(own),
    )


def _own_figures(own: Own) -> OwnFigures:
    numbers = dict(zip(cells.OWN_FIELDS, own.totals, strict=True))
    runs = streaks.unpack_runs(own.runs)
    return OwnFigures(
        **numbers,
        ggr_cents=numbers["bets_cents"] - numbers["wins_cents"],
        days_active=own.days_active,
        first_active_on=day_text(runs[0][0]) if runs else None,
        last_active_on=day_text(sum(runs[-1]) - 1) if runs else None,
        first_deposit_on=optional_day(own.first_deposit_on),
        qualified_on=optional_day(own.qualified_on),
    )


def _rev(tenant: Tenant, months: list[bytes]) -> Rev:
    return of_months(unpack_months(months), tenant.configuration)
