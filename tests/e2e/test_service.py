"""`serve`, `up` and `demo` as a user runs them: started by a command, asked over HTTP, ended by a signal."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import servers
from tests.support.commands import Commands, data_folder, end
from tests.support.data import real_data


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(base: str, process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.communicate()
    try:
        return httpx.get(f"{base}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


class Service:
    """A running API, and commands beside it on the same data folder."""

    def __init__(self, cli: Commands, command: str = "serve", *words: object, **more: Any) -> None:
        self.cli = cli
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        more["environ"] = {"FATURE_PORT": str(port)} | more.get("environ", {})
        self.log = cli.data.parent / f"{command}-{port}.log"
        with self.log.open("w") as log:
            self.process = cli.start(command, *words, stdout=log, stderr=subprocess.STDOUT, **more)
        servers.wait_for(lambda: ready(self.base, self.process), f"{command} on {port}")
        self.http = httpx.Client(base_url=f"{self.base}/api/v1")

    def use(self, token: str) -> None:
        self.http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self, number: int) -> str:
        """Ends it by a signal; what it printed."""
        self.http.close()
        end(self.process, 0, number)
        return self.log.read_text()


@pytest.fixture(scope="module")
def service(rows_folder: Path) -> Iterator[Service]:
    with data_folder() as data:
        cli = Commands(data)
        running = Service(cli, "serve", "--workers", 2)
        try:
            cli("tenant", "create", "upbet")
            cli("import", "--tenant", "upbet", rows_folder)
            running.use(cli.json("token", "create", "--tenant", "upbet", "--role", "owner")["token"])
            yield running
        finally:
            printed = running.stop(signal.SIGTERM)
        assert f"Serving on {running.base}" in printed
        assert "Traceback" not in printed


@pytest.fixture(scope="module")
def top(service: Service) -> int:
    """The affiliate with the most deposits below."""
    return int(service.get("/leaderboards/deposits")["items"][0]["affiliate_id"])


def test_affiliates(service, top):
    one = service.get(f"/affiliates/{top}")
    assert one == service.cli.json("show", "affiliate", top, "--tenant", "upbet")
    many = service.get("/affiliates", ids=f"{top},1")
    assert [item["affiliate_id"] for item in many["items"]] == [top, 1]
    levels = service.get(f"/affiliates/{top}/mlm-structure")["levels"]
    assert sum(level["deposits_cents"] for level in levels) == one["total_deposits_cents"]
    referrals = service.get(f"/affiliates/{top}/referrals", level=1, limit=1000)["items"]
    assert len(referrals) == one["total_referrals"]
    assert sum(item["deposits_cents"] for item in referrals) == levels[0]["deposits_cents"]
    for period in ("day", "week", "month", "year"):
        items = service.get(f"/affiliates/{top}/financial-summary", period=period, limit=10_000)["items"]
        assert sum(item["deposits_cents"] for item in items) == one["total_deposits_cents"]
    assert service.get(f"/affiliates/{top}/streak", at="2025-06-30")["days_active"] >= 0
    board = service.get(f"/affiliates/{top}/dashboard")
    assert board["affiliate"]["affiliate_id"] == top
    assert board["ranks"]["deposits"] == 1
    cpa = service.http.post(f"/affiliates/{top}/validate-cpa")
    assert cpa.status_code == 200
    assert set(cpa.json()) == {"qualified_on", "criteria", "sums", "awards", "as_of"}


def test_leaderboards(service, top):
    for metric in ("cpa", "rev", "referrals", "validated", "ftd", "deposits", "bets", "ggr"):
        shown = service.cli.json("show", "leaderboard", metric, "--tenant", "upbet", "--limit", 100)
        assert service.get(f"/leaderboards/{metric}") == shown
    around = service.get(f"/leaderboards/deposits/around/{top}", radius=1)
    assert around["rank"] == 1
    assert service.get("/leaderboards/streak", at="2025-06-15")["period"] == "day"


def test_events_are_on_the_boards_when_answered(service):
    slug = "events"
    service.cli("tenant", "create", slug)
    token = service.cli.json("token", "create", "--tenant", slug, "--role", "manager")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    at = "2025-06-20T12:00:00-03:00"
    rows = [
        {"source": "cadastro", "id": 1, "nome": "Ana", "email": "", "telefone": "", "status": "ativo", "criado_em": at},
        {"source": "cadastro", "id": 2, "nome": "Bia", "email": "", "telefone": "", "status": "ativo", "criado_em": at},
        {"source": "tracked", "user_id": 2, "referrer_id": 1, "tracked_em": at},
        {"source": "depositos", "id": 1, "user_id": 2, "valor": "105,57", "criado_em": at},
        {"source": "depositos", "id": 2, "user_id": 3, "valor": "1,00", "criado_em": at},
        {"source": "depositos", "id": 3, "user_id": 2, "valor": "-1,00", "criado_em": at},
    ]
    answer = service.http.post("/events", json=rows, headers=headers)
    assert answer.status_code == 200, answer.text
    results = [item["result"] for item in answer.json()["items"]]
    assert results == ["applied", "applied", "applied", "applied", "parked", "quarantined"]
    board = service.http.get("/leaderboards/deposits", headers=headers).json()
    assert [(item["affiliate_id"], item["score"]) for item in board["items"]] == [(1, 10_557)]
    again = service.http.post("/events", json=rows[:4], headers=headers).json()
    assert [item["result"] for item in again["items"]] == ["duplicate"] * 4
    assert len(service.cli.json("quarantine", "list", "--tenant", slug)["items"]) == 1


def test_configuration(service):
    shown = service.get("/config/commission")
    assert shown == service.cli.json("config", "show", "--tenant", "upbet")
    body = {"cpa": shown["cpa"], "rev": shown["rev"], "effective_from": "2190-01-01"}
    assert service.http.put("/config/commission", json=body).json()["effective_from"] == "2190-01-01"
    refused = service.http.put("/config/commission", json={**body, "effective_from": "2025-01-01"})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")


def test_what_is_at_the_root(service):
    for path in ("/health/live", "/health/ready", "/metrics", "/schema"):
        assert httpx.get(f"{service.base}{path}").status_code == 200
    assert "/api/v1/affiliates/{affiliate_id}" in httpx.get(f"{service.base}/schema").json()["paths"]
    assert httpx.get(f"{service.base}/api/v1/affiliates/1").status_code == 401


@pytest.mark.skipif(real_data("small") is None, reason="the real data set is not at hand")
def test_the_figures_that_the_real_data_set_names(service):
    for person, size, people, money in (
        (26, 218, [30, 22, 99, 35, 6], (14_671_178, 5_587_780, 4_182_752)),
        (256, 85, [55, 6, 2, 1, 8], (5_464_138, 722_640, 924_112)),
    ):
        levels = service.get(f"/affiliates/{person}/mlm-structure")
        one = service.get(f"/affiliates/{person}")
        assert one["network_size"] == levels["total_network_size"] == size
        assert [level["count"] for level in levels["levels"]] == people
        assert tuple(one[f"total_{name}_cents"] for name in ("deposits", "bets", "wins")) == money


# -- how it begins and ends -----------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_and_its_servers(tmp_data):
    running = Service(Commands(tmp_data), "up")
    printed = running.stop(signal.SIGINT)
    assert "Stopped." in printed


def test_a_port_in_use_is_named(tmp_data):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = Commands(tmp_data)("serve", "--port", taken.getsockname()[1], code=1)
    assert "--port" in done.complaint
    assert not tmp_data.exists()


def test_the_demo_prints_serves_and_ends(tmp_data, rows_folder):
    cli = Commands(tmp_data, FATURE_DEMO_DATA=str(rows_folder))
    first = cli.json("demo", "--no-serve")
    assert sum(first["import"]["applied"].values()) > 5000
    assert (
        first["dashboard"]["affiliate"]["affiliate_id"] == first["leaderboards"]["deposits"]["items"][0]["affiliate_id"]
    )
    running = Service(cli, "demo", "--lang", "pt-BR")
    running.use(first["token"])
    assert running.get("/leaderboards/deposits", limit=10)["items"] == first["leaderboards"]["deposits"]["items"]
    printed = running.stop(signal.SIGINT)
    assert "já estavam carregadas" in printed
    assert f"{running.base}/api/v1/" in printed


def test_the_demo_brings_data_of_its_own(tmp_data, tmp_path):
    """As installed: from another folder, with nothing of a checkout beside it."""
    code = "import fature_kv.cli.demo as d; d._REAL = d.Path('nowhere'); from fature_kv.cli.main import main; main()"
    cli = Commands(tmp_data)
    command = [sys.executable, "-c", code, "demo", "--no-serve", "--json"]
    done = subprocess.run(
        command, env=cli.environ, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert json.loads(done.stdout)["import"]["applied"]["casino_bets_v"] == 5000
