"""The API with its real writer while Redis is full, read-only, or gone: problem documents, no effect."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from fature_kv import embedded, tenants, wiring
from fature_kv.access import tokens
from fature_kv.api.application import create_app
from fature_kv.settings import Settings
from fature_kv.store import Store
from tests.api.conftest import problem_of
from tests.faults.test_limits import FAULTS
from tests.support import servers

AT = "2025-06-20T10:00:00-03:00"
NOW = 1_750_600_000_000_000
PEOPLE = [
    {"source": "cadastro", "id": n, "nome": "", "email": "", "telefone": "", "status": "", "criado_em": AT}
    for n in (1, 2)
]
LINK = {"source": "tracked", "user_id": 2, "referrer_id": 1, "tracked_em": AT}


def deposit(number: int, **more: object) -> dict[str, object]:
    return {"source": "depositos", "id": number, "user_id": 2, "valor": "30,00", "criado_em": AT} | more


class Api:
    """The API over a server, with a token of each of two tenants."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.settings = settings or Settings(redis_timeout_s=5)
        self.store = Store(url, timeout=5)
        self.tokens = {}
        for slug in ("acme", "other"):
            tenants.create(self.store, slug, name="", timezone="America/Sao_Paulo", currency="BRL", now_us=NOW)
            self.tokens[slug] = tokens.create(self.store, slug, "manager", now_us=NOW)
        self.writer = wiring.writer(url, self.settings)
        self.writer.start()
        self.http = TestClient(create_app(self.settings, url, self.writer, now=lambda: NOW))

    def post(self, rows: Any, slug: str = "acme") -> Any:
        return self.http.post("/api/v1/events", json=rows, headers={"Authorization": f"Bearer {self.tokens[slug]}"})

    def applied(self, rows: Any, slug: str = "acme") -> list[str]:
        answer = self.post(rows, slug)
        assert answer.status_code == 200, answer.text
        return [item["result"] for item in answer.json()["items"]]

    def get(self, path: str, slug: str = "acme") -> Any:
        return self.http.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {self.tokens[slug]}"})

    def held(self, slug: str = "acme") -> dict[bytes, bytes]:
        """Everything of a tenant."""
        keys = self.store.call("KEYS", f"fkv:{{{slug}}}:*")
        return dict(zip(keys, self.store.pipeline([("DUMP", key) for key in keys]), strict=True))

    def close(self) -> None:
        self.writer.stop()
        self.store.close()


def unavailable(answer: Any, says: str) -> None:
    """A 503 that tells when to come again."""
    assert says in problem_of(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1


@pytest.fixture
def api(redis_url: str) -> Iterator[Api]:
    api = Api(redis_url)
    with api.http:
        yield api
    for fault in FAULTS.values():
        api.store.call(*fault.end)
    api.close()


@pytest.mark.parametrize("name", FAULTS)
def test_a_server_that_takes_no_writes(api: Api, name: str) -> None:
    assert api.applied([*PEOPLE, LINK, deposit(1)]) == ["applied"] * 4
    before = api.held()
    api.store.call(*FAULTS[name].begin)
    for rows in ([deposit(2)], [deposit(2, valor="1.234")], [{**LINK, "user_id": 1, "referrer_id": 9}]):
        unavailable(api.post(rows), FAULTS[name].says)
    assert api.held() == before
    shown = api.get("/affiliates/1")
    assert shown.status_code == 200, "reads go on"
    assert shown.json()["total_deposits_cents"] == 3_000
    api.store.call(*FAULTS[name].end)
    assert api.applied([deposit(1), deposit(2)]) == ["duplicate", "applied"]
    assert api.get("/affiliates/1").json()["total_deposits_cents"] == 6_000


def test_a_server_that_goes_and_comes_back() -> None:
    with servers.scratch_dir() as home:
        with embedded.lease(servers.settings_of(home)) as held:
            api = Api(held.redis_url)
            with api.http:
                assert api.applied([*PEOPLE, LINK, deposit(1)]) == ["applied"] * 4
                before = api.held()
                (line,) = servers.processes_of(home)
                os.kill(int(line.split()[0]), signal.SIGKILL)
                servers.wait_for(lambda: not servers.processes_of(home), "the end of the server")
                for answer in (api.post([deposit(2)]), api.get("/affiliates/1"), api.http.get("/health/ready")):
                    unavailable(answer, "Redis")
                    assert str(home) not in answer.text
                assert api.http.get("/health/live").status_code == 200
                with embedded.lease(servers.settings_of(home)) as again:
                    assert again.redis_url == held.redis_url
                    api.store.close()
                    assert api.held() == before, "what was acknowledged is there"
                    assert api.applied([deposit(1), deposit(2)]) == ["duplicate", "applied"]
                    assert api.get("/affiliates/1").json()["total_deposits_cents"] == 6_000
                    api.close()
        servers.assert_nothing_runs(home)


def test_another_tenants_token_reaches_that_tenant_only(api: Api) -> None:
    api.applied([*PEOPLE, LINK, deposit(1)])
    before = api.held("acme")
    assert api.applied([deposit(1)], "other") == ["parked"]
    problem_of(api.get("/affiliates/1", "other"), 404)
    assert api.held("acme") == before
    forged = api.tokens["other"].replace("fkv_other_", "fkv_acme_")
    answer = api.http.post("/api/v1/events", json=[deposit(9)], headers={"Authorization": f"Bearer {forged}"})
    problem_of(answer, 401)
    assert api.held("acme") == before


@pytest.mark.parametrize(
    "rows",
    [
        [deposit(n) for n in range(1, 1_002)],
        [deposit(1), deposit(2, user_id=True)],
        [deposit(1), deposit(2, valor={"cents": 1})],
        [deposit(1), deposit(2, criado_em=["2025"])],
        [deposit(1), {"source": "jackpots", "id": 1}],
        [deposit(1), 7],
        {"rows": "all"},
        None,
    ],
    ids=["too-many", "boolean", "object", "list", "source", "number", "text", "null"],
)
def test_a_bad_body_has_no_effect(api: Api, rows: Any) -> None:
    api.applied([*PEOPLE, LINK])
    before = api.held()
    problem_of(api.post(rows), 400)
    assert api.held() == before


def test_a_full_quarantine_is_told_and_mended(redis_url: str) -> None:
    api = Api(redis_url, Settings(redis_timeout_s=5, quarantine_limit=2, parked_limit=2))
    with api.http:
        assert api.applied([deposit(n, valor="1.234") for n in (1, 2)]) == ["quarantined"] * 2
        before = api.held()
        problem = problem_of(api.post([deposit(3, valor="1.234")]), 507)
        assert "FATURE_QUARANTINE_LIMIT" in problem["detail"]
        assert api.held() == before
        assert api.applied([deposit(n) for n in (4, 5)]) == ["parked"] * 2
        assert "FATURE_PARKED_LIMIT" in problem_of(api.post([deposit(6)]), 507)["detail"]
        assert api.applied([*PEOPLE, deposit(1), deposit(6)]) == ["applied"] * 4
        assert api.applied([deposit(4), deposit(3, valor="1.234")]) == ["duplicate", "quarantined"]
    api.close()
