"""A connection whose every script may touch exactly the keys it declares, and nothing else.

A single node accepts any key from a script. As a user whose ACL holds the declared keys alone, it refuses the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from fature_kv.scripts import Command, Script, Word
from fature_kv.store import Store

_GLOB = re.compile(r"([\\*?\[\]])")


def pattern(key: str, access: str = "") -> str:
    """The ACL pattern of exactly this key; `access` is `R` or `W` for that alone."""
    literal = _GLOB.sub(r"\\\1", key)
    return f"%{access}~{literal}" if access else f"~{literal}"


class FencedStore(Store):
    """A store whose scripts run as such a user; plain commands may touch the keys of `slug` and fkv:global: only."""

    def __init__(self, url: str, admin: Store, slug: str) -> None:
        super().__init__(url, timeout=30)
        self._admin, self._user = admin, f"fenced-{slug}"
        self._own = (f"~fkv:{{{slug}}}:*", "~fkv:global:*")
        self.ran: Counter[str] = Counter()
        admin.call("ACL", "SETUSER", self._user, "reset", "on", "nopass", "+@all", *self._own)
        self._enter()

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Any:
        access = "R" if script.read_only else ""
        self._admin.call("ACL", "SETUSER", self._user, "resetkeys", *(pattern(key, access) for key in keys))
        self.ran[script.name] += 1
        try:
            return super().run(script, keys, args)
        finally:
            self._admin.call("ACL", "SETUSER", self._user, "resetkeys", *self._own)

    def begin(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Callable[[], Any]:
        return lambda: self.run(script, keys, args)  # the fence stands for one script at a time

    def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        if self._connection is None:
            self._enter()
        return super().pipeline(commands)

    def leave(self) -> None:
        self.close()
        self._admin.call("ACL", "DELUSER", self._user)

    def _enter(self) -> None:
        super().pipeline([("AUTH", self._user, "any")])
