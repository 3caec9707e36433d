"""The real server as a process of its own: rows in, figures out, metrics of all workers, a graceful end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from fature_kv import tenants
from fature_kv.access import tokens
from fature_kv.store import Store
from tests.support.servers import environment_of

PROGRAM = """
import sys
from fature_kv.api.server import serve
from fature_kv.settings import load
if __name__ == "__main__":
    serve(load(), sys.argv[1])
"""


def _start(redis_url: str, folder: Path, workers: int) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = folder / "program.py"
    program.write_text(PROGRAM)
    environ = environment_of(folder, FATURE_PORT=str(port), FATURE_WORKERS=str(workers))
    process = subprocess.Popen([sys.executable, str(program), redis_url], env=environ, start_new_session=True)
    _wait(f"http://127.0.0.1:{port}/health/ready", process)
    return process, f"http://127.0.0.1:{port}"


@pytest.fixture(params=[1, 2], ids=["one-worker", "two-workers"])
def base_url(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[str]:
    process, url = _start(redis_url, tmp_path, request.param)
    try:
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        _clean_up(process)


def _clean_up(process: subprocess.Popen[bytes]) -> None:
    """Nothing of the server may outlive its test."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server is not ready")


def test_workers_of_a_killed_server_end(redis_url: str, tmp_path: Path) -> None:
    process, url = _start(redis_url, tmp_path, 2)
    try:
        process.kill()
        process.wait()
        assert _ends(url), "a worker still answers"
    finally:
        _clean_up(process)


def _ends(url: str) -> bool:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health/live")
        except httpx.ConnectError:
            return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


def test_rows_in_figures_out(base_url: str, redis_url: str) -> None:
    store = Store(redis_url)
    now = time.time_ns() // 1000
    tenants.create(store, "upbet", name="", timezone="America/Sao_Paulo", currency="BRL", now_us=now)
    headers = {"Authorization": f"Bearer {tokens.create(store, 'upbet', 'owner', now_us=now)}"}
    store.close()
    at = "2025-06-20T10:00:00-03:00"
    rows: list[dict[str, Any]] = [
        {"source": "cadastro", "id": 1, "nome": "Ana", "email": "", "telefone": "", "status": "", "criado_em": at},
        {"source": "cadastro", "id": 2, "nome": "Bia", "email": "", "telefone": "", "status": "", "criado_em": at},
        {"source": "tracked", "user_id": 2, "referrer_id": 1, "tracked_em": at},
        {"source": "depositos", "id": 1, "user_id": 2, "valor": "30,00", "status": "pago", "criado_em": at},
        {"source": "casino_bets_v", "id": 1, "user_id": 2, "stake": "30.00", "win": "1.00", "criado_em": at},
    ]
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as http:
        answer = http.post("/api/v1/events", json=rows)
        assert [item["result"] for item in answer.json()["items"]] == ["applied"] * 5, answer.text
        again = http.post("/api/v1/events", json=rows[3:])
        assert [item["result"] for item in again.json()["items"]] == ["duplicate"] * 2
        figures = http.get("/api/v1/affiliates/1").json()
        assert (figures["total_deposits_cents"], figures["total_ggr_cents"], figures["network_size"]) == (3000, 2900, 1)
        board = http.get("/api/v1/leaderboards/ggr").json()
        assert [(item["affiliate_id"], item["score"]) for item in board["items"]] == [(1, 2900)]
        assert http.get("/api/v1/affiliates/2/streak?at=2025-06-21").json()["current"] == 1

        with ThreadPoolExecutor(8) as many:
            statuses = list(many.map(lambda _: httpx.get(f"{base_url}/problems/conflict").status_code, range(40)))
        assert statuses == [200] * 40
        assert _count(http.get("/metrics").text, "/problems/{slug}") == 40


def _count(metrics: str, endpoint: str) -> int:
    lines = [line for line in metrics.splitlines() if "_count{" in line and f'endpoint="{endpoint}"' in line]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)
