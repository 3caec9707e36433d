"""`doctor`: checks an installation and says what to do."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from fature_kv import embedded, tenants
from fature_kv.cli.command import Command, Subcommands
from fature_kv.cli.output import Column
from fature_kv.errors import FatureError
from fature_kv.settings import Settings
from fature_kv.sources import mappings
from fature_kv.store import Store, info_of, waitaof_is_true
from fature_kv.tenants import Tenant

Status: TypeAlias = Literal["ok", "warning", "failed"]

_DISK_WARNING: Final = 1 << 30
_CLOCK_WARNING_S: Final = 2.0
_LEAST_REDIS: Final = (7, 0)
_BACKLOG_WARNING: Final = 10_000


class Check(NamedTuple):
    """Something that was looked at; `remedy` where there is something to do."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    what = "checks the installation and says what to do; exit 1 when something does not work"
    parser = commands.add_parser("doctor", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    parser.set_defaults(handler=_doctor)


def _doctor(command: Command) -> int:
    checks = list(_checks(command))
    failed = any(check.status == "failed" for check in checks)
    if command.output.json:
        command.output.document({"ok": not failed, "checks": [check._asdict() for check in checks]})
    else:
        rows = [[check.status, check.name, check.found, check.remedy] for check in checks]
        command.output.table([Column("result"), Column("check"), Column("status"), Column("what_to_do")], rows)
    return 1 if failed else 0


def _checks(command: Command) -> Iterator[Check]:
    settings = command.settings
    yield Check("Python", "ok", sys.version.split()[0])
    if settings.redis_url is None:
        yield from _data_dir(settings)
    try:
        with command.store() as store:
            yield from _redis(store, settings)
            for tenant in tenants.list_tenants(store):
                yield from _backlog(store, tenant, settings)
                yield from _mapping(store, tenant)
    except FatureError as error:
        yield Check("Redis", "failed", str(error), "start it, or mend what the message names")


def _data_dir(settings: Settings) -> Iterator[Check]:
    path = Path(settings.data_dir).absolute()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield Check("data folder", "failed", f"{path} can't be written", "give a folder of your own with --data")
        return
    running = embedded.running(path) if path.exists() else []
    told = f"{path}" + (f", running: {', '.join(running)}" if running else "")
    free = shutil.disk_usage(there).free
    if free < _DISK_WARNING:
        yield Check("data folder", "warning", f"{told}; {free >> 20} MiB free", "free the disk before it is full")
    else:
        yield Check("data folder", "ok", told)


def _redis(store: Store, settings: Settings) -> Iterator[Check]:
    info = _info(store)
    yield _version(info, settings)
    yield _clock(store)
    yield from _persistence(store, settings, info)
    yield _memory(info)


def _info(store: Store) -> dict[str, str]:
    return info_of(store.call("INFO"))


def _version(info: dict[str, str], settings: Settings) -> Check:
    valkey = info.get("valkey_version")
    number = info.get("redis_version", "0.0")
    where = "embedded" if settings.redis_url is None else "FATURE_REDIS_URL"
    found = f"{f'Valkey {valkey}' if valkey else f'Redis {number}'} ({where})"
    if tuple(map(int, number.split(".")[:2])) < _LEAST_REDIS:
        return Check("Redis", "failed", found, "use Redis 7 or later, or Valkey")
    if info.get("cluster_enabled") == "1":
        return Check("Redis", "ok", f"{found}, a cluster; what follows is of this node", "ask each node in turn")
    if info.get("role") == "slave":
        return Check("Redis", "failed", f"{found} is a replica", "point FATURE_REDIS_URL at the primary")
    return Check("Redis", "ok", found)


def _clock(store: Store) -> Check:
    before = time.time()
    whole, micros = store.call("TIME")
    skew = int(whole) + int(micros) / 1e6 - (before + time.time()) / 2
    if abs(skew) > _CLOCK_WARNING_S:
        return Check("clock", "warning", f"Redis's is {skew:+.1f} s off ours", "keep both clocks by NTP")
    return Check("clock", "ok", "ours and Redis's agree")


def _persistence(store: Store, settings: Settings, info: dict[str, str]) -> Iterator[Check]:
    wanted = {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "maxmemory-policy": "noeviction",
    }
    why = {
        "appendonly": "an acknowledged row is lost when Redis ends",
        "appendfsync": f"FATURE_DURABILITY={settings.durability} counts on it",
        "no-appendfsync-on-rewrite": "an acknowledged row may be lost during a rewrite",
        "maxmemory-policy": "figures could be thrown away",
    }
    for name, value in wanted.items():
        try:
            flat = store.call("CONFIG", "GET", name)
        except FatureError as error:
            yield Check(name, "warning", f"can't be read ({error})", f"make sure that it is {value}: {why[name]}")
            continue
        held = flat[1].decode() if flat else "(unknown)"
        waited_for = name == "appendfsync" and settings.durability == "waitaof" and waitaof_is_true(info, held)
        if held == value or waited_for:
            yield Check(name, "ok", held)
        else:
            yield Check(name, "failed", held, f"set it to {value} (config/redis.conf): {why[name]}")
    if info.get("aof_last_write_status", "ok") != "ok":
        yield Check("append-only file", "failed", "the last write failed", "free the disk, then look at Redis's log")
    if info.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield Check(
            "append-only file", "warning", "the last rewrite failed", "look at Redis's log; free disk or memory"
        )


def _memory(info: dict[str, str]) -> Check:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not most:
        return Check("memory", "ok", f"{used >> 20} MiB used, no limit set")
    found = f"{used >> 20} of {most >> 20} MiB used"
    if used > 0.9 * most:
        return Check("memory", "warning", found, "give Redis more memory: when it is full, writes fail with 503")
    return Check("memory", "ok", found)


def _mapping(store: Store, tenant: Tenant) -> Iterator[Check]:
    """Whether rows were read by an earlier mapping."""
    if mappings.read(store, tenant.keys).owes_rebuild:
        remedy = f"run `fature-kv rebuild --tenant {tenant.slug} --from ops`"
        yield Check(f"mapping of {tenant.slug}", "warning", "rows were read by an earlier one", remedy)


def _backlog(store: Store, tenant: Tenant, settings: Settings) -> Iterator[Check]:
    """What a tenant still has to do, and what waits for somebody."""
    keys = tenant.keys.generation(tenant.live)
    moves, sizes, dirty, parked, bad, hold, building, owed = store.pipeline(
        [
            ("HLEN", keys.moves),
            ("HLEN", keys.pending_sizes),
            ("LLEN", keys.dirty),
            ("HLEN", keys.parked),
            ("HLEN", keys.quarantine),
            ("HGET", tenant.keys.control, "hold"),
            ("HGET", tenant.keys.control, "building"),
            ("HGET", tenant.keys.control, "owes_rebuild"),
        ]
    )
    name = f"tenant {tenant.slug}"
    found = f"moves {moves}, sizes {sizes}, boards {dirty}, parked {parked}, quarantined {bad}"
    if hold is not None:
        yield Check(
            name, "warning", f"{found}; writers wait for a rebuild", "if none runs, run `fature-kv rebuild` again"
        )
    elif owed is not None:
        remedy = f"run `fature-kv rebuild --tenant {tenant.slug} --from journal`"
        yield Check(name, "failed", f"{found}; a configuration for days gone by waits for a rebuild", remedy)
    elif building is not None:
        yield Check(name, "warning", f"{found}; a rebuild was begun", "if none runs, run `fature-kv rebuild` again")
    elif max(parked / settings.parked_limit, bad / settings.quarantine_limit) > 0.9:
        yield Check(name, "warning", found, "nearly full: see `fature-kv quarantine list`, with --parked too")
    elif moves or sizes or dirty > _BACKLOG_WARNING:
        yield Check(name, "warning", found, "work is left: `fature-kv serve` or any import does it")
    elif bad:
        yield Check(name, "ok", found, f"look at `fature-kv quarantine list --tenant {tenant.slug}`")
    else:
        yield Check(name, "ok", found)
