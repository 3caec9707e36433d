"""Where the files lie that are not Python: Lua scripts, the archive's SQL, the Redis configuration.

In a checkout (and an editable install, which points at one) they are folders at its top, beside this
package; in an installed wheel they are inside the package, under `_assets`. Nothing else may guess.
"""

from __future__ import annotations

from pathlib import Path

from fature_kv.errors import FatureError

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent
_INSTALLED = _PACKAGE / "_assets"


def _root() -> Path:
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def _find(name: str) -> Path:
    path = _root() / name
    if not path.exists():
        raise FatureError(f"{path} is missing: the installation is incomplete; install fature-kv again")
    return path


def lua_dir() -> Path:
    """The folder of scripts; shared parts are in its `include/`."""
    return _find("lua")


def sql_dir() -> Path:
    """The folder of the archive's numbered migrations."""
    return _find("archive_sql")


def redis_conf() -> Path:
    """The one Redis configuration."""
    return _find("config") / "redis.conf"
