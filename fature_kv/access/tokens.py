"""API tokens and what their bearers may do (CONTRACT.md, "Roles").

A token reads `fkv_<slug>_<43 url-safe characters>`: it names its tenant, so that its key can be told from its text
alone. The secret part is 32 random bytes. Only the SHA-256 of the whole text is kept; a lookup is by that digest, so
no comparison can leak a part of it.

What a caller may see is two questions. `can(permission)` tells which kinds of calls; `affiliate`, where it is not
None, narrows every figure to that affiliate and its downline (levels 1..5) and hides the rest as if it were not there.
Personal data of others (names, and with them e-mail and phone) is for callers with `names:full`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from fature_kv import journal, tenants
from fature_kv.errors import UsageError
from fature_kv.keyspace import TenantKeys
from fature_kv.scripts import script
from fature_kv.store import Store

MAX_ID: Final = 2**53 - 1
MAX_TTL_S: Final = 100 * 366 * 86_400
_SECRET_BYTES: Final = 32
_SHOWN_CHARACTERS: Final = 6
_TOKEN: Final = re.compile(r"fkv_([a-z0-9][a-z0-9-]{1,62})_[A-Za-z0-9_-]{43}")

Permission: TypeAlias = Literal[
    "figures:read",  # affiliates, levels, referrals, summaries, streaks, dashboards, the explanation of a CPA
    "boards:read",  # leaderboards
    "config:read",
    "config:write",
    "decisions:write",  # a player declared qualified
    "events:write",
    "export",
    "names:full",  # names, e-mail and phone of other people
    "tokens:write",
]
PERMISSIONS: Final[frozenset[Permission]] = frozenset(get_args(Permission))


class Role(StrEnum):
    OWNER = "owner"
    MANAGER = "manager"
    ANALYST = "analyst"
    AFFILIATE = "affiliate"
    WIDGET = "widget"


ROLES: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: PERMISSIONS,
    Role.MANAGER: PERMISSIONS - {"tokens:write"},
    Role.ANALYST: frozenset({"figures:read", "boards:read", "config:read", "export", "names:full"}),
    Role.AFFILIATE: frozenset({"figures:read", "boards:read"}),
    Role.WIDGET: frozenset({"boards:read"}),
}
"""What each role may do; `affiliate` within its own downline."""


class Caller(msgspec.Struct, frozen=True):
    """Whoever holds a valid token."""

    tenant: str
    role: Role
    affiliate: int | None

    def can(self, permission: Permission) -> bool:
        return permission in ROLES[self.role]

    @property
    def masked_names(self) -> bool:
        """Whether names of others are masked, and their e-mail and phone left out."""
        return not self.can("names:full")


def create(
    store: Store, slug: str, role: str, affiliate: int | None = None, ttl_s: int | None = None, *, now_us: int
) -> str:
    """A new token's text, which is nowhere kept. The affiliate need not be there yet."""
    checked = _checked_role(role)
    _check_affiliate(checked, affiliate)
    if ttl_s is not None and not 1 <= ttl_s <= MAX_TTL_S:
        raise UsageError(f"a token's time to live is 1 to {MAX_TTL_S} seconds, not {ttl_s}; leave it out for no end")
    keys = tenants.get(store, slug).keys
    token = f"fkv_{slug}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    expires_at = None if ttl_s is None else now_us + ttl_s * 1_000_000
    fields = {
        "role": checked.value,
        "affiliate": "" if affiliate is None else str(affiliate),
        "created_at": str(now_us),
        "expires_at": "" if expires_at is None else str(expires_at),
        "prefix": token[: len(f"fkv_{slug}_") + _SHOWN_CHARACTERS],
    }
    digest = _digest(token)
    kind, data = journal.entry("token", {"run": "", "at": now_us, "digest": digest, **fields})
    expires_ms = "" if expires_at is None else str(-(-expires_at // 1000))
    pairs = [word for pair in fields.items() for word in pair]
    store.run(script("token"), [keys.token(digest), keys.journal], [kind, data, expires_ms, *pairs])
    return token


def parse(token: str) -> str | None:
    """The slug of the tenant that a token names; None for a text that can't be a token."""
    match = _TOKEN.fullmatch(token)
    return match[1] if match else None


def key_of(token: str) -> str:
    """The key that holds a token which `parse` has read."""
    slug = parse(token)
    if slug is None:
        raise ValueError("not a token")
    return TenantKeys(slug).token(_digest(token))


def caller_of(slug: str, fields: Mapping[bytes, bytes], now_us: int) -> Caller | None:
    """The caller of a token's hash; None when there is none, or it has expired."""
    if not fields:
        return None
    expires_at, affiliate = fields[b"expires_at"], fields[b"affiliate"]
    if expires_at and int(expires_at) <= now_us:
        return None
    return Caller(slug, Role(fields[b"role"].decode()), int(affiliate) if affiliate else None)


def mask_name(name: str) -> str:
    """`Maria da Silva` as `M*** S***`: the first and last word's initial, however long they are; '' stays ''."""
    words = unicodedata.normalize("NFC", name).split()
    return " ".join(f"{word[0]}***" for word in (words if len(words) < 2 else (words[0], words[-1])))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _checked_role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise UsageError(f"'{role}' is no role; expected one of {', '.join(Role)}") from None


def _check_affiliate(role: Role, affiliate: int | None) -> None:
    if role is not Role.AFFILIATE:
        if affiliate is not None:
            raise UsageError(
                f"a token of role {role} is for no affiliate; leave the affiliate out, or take role affiliate"
            )
    elif affiliate is None:
        raise UsageError("a token of role affiliate needs the affiliate's id")
    elif not 1 <= affiliate <= MAX_ID:
        raise UsageError(f"{affiliate} is no affiliate's id; expected 1 to {MAX_ID}")
