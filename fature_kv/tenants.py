"""Tenants: an operator or company, nothing of which is ever shared with another (DOMAIN.md, "Words").

A tenant is its profile. The set of all slugs only serves listing; it lies in another slot of a cluster and is written
after the profile, so a process killed in between leaves a tenant that works and is not listed. Creating it again says
that it exists, and lists it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from fature_kv import journal
from fature_kv.errors import Conflict, NotFound, UsageError
from fature_kv.keyspace import TENANTS, TenantKeys, check_slug
from fature_kv.scripts import script
from fature_kv.store import Store

_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


class Tenant(msgspec.Struct, frozen=True):
    """A tenant's profile, and the generation its figures are read from."""

    slug: str
    name: str
    timezone: str
    currency: str
    created_at: int
    live: int

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def keys(self) -> TenantKeys:
        return TenantKeys(self.slug)


def create(store: Store, slug: str, *, name: str, timezone: str, currency: str, now_us: int) -> Tenant:
    """A new tenant; its name is the slug where none is given. Conflict when it exists."""
    keys = TenantKeys(check_slug(slug))
    profile: dict[str, str | int] = {
        "slug": slug,
        "name": name.strip() or slug,
        "timezone": check_zone(timezone),
        "currency": _checked_currency(currency),
        "created_at": now_us,
    }
    kind, data = journal.entry("tenant", {"run": "", "at": now_us, **profile})
    pairs = [word for pair in profile.items() for word in pair]
    try:
        store.run(script("tenant"), [keys.profile, keys.control, keys.journal], [kind, data, *pairs])
    except Conflict:
        store.write("tenants", "SADD", TENANTS, slug)
        raise Conflict(f"tenant '{slug}' exists already; `fature-kv tenant list` shows all") from None
    store.write("tenants", "SADD", TENANTS, slug)
    return get(store, slug)


def get(store: Store, slug: str) -> Tenant:
    """The tenant; NotFound when there is none of that name."""
    keys = TenantKeys(check_slug(slug))
    profile, live = store.pipeline([("HGETALL", keys.profile), ("HGET", keys.control, "live")])
    tenant = tenant_of(_mapping(profile), live)
    if tenant is None:
        raise NotFound(f"tenant '{slug}' does not exist; create it with `fature-kv tenant create {slug}`")
    return tenant


def list_tenants(store: Store) -> list[Tenant]:
    """All tenants by slug."""
    commands: list[tuple[str, ...]] = []
    for slug in sorted(store.call("SMEMBERS", TENANTS)):
        keys = TenantKeys(slug.decode())
        commands += [("HGETALL", keys.profile), ("HGET", keys.control, "live")]
    replies = store.pipeline(commands)
    found = (tenant_of(_mapping(profile), live) for profile, live in zip(replies[::2], replies[1::2], strict=True))
    return [tenant for tenant in found if tenant is not None]


def tenant_of(profile: Mapping[bytes, bytes], live: bytes | None) -> Tenant | None:
    """The tenant of a profile hash and the control hash's `live`; None when either is not there."""
    if not profile or live is None:
        return None
    fields = {name.decode(): value.decode() for name, value in profile.items()}
    return Tenant(
        slug=fields["slug"],
        name=fields["name"],
        timezone=fields["timezone"],
        currency=fields["currency"],
        created_at=int(fields["created_at"]),
        live=int(live),
    )


def check_zone(name: str) -> str:
    """The zone's name itself; UsageError when the IANA database has no such zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"'{name}' is no time zone; give one of the IANA database such as America/Sao_Paulo") from None
    return name


def _checked_currency(code: str) -> str:
    if not _CURRENCY.fullmatch(code):
        raise UsageError(f"'{code}' is no currency; give three letters such as BRL")
    return code.upper()


def _mapping(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
