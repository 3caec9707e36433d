"""`sync`: what is new in an operator's database into a tenant, or with `--full` all of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from fature_kv import tenants, wiring
from fature_kv.cli import loading
from fature_kv.cli.command import Command, Subcommands, add_tenant, need_one
from fature_kv.cli.imports import print_result
from fature_kv.keyspace import check_slug
from fature_kv.sources import mappings, ops_cursors
from fature_kv.sources.operations import Gap, Operations
from fature_kv.store import Store
from fature_kv.tenants import Tenant

_DESCRIPTION = """Reads cadastro, tracked, depositos, casino_bets_v, saque and, where it is there, bonus from a
PostgreSQL, read-only: rows that are new or were changed since the last sync, and some before them again, since a row
may be committed late; with --full all rows. Other names of tables, columns and status words: `fature-kv mapping`.
Running it again is harmless."""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "sync",
        parents=[everywhere],
        help="rows of an operations database into a tenant",
        description=_DESCRIPTION,
        allow_abbrev=False,
    )
    add_tenant(parser)
    add_ops_url(parser)
    parser.add_argument("--full", action="store_true", help="read all rows, not only what is new")
    parser.set_defaults(handler=_sync)


def add_ops_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ops-url",
        metavar="URL",
        help="the operations database, postgresql://... (FATURE_OPS_URL, which no list of processes shows)",
    )


def _sync(command: Command) -> int:
    asked = command.arguments
    check_slug(asked.tenant)
    with command.store() as store:
        tenant = tenants.get(store, asked.tenant)
        with opened(command, store, tenant) as operations:
            loaded, gaps = pull(command, store, tenant, operations, full=asked.full)
        owed = mappings.read(store, tenant.keys).owes_rebuild
    document = {**loaded.document(loaded.session.counts()), "left_to_full": [gap._asdict() for gap in gaps]}
    if command.output.json:
        command.output.document(document)
    else:
        print_result(command.output, document, loaded.rows)
    for gap in gaps:
        command.output.note(
            command.output.text(f"gap_{gap.left}", table=gap.table, columns=", ".join(gap.columns), source=gap.source)
        )
    if owed:
        command.output.note(command.output.text("mapping_owes_rebuild", slug=tenant.slug))
    return 0


@contextmanager
def opened(command: Command, store: Store, tenant: Tenant) -> Iterator[Operations]:
    """The operations database of the arguments or of the settings, as the tenant's mapping reads it."""
    url = need_one(
        command.arguments.ops_url or command.settings.ops_url,
        "which database? Give its URL by --ops-url, or in FATURE_OPS_URL",
    )
    stored = mappings.read(store, tenant.keys)
    with wiring.operations(url, stored, tenant.zone, command.settings) as operations:
        yield operations


def pull(
    command: Command, store: Store, tenant: Tenant, operations: Operations, *, full: bool
) -> tuple[loading.Loaded, list[Gap]]:
    """One run over every source; what an incremental read had to leave out."""
    gaps: list[Gap] = []

    def apply_all(loaded: loading.Loaded, stopped: Callable[[], bool]) -> bool:
        return _apply_all(command, store, tenant, operations, full, loaded, stopped, gaps)

    about = {"database": operations.database.name, "full": full}
    return loading.run(command, store, tenant.slug, "sync", about, apply_all), gaps


def _apply_all(
    command: Command,
    store: Store,
    tenant: Tenant,
    operations: Operations,
    full: bool,
    loaded: loading.Loaded,
    stopped: Callable[[], bool],
    gaps: list[Gap],
) -> bool:
    """Whether all rows were applied. How far a source was read is taken down once its rows are durable."""
    with command.output.bar(1, tenant.slug) as bar:
        total = 0
        for source in operations.tables:
            before = ops_cursors.read(store, tenant.keys, tenant.live, source, operations.digest)
            pulled = operations.pull(source, before, full=full)
            total += operations.estimate(source) if pulled.whole else 0
            with closing(pulled.lists(command.settings.window_rows)) as lists:
                for rows in lists:
                    if stopped():
                        return False
                    loaded.session.apply(rows)
                    loaded.rows += len(rows)
                    bar(loaded.rows, loaded.rows, total=max(total, loaded.rows))
            loaded.session.make_durable()
            assert pulled.cursor is not None
            ops_cursors.write(store, tenant.keys, tenant.live, source, operations.digest, pulled.cursor)
            gaps += [] if pulled.gap is None else [pulled.gap]
    return True
