"""Affiliates: the record of a person, one or many."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from fature_kv.domain import cells
from fature_kv.domain.calendar import rfc3339
from fature_kv.figures.answers import Affiliate, AffiliateAnswer, AffiliatesAnswer, Own, as_of
from fature_kv.figures.levels import Rev, of_months, unpack_months
from fature_kv.figures.reading import Hash, Read, hash_of, number, text
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, ancestors, check_record
from fature_kv.keyspace import GenerationKeys

_OWN = [(name, f"own_{name}".encode()) for name in cells.OWN_FIELDS]
_TOTALS = [name.encode() for name in cells.RECORD_FIELDS[cells.TOTALS :]]


def affiliate(tenant: Tenant, person: int, viewer: Viewer = EVERYTHING) -> Read[AffiliateAnswer]:
    """`GET /affiliates/{id}`"""
    fresh, flat, personal, months = yield tenant.records(record_keys(tenant.keys, person))
    record = hash_of(flat)
    check_record(viewer, person, record)
    found = affiliate_of(person, record, hash_of(personal), _rev(tenant, months), viewer)
    return AffiliateAnswer(**structs.asdict(found), as_of=as_of(fresh))


def affiliates(tenant: Tenant, people: Sequence[int], viewer: Viewer = EVERYTHING) -> Read[AffiliatesAnswer]:
    """`GET /affiliates?ids=`: each person once, in the order asked; who does not exist for the viewer is left out."""
    people = list(dict.fromkeys(people))
    fresh, *held = yield tenant.records([key for person in people for key in record_keys(tenant.keys, person)])
    items = []
    for person, flat, personal, months in zip(people, held[::3], held[1::3], held[2::3], strict=True):
        record = hash_of(flat)
        if b"rev" in record and viewer.sees(person, ancestors(record.get(b"path"))):
            items.append(affiliate_of(person, record, hash_of(personal), _rev(tenant, months), viewer))
    return AffiliatesAnswer(items, as_of(fresh))


def record_keys(keys: GenerationKeys, person: int) -> list[str]:
    """What `affiliate_of` is made of: the record, the personal fields and the months."""
    return [keys.affiliate(person), keys.personal(person), keys.months(person)]


def affiliate_of(person: int, record: Hash, personal: Hash, rev: Rev, viewer: Viewer) -> Affiliate:
    """A person, from the hashes of `record_keys`."""
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
        own=_own_of(record),
    )


def _own_of(record: Hash) -> Own:
    numbers = {name: number(record, field) for name, field in _OWN}
    return Own(
        **numbers,
        ggr_cents=numbers["bets_cents"] - numbers["wins_cents"],
        days_active=number(record, b"days_active"),
        first_active_on=text(record, b"first_active_on"),
        last_active_on=text(record, b"last_active_on"),
        first_deposit_on=text(record, b"first_deposit_on"),
        qualified_on=text(record, b"qualified_on"),
    )


def _rev(tenant: Tenant, months: list[bytes]) -> Rev:
    return of_months(unpack_months(months), tenant.configuration)
