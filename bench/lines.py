"""The lines of the benchmark: each measures one thing with the modules beside it, and says it (docs/benchmarks.md)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from bench import events, events_postgres, growth, late_links, memory, operations, readers, workbooks
from bench import reads as http_reads
from bench.ingest import COMMANDS, Race, race, rates, set_up
from bench.report import Line, milliseconds, per_second, times
from bench.servers import Engine, ScriptTimes, Servers
from bench.workloads import Workload, shape


class Sizes(NamedTuple):
    """How much of everything; the workloads' own sizes where it is `FULL`."""

    wide_part: int
    """1/n of the wide shape."""
    historic_windows: tuple[int, ...]
    """The peer's."""
    wide_windows: tuple[int, ...]
    pair_rows: int
    """First bets of the wide shape, applied in windows of 20,000 on both sides."""
    xlsx_rows: int
    """First bets of the historic shape, in a workbook."""
    repeats: int
    wide_repeats: int
    event_seconds: float
    reads_per_s: float
    idle_s: float
    growth: dict[str, int]
    late_people: int
    sync: operations.Sizes
    """Of the database whose rows are read into a tenant."""
    operator: operations.Sizes
    """Of the database that is asked for what is new."""


FULL: Final = Sizes(
    1, (1_000_000, 100_000, 20_000), (1_000_000, 100_000), 100_000, 600_000, 3, 3, 4.0, 200.0, 6.0,
    {"people": 5_000, "history_rows": 30_000, "new_rows": 40_000, "window": 20_000, "repeats": 3}, 10_000,
    operations.Sizes(2_000, 100_000), operations.Sizes(95_000, 514_000),
)  # fmt: skip
QUICK: Final = Sizes(
    5, (1_000_000,), (1_000_000,), 40_000, 100_000, 1, 1, 1.5, 200.0, 2.0,
    {"people": 1_500, "history_rows": 8_000, "new_rows": 8_000, "window": 8_000, "repeats": 1}, 1_000,
    operations.Sizes(400, 10_000), operations.Sizes(95_000, 150_000),
)  # fmt: skip
WHOLE: Final = 1_000_000
"""A window that holds any of the workloads."""
PAIR_WINDOW: Final = 20_000
CLIENTS: Final = 32
POOLED: Final = 8
"""Connections of a pool: on few cores PostgreSQL is faster with fewer than there are clients."""


class Bench:
    """What the lines share: servers, sizes, and everything that is set up once."""

    def __init__(self, servers: Servers, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.servers, self.sizes, self.say = servers, sizes, say
        self.notes: list[str] = []
        self.peer_best: dict[str, float] = {}
        """The peer's best rate by shape, durable."""
        self._snapshots: dict[tuple[str, Engine], Path] = {}

    def workload(self, name: str) -> Workload:
        return shape(name, self.part(name))

    def part(self, name: str) -> int:
        return self.sizes.wide_part if name == "wide" else 1

    def snapshot(self, name: str, engine: Engine | None = None) -> Path:
        """The data of a workload's people and links, on an engine."""
        engine = engine or self.servers.engine
        if (name, engine) not in self._snapshots:
            self.say(f"{name}: people and links")
            workload = self.workload(name)
            self._snapshots[name, engine] = self.servers.snapshot(lambda running: set_up(workload, running), engine)
        return self._snapshots[name, engine]

    @cached_property
    def filled(self) -> tuple[readers.Disturbed, memory.Memory]:
        """Readers beside an ingest of the whole wide shape, and what it takes afterwards."""
        wide, first = self.workload("wide"), self.sizes.pair_rows
        copy = self.snapshot("wide")
        self.say("readers: at rest, then beside an ingest")
        many = len(wide.bets.id)
        parts = [(wide.bets.span(0, first), PAIR_WINDOW), (wide.bets.span(first, many), WHOLE)]
        with self.servers.redis(copy_of=copy) as running:
            found = readers.disturbed(
                running, len(wide.sponsor), parts, rate=self.sizes.reads_per_s, idle_s=self.sizes.idle_s
            )
            self.say("memory")
            return found, memory.memory(running)


def historic(bench: Bench) -> list[Line]:
    """Ingest of few people with much to do."""
    sizes = bench.sizes
    found = _race(
        bench, "historic", len(bench.workload("historic").bets.id), WHOLE, sizes.historic_windows, sizes.repeats
    )
    bench.peer_best["historic"] = found.best[1]
    return [_race_line("ingest historic", bench, "historic", WHOLE, found, 10), _stall_line("historic", found)]


def wide(bench: Bench) -> list[Line]:
    """Ingest of many people with little to do: a backlog at once, and in windows as an import has them."""
    sizes = bench.sizes
    found = _race(bench, "wide", len(bench.workload("wide").bets.id), WHOLE, sizes.wide_windows, sizes.wide_repeats)
    bench.peer_best["wide"] = found.best[1]
    pair = _race(bench, "wide", sizes.pair_rows, PAIR_WINDOW, (PAIR_WINDOW,), min(2, sizes.repeats))
    return [
        _race_line("ingest wide", bench, "wide", WHOLE, found, 3),
        _race_line("ingest wide 20k", bench, "wide", PAIR_WINDOW, pair, 2, sizes.pair_rows),
        _stall_line("wide", found),
        _stall_line("wide 20k", pair),
    ]


def xlsx(bench: Bench) -> list[Line]:
    """A load from a workbook."""
    sizes, workload = bench.sizes, bench.workload("historic")
    copy = bench.snapshot("historic")
    bench.say("xlsx: a workbook, read alone, end to end, and PostgreSQL")
    found = workbooks.load(
        bench.servers, workload, copy, first=sizes.xlsx_rows, peer_window=WHOLE, repeats=sizes.repeats
    )
    rate = median(found.peer)
    seconds, alone = median(found.end_to_end), median(found.alone)
    numbers = {"seconds": found.end_to_end, "alone_seconds": found.alone, "peak_kb": found.peak_kb}
    what = f"a workbook of {found.rows:,} bets, {len(workload.sponsor):,} people: file to boards; beside: reading alone"
    peak = f"peak {_megabytes(found.peak_kb * 1024)}"
    return [
        Line("xlsx", f"{what}; {peak}", f"{seconds:.2f} s", f"calamine {alone:.2f} s", times(found.over_reading),
             "at most 1.5x", found.over_reading <= 1.5, numbers),
        Line("xlsx historic", "the same beside COPY and set-based SQL of the same rows, as text and in memory already",
             per_second(found.rate), f"PostgreSQL {per_second(rate)}, one window", times(found.rate / rate),
             numbers={"ours_per_s": found.rate, "peer_per_s": found.peer}),
    ]  # fmt: skip


def everysec(bench: Bench) -> list[Line]:
    """Both headline lines without waiting for the disk, on both sides."""
    found = []
    for name, goal in (("historic", 10), ("wide", 3)):
        many = len(bench.workload(name).bets.id)
        done = _race(bench, name, many, WHOLE, (WHOLE,), 1, fsync="everysec")
        found.append(_race_line(f"everysec {name}", bench, name, WHOLE, done, goal))
    return found


def other_engine(bench: Bench, engine: Engine) -> list[Line]:
    """Both headline lines on another server program; the peer's rate is that of the lines above."""
    found = []
    for name in ("historic", "wide"):
        workload, copy = bench.workload(name), bench.snapshot(name, engine)
        bench.say(f"{name} on {engine.name}")
        ours = rates(bench.servers, workload, copy, engine, WHOLE, 1)
        peer = bench.peer_best.get(name)
        ratio = times(median(ours) / peer) if peer else ""
        beside = f"PostgreSQL {per_second(peer)}" if peer else ""
        what = f"{len(workload.bets.id):,} bets, on {engine.name}"
        numbers = {"engine": engine.name, "ours_per_s": ours, "peer_per_s": peer}
        found.append(Line(f"{engine.name} {name}", what, per_second(median(ours)), beside, ratio, numbers=numbers))
    return found


def post_events(bench: Bench) -> list[Line]:
    """Rows that come one by one over HTTP."""
    workload, seconds, copy = bench.workload("wide"), bench.sizes.event_seconds, bench.snapshot("wide")
    bench.say("events: PostgreSQL's tables")
    peer = events_postgres.Postgres(bench.servers.database(), workload, workload.bets)
    ours, direct, pooled = [], [], []
    with bench.servers.redis(copy_of=copy) as running, events.service(running, workload.bets) as service:
        for _ in range(bench.sizes.repeats):
            bench.say("events: ours")
            ours.append(service.load(CLIENTS, seconds))
            bench.say("events: PostgreSQL")
            direct.append(peer.load(CLIENTS, seconds))
            pooled.append(peer.load(POOLED, seconds))
    mine, theirs, few = (sorted(loads, key=lambda load: load.rate)[len(loads) // 2] for loads in (ours, direct, pooled))
    ratio = mine.rate / theirs.rate
    bench.notes.append(
        f"events: PostgreSQL with a pool of {POOLED} connections instead of {CLIENTS}: {_load(few)}; "
        f"ours is {times(mine.rate / few.rate)} of that. Boards on both sides: all time, the row's day, week, month."
    )
    what = f"POST /events, one row a request, {CLIENTS} clients; beside a transaction a row, {CLIENTS} connections"
    numbers = {"ours": ours, "postgres": direct, "postgres_pooled": pooled, "retries": peer.retries}
    return [Line("events", what, _load(mine), f"PostgreSQL {_load(theirs)}", times(ratio), "3x", ratio >= 3, numbers)]


def reads(bench: Bench) -> list[Line]:
    """What readers notice of an ingest."""
    found, _ = bench.filled
    lines = []
    for window, beside in found.beside.items():
        ratio = found.ratio(window)
        pace = f"{bench.sizes.reads_per_s:.0f}/s"
        what = f"dashboards at {pace} beside an ingest of wide, {_window(window)}; beside: at rest"
        numbers = {"idle": found.idle, "beside": beside, "ingest_per_s": round(found.rates[window])}
        shown = (_latencies(beside), _latencies(found.idle))
        lines.append(Line("readers", what, *shown, f"p99 {times(ratio)}", "at most 3x", ratio <= 3, numbers))
    return lines


def dashboards(bench: Bench) -> list[Line]:
    """Reads over HTTP beside a hello world, and beside PostgreSQL."""
    workload, sizes = bench.workload("wide"), bench.sizes
    bench.say("dashboards and leaderboards over HTTP")
    first = min(sizes.pair_rows, len(workload.bets.id))
    found = http_reads.reads(bench.servers, workload, bench.part("wide"), first, sizes.event_seconds / 2, sizes.repeats)
    hello = found.pop("hello")
    lines = [
        Line("hello world", f"plain JSON, {http_reads.CLIENTS} clients", _load(hello), "", numbers=hello._asdict())
    ]
    goals = {"dashboard again": 0.6, "leaderboard again": 0.6, "dashboard held": 0.8}
    for kind, read in found.items():
        share, goal = read.rate / hello.rate, goals.get(kind)
        shown = f"at least {goal:.0%}" if goal else ""
        met = share >= goal if goal else None
        beside = f"hello world {per_second(hello.rate)}"
        lines.append(Line(kind, "GET over HTTP", _load(read), beside, f"{share:.0%}", shown, met, read._asdict()))
    for kind, goal in (("rank", 300), ("plain", 5)):
        theirs, ours = found[f"postgres {kind}"], found["dashboard again"]
        ratio = ours.rate / theirs.rate
        what = (
            f"dashboard again; beside: from PostgreSQL, {'all-time ranks by RANK()' if kind == 'rank' else 'no ranks'}"
        )
        anew = {"anew": found["dashboard anew"].rate / theirs.rate}
        line = Line(
            f"dashboard / {kind}",
            what,
            _load(ours),
            f"PostgreSQL {_load(theirs)}",
            times(ratio),
            f"{goal}x",
            ratio >= goal,
            anew,
        )
        lines.append(line)
    return lines


def memory_lines(bench: Bench) -> list[Line]:
    """Memory after the wide shape, and what a bet takes in the journal."""
    found, held = bench.filled
    rows = len(bench.workload("wide").bets.id)
    a_row = found.journal_bytes / rows
    lines = [
        Line("journal", f"bytes of the stream a bet, {rows:,} bets of wide", f"{a_row:.1f} B", "", f"{a_row:.1f} B",
             "at most 25 B", a_row <= 25, {"bytes_per_row": round(a_row, 2)}),
        Line("memory", "after wide: used_memory; beside: what keys take", _megabytes(held.used), _megabytes(held.named),
             numbers={"used_bytes": held.used, "families": held.families}),
    ]  # fmt: skip
    for family in held.families:
        if family.share >= 0.005:
            what = f"{family.keys:,} keys"
            lines.append(Line(f"  {family.name}", what, _megabytes(family.bytes), "", f"{family.share:.1%}"))
    return lines


def cost_of_growth(bench: Bench) -> list[Line]:
    """New bets on a tenant that holds more and more."""
    bench.say("growth")
    found = growth.growth(bench.servers, **bench.sizes.growth)
    smallest = growth.TIMES[0]
    lines = []
    for many in growth.TIMES:
        relative = found.rate(many) / found.rate(smallest)
        what = f"{found.new_rows:,} new bets on {found.history_rows * many:,}, {found.people:,} people"
        last = many == growth.TIMES[-1]
        goal, met = ("within 20 %", found.loss <= 0.2) if last else ("", None)
        shown = "" if many == smallest else f"{relative - 1:+.1%}"
        numbers = {"history_rows": found.history_rows * many, "ours_per_s": found.rates[many]}
        lines.append(Line(f"growth {many}x", what, per_second(found.rate(many)), "", shown, goal, met, numbers))
    return lines


def late_link(bench: Bench) -> list[Line]:
    """A network that comes late."""
    bench.say("late links")
    found = late_links.late_link(bench.servers, bench.sizes.late_people, bench.sizes.reads_per_s)
    what = f"one link hangs {found.people:,} people with {found.days} active days each under a sponsor of four more"
    shown = f"longest call {milliseconds(found.longest_ms)}; readers' p99 {milliseconds(found.meanwhile.p99_ms)}"
    lines = [Line("late link", what, f"{found.seconds:.2f} s", shown, numbers=found._asdict())]
    if found.people < FULL.late_people:
        bench.notes.append(f"late link: {FULL.late_people:,} people with --late-links {FULL.late_people}")
    return lines


def sync(bench: Bench) -> list[Line]:
    """An operations database."""
    bench.say("sync: rows into a tenant, beside the cursor alone")
    found = operations.rates(bench.servers, bench.sizes.sync, bench.sizes.repeats)
    what = f"first sync of {found.rows:,} rows, {found.people:,} people; beside: reading the cursor alone"
    ours, alone = (per_second(median(each)) for each in (found.ours, found.cursor))
    rate = Line("sync", what, ours, alone, times(found.ratio), numbers=found._asdict())
    bench.say("sync: what a pull of nothing new costs, beside a dashboard's JOINs")
    cost = operations.cost(bench.servers, bench.sizes.operator, 10)
    what = (
        f"a pull of nothing new from {cost.people:,} people, {cost.bets:,} bets, in PostgreSQL's own time; "
        f"beside: the dashboard of a network of {cost.network:,}"
    )
    shown = (milliseconds(cost.nothing_ms), milliseconds(cost.dashboard_ms), f"{cost.share:.2%}")
    return [rate, Line("sync idle", what, *shown, "below 1 %", cost.share < 0.01, cost._asdict())]


def _race(
    bench: Bench, name: str, first: int, window: int, peer_windows: tuple[int, ...], repeats: int, fsync: str = "always"
) -> Race:
    workload, copy = bench.workload(name), bench.snapshot(name)
    bench.say(f"{name}: ours and PostgreSQL in turns, {_window(window)}, appendfsync {fsync}")
    return race(
        bench.servers, workload, copy, part=bench.part(name), first=first, window=window,
        peer_windows=peer_windows, repeats=repeats, fsync=fsync,
    )  # fmt: skip


def _race_line(
    line: str, bench: Bench, name: str, window: int, found: Race, goal: int, first: int | None = None
) -> Line:
    whole = len(bench.workload(name).bets.id)
    people = len(bench.workload(name).sponsor)
    bets = f"the first {first:,} of {whole:,} bets" if first and first < whole else f"{whole:,} bets"
    best, rate = found.best
    what = f"{bets}, {people:,} people; {_window(window)}"
    numbers = {"ours_per_s": found.ours, "peer_per_s": found.peer, "ratio": round(found.ratio, 3)}
    beside = f"PostgreSQL {per_second(rate)}, {_window(best)}"
    met = found.ratio >= goal
    return Line(line, what, per_second(median(found.ours)), beside, times(found.ratio), f"{goal}x", met, numbers)


def _stall_line(name: str, found: Race) -> Line:
    """The slowest of what several runs found."""
    worst = {command: _worst([times[command] for times in found.times]) for command in COMMANDS}
    p99, longest = (max(getattr(each, field) for each in worst.values()) for field in ("p99_ms", "max_ms"))
    shown = {
        command: f"{each.p50_ms:.2f} / {each.p99_ms:.2f} / {each.max_ms:.2f} ms" for command, each in worst.items()
    }
    met, goal = p99 < 2 and longest <= 5, "p99 < 2 ms, none > 5 ms"
    what = "p50 / p99 / longest on the server: scripts; beside: transactions that write boards"
    return Line(f"stall {name}", what, shown["evalsha"], shown["exec"], f"{longest:.2f} ms", goal, met, worst)


def _worst(several: list[ScriptTimes]) -> ScriptTimes:
    """The median of medians and of p99s, and the longest of all."""
    calls, p50, p99 = (median(getattr(each, field) for each in several) for field in ("calls", "p50_ms", "p99_ms"))
    return ScriptTimes(int(calls), p50, p99, max(each.max_ms for each in several))


def _window(rows: int) -> str:
    return "one window" if rows >= WHOLE else f"windows of {rows:,}"


def _load(load: events.Load) -> str:
    return f"{per_second(load.rate)}, p50 {load.p50_ms:.1f}, p99 {load.p99_ms:.1f} ms"


def _latencies(found: readers.Latencies) -> str:
    return f"p50 {found.p50_ms:.2f}, p99 {found.p99_ms:.2f} ms"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


LINES: Final[dict[str, Callable[[Bench], list[Line]]]] = {
    "historic": historic,
    "wide": wide,
    "xlsx": xlsx,
    "events": post_events,
    "dashboards": dashboards,
    "readers": reads,
    "memory": memory_lines,
    "growth": cost_of_growth,
    "late-links": late_link,
    "sync": sync,
    "everysec": everysec,
}
"""In the order in which they run."""
NEED_PEERS: Final = frozenset(LINES) - {"growth", "late-links", "sync"}
"""Lines that take a workload or the peer from outside the project."""
