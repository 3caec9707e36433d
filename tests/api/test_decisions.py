"""A manager's word on a qualification over HTTP, against the model."""

from __future__ import annotations

from typing import Any

import pytest

from fature_kv.domain.rows import Link, Money, Person
from fature_kv.ingest import decisions
from fature_kv.ingest import session as ingest
from fature_kv.keyspace import tenant_keys
from fature_kv.settings import Settings
from tests.api.conftest import JUNE_20, NOW, Client
from tests.model.model import Model

PATH = "/affiliates/4/validate-cpa"
OVERRIDE = {"override": True, "day": "2025-06-20", "reason": "  played\n elsewhere "}


def played(client: Client) -> Model:
    """The tenant `other` with a chain 1 > 2 > 3 > 4 where 4 has not qualified; and the model of it."""
    rows = [Person(n, f"P{n}", "", "", "active", JUNE_20) for n in range(1, 5)]
    rows += [Link(n, n - 1, JUNE_20) for n in range(2, 5)]
    rows += [Money("depositos", 1, 4, 5_000, "approved", JUNE_20), Money("depositos", 2, 4, 7, "approved", NOW)]
    model = Model()
    model.feed(rows, NOW)
    session = ingest.Session(client.store, "other", Settings(), run="run", clock=lambda: NOW)
    session.apply(rows)
    session.settle()
    return model


def sent(client: Client, body: Any, **more: Any) -> Any:
    answer = client.send("POST", PATH, json=body, slug="other", **more)
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if name != "as_of"}


def test_a_manager_declares_a_player_qualified(client: Client) -> None:
    model = played(client)
    assert sent(client, {"override": False}) == model.validate_cpa(4)
    assert model.validate_cpa(4)["qualified_on"] is None
    model.override(4, "2025-06-20")
    for _ in range(2):
        assert sent(client, OVERRIDE, role="manager") == model.validate_cpa(4)
        assert client.get("/leaderboards/cpa", slug="other")["items"] == model.leaderboard("cpa")["items"]
        found = client.get("/affiliates/1", slug="other")["total_cpa_cents"]
        assert found == model.affiliate(1)["total_cpa_cents"] == 500
    (decision,) = decisions.read(client.store, tenant_keys("other"))
    assert decision.body["reason"] == "played elsewhere"
    model.override(4, None)
    assert sent(client, {**OVERRIDE, "day": None}) == model.validate_cpa(4)
    assert len(decisions.read(client.store, tenant_keys("other"))) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"override": True, "day": "2025-06-20"}, "reason"),
        ({"override": True, "day": "2025-06-20", "reason": " "}, "reason of 1 to 500"),
        ({"override": True, "reason": "x"}, "day"),
        ({"override": True, "day": "20/06/2025", "reason": "x"}, "YYYY-MM-DD"),
        ({"override": True, "day": "2025-06-23", "reason": "x"}, "up to today"),
        ({"override": True, "day": 3, "reason": "x"}, "day"),
        ({"override": "yes"}, "override"),
        ({"override": True, "day": None, "reason": "x", "dya": 1}, "dya"),
        ([], "override"),
    ],
)
def test_a_decision_that_can_not_be(client: Client, body: Any, told: str) -> None:
    assert told in client.problem(400, "POST", PATH, json=body)["detail"]
    assert decisions.read(client.store, tenant_keys("upbet")) == []


def test_who_may_decide(client: Client) -> None:
    model = played(client)
    client.problem(403, "POST", PATH, json=OVERRIDE, role="analyst")
    client.problem(403, "POST", PATH, json=OVERRIDE, role="affiliate", affiliate=3)
    client.problem(404, "POST", "/affiliates/77/validate-cpa", json=OVERRIDE)
    assert sent(client, {}, role="analyst") == model.validate_cpa(4)
    assert client.problem(400, "POST", PATH, content=b"{")["detail"].startswith("the body is no JSON")
