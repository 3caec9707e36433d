"""`tenant` and `token`: who there is, and who may ask."""

from __future__ import annotations

import argparse
from typing import Any

from fature_kv import tenants
from fature_kv.access import tokens
from fature_kv.cli.command import Command, Subcommands, add_tenant, now_us, person, seconds
from fature_kv.cli.output import Column
from fature_kv.domain.calendar import rfc3339


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    group = commands.add_parser("tenant", parents=[everywhere], help="tenants: create, list")
    of = group.add_subparsers(dest="of", metavar="create|list", required=True)
    parser = of.add_parser("create", parents=[everywhere], help="a new tenant", allow_abbrev=False)
    parser.add_argument("slug", help="2 to 63 of a-z, 0-9 and '-'")
    parser.add_argument("--name", default="", help="its name (the slug, where none is given)")
    parser.add_argument("--timezone", help="IANA zone that its days are in (FATURE_TENANT_TIME_ZONE)")
    parser.add_argument("--currency", help="three letters (FATURE_TENANT_CURRENCY)")
    parser.set_defaults(handler=_create)
    parser = of.add_parser("list", parents=[everywhere], help="all tenants", allow_abbrev=False)
    parser.set_defaults(handler=_list)

    group = commands.add_parser("token", parents=[everywhere], help="API tokens: create")
    of = group.add_subparsers(dest="of", metavar="create", required=True)
    parser = of.add_parser("create", parents=[everywhere], help="a new token, shown this once", allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("--role", required=True, choices=[role.value for role in tokens.Role], help="what it may do")
    parser.add_argument("--affiliate", type=person, metavar="ID", help="for role affiliate: whose token it is")
    parser.add_argument("--ttl", type=seconds, metavar="TIME", help="how long it holds: 3600, 12h, 30d (for ever)")
    parser.set_defaults(handler=_token)


def _create(command: Command) -> int:
    asked, settings = command.arguments, command.settings
    with command.store() as store:
        tenant = tenants.create(
            store,
            asked.slug,
            name=asked.name,
            timezone=asked.timezone or settings.tenant_time_zone,
            currency=asked.currency or settings.tenant_currency,
            now_us=now_us(),
        )
    if command.output.json:
        command.output.document(_shown(tenant))
    else:
        _print(command, [tenant])
    return 0


def _list(command: Command) -> int:
    with command.store() as store:
        found = tenants.list_tenants(store)
    if command.output.json:
        command.output.document({"items": [_shown(tenant) for tenant in found], "next_cursor": None})
    else:
        _print(command, found)
    return 0


def _token(command: Command) -> int:
    asked = command.arguments
    with command.store() as store:
        token = tokens.create(store, asked.tenant, asked.role, asked.affiliate, asked.ttl, now_us=now_us())
    if command.output.json:
        command.output.document({"token": token})
    else:
        command.output.line(token)
        command.output.note("it is kept nowhere: store it now")
    return 0


def _shown(tenant: tenants.Tenant) -> dict[str, Any]:
    return {
        "slug": tenant.slug,
        "name": tenant.name,
        "timezone": tenant.timezone,
        "currency": tenant.currency,
        "created_at": rfc3339(tenant.created_at),
    }


def _print(command: Command, found: list[tenants.Tenant]) -> None:
    columns = [Column(name) for name in ("slug", "name", "timezone", "currency", "created")]
    command.output.table(columns, [[str(value) for value in _shown(tenant).values()] for tenant in found])
