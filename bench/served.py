"""Processes that serve HTTP while a block runs: our API, and applications of the bench in the same framework."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.servers import Redis

_START_S = 30.0


@contextlib.contextmanager
def ours(running: Redis, **settings: str) -> Iterator[int]:
    """`fature-kv serve` on a server; its port. Settings by their variables."""
    environ = {"FATURE_REDIS_URL": running.url, "FATURE_DATA": running.settings.data_dir, **settings}
    with _serving(["-m", "fature_kv.cli.main", "serve"], environ, "/health/ready") as port:
        yield port


@contextlib.contextmanager
def application(name: str, **environ: str) -> Iterator[int]:
    """An application of bench.served_apps, one worker; its port."""
    words = ["-m", "granian", "--interface", "asgi", "--factory", "--no-ws", "--http", "1", f"bench.served_apps:{name}"]
    with _serving(words, environ, "/ready") as port:
        yield port


@contextlib.contextmanager
def _serving(words: Sequence[str], environ: Mapping[str, str], ready: str) -> Iterator[int]:
    port = _free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FATURE_")}
    process = subprocess.Popen(
        [sys.executable, *words, "--port", str(port)],
        env=clean | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).resolve().parents[1],
    )
    try:
        _wait_for(port, ready, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            if b" 200 " in connection.recv(100):
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer")
