"""Why a player qualified or not, and who earns what by it (DOMAIN.md, "CPA")."""

from __future__ import annotations

from fature_kv.domain.commission import Configuration, sums_of
from fature_kv.domain.player import Own
from fature_kv.figures.answers import Award, CpaAnswer, Sums, as_of, optional_day
from fature_kv.figures.reading import Read, hash_of
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import EVERYTHING, Viewer, own_of


def validate_cpa(tenant: Tenant, player: int, viewer: Viewer = EVERYTHING) -> Read[CpaAnswer]:
    """`POST /affiliates/{id}/validate-cpa`: awards of whom the viewer may not see are left out."""
    keys = tenant.keys
    fresh, record, state = yield tenant.records([keys.affiliate(player)], [keys.own(player)])
    viewer.check(player, hash_of(record).get(b"rev"), state)
    own = own_of(state)
    criteria, sums = grounds(own)
    return CpaAnswer(optional_day(own.qualified_on), criteria, Sums(*sums), _awards(tenant, own, viewer), as_of(fresh))


def grounds(own: Own) -> tuple[dict[str, int] | None, list[int]]:
    """The group of minimums met and the sums on that day; of a pending player none, and the sums so far."""
    if own.qualification is None:
        return None, sums_of(own.totals, own.days_active)
    return own.qualification.criteria, own.qualification.sums


def earned(own: Own, level: int, configuration: Configuration) -> int:
    """What an ancestor at that level earns for a player."""
    return 0 if own.qualified_on is None else configuration.cpa_cents(level, own.qualified_on)


def _awards(tenant: Tenant, own: Own, viewer: Viewer) -> list[Award]:
    if own.qualification is None:
        return []
    return [
        Award(ancestor, level, earned(own, level, tenant.configuration))
        for level, ancestor in enumerate(own.path, start=1)
        if viewer.sees(ancestor, own.path[level:])
    ]
