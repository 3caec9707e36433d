"""`demo`: from nothing to a dashboard: a tenant, data, leaderboards, a token, and the API."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Final

from fature_kv import tenants
from fature_kv.access import tokens
from fature_kv.cli import loading, servers, shows
from fature_kv.cli.command import Command, Subcommands, now_us
from fature_kv.cli.imports import print_result
from fature_kv.cli.output import Column, Output
from fature_kv.domain.calendar import parse_day, period_days
from fature_kv.domain.mapping import Mapping
from fature_kv.errors import Conflict, UsageError
from fature_kv.figures import boards, dashboard, summaries
from fature_kv.figures import tenant as tenant_of
from fature_kv.figures.answers import BoardAnswer, DashboardAnswer
from fature_kv.figures.reading import Read
from fature_kv.settings import Settings
from fature_kv.sources import sample_small
from fature_kv.store import Store

SLUG: Final = "demo"
VARIABLE: Final = "FATURE_DEMO_DATA"
_BOARDS: Final = ("deposits", "cpa", "rev")
_PLACES: Final = 10
_TOKEN_S: Final = 30 * 86_400
_REAL: Final = Path("..", "shared", "data", "full")

_DESCRIPTION = f"""Makes the tenant '{SLUG}' where there is none, loads data into it, prints leaderboards and the
dashboard of the top affiliate, makes a manager's token, and serves. The data are those in the folder {VARIABLE}, else
the real data set where the checkout has it at hand ({_REAL}), else a small data set made with a seed. Running it again
is harmless: rows that are in are left out."""


def add(commands: Subcommands, everywhere: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "demo", parents=[everywhere], help="load data, print a dashboard, serve", description=_DESCRIPTION,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--no-serve", action="store_true", help="end after printing")
    parser.set_defaults(handler=_demo)


def _demo(command: Command) -> int:
    output, settings = command.output, command.settings
    if not command.arguments.no_serve:
        servers.check_port(settings)
    with command.store() as store:  # held while serving too, so that the servers start once
        loaded = _load(command, store)
        found = {metric: shows.ask(store, SLUG, _board(metric)) for metric in _BOARDS}
        top = next((item.affiliate_id for metric in _BOARDS for item in found[metric].items), None)
        shown = None if top is None else shows.ask(store, SLUG, _dashboard(top))
        token = tokens.create(store, SLUG, "manager", ttl_s=_TOKEN_S, now_us=now_us())
        if output.json:
            answers = {"leaderboards": found, "dashboard": shown}
            output.document({"tenant": SLUG, "import": loaded, **answers, "token": token, "url": servers.url(settings)})
        else:
            for board in found.values():
                shows.print_board(output, board)
            if shown is not None:
                _print_dashboard(output, shown)
            _print_token(output, settings, token, top or 1)
        if command.arguments.no_serve:
            if not output.json:
                output.say("demo_serve_later")
        else:
            servers.serve(command, settings, announce=not output.json)
    return 0


def _load(command: Command, store: Store) -> dict[str, object]:
    output, settings = command.output, command.settings
    zone, currency = settings.tenant_time_zone, settings.tenant_currency
    with contextlib.suppress(Conflict):  # of an earlier demo
        tenants.create(store, SLUG, name="Demo", timezone=zone, currency=currency, now_us=now_us())
    folder = _data(settings)
    if folder is None:
        folder = sample_small.write(Path(settings.data_dir) / "sample-small")
        told = output.text("demo_own")
    else:
        told = output.text("demo_real", folder=folder)
    output.note(told)
    files = loading.open_files(command, [folder], tenants.get(store, SLUG).zone, Mapping())
    loaded = loading.load(command, store, SLUG, files, "demo")
    document = loaded.document(loaded.session.counts())
    if not output.json:
        if not document["applied"]:
            output.say("demo_again")
        print_result(output, document, loaded.rows)
    return document


def _data(settings: Settings) -> Path | None:
    """The folder of data to load; None for our own."""
    asked = os.environ.get(VARIABLE, "").strip()
    if asked:
        if not Path(asked).is_dir():
            raise UsageError(f"{VARIABLE}: '{asked}' is no folder; name one that holds source files, or unset it")
        return Path(asked)
    checkout = Path(__file__).resolve().parents[2]
    real = checkout / _REAL
    return real.resolve() if (checkout / "pyproject.toml").is_file() and real.is_dir() else None


def _board(metric: str) -> shows.Question[BoardAnswer]:
    def question(tenant: tenant_of.Tenant) -> Read[BoardAnswer]:
        return boards.board(tenant, metric, "all", tenant.today(now_us()), _PLACES)

    return question


def _dashboard(person: int) -> shows.Question[DashboardAnswer]:
    """The dashboard on the last day on which something happened, since data of a demo are seldom of today."""

    def question(tenant: tenant_of.Tenant) -> Read[DashboardAnswer]:
        day = tenant.today(now_us())
        months = yield from summaries.summary(tenant, person, "month")
        if months.items:
            first, last = period_days("month", months.items[-1].period)
            days = yield from summaries.summary(tenant, person, "day", first, last)
            day = parse_day(days.items[-1].period)
        return (yield from dashboard.dashboard(tenant, person, day))

    return question


def _print_dashboard(output: Output, shown: DashboardAnswer) -> None:
    output.say("dashboard", id=shown.affiliate.affiliate_id, day=shown.today.period)
    shows.print_affiliate(output, shown.affiliate)
    shows.print_levels(output, shown.levels)
    ranks = [str(rank or "-") for rank in shown.ranks.values()]
    output.table([Column("rank"), *(Column(metric, True) for metric in shown.ranks)], [["", *ranks]])
    sums = ("deposits", "bets", "wins", "ggr", "cpa", "rev")
    rows = [
        [
            f"{output.text(name)} ({item.period})",
            *(output.number(value) for value in (item.new_referrals, item.validated_referrals, item.ftd)),
            *(output.money(getattr(item, f"{metric}_cents")) for metric in sums),
        ]
        for name in ("today", "month", "previous_month")
        for item in (getattr(shown, name),)
    ]
    numbers = (Column(name, True) for name in ("referrals", "validated", "ftd", *sums))
    output.table([Column("period"), *numbers], rows)
    shows.print_freshness(output, shown.as_of)
    output.line()


def _print_token(output: Output, settings: Settings, token: str, person: int) -> None:
    base = servers.url(settings)
    output.line(f"{output.text('demo_token', slug=SLUG)}:")
    output.line(f"  {token}")
    output.line()
    output.line(f"{output.text('demo_try')}:")
    for path in (f"/affiliates/{person}/dashboard", f"/affiliates/{person}/mlm-structure", "/leaderboards/deposits"):
        output.line(f"  curl -H 'Authorization: Bearer {token}' {base}/api/v1{path}")
    output.line(f"  {output.text('demo_open', url=base)}")
    output.line()
