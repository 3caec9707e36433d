"""`fature-kv` as a separate process."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fature_kv import embedded
from tests.support import servers

TIMEOUT_S = 120


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The last line on stderr, which has to be one of ours, without a traceback before it."""
        assert "Traceback" not in self.err, self.err
        line = self.err.splitlines()[-1]
        assert line.startswith("fature-kv"), self.err
        return line


class Commands:
    """Commands on one data folder."""

    def __init__(self, data: Path, **environ: str) -> None:
        self.data = data
        self.environ = servers.environment_of(data, LANG="C.UTF-8", COLUMNS="100", **environ)

    def start(self, *words: object, **more: Any) -> subprocess.Popen[str]:
        """A command that runs; its output is text in pipes unless told otherwise."""
        environ = self.environ | more.pop("environ", {})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | more
        command = [sys.executable, "-m", "fature_kv.cli.main", *map(str, words)]
        return subprocess.Popen(command, env=environ, text=True, **pipes)

    def __call__(self, *words: object, code: int = 0, **more: Any) -> Done:
        """A command that has ended, as it should."""
        return end(self.start(*words, **more), code)

    def json(self, *words: object, **more: Any) -> Any:
        """The document that a command prints."""
        return self(*words, "--json", **more).json


def end(process: subprocess.Popen[str], code: int | None, number: int | None = None) -> Done:
    """Waits for the end (after a signal, where one is given), and checks the exit code where one is expected."""
    if number is not None:
        process.send_signal(number)
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        raise
    done = Done(process.returncode, out or "", err or "")
    assert code is None or done.code == code, done
    return done


@contextlib.contextmanager
def data_folder() -> Iterator[Path]:
    """A data folder for several tests; nothing of it may run afterwards."""
    with servers.scratch_dir() as path:
        data = path / "data"
        try:
            yield data
            servers.assert_nothing_runs(data)
        finally:
            servers.kill_servers(data)


@contextlib.contextmanager
def held_servers(data: Path) -> Iterator[str]:
    """The URL of the folder's Redis, held up so that commands need not start it one by one."""
    with embedded.lease(servers.settings_of(data)) as held:
        yield held.redis_url
