"""Health, metrics, the OpenAPI document, and Redis going away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from fature_kv.api.application import create_app
from fature_kv.api.problems import KINDS
from fature_kv.settings import Settings
from tests.api.conftest import Client, FakeWriter, problem_of

PATHS = {
    ("get", "/api/v1/affiliates"),
    ("get", "/api/v1/affiliates/{affiliate_id}"),
    ("get", "/api/v1/affiliates/{affiliate_id}/mlm-structure"),
    ("get", "/api/v1/affiliates/{affiliate_id}/referrals"),
    ("get", "/api/v1/affiliates/{affiliate_id}/financial-summary"),
    ("get", "/api/v1/affiliates/{affiliate_id}/streak"),
    ("get", "/api/v1/affiliates/{affiliate_id}/dashboard"),
    ("post", "/api/v1/affiliates/{affiliate_id}/validate-cpa"),
    ("get", "/api/v1/leaderboards/{metric}"),
    ("get", "/api/v1/leaderboards/{metric}/around/{affiliate_id}"),
    ("post", "/api/v1/events"),
    ("get", "/api/v1/config/commission"),
    ("put", "/api/v1/config/commission"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/metrics"),
    ("get", "/problems/{slug}"),
}


def test_health(client: Client) -> None:
    assert client.http.get("/health/live").json() == {"status": "ok"}
    assert client.http.get("/health/ready").json() == {"status": "ok"}
    client.writer.alive = False
    answer = client.http.get("/health/ready")
    problem_of(answer, 503)
    assert answer.headers["retry-after"] == "1"


def test_without_redis_everything_says_so(tmp_path: Path) -> None:
    app = create_app(Settings(), f"unix://{tmp_path}/none.sock", FakeWriter())
    with TestClient(app) as http:
        assert http.get("/health/live").status_code == 200
        for path in ("/health/ready", "/api/v1/affiliates/1"):
            answer = http.get(path, headers={"Authorization": f"Bearer fkv_upbet_{'A' * 43}"})
            assert "sock" not in str(problem_of(answer, 503))
            assert answer.headers["retry-after"] == "1"


def test_metrics_count_requests_by_template(client: Client) -> None:
    client.get("/affiliates/2")
    client.send("POST", "/events", json=[{"source": "depositos", "id": "?", "user_id": 1, "valor": 1}])
    client.http.get("/nothing/here")
    answer = client.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert re.search(r'_count\{endpoint="/api/v1/affiliates/\{affiliate_id\}",method="GET",status="200"\}', answer.text)
    assert 'endpoint="unmatched",method="GET",status="404"' in answer.text
    assert 'fature_events_rows_total{result="quarantined",source="depositos"}' in answer.text
    assert "fature_redis_waiting" in answer.text
    assert "fature_app_info{" in answer.text
    assert "/nothing/here" not in answer.text


def test_metrics_tell_where_answers_came_from(client: Client) -> None:
    def told() -> dict[str, float]:
        lines = client.http.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"}

    client.get("/affiliates/1")
    before = told()
    tag = client.send("GET", "/affiliates/1").headers["etag"]
    client.send("GET", "/affiliates/1", headers={"If-None-Match": tag})
    client.send("GET", "/affiliates/2")
    after = told()
    moved = {
        name: after[name] - before.get(name, 0)
        for name in after
        if name.startswith(("fature_answers_total", "fature_redis_round_trips_total"))
    }
    assert moved == {
        'fature_answers_total{source="cache"}': 1,
        'fature_answers_total{source="client"}': 1,
        'fature_answers_total{source="figures"}': 1,
        "fature_redis_round_trips_total": 4,
    }


def test_the_openapi_document_has_every_endpoint(client: Client) -> None:
    document = client.http.get("/schema").json()
    assert document == client.http.get("/schema/openapi.json").json()
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == PATHS
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    events = document["paths"]["/api/v1/events"]["post"]
    assert events["requestBody"]["content"]["application/json"]["schema"]["type"] == "array"
    assert "application/problem+json" in events["responses"]["413"]["content"]


def test_answers_hold_what_the_document_says(client: Client) -> None:
    document = client.http.get("/schema").json()
    for path, name in (
        ("/affiliates/2", "AffiliateAnswer"),
        ("/affiliates/2/dashboard", "DashboardAnswer"),
        ("/affiliates/2/referrals?level=1", "ReferralsAnswer"),
        ("/affiliates/1/financial-summary?period=day", "SummaryAnswer"),
        ("/leaderboards/ggr/around/2", "AroundAnswer"),
        ("/config/commission", "ConfigurationAnswer"),
    ):
        same_fields(client.get(path), {"$ref": f"#/components/schemas/{name}"}, document)


def same_fields(value: Any, schema: Any, document: Any) -> None:
    """The value has exactly the properties of its schema, all the way down."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, list):
        for each in value:
            same_fields(each, schema["items"], document)
    elif isinstance(value, dict) and "properties" in schema:
        assert set(value) == set(schema["properties"])
        for name, each in value.items():
            same_fields(each, schema["properties"][name], document)


def test_every_kind_of_problem_is_explained(client: Client) -> None:
    for slug, kind in KINDS.items():
        assert client.http.get(f"/problems/{slug}").json()["status"] == kind.status
    problem_of(client.http.get("/problems/none"), 404)


def test_no_such_place_no_such_method(client: Client) -> None:
    problem_of(client.http.get("/nothing"), 404)
    client.problem(404, "GET", "/affiliates/abc")
    answer = client.send("DELETE", "/affiliates/1")
    problem_of(answer, 405)
    assert "GET" in answer.headers["allow"]
