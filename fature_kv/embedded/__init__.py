"""Real servers from wheels: started when needed, shared, and stopped by whoever leaves last.

    with embedded.lease(settings, postgres=True) as servers:
        servers.redis_url, servers.archive_url

Redis (or Valkey) runs on `config/redis.conf` plus `REDIS_OVERRIDES`; PostgreSQL on its own defaults plus
`POSTGRES_OVERRIDES`. A URL in the settings is used as it stands, and nothing is started for it.

How it works. Everything rests on one kernel promise: a `flock` ends with the last process that holds it,
however that process ends. So no process id is ever trusted, and there is nothing to expire. In the data
folder, per server:

- `run/NAME.lock`   is held while somebody starts, stops, joins or leaves: one at a time.
- `run/NAME.alive`  is held by the server itself and all its children (they inherit it). Free means that no
                    process of the server is left, and what it left behind (sockets, pid files) is waste.
- `run/NAME.leases` has a file per holder, held for as long as the holder lives. A file that can be locked
                    belongs to somebody who was killed, and is removed.
- `run/NAME.socket` names the folder of the sockets, which is short, private and outside the data folder.

Entering takes a lease, then waits until the server answers, starting it when `alive` is free. Leaving
gives the lease back and, when no other is held, stops the server. A server whose holders were all killed
keeps running; the next command adopts it and stops it when it leaves. A half-made database is thrown
away: `initdb` works in a folder that gets its name only when it is complete.

PostgreSQL refuses to run as root. Then it runs as `nobody` (or whoever owns its data), from programs that
this user can read, and with its data in `/var/lib/fature-kv` when it can't reach the data folder, which
then holds a file that says so, `postgres.location`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

from fature_kv.embedded.postgres_server import POSTGRES_OVERRIDES, PostgresServer
from fature_kv.embedded.processes import home_of, is_held
from fature_kv.embedded.redis_server import REDIS_OVERRIDES, RedisServer, redis_program
from fature_kv.embedded.server import Server
from fature_kv.errors import EmbeddedError
from fature_kv.settings import Settings

__all__ = ["POSTGRES_OVERRIDES", "REDIS_OVERRIDES", "Servers", "lease", "redis_program", "running"]


def lease(settings: Settings, postgres: bool = False) -> Servers:
    """The servers of a command, for a `with` block; PostgreSQL only when asked for."""
    return Servers(settings, postgres=postgres)


def running(data_dir: str | Path) -> list[str]:
    """Names of the embedded servers of a data folder that have a process left (`redis`, `postgres`)."""
    run = home_of(data_dir) / "run"
    return [name for name in ("redis", "postgres") if is_held(run / f"{name}.alive")]


class Servers:
    """The servers that one command uses; `redis_url` and `archive_url` are known inside the `with` block."""

    def __init__(self, settings: Settings, *, postgres: bool) -> None:
        self.redis_url: str = settings.redis_url or ""
        self.archive_url: str | None = settings.archive_url
        self._settings = settings
        self._postgres = postgres
        self._held: list[Server] = []

    def __enter__(self) -> Servers:
        try:
            if not self._settings.redis_url:
                self.redis_url = self._join(RedisServer(self._settings))
            if self._postgres and not self._settings.archive_url:
                self.archive_url = self._join(PostgresServer(self._settings))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the leases back; the last to leave stops the server. Harmless when done twice."""
        with contextlib.ExitStack() as stack:  # a failure to stop one server doesn't keep the other
            while self._held:
                stack.callback(self._held.pop().leave)

    def _join(self, server: Server) -> str:
        self._held.append(server)
        try:
            return server.join()
        except OSError as error:
            raise EmbeddedError(
                f"the embedded {server.title} can't use {server.base}: {error.strerror or error} ({error.filename}); "
                "give a folder of your own with --data"
            ) from error
