"""`config`: the commission configuration, versioned."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from fature_kv import tenants
from fature_kv.cli import repair
from fature_kv.cli.command import Command, Subcommands, add_tenant, now_us
from fature_kv.cli.output import Column
from fature_kv.commission import configuration
from fature_kv.domain.calendar import day_of
from fature_kv.errors import FatureError, SourceFileError, UsageError


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    group = commands.add_parser("config", parents=[everywhere], help="commission configuration: set, show")
    of = group.add_subparsers(dest="of", metavar="set|show", required=True)
    parser = of.add_parser("set", parents=[everywhere], help="a new version", allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("file", metavar="FILE.json", help="the document; '-' reads it from stdin")
    parser.add_argument("--effective-from", metavar="DAY", help="the first day it holds (YYYY-MM-DD)")
    parser.add_argument("--rebuild", action="store_true", help="allow an earlier day, and rebuild the tenant")
    parser.set_defaults(handler=_set)
    parser = of.add_parser("show", parents=[everywhere], help="the version in force", allow_abbrev=False)
    add_tenant(parser)
    parser.set_defaults(handler=_show)


def _set(command: Command) -> int:
    asked = command.arguments
    document = read_document(asked.file)
    effective_from = document.pop("effective_from", None) if isinstance(document, dict) else None
    if asked.effective_from is not None:
        effective_from = asked.effective_from
    if effective_from is not None and not isinstance(effective_from, str):
        raise UsageError("effective_from: expected a day as YYYY-MM-DD, null, or nothing")
    with command.store() as store:
        tenant = tenants.get(store, asked.tenant)
        now = now_us()
        version = configuration.set_configuration(
            store,
            asked.tenant,
            document,
            effective_from,
            today=day_of(now, tenant.zone),
            now_us=now,
            rebuild=asked.rebuild,
        )
        shown = configuration.describe(version)
        if asked.rebuild:
            try:
                shown["rebuild"] = repair.rebuild(command, store, asked.tenant)
            except FatureError:
                again = f"fature-kv rebuild --tenant {asked.tenant} --from journal"
                command.output.note(f"the version is set; figures follow older ones until `{again}` has been run")
                raise
    if command.output.json:
        command.output.document(shown)
    else:
        _print(command, [shown])
    return 0


def _show(command: Command) -> int:
    with command.store() as store:
        tenant = tenants.get(store, command.arguments.tenant)
        shown = configuration.show(configuration.read(store, tenant.slug), day_of(now_us(), tenant.zone))
    if command.output.json:
        command.output.document(shown)
    else:
        _print(command, shown["versions"], in_force=shown["revision"])
    return 0


def read_document(name: str) -> Any:
    """The JSON of a file, or of stdin for '-'. Raises SourceFileError."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise SourceFileError(name, (error.strerror or str(error)).lower()) from None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SourceFileError(name, f"is no JSON: {error}") from None


def _print(command: Command, versions: list[dict[str, Any]], in_force: int | None = None) -> None:
    output = command.output
    for version in versions:
        begins = version["effective_from"] or "-"
        mark = " *" if version["revision"] == in_force else ""
        output.line(f"revision {version['revision']}{mark}, effective from {begins}")
        cpa, rev = version["cpa"], version["rev"]
        rows = [
            [str(level), output.money(cents), f"{bp / 100:.2f} %"]
            for level, (cents, bp) in enumerate(zip(cpa["levels_cents"], rev["levels_bp"], strict=True), start=1)
        ]
        output.table([Column("level", True), Column("cpa", True), Column("rev", True)], rows)
        for group in cpa["criteria"]:
            output.line("  CPA when " + " and ".join(f"{name} >= {least}" for name, least in group.items()))
        output.line(f"  REV below zero {'carries over' if rev['negative_carryover'] else 'counts as zero'}")
        output.line()
