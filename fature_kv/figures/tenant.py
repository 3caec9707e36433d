"""The tenant a read is about: zone, live generation and commission configuration, as they stand now.

They come in one round trip (`commands`), which the API shares with its token check. Read-only scripts refuse when
generation or configuration has moved since; `standing` then begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from fature_kv.commission import configuration
from fature_kv.domain.calendar import day_of
from fature_kv.domain.commission import Configuration
from fature_kv.errors import ConfigMoved, GenerationMoved, NotFound, ServerUnavailable
from fature_kv.figures.reading import Ask, Read, T, hash_of
from fature_kv.keyspace import GenerationKeys, tenant_keys
from fature_kv.scripts import Command, Word, script

_ATTEMPTS: Final = 3


class Tenant(NamedTuple):
    """A tenant at one instant."""

    slug: str
    name: str
    currency: str
    zone: ZoneInfo
    keys: GenerationKeys
    revision: str
    """Of the configuration, as `control` has it."""
    configuration: Configuration
    version: str
    """Of everything that can be read about the tenant: while it stays, every answer stays, days going by aside."""

    def ask(self, name: str, keys: Sequence[str], *args: Word) -> Ask:
        """A call of a read-only script, which refuses where the tenant has moved on."""
        control = tenant_keys(self.slug).control
        return Ask(script(name), (control, self.keys.state, *keys), (str(self.keys.number), self.revision, *args))

    def records(self, hashes: Sequence[str], strings: Sequence[str] = ()) -> Ask:
        """A call of read_records."""
        return self.ask("read_records", (*hashes, *strings), "h" * len(hashes) + "s" * len(strings))

    def today(self, now: int) -> int:
        """The tenant's day at an instant."""
        return day_of(now, self.zone)


def commands(slug: str) -> list[Command]:
    """What to ask about a tenant; `of` takes the replies."""
    keys = tenant_keys(slug)
    return [("HMGET", keys.control, "live", "config", "version"), ("HGETALL", keys.profile), ("HGETALL", keys.config)]


def of(slug: str, replies: Sequence[Any]) -> Tenant:
    """The tenant; NotFound where there is none."""
    (live, revision, version), profile, config = replies
    if live is None or not profile:
        raise NotFound(f"there is no tenant '{slug}'")
    standing = _tenant(slug, live, revision or b"0", tuple(profile), tuple(config))
    return standing._replace(version=(version or b"0").decode())


@lru_cache(maxsize=1024)
def _tenant(slug: str, live: bytes, revision: bytes, profile: tuple[bytes, ...], config: tuple[bytes, ...]) -> Tenant:
    named = hash_of(profile)
    return Tenant(
        slug,
        named.get(b"name", b"").decode() or slug,
        named[b"currency"].decode(),
        ZoneInfo(named[b"timezone"].decode()),
        tenant_keys(slug).generation(int(live)),
        revision.decode(),
        configuration.load(hash_of(config)),
        "",
    )


def load(slug: str) -> Read[Tenant]:
    """The tenant as it stands now."""
    replies = yield commands(slug)
    return of(slug, replies)


def standing(slug: str, question: Callable[[Tenant], Read[T]], tenant: Tenant | None = None) -> Read[T]:
    """The answer to a question about the tenant, asked anew where the tenant moved on meanwhile."""
    for _ in range(_ATTEMPTS):
        if tenant is None:
            tenant = yield from load(slug)
        try:
            return (yield from question(tenant))
        except (GenerationMoved, ConfigMoved):
            tenant = None
    raise ServerUnavailable("the figures are being replaced; try again in a moment")
