"""Why a player qualified or not, and who earns what by it (DOMAIN.md, "CPA")."""

from __future__ import annotations

import msgspec

from fature_kv.domain.calendar import parse_day
from fature_kv.domain.commission import MINIMUMS, Configuration
from fature_kv.figures.answers import Award, CpaAnswer, Sums, as_of
from fature_kv.figures.reading import Hash, Read, hash_of, number, text
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, ancestors, check_record

_THEN = [name.encode() for name in MINIMUMS]
_SO_FAR = [name if name == b"days_active" else b"own_" + name for name in _THEN]


def validate_cpa(tenant: Tenant, player: int, viewer: Viewer = EVERYTHING) -> Read[CpaAnswer]:
    """`POST /affiliates/{id}/validate-cpa`: awards of whom the viewer may not see are left out."""
    keys = tenant.keys
    fresh, *held = yield tenant.records([keys.affiliate(player), keys.cpa(player)])
    record, cpa = map(hash_of, held)
    check_record(viewer, player, record)
    criteria, sums = grounds(record, cpa)
    qualified_on = text(record, b"qualified_on")
    return CpaAnswer(qualified_on, criteria, Sums(*sums), _awards(tenant, record, viewer), as_of(fresh))


def grounds(record: Hash, cpa: Hash) -> tuple[dict[str, int] | None, list[int]]:
    """The group of minimums met and the sums on that day; of a pending player none, and the sums so far."""
    if b"qualified_on" not in record:
        return None, [number(record, field) for field in _SO_FAR]
    criteria = msgspec.json.decode(cpa.get(b"criteria", b"null"), type=dict[str, int] | None)
    return criteria, [number(cpa, field) for field in _THEN]


def earned(record: Hash, level: int, configuration: Configuration) -> int:
    """What an ancestor at that level earns for the player of a record."""
    qualified_on = text(record, b"qualified_on")
    return 0 if qualified_on is None else configuration.cpa_cents(level, parse_day(qualified_on))


def _awards(tenant: Tenant, record: Hash, viewer: Viewer) -> list[Award]:
    if b"qualified_on" not in record:
        return []
    above = ancestors(record.get(b"path"))
    awards = []
    for level, ancestor in enumerate(above, start=1):
        if viewer.sees(ancestor, above[level:]):
            awards.append(Award(ancestor, level, earned(record, level, tenant.configuration)))
    return awards
