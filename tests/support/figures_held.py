"""All figures that Redis holds of a tenant, in readable form, to be compared with those of another."""

from __future__ import annotations

from typing import Any

from fature_kv import tenants
from fature_kv.cli.decoding import kind_of
from fature_kv.store import Store

_NOT_FIGURES = {"state", "flush", "dirty", "forest", "quarantine", "parked"}
"""Times, counters, and what has times or the order of arrival in it."""


def figures_held(store: Store, slug: str) -> dict[str, Any]:
    """Every key of the live generation that follows from rows alone."""
    tenant = tenants.get(store, slug)
    prefix = tenant.keys.generation(tenant.live).prefix
    found: dict[str, Any] = {}
    for key in sorted(_scan(store, prefix + "*")):
        known = kind_of(key)
        assert known is not None, key
        kind, parts = known
        if parts["name"] in _NOT_FIGURES:
            continue
        _, value = kind.decode(store, key, 1_000_000, parts)
        if parts["name"] == "affiliate":
            value.pop("rev", None)  # counts writes, which depend on how rows were split
        found[key.removeprefix(prefix)] = value
    assert found
    return found


def _scan(store: Store, pattern: str) -> set[str]:
    return {key.decode() for some in store.scan(pattern.removesuffix("*"), pattern, 1000) for key in some}
