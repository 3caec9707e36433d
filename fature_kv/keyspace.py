"""Every key name of ours, once; `keyspace.md` tells the same in words.

A tenant is one hash slot: all of its keys hold `{slug}`. Figures live under a generation, so that a rebuild can
fill the next one beside the live one and swap; what can't be recomputed from rows lives outside generations.
Nothing else in the code builds a key.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from fature_kv.errors import UsageError

TENANTS: Final = "fkv:global:tenants"

SEEN_PAGE: Final = 32_768
VERSION_PAGE: Final = 128
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,62}\Z")


def check_slug(slug: str) -> str:
    """The slug itself; UsageError when it is none (DOMAIN.md, "Words")."""
    if not _SLUG.match(slug):
        raise UsageError(f"'{slug}' is no tenant slug: 2 to 63 of a-z, 0-9 and '-', beginning with a letter or digit")
    return slug


class TenantKeys(NamedTuple):
    """Keys of a tenant that stand outside generations."""

    tenant: str

    @property
    def prefix(self) -> str:
        return f"fkv:{{{self.tenant}}}:"

    @property
    def profile(self) -> str:
        return f"{self.prefix}profile"

    @property
    def control(self) -> str:
        """Hash: live and building generation, writers' hold, revision of the configuration."""
        return f"{self.prefix}control"

    @property
    def config(self) -> str:
        return f"{self.prefix}config"

    @property
    def journal(self) -> str:
        return f"{self.prefix}journal"

    @property
    def runs(self) -> str:
        return f"{self.prefix}runs"

    @property
    def mapping(self) -> str:
        """String: the tenant's own names of tables, columns and status words."""
        return f"{self.prefix}mapping"

    @property
    def sync(self) -> str:
        """Hash: how far each source of each operations database was read."""
        return f"{self.prefix}sync"

    @property
    def decisions(self) -> str:
        """Hash: what managers decided, by the entry of the journal that tells it."""
        return f"{self.prefix}decisions"

    @property
    def fsync(self) -> str:
        """Written to wait for the fsync of all that was written before (durability `waitaof`)."""
        return f"{self.prefix}fsync"

    def token(self, digest: str) -> str:
        return f"{self.prefix}token:{digest}"

    def generation(self, number: int) -> GenerationKeys:
        return GenerationKeys(self.tenant, number)


class GenerationKeys:
    """Keys of one generation of a tenant's figures."""

    __slots__ = ("number", "prefix", "tenant")

    def __init__(self, tenant: str, number: int) -> None:
        self.tenant = tenant
        self.number = number
        self.prefix = f"fkv:{{{tenant}}}:{number}:"

    # one per generation
    @property
    def state(self) -> str:
        return f"{self.prefix}state"

    @property
    def forest(self) -> str:
        return f"{self.prefix}forest"

    @property
    def moves(self) -> str:
        return f"{self.prefix}moves"

    @property
    def pending_sizes(self) -> str:
        return f"{self.prefix}pending-sizes"

    @property
    def dirty(self) -> str:
        return f"{self.prefix}dirty"

    @property
    def flush(self) -> str:
        return f"{self.prefix}flush"

    @property
    def mask(self) -> str:
        """Scratch of one script call; never there between calls."""
        return f"{self.prefix}mask"

    @property
    def quarantine(self) -> str:
        return f"{self.prefix}quarantine"

    @property
    def parked(self) -> str:
        return f"{self.prefix}parked"

    @property
    def due(self) -> str:
        return f"{self.prefix}due"

    @property
    def ripe(self) -> str:
        return f"{self.prefix}ripe"

    @property
    def inactive(self) -> str:
        """Set: people whose status is not `active`."""
        return f"{self.prefix}inactive"

    # one per person
    def affiliate(self, person: int) -> str:
        return f"{self.prefix}affiliate:{person}"

    def personal(self, person: int) -> str:
        return f"{self.prefix}personal:{person}"

    def own(self, person: int) -> str:
        return f"{self.prefix}own:{person}"

    def own_month(self, person: int, month: str) -> str:
        return f"{self.prefix}own-month:{person}:{month}"

    def waits(self, person: int) -> str:
        return f"{self.prefix}waits:{person}"

    def months(self, affiliate: int) -> str:
        return f"{self.prefix}months:{affiliate}"

    def days(self, affiliate: int, month: str) -> str:
        return f"{self.prefix}days:{affiliate}:{month}"

    def members(self, affiliate: int, level: int, status: str) -> str:
        """`status` is `pending` or `validated`."""
        return f"{self.prefix}members:{affiliate}:{level}:{status}"

    # one per page of ids
    def seen(self, page: int) -> str:
        return f"{self.prefix}seen:{page}"

    def seen_few(self, page: int) -> str:
        return f"{self.prefix}seen-few:{page}"

    def versions(self, source: str, page: int) -> str:
        return f"{self.prefix}versions:{source}:{page}"

    # one per metric and period
    def board(self, metric: str, period_key: str) -> str:
        return f"{self.prefix}board:{metric}:{period_key}"


def tenant_keys(slug: str) -> TenantKeys:
    """Keys of a tenant; UsageError when `slug` is none."""
    return TenantKeys(check_slug(slug))


def board_member(person: int) -> str:
    """A board's member: the number of digits as a letter, then the id, so that byte order is order of ids."""
    digits = str(person)
    return chr(96 + len(digits)) + digits


def board_person(member: bytes | str) -> int:
    """The person of a board's member."""
    return int(member[1:])
