"""Servers whose directives a test chooses: on a port, killed and started again at will; and a cluster of three.

They run on the shipped configuration and the tests' engine, as the embedded server does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fature_kv import assets, embedded
from tests.support import servers

_SHARED = {"daemonize": "no", "logfile": "", "set-proc-title": "no", "bind": "127.0.0.1"}


def free_ports(many: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(many):
            listening = stack.enter_context(socket.socket())
            listening.bind(("127.0.0.1", 0))
            found.append(int(listening.getsockname()[1]))
        return found


class Node:
    """A server in a folder of its own. `prefix` is what its command line begins with."""

    def __init__(self, home: Path, prefix: Sequence[str] = (), **directives: str | int) -> None:
        self.home = home
        self.home.mkdir(parents=True, exist_ok=True)
        self._prefix = list(prefix)
        self.directives = {name.replace("_", "-"): str(value) for name, value in directives.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = int(self.directives.get("port", 0)) or free_ports(1)[0]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def begin(self) -> None:
        """Starts it, and does not wait."""
        given = _SHARED | {"dir": str(self.home), "port": str(self.port)} | self.directives
        command = [*self._prefix, embedded.redis_program(servers.settings_of(self.home)), str(assets.redis_conf())]
        for name, value in given.items():
            command += [f"--{name}", value]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self) -> None:
        self.begin()
        servers.wait_for(self.answers, f"an answer of the server: {self.log[-500:]}")

    def answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log[-2000:]
        try:
            return bool(self("PING"))
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):  # LOADING is one of these
            return False

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def __call__(self, *words: Any) -> Any:
        """The raw reply to a command, on a connection of its own."""
        with redis.Redis.from_url(self.url, socket_timeout=10, retry=Retry(NoBackoff(), 0), protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*words)

    def info(self, section: str) -> dict[str, str]:
        lines = self("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def kill(self) -> None:
        """`kill -9`, and its end."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(30)


@contextlib.contextmanager
def node(**directives: Any) -> Iterator[Node]:
    """A running server; dead afterwards, however often it was started."""
    with servers.scratch_dir() as home:
        made = Node(home / "node", **directives)
        try:
            made.start()
            yield made
        finally:
            made.kill()
