"""What a command is made of: its arguments, its settings, its output, and the servers it runs on."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from fature_kv.cli.output import Output
from fature_kv.domain import calendar
from fature_kv.errors import UsageError
from fature_kv.settings import PAGE_LIMIT_MAX, Settings
from fature_kv.store import Store

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


@dataclass(frozen=True)
class Command:
    """A command that is being carried out."""

    arguments: argparse.Namespace
    settings: Settings
    output: Output

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The Redis of the settings, the embedded one started where it does not run."""
        from fature_kv import wiring

        with wiring.leased_store(self.settings) as store:
            yield store


Handler: TypeAlias = Callable[[Command], int]
"""Carries a command out and returns its exit code."""


def now_us() -> int:
    """Now, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def add_tenant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant")


def add_page(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument("--limit", type=whole(1, PAGE_LIMIT_MAX), default=default, metavar="N", help="items shown")
    parser.add_argument("--cursor", help="go on where the answer before ended (its next_cursor)")


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argument that is a whole number within limits."""

    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 16 and least <= int(raw) <= most):
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, not '{raw}'")
        return int(raw)

    return parse


person = whole(1, 2**53 - 1)
"""An argument that is the id of a person."""


def day(raw: str) -> int:
    """An argument that is a day."""
    try:
        return calendar.parse_day(raw)
    except calendar.TimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(raw: str) -> int:
    """An argument that is a length of time: `3600`, `90m`, `12h`, `30d`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    digits, unit = (raw[:-1], units[raw[-1]]) if raw[-1:] in units else (raw, 1)
    if not (digits.isascii() and digits.isdigit() and 0 < len(digits) <= 12):
        raise argparse.ArgumentTypeError(f"expected seconds, or a number with s, m, h or d as in 30d, not '{raw}'")
    return int(digits) * unit


def page_of(
    items: list[Any], limit: int, after: str | None, place: Callable[[Any], str]
) -> tuple[list[Any], str | None]:
    """Up to `limit` items behind the one at place `after`, and the place to go on behind; items ascend by place."""
    if after is not None:
        items = [item for item in items if place(item) > after]
    page = items[:limit]
    return page, place(page[-1]) if len(items) > limit else None


def need_one(value: Any, words: str) -> Any:
    """The value; UsageError with these words where there is none."""
    if value is None:
        raise UsageError(words)
    return value
