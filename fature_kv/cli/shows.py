"""`show`: figures; with `--json` the answers of the API."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

from fature_kv import tenants
from fature_kv.cli.command import Command, Subcommands, add_tenant, day, now_us, person, whole
from fature_kv.cli.decisions import print_decisions
from fature_kv.cli.output import Column, Output
from fature_kv.figures import affiliates, boards, levels
from fature_kv.figures import tenant as tenant_of
from fature_kv.figures.answers import Affiliate, AsOf, BoardAnswer, Level
from fature_kv.figures.reading import Read, T, run
from fature_kv.ingest.decisions import concerns
from fature_kv.ingest.decisions import read as read_decisions
from fature_kv.keyspace import tenant_keys
from fature_kv.settings import PAGE_LIMIT_MAX
from fature_kv.store import Store

Question: TypeAlias = Callable[[tenant_of.Tenant], Read[T]]


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    group = commands.add_parser("show", parents=[everywhere], help="figures: affiliate, leaderboard")
    of = group.add_subparsers(dest="of", metavar="affiliate|leaderboard", required=True)
    parser = of.add_parser("affiliate", parents=[everywhere], help="a person's figures", allow_abbrev=False)
    parser.add_argument("id", type=person, metavar="ID", help="the affiliate")
    add_tenant(parser)
    parser.set_defaults(handler=_affiliate)
    parser = of.add_parser("leaderboard", parents=[everywhere], help="who is ahead", allow_abbrev=False)
    parser.add_argument("metric", metavar="METRIC", help=" ".join(boards.BOARDS))
    add_tenant(parser)
    parser.add_argument("--period", help="all, day, week or month (rev: all, month; streak: day)")
    parser.add_argument("--at", type=day, metavar="DAY", help="a day of the period (today)")
    parser.add_argument("--limit", type=whole(1, PAGE_LIMIT_MAX), default=10, metavar="N", help="places shown (10)")
    parser.add_argument("--offset", type=whole(0, 2**31), default=0, metavar="N", help="places left out (0)")
    parser.set_defaults(handler=_leaderboard)


def ask(store: Store, slug: str, question: Question[T]) -> T:
    """The answer to a question about a tenant."""
    tenants.get(store, slug)
    return run(store, tenant_of.standing(slug, question))


def _affiliate(command: Command) -> int:
    slug, who, output = command.arguments.tenant, command.arguments.id, command.output
    with command.store() as store:
        found = ask(store, slug, lambda tenant: affiliates.affiliate(tenant, who))
        if output.json:
            output.document(found)
            return 0
        network = ask(store, slug, lambda tenant: levels.mlm_structure(tenant, who))
        decided = [each for each in read_decisions(store, tenant_keys(slug)) if concerns(each, who)]
    print_affiliate(output, found)
    print_levels(output, network.levels)
    if decided:
        print_decisions(output, decided)
    print_freshness(output, found.as_of)
    return 0


def _leaderboard(command: Command) -> int:
    asked = command.arguments
    period = boards.check_board(asked.metric, asked.period)

    def question(tenant: tenant_of.Tenant) -> Read[BoardAnswer]:
        at = tenant.today(now_us()) if asked.at is None else asked.at
        return boards.board(tenant, asked.metric, period, at, asked.limit, asked.offset)

    with command.store() as store:
        found = ask(store, asked.tenant, question)
    if command.output.json:
        command.output.document(found)
    else:
        print_board(command.output, found)
        print_freshness(command.output, found.as_of)
    return 0


def print_board(output: Output, board: BoardAnswer) -> None:
    """A page of a leaderboard."""
    counted = board.metric in ("referrals", "validated", "ftd", "streak")
    show = output.number if counted else output.money
    rows = [[str(item.rank), str(item.affiliate_id), item.name, show(item.score)] for item in board.items]
    title = output.text("leaderboard", metric=board.metric, key=board.key, total=output.number(board.total))
    columns = [Column("rank", True), Column("id", True), Column("name"), Column("score", True)]
    output.table(columns, rows, title=title)


def print_affiliate(output: Output, found: Affiliate) -> None:
    """A person: the record, network totals, own figures."""
    own, text, money, number = found.own, output.text, output.money, output.number
    output.line(f"{found.affiliate_id}  {found.name}  ({found.status})")
    output.line(
        f"  {text('registered')} {found.registered_at}, {text('sponsor')} {found.sponsor_id or '-'}, "
        f"{text('network_size')} {number(found.network_size)}"
    )
    sums = ("deposits", "bets", "wins", "ggr", "cpa", "rev")
    network = [money(getattr(found, f"total_{name}_cents")) for name in sums]
    alone = [money(getattr(own, f"{name}_cents")) for name in sums[:4]]
    output.table(
        [Column("total"), *(Column(name, True) for name in sums)],
        [[text("network"), *network], [text("own"), *alone, "", ""]],
    )
    output.line(
        f"  {text('days_active')} {number(own.days_active)}, {text('first_deposit_on')} {own.first_deposit_on or '-'}, "
        f"{text('qualified_on')} {own.qualified_on or '-'}, {text('withdrawals')} {money(own.withdrawals_cents)}, "
        f"{text('bonus')} {money(own.bonus_cents)}"
    )
    output.line()


def print_levels(output: Output, found: list[Level]) -> None:
    """The five levels of a network."""
    counts, sums = ("count", "validated", "ftd"), ("deposits", "bets", "wins", "ggr", "cpa", "rev")
    rows = [
        [
            str(level.level),
            *(output.number(getattr(level, name)) for name in counts),
            *(output.money(getattr(level, f"{name}_cents")) for name in sums),
        ]
        for level in found
    ]
    names = ("level", "people", *counts[1:], *sums)
    output.table([Column(name, True) for name in names], rows)


def print_freshness(output: Output, as_of: AsOf) -> None:
    """How fresh figures are."""
    output.say("as_of", at=as_of.applied_at or output.text("never"))
