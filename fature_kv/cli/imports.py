"""`import`: source files into a tenant, or with `--dry-run` what they hold."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fature_kv import tenants
from fature_kv.cli import loading
from fature_kv.cli.command import Command, Subcommands, add_tenant
from fature_kv.cli.output import Column, Output, print_counts
from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import REASONS
from fature_kv.errors import EmbeddedError, NotFound, ServerUnavailable
from fature_kv.keyspace import check_slug
from fature_kv.sources import mappings
from fature_kv.sources.files import Preview, preview

_DESCRIPTION = """Files are CSV (.csv, .csv.gz), comma or semicolon, UTF-8 or Latin-1, or workbooks (.xlsx) of one or
several sheets, with a header in Portuguese or English. Which source a file or a sheet is of is told by its name
(cadastro, users, tracked, depositos, deposits, casino_bets, saque, bonus; a prefix may stand before) or else by its
header. Every file is checked as a whole before a row is applied. Rows that can't be applied go to quarantine; rows that
came too early wait. Running it again is harmless."""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "import", parents=[everywhere], help="source files into a tenant", description=_DESCRIPTION, allow_abbrev=False
    )
    add_tenant(parser)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder of files")
    parser.add_argument("--dry-run", action="store_true", help="show what would be read, and apply nothing")
    parser.set_defaults(handler=_import)


def _import(command: Command) -> int:
    asked = command.arguments
    check_slug(asked.tenant)
    if asked.dry_run:
        return _dry_run(command)
    with command.store() as store:
        tenant = tenants.get(store, asked.tenant)
        files = loading.open_files(command, asked.paths, tenant.zone, mappings.read(store, tenant.keys).document)
        loaded = loading.load(command, store, tenant.slug, files, "import")
    document = loaded.document(loaded.session.counts())
    if command.output.json:
        command.output.document(document)
    else:
        print_result(command.output, document, loaded.rows)
    return 0


def print_result(output: Output, document: dict[str, Any], rows: int) -> None:
    """What became of a run's rows."""
    output.say(
        "done_import",
        rows=output.number(rows),
        seconds=f"{document['seconds']:.1f}",
        rate=output.number(document["rows_per_second"]),
        run=document["run"],
    )
    print_counts(output, document)


# -- dry run --------------------------------------------------------------------------------------------------------


def _dry_run(command: Command) -> int:
    zone, mapping, told = _reading(command)
    if told:
        command.output.note(told)
    found = [preview(file) for file in loading.open_files(command, command.arguments.paths, zone, mapping)]
    if command.output.json:
        command.output.document({"dry_run": True, "timezone": zone.key, "files": found})
    else:
        for one in found:
            _print_preview(command.output, one)
    return 0


def _reading(command: Command) -> tuple[ZoneInfo, Mapping, str]:
    """The tenant's zone and names; where there is no such tenant (yet) those of new tenants, and why."""
    settings, slug = command.settings, command.arguments.tenant
    default = ZoneInfo(settings.tenant_time_zone)
    if settings.redis_url is None and not (Path(settings.data_dir) / "redis").is_dir():
        return default, Mapping(), f"there is no data in {settings.data_dir} yet: times are read in {default.key}"
    try:
        with command.store() as store:
            tenant = tenants.get(store, slug)
            return tenant.zone, mappings.read(store, tenant.keys).document, ""
    except NotFound:
        return default, Mapping(), f"there is no tenant '{slug}' yet: times are read in {default.key}"
    except (EmbeddedError, ServerUnavailable) as error:
        return default, Mapping(), f"{error}: times are read in {default.key}"


def _print_preview(output: Output, one: Preview) -> None:
    where = one.path if one.sheet is None else f"{one.path}, {output.text('sheet')} '{one.sheet}'"
    rows = f"{output.number(one.rows)} {output.text('rows')}"
    output.line(f"{where}: {one.source}, {one.kind}, {rows}, {output.number(one.good)} ok")
    output.table([Column("column"), Column("header")], [[name, header] for name, header in one.columns.items()])
    if one.ignored:
        output.line(f"  {output.text('ignored')}: {', '.join(one.ignored)}")
    for reason, count in one.reasons.items():
        output.line(f"  {output.number(count)} x {reason}: {REASONS[reason]}")
    if one.bad:
        lines = [[str(bad.line), bad.reason, ", ".join(f"{k}={v}" for k, v in bad.raw.items())] for bad in one.bad]
        output.table([Column("line", True), Column("reason"), Column("row")], lines)
