"""`validate`: a source's rows against what Redis holds of them, as a table or as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import msgspec

from fature_kv import tenants
from fature_kv.archive.validate import Difference, SourceReport, validate
from fature_kv.cli import loading, sync
from fature_kv.cli.command import Command, Subcommands, add_tenant
from fature_kv.cli.decoding import readable_row
from fature_kv.cli.output import Column, Output
from fature_kv.domain.rows import BadRow, Row, Source
from fature_kv.errors import UsageError
from fature_kv.sources import mappings
from fature_kv.sources.source_file import SourceFile
from fature_kv.store import Store
from fature_kv.tenants import Tenant

_SHOWN = 20
_DESCRIPTION = """Reads the rows of a file or folder, or of the operations database, applies nothing, and compares them
with what Redis holds of each source that there are rows of: how many were read and what became of them, sums and
averages on both sides, and each row that is missing, held in another version, or held though the source has no such
row. Exit 1 when anything differs."""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "validate", parents=[everywhere], help="a source against what Redis holds", description=_DESCRIPTION,
        allow_abbrev=False,
    )  # fmt: skip
    add_tenant(parser)
    parser.add_argument("--against", metavar="PATH", help="a file, or a folder of files")
    sync.add_ops_url(parser)
    parser.set_defaults(handler=_validate)


def _validate(command: Command) -> int:
    asked = command.arguments
    if asked.against and asked.ops_url:
        raise UsageError("against what? Give either --against PATH or --ops-url URL")
    with command.store() as store:
        tenant = tenants.get(store, asked.tenant)
        reports = (_files if asked.against else _operations)(command, store, tenant)
    different = any(report.differences for report in reports)
    if command.output.json:
        sources = [_shown(report) for report in reports]
        command.output.document({"tenant": tenant.slug, "same": not different, "sources": sources})
    else:
        _print(command.output, reports)
    return 1 if different else 0


def _files(command: Command, store: Store, tenant: Tenant) -> list[SourceReport]:
    mapping = mappings.read(store, tenant.keys).document
    files = loading.open_files(command, [command.arguments.against], tenant.zone, mapping)
    total = sum(file.size_bytes for file in files)
    with command.output.bar(total, f"validate {tenant.slug}") as bar:
        read = _Reading(command.settings.window_rows)
        return validate(store, tenant.slug, read.sources(files), lambda rows: bar(read.position, rows))


def _operations(command: Command, store: Store, tenant: Tenant) -> list[SourceReport]:
    with sync.opened(command, store, tenant) as operations:
        total = sum(map(operations.estimate, operations.tables))
        with command.output.bar(total, f"validate {tenant.slug}") as bar, ExitStack() as opened:

            def sources() -> Iterator[tuple[Source, Iterator[list[Row | BadRow]]]]:
                for source in operations.tables:
                    lists = operations.pull(source, None, full=True).lists(command.settings.window_rows)
                    yield source, opened.enter_context(closing(lists))

            return validate(store, tenant.slug, sources(), lambda rows: bar(rows, rows, total=max(total, rows)))


class _Reading:
    """Files as sources, and how many of their bytes have been read."""

    def __init__(self, at_once: int) -> None:
        self.position = 0
        self._at_once = at_once

    def sources(self, files: Sequence[SourceFile]) -> Iterator[tuple[Source, Iterator[list[Row | BadRow]]]]:
        before = 0
        for file in files:
            yield file.source, file.lists(self._at_once, partial(self._tell, before))
            before += file.size_bytes

    def _tell(self, start: int, position: int) -> None:
        self.position = start + position


def _shown(report: SourceReport) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(report)
    shown["examples"] = [_example(each) for each in report.examples]
    return shown


def _example(difference: Difference) -> dict[str, Any]:
    sides = {"in_source": difference.in_source, "in_redis": difference.in_redis}
    told = {name: readable_row(side) if isinstance(side, dict) else side for name, side in sides.items()}
    return {"kind": difference.kind, "id": difference.id, **told}


def _print(output: Output, reports: Sequence[SourceReport]) -> None:
    counted = ("read", "applied", "duplicates", "parked", "quarantined", "differences")
    rows = [
        [
            report.source,
            *(output.number(getattr(report, name)) for name in counted[:4]),
            output.number(sum(report.quarantined.values())),
            output.number(sum(report.differences.values())),
        ]
        for report in reports
    ]
    output.table([Column("source"), *(Column(name, True) for name in counted)], rows)
    figures = [
        [report.source, name, *(_number(output, name, side) for side in (figure.source, figure.redis))]
        for report in reports
        for name, figure in report.figures.items()
    ]
    output.table([Column("source"), Column("figure"), Column("in_source", True), Column("in_redis", True)], figures)
    if not any(report.differences for report in reports):
        output.say("same")
    for report in reports:
        _print_differences(output, report)


def _number(output: Output, name: str, value: int) -> str:
    return output.money(value) if name.endswith("_cents") else output.number(value)


def _print_differences(output: Output, report: SourceReport) -> None:
    if not report.differences:
        return
    rows = [
        [each["kind"], each["id"], *(_line(each[side]) for side in ("in_source", "in_redis"))]
        for each in map(_example, report.examples[:_SHOWN])
    ]
    many = ", ".join(f"{kind} {output.number(count)}" for kind, count in report.differences.items())
    columns = [Column("difference"), Column("id"), Column("in_source"), Column("in_redis")]
    output.table(columns, rows, title=f"{report.source}: {many}")


def _line(side: dict[str, Any] | int | None) -> str:
    if isinstance(side, dict):
        return ", ".join(
            f"{name}={value}" for name, value in side.items() if name != "source" and value not in (None, "")
        )
    return "-" if side is None else str(side)
