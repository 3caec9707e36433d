"""`mapping`: a tenant's own names of tables, columns and status words."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from fature_kv import tenants
from fature_kv.cli.command import Command, Subcommands, add_tenant, now_us
from fature_kv.cli.configs import read_document
from fature_kv.domain.calendar import rfc3339
from fature_kv.sources import mappings
from fature_kv.sources.mappings import Stored

_DESCRIPTION = """The document is JSON: {"tables": {"cadastro": "public.users"}, "columns": {"depositos": {"valor":
["amount_brl"]}}, "money_status": {"liquidado": "approved"}, "person_status": {"vip": "active"}}; what it leaves out is
as by default. Files, POST /events and sync all read by it. The next sync reads all rows again."""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    what = "names of tables, columns and status words: set, show"
    group = commands.add_parser("mapping", parents=[everywhere], help=what)
    of = group.add_subparsers(dest="of", metavar="set|show", required=True)
    parser = of.add_parser(
        "set", parents=[everywhere], help="other names", description=_DESCRIPTION, allow_abbrev=False
    )
    add_tenant(parser)
    parser.add_argument("file", metavar="FILE.json", help="the document; '-' reads it from stdin")
    parser.set_defaults(handler=_set)
    parser = of.add_parser("show", parents=[everywhere], help="the names in force", allow_abbrev=False)
    add_tenant(parser)
    parser.set_defaults(handler=_show)


def _set(command: Command) -> int:
    asked = command.arguments
    mapping = mappings.checked(read_document(asked.file))
    with command.store() as store:
        stored = mappings.set_mapping(store, asked.tenant, mapping, now_us())
    _print(command, stored)
    return 0


def _show(command: Command) -> int:
    with command.store() as store:
        tenant = tenants.get(store, command.arguments.tenant)
        _print(command, mappings.read(store, tenant.keys))
    return 0


def _print(command: Command, stored: Stored) -> None:
    shown: dict[str, Any] = {
        "revision": stored.revision,
        "set_at": None if stored.set_at is None else rfc3339(stored.set_at),
        "owes_rebuild": stored.owes_rebuild,
        **msgspec.to_builtins(stored.document),
    }
    if command.output.json:
        command.output.document(shown)
    else:
        command.output.line(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    if stored.owes_rebuild:
        command.output.note(command.output.text("mapping_owes_rebuild", slug=command.arguments.tenant))
