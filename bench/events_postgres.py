"""The peer of line 3: a transaction a row, by the peer's own statements, from many connections.

A connection keeps the peer's three temporary tables and sends a whole transaction at once (pipeline mode, prepared
statements), so that it costs one trip. Boards are those of all time and of the row's day, week and month, as ours.
Whoever meets a deadlock does the row again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from psycopg import errors

from bench.http_load import Load, load_of
from bench.workloads import SECOND, Bets, Workload, peer_module

_INSERT: Final = "insert into w values (%s, %s, %s, %s, %s)"
_CLEAR: Final = ("delete from w", "delete from new", "delete from up")
_ANALYZED: Final = {"journal": "new", "up": "up"}
"""After which step which table."""


class Postgres:
    """The peer's tables with the workload's forest, and bets to come; none is sent twice."""

    def __init__(self, dsn: str, workload: Workload, bets: Bets) -> None:
        self._dsn = dsn
        self._peer = peer_module("peer_postgres")
        self._rows = _rows(bets)
        self._lock = threading.Lock()
        self.retries = 0
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(self._peer.TABLES)
            self._peer.load_forest(connection, workload)
            days = range(int(bets.instant[0]) // (86_400 * SECOND), int(bets.instant[-1]) // (86_400 * SECOND) + 1)
            codes = [(day, code) for day in days for code in self._peer.periods(day)]
            connection.cursor().executemany("insert into codes values (%s, %s)", codes)
            connection.execute("vacuum analyze")

    def load(self, clients: int, seconds: float) -> Load:
        """Clients that each write the next row when the last one is in."""
        took: list[list[float]] = [[] for _ in range(clients)]
        failed: list[BaseException] = []
        ready = threading.Barrier(clients + 1)
        stop = threading.Event()
        threads = [threading.Thread(target=self._client, args=(each, ready, stop, failed)) for each in took]
        for thread in threads:
            thread.start()
        with contextlib.suppress(threading.BrokenBarrierError):  # told below
            ready.wait(60)
        began = time.perf_counter()
        if not failed:
            time.sleep(seconds)
        stop.set()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return load_of([each for some in took for each in some], time.perf_counter() - began)

    def _client(
        self, took: list[float], ready: threading.Barrier, stop: threading.Event, failed: list[BaseException]
    ) -> None:
        try:
            with psycopg.connect(self._dsn) as connection:
                for name, value in self._peer.SETTINGS.items():
                    connection.execute(f"set {name} = '{value}'")
                connection.execute(self._peer.STAGING)
                connection.commit()
                self._learn(connection)
                connection.prepare_threshold = 0
                ready.wait(60)
                while not stop.is_set() and (row := self._next()) is not None:
                    began = time.perf_counter()
                    self._write(connection, row)
                    took.append(time.perf_counter() - began)
        except BaseException as error:
            ready.abort()
            failed.append(error)

    def _learn(self, connection: psycopg.Connection[Any]) -> None:
        """A first row by which the planner sees what a window of one row is, as in the peer; without that it scans."""
        if (row := self._next()) is None:
            return
        with self._lock, connection.transaction():
            connection.execute(_INSERT, row)
            for name, statement in self._peer.STEPS.items():
                connection.execute(statement)
                if name in _ANALYZED:
                    connection.execute(f"analyze {_ANALYZED[name]}")
            for statement in _CLEAR:
                connection.execute(statement)

    def _next(self) -> tuple[int, ...] | None:
        with self._lock:
            return next(self._rows, None)

    def _write(self, connection: psycopg.Connection[Any], row: tuple[int, ...]) -> None:
        while True:
            try:
                with connection.transaction(), connection.pipeline():
                    connection.execute(_INSERT, row)
                    for statement in (*self._peer.STEPS.values(), self._peer.LIVE, *_CLEAR):
                        connection.execute(statement)
                return
            except (errors.DeadlockDetected, errors.SerializationFailure):
                self.retries += 1


def _rows(bets: Bets) -> Iterator[tuple[int, ...]]:
    columns = (*bets[:4], bets.instant // SECOND)
    yield from zip(*(column.tolist() for column in columns), strict=True)
