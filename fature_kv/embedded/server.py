"""What the embedded servers have in common: leases, start, stop, sockets. The package tells how it works."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fature_kv.embedded.processes import children, command_line, home_of, is_held, reap
from fature_kv.errors import EmbeddedError
from fature_kv.settings import Settings

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.01
SOCKET_PATH_MAX = 100
LOG_KEEP_BYTES = 16 * 1024 * 1024


class Server:
    """One server of one data folder: leases around `_start`, `_answers` and `_ask_to_stop`."""

    name: str
    title: str

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.base = home_of(settings.data_dir)
        self.run = self.base / "run"
        self.alive = self.run / f"{self.name}.alive"
        self.log_file = self.base / f"{self.name}.log"
        self.sockets = Path()
        self._lease: IO[bytes] | None = None
        self._lease_path = Path()
        self._owner = 0

    # what each server does in its own way

    def url(self) -> str:
        raise NotImplementedError

    def _start(self, alive: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start it with `alive` inherited; nothing of an earlier one is left."""
        raise NotImplementedError

    def _answers(self) -> bool | None:
        """True: ready. None: alive and loading its data. False: not there (yet)."""
        raise NotImplementedError

    def _ask_to_stop(self) -> None:
        raise NotImplementedError

    def _pid(self) -> int | None:
        raise NotImplementedError

    def _user(self) -> int:
        return os.geteuid()

    # leases

    def join(self) -> str:
        self.base.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(mode=0o700, exist_ok=True)
        with self._one_at_a_time():
            self._take_lease()
            self._ensure_running()
        return self.url()

    def leave(self) -> None:
        if self._lease is None:
            return
        if os.getpid() != self._owner:  # a fork of the holder: the lease is not its own to give back
            self._lease = None
            return
        if not self.run.is_dir():  # somebody removed the data folder under a running server
            self._lease.close()
            self._lease = None
            self._ask_to_stop()
            self._remove_sockets()
            return
        with self._one_at_a_time():
            self._lease_path.unlink(missing_ok=True)
            self._lease.close()
            self._lease = None
            if not self._others_hold():
                self._stop()

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with (self.run / f"{self.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _take_lease(self) -> None:
        folder = self.run / f"{self.name}.leases"
        folder.mkdir(exist_ok=True)
        self._lease_path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lease = self._lease_path.open("ab")
        self._owner = os.getpid()
        fcntl.flock(self._lease, fcntl.LOCK_EX)

    def _others_hold(self) -> bool:
        held = False
        for path in (self.run / f"{self.name}.leases").iterdir():
            if is_held(path):
                held = True
            else:  # its holder was killed
                path.unlink(missing_ok=True)
        return held

    # start

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        child: subprocess.Popen[bytes] | None = None
        while True:
            if not is_held(self.alive):
                if child is not None and child.poll() is not None:
                    raise EmbeddedError(self._failure(f"ended at once with status {child.returncode}"))
                if child is None:
                    child = self._start_clean()
            self._find_sockets()
            answer = self._answers()
            if answer:
                return
            if answer is None:  # loading: as long as it takes
                deadline = max(deadline, time.monotonic() + START_TIMEOUT_S)
            if time.monotonic() > deadline:
                raise EmbeddedError(self._failure(f"does not answer on {self.sockets}"))
            time.sleep(POLL_S)

    def _start_clean(self) -> subprocess.Popen[bytes]:
        self.sockets = self._make_socket_dir()
        (self.run / f"{self.name}.socket").write_text(str(self.sockets))
        self.log_file.touch(mode=0o600)
        if self.log_file.stat().st_size > LOG_KEEP_BYTES:
            self.log_file.rename(self.log_file.with_suffix(".log.old"))
        with self.alive.open("ab") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)
            log.info("starting the embedded %s in %s", self.title, self.base)
            child = self._start(alive)
        children.append(child)
        return child

    def _spawn(
        self, command: list[str], *, cwd: Path, alive: IO[bytes], env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program detached: own session (no Ctrl-C), no terminal, as the server's user."""
        other = None if self._user() == os.geteuid() else pwd.getpwuid(self._user())
        with self.log_file.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(alive.fileno(),),
                user=other.pw_uid if other else None,
                group=other.pw_gid if other else None,
                extra_groups=[] if other else None,
                umask=0o077,
            )

    def _failure(self, what: str) -> str:
        tail = ""
        with contextlib.suppress(OSError):
            lines = self.log_file.read_text(errors="replace").splitlines()[-8:]
            tail = "".join(f"\n  {line}" for line in lines)
        return f"the embedded {self.title} {what}; the end of {self.log_file}:{tail}"

    # sockets

    def _make_socket_dir(self) -> Path:
        """A short, private folder; one that belongs to somebody else is refused."""
        digest = hashlib.sha256(str(self.base).encode()).hexdigest()[:12]
        name = f"fkv-{os.geteuid()}-{digest}-{self.name}"
        longest = len(os.fsencode(f"/{name}/.s.PGSQL.5432.lock"))
        roots = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 -- checked for its owner below
        root = next((r for r in roots if len(os.fsencode(r)) + longest < SOCKET_PATH_MAX), roots[-1])
        path, user = root / name, self._user()
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (user, os.geteuid()):
            raise EmbeddedError(f"{path} belongs to somebody else; remove it, or set TMPDIR to a folder of your own")
        if found.st_uid != user:
            os.chown(path, user, -1, follow_symlinks=False)
        path.chmod(0o700)
        for left in path.iterdir():  # no process of this server is left, so these are waste
            left.unlink()
        return path

    def _remove_sockets(self) -> None:
        if self.sockets.name.startswith("fkv-"):
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _find_sockets(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.sockets = Path((self.run / f"{self.name}.socket").read_text())

    # stop

    def _stop(self) -> None:
        self._find_sockets()
        if is_held(self.alive):
            log.info("stopping the embedded %s in %s", self.title, self.base)
            self._ask_to_stop()
            if not self._wait_until_gone(STOP_TIMEOUT_S):
                self._signal(signal.SIGKILL)  # its data survive that: they are on disk
                if not self._wait_until_gone(5.0):
                    raise EmbeddedError(self._failure("does not stop"))
        self._remove_sockets()
        (self.run / f"{self.name}.socket").unlink(missing_ok=True)

    def _wait_until_gone(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while is_held(self.alive):
            if time.monotonic() > deadline:
                return False
            reap()
            time.sleep(POLL_S)
        reap(wait=True)
        return True

    def _signal(self, number: int) -> None:
        """Signal the server's main process, if the id in its pid file is still that process."""
        pid = self._pid()
        if pid is not None and self._mark() in command_line(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _mark(self) -> str:
        """A part of the server's command line that no other process has."""
        return str(self.sockets)
