"""`affiliate`: a manager's decisions on people, and all decisions there are."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from fature_kv import journal, tenants, wiring
from fature_kv.cli.command import Command, Subcommands, add_page, add_tenant, day, person
from fature_kv.cli.output import Column, Output
from fature_kv.domain.calendar import day_text, rfc3339
from fature_kv.figures import cursors
from fature_kv.ingest import decisions
from fature_kv.ingest.decisions import Decision
from fature_kv.ingest.session import Session

_CURSOR = "decisions"


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    group = commands.add_parser("affiliate", parents=[everywhere], help="managers' decisions: move, qualify, decisions")
    of = group.add_subparsers(dest="of", metavar="move|qualify|decisions", required=True)

    what = "put a person, with all below and their whole history, under another sponsor or none"
    parser = of.add_parser("move", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    _add_person(parser)
    parser.add_argument("--to", required=True, type=_or_none(person), metavar="SPONSOR|none", help="the new sponsor")
    parser.set_defaults(handler=_move)

    what = "declare a player qualified for CPA on a day, whatever the criteria say; `none` leaves it to them again"
    parser = of.add_parser("qualify", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    _add_person(parser)
    parser.add_argument("--on", required=True, type=_or_none(day), metavar="DAY|none", help="the day, up to today")
    parser.set_defaults(handler=_qualify)

    what = "what managers decided, the latest first: moves, qualifications, runs and rows taken back"
    parser = of.add_parser("decisions", parents=[everywhere], help=what, description=what, allow_abbrev=False)
    parser.add_argument("id", nargs="?", type=person, metavar="ID", help="only those that concern this person")
    add_tenant(parser)
    add_page(parser, 100)
    parser.set_defaults(handler=_decisions)


def _add_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=person, metavar="ID", help="the person")
    parser.add_argument("--reason", required=True, help="why; it is kept with the decision")
    add_tenant(parser)


def _or_none(parse: Callable[[str], int]) -> Callable[[str], int | None]:
    return lambda raw: None if raw == "none" else parse(raw)


def _move(command: Command) -> int:
    asked = command.arguments
    changed = _decide(command, lambda session: session.move(asked.id, asked.to, asked.reason))
    return _tell(command, changed, {"affiliate_id": asked.id, "sponsor_id": asked.to})


def _qualify(command: Command) -> int:
    asked = command.arguments
    on = None if asked.on is None else day_text(asked.on)
    changed = _decide(command, lambda session: session.declare(asked.id, asked.on, asked.reason))
    return _tell(command, changed, {"affiliate_id": asked.id, "qualified_on": on})


def _decide(command: Command, decide: Callable[[Session], bool]) -> bool:
    with command.store() as store:
        return decide(wiring.session(store, command.arguments.tenant, command.settings, "decision"))


def _tell(command: Command, changed: bool, decided: dict[str, Any]) -> int:
    if command.output.json:
        command.output.document({**decided, "changed": changed})
    else:
        command.output.say("decided" if changed else "decided_already")
    return 0


# -- what was decided -----------------------------------------------------------------------------------------------


def _decisions(command: Command) -> int:
    asked = command.arguments
    with command.store() as store:
        found = decisions.read(store, tenants.get(store, asked.tenant).keys)
    if asked.id is not None:
        found = [decision for decision in found if decisions.concerns(decision, asked.id)]
    if asked.cursor is not None:
        behind = _place(cursors.decode(_CURSOR, asked.cursor))
        found = [decision for decision in found if journal.place(decision.entry) < behind]
    page = found[: asked.limit]
    more = cursors.encode(_CURSOR, page[-1].entry) if len(found) > asked.limit else None
    if command.output.json:
        command.output.document({"items": [shown(decision) for decision in page], "next_cursor": more})
        return 0
    print_decisions(command.output, page)
    if more:
        command.output.say("more", cursor=more)
    return 0


def _place(cursor: str) -> journal.Place:
    try:
        return journal.place(cursor)
    except ValueError:
        raise cursors.refused() from None


def shown(decision: Decision) -> dict[str, Any]:
    """A decision as JSON tells it."""
    return {**decision.body, "at": rfc3339(decision.body["at"])}


def print_decisions(output: Output, found: list[Decision]) -> None:
    """A table of decisions."""
    rows = [
        [str(body["at"])[:19], body["kind"], str(body.get("affiliate_id") or ""), _words(body), body["reason"]]
        for body in map(shown, found)
    ]
    output.table([Column(name) for name in ("at", "decision", "affiliate", "what", "reason")], rows)


def _words(body: dict[str, Any]) -> str:
    match body["kind"]:
        case "moved":
            return f"{body['before'] or '-'} -> {body['sponsor_id'] or '-'}"
        case "declared":
            return body["qualified_on"] or "-"
        case _:
            many = ", ".join(f"{source} {count}" for source, count in body["void"].items())
            return f"{body['undone'] or '-'}: {many or '-'}"
