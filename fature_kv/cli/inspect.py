"""`inspect`: any key of ours in readable form."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from fature_kv.cli.command import Command, Subcommands, whole
from fature_kv.cli.decoding import kind_of
from fature_kv.errors import NotFound, UsageError

_DESCRIPTION = """Shows what a key holds, packed values too: names and numbers of cells, days of streaks, ranges of ids,
versions of rows, journal entries with their columns. Quote the key: 'fkv:{demo}:1:affiliate:1'."""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "inspect", parents=[everywhere], help="any key of ours, readable", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("key", metavar="KEY", help="the key's whole name (keyspace.md)")
    parser.add_argument("--limit", type=whole(1, 1_000_000), default=100, metavar="N", help="entries shown (100)")
    parser.set_defaults(handler=_inspect)


def _inspect(command: Command) -> int:
    key, limit = command.arguments.key, command.arguments.limit
    known = kind_of(key)
    if known is None:
        raise UsageError(
            f"'{key}' is no key of ours; keys read like fkv:{{demo}}:1:affiliate:1 (keyspace.md lists all)"
        )
    kind, parts = known
    with command.store() as store:
        held, ttl, size = store.pipeline([("TYPE", key), ("PTTL", key), ("MEMORY", "USAGE", key)])
        if held == b"none":
            raise NotFound(f"there is no key {key}")
        entries, value = kind.decode(store, key, limit, parts)
    shown = {
        "key": key,
        "what": kind.what,
        "type": held.decode(),
        "memory_bytes": size,
        "expires_in_s": None if ttl < 0 else ttl / 1000,
        "entries": entries,
        "value": value,
    }
    if command.output.json:
        command.output.document(shown)
        return 0
    lasts = "" if ttl < 0 else f", for {ttl / 1000:.0f} s"
    command.output.line(f"{key}: {kind.what} ({held.decode()}, {entries} entries, {size} bytes{lasts})")
    for line in _lines(value, "  "):
        command.output.line(line)
    if isinstance(value, list | dict) and entries > len(value) and len(value) >= limit:
        command.output.line(f"  ... {entries} in all; --limit shows more")
    return 0


def _lines(value: Any, indent: str) -> Iterator[str]:
    """A value as lines; what fits one line stays on one."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if pairs is None:
        yield f"{indent}{value}"
        return
    for name, each in pairs:
        label = f"{name}: " if isinstance(value, dict) else ""
        flat = _flat(each)
        if flat is not None:
            yield f"{indent}{label}{flat}"
        else:
            yield f"{indent}{label or '-'}"
            yield from _lines(each, indent + "  ")


def _flat(value: Any) -> str | None:
    """A value without containers inside, on one line."""
    if isinstance(value, dict):
        if any(isinstance(each, dict | list) for each in value.values()):
            return None
        return ", ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        return None if any(isinstance(each, dict | list) for each in value) else ", ".join(map(str, value))
    return str(value)
