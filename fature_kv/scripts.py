"""Every Lua script's Python face: source with includes resolved, digest, and the call as a plain command.

Sans-I/O: `Script.call(keys, args)` gives the words of an EVALSHA; whoever runs it (sync `store`, async reads) loads
the source on NOSCRIPT. The file's name is the script's name; its head tells KEYS, ARGV, returns and errors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack

from fature_kv import errors
from fature_kv.assets import lua_dir
from fature_kv.keyspace import GenerationKeys, TenantKeys

Word: TypeAlias = bytes | str | int | float
Command: TypeAlias = tuple[Word, ...]

_INCLUDE = re.compile(r"^--#include (\w+)$", re.MULTILINE)

REFUSALS: Final[dict[str, type[errors.FatureError]]] = {
    "FATURE_STALE": errors.Stale,
    "FATURE_SEEN": errors.SeenAlready,
    "FATURE_TREE": errors.TreeMoved,
    "FATURE_GENERATION": errors.GenerationMoved,
    "FATURE_CONFIG": errors.ConfigMoved,
    "FATURE_FULL": errors.LimitReached,
    "FATURE_OVERFLOW": errors.FigureOverflow,
    "FATURE_EXISTS": errors.Conflict,
}
"""What each error code of a script becomes, in one place."""

WORDS: Final[dict[str, str]] = {
    "FATURE_FULL quarantine": (
        "the tenant's quarantine is full (FATURE_QUARANTINE_LIMIT): mend the source of its rows "
        "(`fature-kv quarantine list`), or raise the limit; what was applied stays"
    ),
    "FATURE_FULL parked": (
        "too many rows of the tenant wait (FATURE_PARKED_LIMIT): import the people they wait for "
        "(`fature-kv quarantine list --parked`), or raise the limit; what was applied stays"
    ),
    "FATURE_OVERFLOW": "a sum would be beyond 2^53-1: look for a wrong amount; nothing of that part was applied",
}
"""What those say that reach a person; the others are handled by whoever called the script."""


class Script(NamedTuple):
    """A script as the server takes it; `read_only` ones run by EVALSHA_RO and may go to a replica."""

    name: str
    source: str
    sha: str
    read_only: bool

    def call(self, keys: Sequence[str], args: Sequence[Word]) -> Command:
        return ("EVALSHA_RO" if self.read_only else "EVALSHA", self.sha, len(keys), *keys, *args)


def pack_plan(plan: Any) -> bytes:
    """A script's plan; Redis's cmsgpack knows only the old raw type for bytes, which msgspec does not write."""
    packed: bytes = msgpack.packb(plan, use_bin_type=False)
    return packed


@cache
def script(name: str) -> Script:
    """The script of `lua/<name>.lua`; its head says `read-only` where it is."""
    text = (lua_dir() / f"{name}.lua").read_text()
    source = _INCLUDE.sub(lambda m: (lua_dir() / "include" / f"{m[1]}.lua").read_text(), text)
    return Script(name, source, hashlib.sha1(source.encode()).hexdigest(), text.startswith("-- Read-only:"))  # noqa: S324 -- Redis names scripts by SHA-1


def names() -> list[str]:
    """All scripts there are."""
    return sorted(path.stem for path in lua_dir().glob("*.lua"))


def common_keys(tenant: TenantKeys, generation: GenerationKeys) -> list[str]:
    """The keys that every write script has first (lua/include/common.lua)."""
    g = generation
    return [tenant.control, g.state, g.forest, g.dirty, tenant.journal, g.parked, g.due, g.quarantine, g.ripe, g.mask]
