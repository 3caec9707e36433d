"""`make bench`: ingest of both workload shapes, ours beside a set-based PostgreSQL, in one run.

The workloads and the peer are kept outside the project, in `../shared/bench` (FATURE_BENCH_PEERS names another
folder); where they are absent there is nothing to race. Like for like: `appendfsync always` beside
`synchronous_commit=on`, boards of every period kept on both sides. Ours starts from the same arrays and ends when
all is durable and on the boards.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from fature_kv import embedded, tenants, wiring
from fature_kv.domain.rows import Bet, Link, Person
from fature_kv.ingest.session import Session, system_clock
from fature_kv.settings import Settings

PEERS = Path(os.environ.get("FATURE_BENCH_PEERS", Path(__file__).resolve().parents[1].parent / "shared" / "bench"))
BEGIN = 1_600_000_000_000_000
SECOND = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000, help="bets of each shape (default 100,000)")
    parser.add_argument("--quick", action="store_true", help="20,000 bets of each shape")
    parser.add_argument("--window", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not (PEERS / "shapes.py").is_file():
        print(f"no workloads at {PEERS}: set FATURE_BENCH_PEERS", file=sys.stderr)
        return 0
    rows = 20_000 if asked.quick else asked.rows
    with tempfile.TemporaryDirectory(prefix="fkv-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as somebody else when we are root
        settings = Settings(data_dir=folder, window_rows=asked.window)
        with embedded.lease(settings, postgres=True) as servers:
            results = [race(shape, rows, servers, settings) for shape in ("historic", "wide")]
    print(json.dumps(results)) if asked.json else show(results)
    return 0


def race(shape: str, rows: int, servers: embedded.Servers, settings: Settings) -> dict[str, Any]:
    """One shape, ours and the peer one after the other."""
    ours = ingest(shape, rows, servers.redis_url, settings)
    assert servers.archive_url is not None
    peer = peer_postgres(shape, rows, settings.window_rows, servers.archive_url)
    return {
        "shape": shape,
        "rows": rows,
        "window": settings.window_rows,
        "ours_rows_per_second": round(ours),
        "postgres_rows_per_second": peer["rows_per_second"],
        "ratio": round(ours / peer["rows_per_second"], 2),
        "postgres": peer["server_version"],
    }


def ingest(name: str, rows: int, url: str, settings: Settings) -> float:
    """Rows per second of the bets; people and links are there before the clock starts, as at the peer's."""
    shape = shapes().make(name, rows)
    store = wiring.open_store(url, settings)
    slug = f"bench-{name}"
    tenants.create(store, slug, name="", timezone="UTC", currency="BRL", now_us=system_clock())
    session = Session(store, slug, settings, run="bench")
    people: list[Any] = [Person(n, "", "", "", "active", BEGIN) for n in range(1, len(shape.sponsor) + 1)]
    links = [Link(n, int(sponsor), BEGIN) for n, sponsor in enumerate(shape.sponsor, start=1) if sponsor]
    for start in range(0, len(people), 20_000):
        session.apply(people[start : start + 20_000])
    session.apply(links)
    session.settle()
    columns = (shape.id, shape.user, shape.stake, shape.win, shape.time * SECOND)
    bets = [Bet(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    started = time.perf_counter()
    for start in range(0, len(bets), settings.window_rows):
        session.apply(bets[start : start + settings.window_rows])
    session.settle()
    seconds = time.perf_counter() - started
    store.close()
    return len(bets) / seconds


def shapes() -> ModuleType:
    """The workloads' module."""
    spec = importlib.util.spec_from_file_location("shapes", PEERS / "shapes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peer_postgres(shape: str, rows: int, window: int, url: str) -> dict[str, Any]:
    """The peer's own line, from a database of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop database if exists peer")
        connection.execute("create database peer")
    dsn = psycopg.conninfo.make_conninfo(url, dbname="peer", options="-c synchronous_commit=on")
    options = [shape, "--window", str(window), "--boards", "every", "--rows", str(rows)]
    command = [sys.executable, str(PEERS / "peer_postgres.py"), dsn, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def show(results: list[dict[str, Any]]) -> None:
    table = Table("shape", "bets", "window", "ours rows/s", "PostgreSQL rows/s", "ratio")
    for told in results:
        numbers = (told["rows"], told["window"], told["ours_rows_per_second"], told["postgres_rows_per_second"])
        table.add_row(told["shape"], *(f"{number:,}" for number in numbers), f"{told['ratio']:.2f}x")
    Console().print(table)
    print(f"PostgreSQL {results[0]['postgres']}, every board on both sides, each write durable before it is answered")


if __name__ == "__main__":
    sys.exit(main())
