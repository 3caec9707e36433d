"""`rebuild` and `reconcile`: figures restored, or proven, from what stands behind them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from fature_kv import tenants
from fature_kv.cli import sync
from fature_kv.cli.command import Command, Subcommands, add_tenant
from fature_kv.cli.decoding import plain
from fature_kv.cli.output import Column, Output, progress_of
from fature_kv.cli.sync import add_ops_url
from fature_kv.errors import UsageError
from fature_kv.store import Store
from fature_kv.tenants import Tenant

if TYPE_CHECKING:
    from fature_kv.archive.reconcile import Difference
    from fature_kv.archive.replay import Progress

_SHOWN = 50
_ORIGINS = ("journal", "ops")


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    what = "fold a tenant's figures anew and put them in the place of the live ones"
    parser = commands.add_parser("rebuild", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("--from", dest="origin", required=True, choices=_ORIGINS, help="where the rows come from")
    add_ops_url(parser)
    parser.set_defaults(handler=_rebuild)
    what = "fold a tenant's figures anew beside the live ones and list every difference; exit 1 when there is one"
    parser = commands.add_parser("reconcile", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("--against", required=True, choices=_ORIGINS, help="where the rows come from")
    add_ops_url(parser)
    parser.add_argument(
        "--apply", action="store_true", help="with ops: take back rows that were deleted there (a recorded decision)"
    )
    parser.set_defaults(handler=_reconcile)


def rebuild(command: Command, store: Store, slug: str) -> dict[str, Any]:
    """Rebuilds a tenant from its journal; what the rebuild says of itself."""
    from fature_kv.archive.rebuild import rebuild_from_journal

    tenants.get(store, slug)
    with command.output.bar(1, f"rebuild {slug}") as bar:
        return dict(rebuild_from_journal(store, slug, command.settings, progress_of(bar)))


def _rebuild(command: Command) -> int:
    asked = command.arguments
    with command.store() as store:
        summary = (_rebuild_from_ops if asked.origin == "ops" else rebuild)(command, store, asked.tenant)
    if command.output.json:
        command.output.document(summary)
    else:
        for name, value in summary.items():
            command.output.line(f"{name}: {value}")
    return 0


def _rebuild_from_ops(command: Command, store: Store, slug: str) -> dict[str, Any]:
    from fature_kv.archive.from_operations import rebuild_from_operations

    @contextmanager
    def watched() -> Iterator[Progress]:
        with command.output.bar(1, f"rebuild {slug}") as bar:
            yield progress_of(bar)

    tenant = tenants.get(store, slug)
    with sync.opened(command, store, tenant) as operations:
        return rebuild_from_operations(
            store,
            slug,
            command.settings,
            operations,
            lambda: sync.pull(command, store, tenant, operations, full=True),
            watched,
        )


def _reconcile(command: Command) -> int:
    asked = command.arguments
    if asked.apply and asked.against != "ops":
        raise UsageError("--apply goes with --against ops: rows are deleted at their source or nowhere")
    with command.store() as store:
        tenant = tenants.get(store, asked.tenant)
        found = (_against_ops if asked.against == "ops" else _against_journal)(command, store, tenant)
    document = {"tenant": asked.tenant, "against": asked.against, **found}
    if command.output.json:
        command.output.document(document)
    elif not document["count"]:
        command.output.say("same")
    else:
        _print_differences(command.output, document)
    return 1 if document["count"] else 0


def _against_journal(command: Command, store: Store, tenant: Tenant) -> dict[str, Any]:
    from fature_kv.archive.reconcile import reconcile_with_journal

    with command.output.bar(1, f"reconcile {tenant.slug}") as bar:
        found = reconcile_with_journal(store, tenant.slug, command.settings, progress_of(bar))
    return {"count": len(found), "differences": _figures(found)}


def _against_ops(command: Command, store: Store, tenant: Tenant) -> dict[str, Any]:
    """Differences of rows and of figures; with `--apply` those that are left once deleted rows were taken back."""
    from fature_kv.archive.from_operations import reconcile_with_operations, take_back_deleted

    told: dict[str, Any] = {}
    with (
        sync.opened(command, store, tenant) as operations,
        command.output.bar(1, f"reconcile {tenant.slug}") as bar,
    ):
        found = reconcile_with_operations(store, tenant.slug, command.settings, operations, progress_of(bar))
        if command.arguments.apply:
            done = take_back_deleted(store, tenant.slug, command.settings, operations, found.rows)
            told["void"] = done["void"]
            found = reconcile_with_operations(store, tenant.slug, command.settings, operations, progress_of(bar))
    rows = [
        {"source": d.source, "id": d.id, "kind": d.kind, "live": plain(msgspec.to_builtins(d.live)),
         "there": plain(msgspec.to_builtins(d.there))}
        for d in found.rows
    ]  # fmt: skip
    figures = _figures(found.figures)
    return {"count": len(rows) + len(figures), "rows": rows, "differences": figures, **told}


def _figures(found: Sequence[Difference]) -> list[dict[str, Any]]:
    return [{"key": d.key, "field": plain(d.field), "live": plain(d.live), "rebuilt": plain(d.rebuilt)} for d in found]


def _print_differences(output: Output, document: dict[str, Any]) -> None:
    for names, rows in (
        (("source", "id", "kind"), document.get("rows", [])),
        (("key", "field", "live", "rebuilt"), document["differences"]),
    ):
        if rows:
            output.table(
                [Column(name) for name in names], [[str(row[name]) for name in names] for row in rows[:_SHOWN]]
            )
        if len(rows) > _SHOWN:
            output.line(f"{len(rows)} differences in all; --json lists every one")
