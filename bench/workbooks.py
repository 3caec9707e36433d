"""Workbooks: a load from XLSX end to end beside reading alone, and beside COPY and set-based SQL of the same rows.

The rows are the bets of a workload, written as a workbook with dates and amounts in cells that have their formats.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import xlsxwriter

from bench.ingest import peer_rate
from bench.servers import Redis, Servers
from bench.workloads import SECOND, Bets, Workload
from fature_kv.domain.mapping import Mapping
from fature_kv.settings import Settings
from fature_kv.sources.files import open_source

_UNIX_EPOCH: Final = 25_569
"""1970-01-01 as a workbook counts days."""
_DAY: Final = 86_400 * SECOND
_READING_ALONE: Final = """
import sys, time
import python_calamine
started = time.perf_counter()
with python_calamine.load_workbook(sys.argv[1]) as book:
    rows = book.get_sheet_by_index(0).to_python()
print(time.perf_counter() - started)
"""
_PEAK: Final = """
import resource, sys
from pathlib import Path
from zoneinfo import ZoneInfo
from fature_kv.domain.mapping import Mapping
from fature_kv.sources.files import open_source
for part in open_source(sys.argv[1], ZoneInfo("UTC"), Mapping()).parts():
    pass
try:  # getrusage tells the memory of who started us, where that was more
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Found(NamedTuple):
    """Seconds of each repeat; `peak_kb` is the memory of a process that only reads rows."""

    rows: int
    end_to_end: list[float]
    alone: list[float]
    peer: list[float]
    """Rows a second of the peer."""
    peak_kb: float

    @property
    def rate(self) -> float:
        """Rows a second, end to end."""
        return self.rows / median(self.end_to_end)

    @property
    def over_reading(self) -> float:
        """End to end in times of reading alone."""
        return median(self.end_to_end) / median(self.alone)


def load(servers: Servers, workload: Workload, snapshot: Path, *, first: int, peer_window: int, repeats: int) -> Found:
    """The first bets of the workload from a workbook, reading alone, and the peer, in turns; people are there."""
    path = servers.folder / "casino_bets.xlsx"
    bets = workload.bets.span(0, first)
    write(path, bets)
    found = Found(len(bets.id), [], [], [], _run(_PEAK, path))
    for _ in range(repeats):
        found.alone.append(_run(_READING_ALONE, path))
        with servers.redis(copy_of=snapshot) as running:
            found.end_to_end.append(end_to_end(running, path, found.rows))
        found.peer.append(peer_rate(servers, workload.name, 1, first, peer_window))
    return found


def write(path: Path, bets: Bets) -> None:
    """The bets as a workbook."""
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("casino_bets")
        amount, moment = (
            book.add_format({"num_format": "#,##0.00"}),
            book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        )
        formats = (None, None, amount, amount, moment)
        sheet.write_row(0, 0, ("id", "user_id", "stake", "win", "criado_em"))
        columns = (bets.id, bets.user, bets.stake / 100, bets.win / 100, bets.instant / _DAY + _UNIX_EPOCH)
        for line, row in enumerate(zip(*(column.tolist() for column in columns), strict=True), start=1):
            for column, value in enumerate(row):
                sheet.write_number(line, column, value, formats[column])


def end_to_end(running: Redis, path: Path, rows: int) -> float:
    """Seconds from a file's name until its rows are durable and on the boards: what `import` does."""
    session = running.session()
    gc.collect()
    started = time.perf_counter()
    file = open_source(path, ZoneInfo("UTC"), Mapping())
    with session.following():
        for part in file.parts(Settings().window_rows):
            session.apply(part.rows, part.bets)
    session.settle()
    seconds = time.perf_counter() - started
    counts = session.counts()
    assert counts.applied == {"casino_bets_v": rows}, counts
    return seconds


def _run(program: str, path: Path) -> float:
    """The number that a program of its own prints."""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout)
