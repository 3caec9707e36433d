"""Who may see what, and what everybody else is told."""

from __future__ import annotations

import json

import pytest

from fature_kv.domain.mapping import Mapping
from fature_kv.errors import LimitReached, ServerUnavailable
from fature_kv.sources import mappings
from tests.api.conftest import Client, problem_of

FIGURES = ("/affiliates/3", "/affiliates/3/dashboard", "/affiliates/3/referrals?level=1", "/affiliates/3/streak")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer x", "Basic abc", f"Bearer fkv_upbet_{'A' * 43}", f"Bearer fkv_nobody_{'A' * 43}"],
)
def test_no_token_no_answer(client: Client, header: str | None) -> None:
    answer = client.http.get("/api/v1/affiliates/1", headers={} if header is None else {"Authorization": header})
    assert problem_of(answer, 401)["type"] == "/problems/unauthorized"
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_absent_foreign_and_outside_are_alike(client: Client) -> None:
    told = {
        client.problem(404, "GET", "/affiliates/9", slug="other")["detail"],
        client.problem(404, "GET", "/affiliates/9", role="affiliate", affiliate=2)["detail"],
        client.problem(404, "GET", "/affiliates/9", role="affiliate", affiliate=77)["detail"],
    }
    assert told == {"there is no affiliate 9"}
    client.problem(404, "GET", "/affiliates/1", role="affiliate", affiliate=2)  # the sponsor
    client.problem(404, "GET", "/affiliates/7", role="affiliate", affiliate=1)  # level 6


@pytest.mark.parametrize(
    "path",
    [
        *FIGURES,
        "/affiliates/3/mlm-structure",
        "/affiliates/3/financial-summary?period=day",
        "/affiliates/3/financial-summary?period=month",
    ],
)
def test_an_affiliate_sees_the_own_downline_only(client: Client, path: str) -> None:
    client.get(path, role="affiliate", affiliate=3)
    client.get(path, role="affiliate", affiliate=1)
    client.problem(404, "GET", path, role="affiliate", affiliate=4)
    client.problem(404, "GET", path.replace("/3", "/77"), role="affiliate", affiliate=4)


def test_names_of_others_are_masked(client: Client) -> None:
    own = client.get("/affiliates/3", role="affiliate", affiliate=3)
    assert (own["name"], own["email"], own["phone"]) == ("Caio Reis", "p3@example.com", "+5511")
    other = client.get("/affiliates/3", role="affiliate", affiliate=2)
    assert (other["name"], other["email"], other["phone"]) == ("C*** R***", "", "")
    assert client.get("/affiliates?ids=1,2,3", role="affiliate", affiliate=2)["items"][0]["name"] == "Bia Lima"
    for role, affiliate in (("widget", None), ("affiliate", 2)):
        names = {
            item["affiliate_id"]: item["name"]
            for item in client.get("/leaderboards/bets", role=role, affiliate=affiliate)["items"]
        }
        assert names[1] == "A*** S***"
        assert names[2] == ("B*** L***" if role == "widget" else "Bia Lima")


def test_awards_of_people_outside_are_left_out(client: Client) -> None:
    def awards(role: str, affiliate: int | None) -> list[int]:
        answer = client.send("POST", "/affiliates/5/validate-cpa", role=role, affiliate=affiliate)
        return [award["affiliate_id"] for award in answer.json()["awards"]]

    assert awards("manager", None) == [4, 3, 2, 1]
    assert awards("affiliate", 3) == [4, 3]
    assert awards("affiliate", 5) == []


def test_roles(client: Client) -> None:
    for path in FIGURES:
        client.problem(403, "GET", path, role="widget")
    for role in ("analyst", "affiliate", "widget"):
        who = {"role": role, "affiliate": 3 if role == "affiliate" else None}
        client.problem(403, "POST", "/events", json=[{"source": "depositos"}], **who)
        client.problem(403, "PUT", "/config/commission", json={}, **who)
    client.problem(403, "GET", "/config/commission", role="widget")
    assert client.writer.submitted == []
    assert client.get("/config/commission", role="analyst")["revision"] == 1


BAD = [
    ("/affiliates?ids=", "ids"),
    ("/affiliates", "ids"),
    ("/affiliates?ids=1,x", "ids"),
    ("/affiliates?ids=0", "ids"),
    ("/affiliates?ids=" + ",".join(["1"] * 101), "ids"),
    ("/affiliates/1/referrals", "level"),
    ("/affiliates/1/referrals?level=6", "level"),
    ("/affiliates/1/referrals?level=x", "level"),
    ("/affiliates/1/referrals?level=1&status=maybe", "status"),
    ("/affiliates/1/referrals?level=1&limit=0", "limit"),
    ("/affiliates/1/referrals?level=1&limit=1001", "limit"),
    ("/affiliates/1/referrals?level=1&cursor=xx", "cursor"),
    ("/affiliates/1/financial-summary", "period"),
    ("/affiliates/1/financial-summary?period=hour", "period"),
    ("/affiliates/1/financial-summary?period=day&from=20-06-2025", "from"),
    ("/affiliates/1/financial-summary?period=day&to=2025-02-30", "to"),
    ("/affiliates/1/financial-summary?period=day&from=2025-02-02&to=2025-02-01", "to"),
    ("/affiliates/1/financial-summary?period=day&limit=10001", "limit"),
    ("/affiliates/1/financial-summary?period=day&cursor=ZGF5IDIwMjU", "cursor"),
    ("/affiliates/1/streak?at=today", "at"),
    ("/leaderboards/fame", "metric"),
    ("/leaderboards/rev?period=day", "period"),
    ("/leaderboards/streak?period=all", "period"),
    ("/leaderboards/cpa?period=year", "period"),
    ("/leaderboards/cpa?at=x", "at"),
    ("/leaderboards/cpa?limit=-1", "limit"),
    ("/leaderboards/cpa?offset=-1", "offset"),
    ("/leaderboards/cpa/around/1?radius=101", "radius"),
]


@pytest.mark.parametrize(("path", "parameter"), BAD)
def test_a_bad_parameter_is_named_with_what_was_expected(client: Client, path: str, parameter: str) -> None:
    problem = client.problem(400, "GET", path)
    assert problem["type"] == "/problems/bad-request"
    assert problem["detail"].startswith(f"{parameter}: ")
    assert "xpected" in problem["detail"]


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "9999-12-31"])
def test_far_days_are_empty_not_errors(client: Client, day: str) -> None:
    for period in ("day", "week", "month", "year"):
        client.get(f"/affiliates/1/financial-summary?period={period}&from={day}")
        client.get(f"/affiliates/1/financial-summary?period={period}&to={day}")
    client.get(f"/affiliates/1/streak?at={day}")
    for period in ("day", "week", "month"):
        client.get(f"/leaderboards/cpa?period={period}&at={day}")


def test_events_are_answered_in_the_order_sent(client: Client) -> None:
    rows = [
        {"source": "depositos", "id": 1, "user_id": 3, "valor": "10,00", "criado_em": "2025-06-20T10:00:00-03:00"},
        {"source": "tracked", "user_id": 3, "referrer_id": 2, "tracked_em": "2025-06-20"},
        {"source": "bonus", "id": 7, "user_id": 3, "valor": "1.234", "criado_em": "2025-06-20"},
        {"source": "saque", "id": "x", "user_id": 3, "valor": 12.5, "criado_em": "2025-06-20"},
    ]
    answer = client.send("POST", "/events", json=rows, role="manager")
    assert answer.status_code == 200
    assert answer.json() == {
        "items": [
            {"source": "depositos", "id": 1, "result": "applied"},
            {"source": "tracked", "id": "3:2", "result": "applied"},
            {"source": "bonus", "id": 7, "result": "quarantined", "reason": "bad_money"},
            {"source": "saque", "id": None, "result": "quarantined", "reason": "bad_id"},
        ]
    }
    ((slug, submitted),) = client.writer.submitted
    assert (slug, len(submitted)) == ("upbet", 4)


def test_events_are_read_by_the_tenants_mapping(client: Client) -> None:
    mapping = Mapping(columns={"depositos": {"valor": ["quanto"]}}, money_status={"liquidado": "approved"})
    mappings.set_mapping(client.store, "upbet", mapping, 1)
    row = {"source": "depositos", "id": 1, "user_id": 3, "quanto": 1, "status": "Liquidado", "criado_em": "2025-06-20"}
    assert client.send("POST", "/events", json=[row]).json()["items"][0]["result"] == "applied"
    ((_, (submitted,)),) = client.writer.submitted
    assert (submitted.amount, submitted.status) == (100, "approved")


DEPOSIT = {"source": "depositos", "id": 1, "user_id": 3, "valor": 1, "criado_em": "2025-06-20"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b"\xff", 400),
        (b"[]", 400),
        (b"3", 400),
        (b'[{"source":"nope","id":1}]', 400),
        (b'[{"source":"depositos","id":{}}]', 400),
        (json.dumps([DEPOSIT] * 1001).encode(), 400),
        (b" " * (4 * 1024 * 1024 + 1), 413),
    ],
    ids=["empty", "cut", "deep", "bytes", "no-rows", "number", "source", "type", "too-many", "too-large"],
)
def test_bad_bodies_have_no_effect(client: Client, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    client.problem(status, "POST", "/events", content=body, headers=headers)
    assert client.writer.submitted == []


def test_other_media_types_are_refused(client: Client) -> None:
    client.problem(415, "POST", "/events", content=b"[]", headers={"Content-Type": "text/csv"})


def test_errors_of_the_writer_become_problems(client: Client) -> None:
    client.writer.error = LimitReached("quarantine")
    client.problem(507, "POST", "/events", json=[DEPOSIT])
    client.writer.error = ServerUnavailable("Redis is full", retry_after=3)
    answer = client.send("POST", "/events", json=[DEPOSIT])
    problem_of(answer, 503)
    assert answer.headers["retry-after"] == "3"
    client.writer.error = RuntimeError("secret of the house")
    assert "secret" not in str(client.problem(500, "POST", "/events", json=[DEPOSIT]))


def test_configuration(client: Client) -> None:
    document = {
        "cpa": {"levels_cents": [1, 2, 3, 4, 5], "criteria": [{"bets_count": 1}]},
        "rev": {"levels_bp": [5, 4, 3, 2, 1], "negative_carryover": True},
    }
    answer = client.send("PUT", "/config/commission", json={**document, "effective_from": "2025-07-01"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"revision": 2, "effective_from": "2025-07-01", **document}
    shown = client.get("/config/commission")
    assert [version["revision"] for version in shown["versions"]] == [1, 2]
    assert shown["revision"] == 1
    assert client.get("/affiliates/2")["affiliate_id"] == 2
    client.problem(409, "PUT", "/config/commission", json={**document, "effective_from": "2025-06-22"})
    client.problem(400, "PUT", "/config/commission", json={**document, "effective_from": 3})
    client.problem(400, "PUT", "/config/commission", json={"cpa": {}})
    client.problem(400, "PUT", "/config/commission", content=b"[")
