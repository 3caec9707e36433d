"""`run` and `quarantine`: what came in and what did not, taken back or tried again."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from fature_kv import tenants
from fature_kv.cli.command import Command, Subcommands, add_page, add_tenant, page_of
from fature_kv.cli.decoding import readable_row
from fature_kv.cli.output import Column, print_counts, progress_of
from fature_kv.domain.calendar import rfc3339
from fature_kv.figures import cursors
from fature_kv.ingest import decisions, retry
from fature_kv.ingest.window import row_id, unpack_row
from fature_kv.sources import mappings
from fature_kv.store import Store
from fature_kv.tenants import Tenant


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    group = commands.add_parser("run", parents=[everywhere], help="runs: list, undo")
    of = group.add_subparsers(dest="of", metavar="list|undo", required=True)
    parser = of.add_parser("list", parents=[everywhere], help="runs, the latest first", allow_abbrev=False)
    add_tenant(parser)
    add_page(parser, 20)
    parser.set_defaults(handler=_runs)
    what = "take back every row that a run brought: the versions before count again, and read again the rows count anew"
    parser = of.add_parser("undo", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", help="a run's name, as `run list` shows it")
    parser.add_argument("--reason", default="", help="why; it is kept with the decision")
    add_tenant(parser)
    parser.set_defaults(handler=_undo)

    group = commands.add_parser("quarantine", parents=[everywhere], help="rows that could not be applied: list, retry")
    of = group.add_subparsers(dest="of", metavar="list|retry", required=True)
    what = "bad rows, or with --parked rows that wait for a person or a day"
    parser = of.add_parser("list", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("--parked", action="store_true", help="rows that wait, instead of bad ones")
    add_page(parser, 100)
    parser.set_defaults(handler=_quarantine)
    what = "apply what can be applied of them by now"
    parser = of.add_parser("retry", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    add_tenant(parser)
    parser.add_argument("--parked", action="store_true", help="rows that wait, instead of bad ones")
    parser.set_defaults(handler=_retry)


# -- runs -----------------------------------------------------------------------------------------------------------


def _runs(command: Command) -> int:
    asked = command.arguments
    with command.store() as store:
        keys = tenants.get(store, asked.tenant).keys
        stored = store.call("HVALS", keys.runs)
        undone = {each.body["undone"]: each.body for each in decisions.read(store, keys) if "undone" in each.body}
    runs = sorted((msgspec.json.decode(raw) for raw in stored), key=_place, reverse=True)
    if asked.cursor is not None:
        behind = cursors.decode("runs", asked.cursor)
        runs = [run for run in runs if _place(run) < behind]
    items = [_shown(run, undone.get(run["run"])) for run in runs[: asked.limit]]
    more = cursors.encode("runs", _place(runs[asked.limit - 1])) if len(runs) > asked.limit else None
    if command.output.json:
        command.output.document({"items": items, "next_cursor": more})
        return 0
    rows = [
        [
            item["run"],
            *(str(item.get(at) or "")[:19] for at in ("started_at", "finished_at")),
            command.output.text(item["state"]),
            *_counts(command, item),
        ]
        for item in items
    ]
    counted = [Column(name, True) for name in ("applied", "duplicates", "parked", "quarantined")]
    command.output.table([Column("run"), Column("began"), Column("ended"), Column("state"), *counted], rows)
    if more:
        command.output.say("more", cursor=more)
    return 0


def _place(run: dict[str, Any]) -> str:
    return f"{run['finished_at'] or run.get('started_at', 0):020d} {run['run']}"


def _shown(run: dict[str, Any], undone: dict[str, Any] | None) -> dict[str, Any]:
    """A run, its state, and of one that was taken back when and why."""
    told = {**run, "state": "unfinished" if run["finished_at"] is None else "finished"}
    if undone is not None:
        told |= {"state": "undone", "undone_at": undone["at"], "undone_reason": undone["reason"]}
    return {name: rfc3339(value) if name.endswith("_at") and value else value for name, value in told.items()}


def _counts(command: Command, run: dict[str, Any]) -> list[str]:
    counts = sum(run["applied"].values()), run["duplicates"], run["parked"], sum(run["quarantined"].values())
    return [command.output.number(count) for count in counts]


def _undo(command: Command) -> int:
    from fature_kv.archive.undo import undo_run

    asked = command.arguments
    with command.store() as store, command.output.bar(1, f"undo {asked.run}") as bar:
        done = undo_run(store, asked.tenant, command.settings, asked.run, asked.reason, progress_of(bar))
    if command.output.json:
        command.output.document(done)
        return 0
    command.output.say("undone_already" if done["already"] else "undone_run", run=asked.run)
    if done["void"]:
        rows = [[source, command.output.number(count)] for source, count in done["void"].items()]
        command.output.table([Column("source"), Column("rows", True)], rows)
    return 0


# -- quarantine -----------------------------------------------------------------------------------------------------


def _quarantine(command: Command) -> int:
    asked = command.arguments
    after = None if asked.cursor is None else cursors.decode("quarantine", asked.cursor)
    with command.store() as store:
        tenant = tenants.get(store, asked.tenant)
        items, more = (_parked if asked.parked else _bad)(store, tenant, asked.limit, after)
    more = None if more is None else cursors.encode("quarantine", more)
    if command.output.json:
        command.output.document({"items": items, "next_cursor": more})
        return 0
    rows = [[item["source"], item["id"] or "-", item["reason"], item["at"][:19], _line(item["row"])] for item in items]
    command.output.table([Column(name) for name in ("source", "id", "reason", "at", "row")], rows)
    if more:
        command.output.say("more", cursor=more)
    return 0


def _retry(command: Command) -> int:
    asked = command.arguments
    with command.store() as store:
        tenant = tenants.get(store, asked.tenant)
        if asked.parked:
            counts = retry.parked(store, tenant.slug, command.settings)
        else:
            counts = retry.quarantine(store, tenant.slug, command.settings, mappings.read(store, tenant.keys).document)
        keys = tenant.keys.generation(tenant.live)
        left = store.call("HLEN", keys.parked if asked.parked else keys.quarantine)
    document = {**msgspec.to_builtins(counts), "left": left}
    if command.output.json:
        command.output.document(document)
    else:
        print_counts(command.output, document)
    return 0


def _bad(store: Store, tenant: Tenant, limit: int, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
    held, more = _page(store, tenant.keys.generation(tenant.live).quarantine, limit, after)
    items = []
    for raw in held:
        entry = msgspec.json.decode(raw)
        items.append({**{name: entry[name] for name in ("source", "id", "reason", "row")}, "at": rfc3339(entry["at"])})
    return items, more


def _parked(store: Store, tenant: Tenant, limit: int, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
    held, more = _page(store, tenant.keys.generation(tenant.live).parked, limit, after)
    items = []
    for raw in held:
        entry = msgspec.msgpack.decode(raw)
        items.append(
            {
                "source": entry["row"]["source"],
                "id": row_id(unpack_row(entry["row"])),
                "reason": entry["reason"],
                "row": readable_row(entry["row"]),
                "at": rfc3339(entry["at"]),
                "waits_for": entry["person"],
            }
        )
    return items, more


def _page(store: Store, key: str, limit: int, after: str | None) -> tuple[list[bytes], str | None]:
    """Values of a hash by ascending field, and the field to go on behind."""
    fields = sorted(field.decode() for field in store.call("HKEYS", key))
    page, more = page_of(fields, limit, after, lambda field: field)
    held = store.call("HMGET", key, *page) if page else []
    return [raw for raw in held if raw is not None], more


def _line(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if name != "source" and value not in (None, ""))
