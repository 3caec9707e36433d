"""`rebuild` and `reconcile`: figures restored, or proven, from what stands behind them."""

from __future__ import annotations

import argparse
from typing import Any

from fature_kv import tenants
from fature_kv.cli.command import Command, Subcommands, add_tenant
from fature_kv.cli.decoding import plain
from fature_kv.cli.output import Column, progress_of
from fature_kv.store import Store

_SHOWN = 50


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    what = "fold a tenant's figures anew and put them in the place of the live ones"
    parser = commands.add_parser("rebuild", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("--from", dest="origin", required=True, choices=["journal"], help="where the rows come from")
    parser.set_defaults(handler=_rebuild)
    what = "fold a tenant's figures anew beside the live ones and list every difference; exit 1 when there is one"
    parser = commands.add_parser("reconcile", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("--against", required=True, choices=["journal"], help="where the rows come from")
    parser.set_defaults(handler=_reconcile)


def rebuild(command: Command, store: Store, slug: str) -> dict[str, Any]:
    """Rebuilds a tenant from its journal; what the rebuild says of itself."""
    from fature_kv.archive.rebuild import rebuild_from_journal

    tenants.get(store, slug)
    with command.output.bar(1, f"rebuild {slug}") as bar:
        return dict(rebuild_from_journal(store, slug, command.settings, progress_of(bar)))


def _rebuild(command: Command) -> int:
    with command.store() as store:
        summary = rebuild(command, store, command.arguments.tenant)
    if command.output.json:
        command.output.document(summary)
    else:
        for name, value in summary.items():
            command.output.line(f"{name}: {value}")
    return 0


def _reconcile(command: Command) -> int:
    from fature_kv.archive.reconcile import reconcile_with_journal

    slug = command.arguments.tenant
    with command.store() as store:
        tenants.get(store, slug)
        with command.output.bar(1, f"reconcile {slug}") as bar:
            found = reconcile_with_journal(store, slug, command.settings, progress_of(bar))
    rows = [{"key": d.key, "field": plain(d.field), "live": plain(d.live), "rebuilt": plain(d.rebuilt)} for d in found]
    if command.output.json:
        command.output.document({"tenant": slug, "against": "journal", "count": len(rows), "differences": rows})
    elif not rows:
        command.output.say("same")
    else:
        columns = [Column(name) for name in ("key", "field", "live", "rebuilt")]
        command.output.table(columns, [[str(value) for value in row.values()] for row in rows[:_SHOWN]])
        if len(rows) > _SHOWN:
            command.output.line(f"{len(rows)} differences in all; --json lists every one")
    return 1 if rows else 0
