"""Answers that are known already: sent again exactly as long as nothing was written, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from litestar.testing import TestClient

from fature_kv import tenants
from fature_kv.access import tokens
from fature_kv.api.application import create_app
from fature_kv.archive.rebuild import rebuild_from_journal
from fature_kv.archive.undo import undo_run
from fature_kv.commission import configuration
from fature_kv.domain.rows import Bet, Link, Money, Person, Row
from fature_kv.ingest import boards, sizes
from fature_kv.ingest.fold import Fold
from fature_kv.ingest.session import Session
from fature_kv.settings import Settings
from fature_kv.store import Store
from tests.api.conftest import DAY, JUNE_20, NOW, FakeWriter

FIGURES = (
    "/affiliates/1",
    "/affiliates/2",
    "/affiliates?ids=1,2,3",
    "/affiliates/1/dashboard",
    "/affiliates/1/mlm-structure",
    "/affiliates/1/referrals?level=1",
    "/affiliates/1/financial-summary?period=day",
    "/affiliates/2/streak",
    "/leaderboards/deposits",
    "/leaderboards/referrals?period=month&at=2025-06-20",
    "/leaderboards/deposits/around/1",
)


class Two(NamedTuple):
    """The same API twice: one that remembers answers and one that does not."""

    remembering: TestClient[Any]
    forgetting: TestClient[Any]
    session: Session
    headers: dict[str, str]

    def write(self, *rows: Row) -> None:
        self.session.apply(list(rows))
        self.session.settle()

    def tag(self, path: str) -> str:
        answer = self.remembering.get(f"/api/v1{path}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["etag"])


@pytest.fixture
def two(redis_url: str) -> Iterator[Two]:
    store = Store(redis_url)
    tenants.create(store, "upbet", name="", timezone="UTC", currency="BRL", now_us=NOW)
    token = tokens.create(store, "upbet", "owner", now_us=NOW)
    session = Session(store, "upbet", Settings(), run="test", clock=lambda: NOW)
    with ExitStack() as stack:
        apps = [
            stack.enter_context(TestClient(create_app(settings, redis_url, FakeWriter(), now=lambda: NOW)))
            for settings in (Settings(), Settings(answer_cache_bytes=0))
        ]
        yield Two(apps[0], apps[1], session, {"Authorization": f"Bearer {token}"})
    store.close()


def another_run(two: Two) -> None:
    run = Session(two.session.store, "upbet", two.session.settings, run="other", clock=lambda: NOW)
    run.apply([deposit(3, 2), Bet(3, 3, 100, 0, JUNE_20)])
    run.finish({})


def person(number: int, name: str = "Ana", status: str = "active") -> Person:
    return Person(number, name, "", "", status, JUNE_20)


def deposit(number: int, user: int, status: str = "approved") -> Money:
    return Money("depositos", number, user, 5_000, status, JUNE_20 + (status != "approved"))


def configure(two: Two) -> None:
    document = {
        "cpa": {"levels_cents": [1, 1, 1, 1, 1], "criteria": [{"deposits_cents": 1}]},
        "rev": {"levels_bp": [9] * 5},
    }
    configuration.set_configuration(
        two.session.store, "upbet", document, "2025-01-01", today=NOW // DAY, now_us=NOW, rebuild=True
    )


STEPS: dict[str, Callable[[Two], object]] = {
    "people": lambda two: two.write(person(1), person(2), person(3)),
    "a link": lambda two: two.write(Link(2, 1, JUNE_20)),
    "a deposit": lambda two: two.write(deposit(1, 2)),
    "a bet": lambda two: two.write(Bet(1, 2, 9_000, 1_000, JUNE_20)),
    "another day": lambda two: two.write(deposit(2, 2), Bet(2, 2, 9_000, 1_000, JUNE_20 + DAY)),
    "a correction": lambda two: two.write(deposit(1, 2, "reversed")),
    "a late link": lambda two: two.write(Link(3, 2, JUNE_20)),
    "a move": lambda two: two.session.move(3, 1, "wrong sponsor"),
    "a declaration": lambda two: two.session.declare(2, JUNE_20 // DAY, "played elsewhere"),
    "a name": lambda two: two.write(person(2, "Bia")),
    "a status": lambda two: two.write(person(1, status="blocked")),
    "an end of a run": lambda two: two.session.finish({}),
    "a configuration": configure,
    "another run": another_run,
    "an undo": lambda two: undo_run(two.session.store, "upbet", two.session.settings, "other", "a wrong file"),
    "a rebuild": lambda two: rebuild_from_journal(two.session.store, "upbet", two.session.settings),
}


def test_after_every_write_both_tell_the_same(two: Two) -> None:
    seen: dict[str, set[str]] = {path: set() for path in FIGURES}
    for name, step in STEPS.items():
        step(two)
        for path in FIGURES:
            fresh = two.forgetting.get(f"/api/v1{path}", headers=two.headers)
            for _ in range(2):
                known = two.remembering.get(f"/api/v1{path}", headers=two.headers)
                assert (known.status_code, known.content) == (fresh.status_code, fresh.content), (name, path)
            if fresh.status_code == 200:
                assert known.headers == fresh.headers
                assert known.headers["etag"] not in seen[path], (name, path)
                seen[path].add(known.headers["etag"])


@pytest.mark.parametrize(
    ("step", "path"), [(sizes.drain, "/affiliates/1"), (boards.follow, "/leaderboards/deposits?period=all")]
)
def test_what_follows_a_write_is_news_too(two: Two, step: Callable[[Fold], None], path: str) -> None:
    two.write(person(1), person(2))
    two.session.apply([Link(2, 1, JUNE_20), deposit(1, 2)])
    before = two.remembering.get(f"/api/v1{path}", headers=two.headers)
    step(two.session.fold)
    after = two.remembering.get(f"/api/v1{path}", headers=two.headers)
    assert after.headers["etag"] != before.headers["etag"]
    assert after.json() != before.json()


def test_what_the_caller_holds_is_not_sent_again(two: Two) -> None:
    two.write(person(1), person(2), Link(2, 1, JUNE_20))
    for api in (two.remembering, two.forgetting):
        first = api.get("/api/v1/affiliates/1", headers=two.headers)
        asked = two.headers | {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
        again = api.get("/api/v1/affiliates/1", headers=asked)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert again.headers["cache-control"] == "private, no-cache"
    two.write(deposit(1, 2))
    assert two.remembering.get("/api/v1/affiliates/1", headers=asked).status_code == 200


def test_nobody_gets_what_another_was_answered(two: Two) -> None:
    two.write(person(1, "Ana Souza"), person(2, "Bia Lima"), Link(2, 1, JUNE_20), deposit(1, 2))
    path = "/api/v1/leaderboards/deposits"
    full = two.remembering.get(path, headers=two.headers)
    for role, affiliate in (("widget", None), ("affiliate", 2)):
        token = tokens.create(two.session.store, "upbet", role, affiliate, now_us=NOW)
        asked = {"Authorization": f"Bearer {token}", "If-None-Match": full.headers["etag"]}
        masked = two.remembering.get(path, headers=asked)
        assert masked.status_code == 200
        assert b"Ana Souza" not in masked.content
        assert two.remembering.get("/api/v1/affiliates/1", headers=asked).status_code in (403, 404)


def test_a_token_that_is_gone_opens_nothing_that_is_remembered(two: Two) -> None:
    two.write(person(1))
    tag = two.tag("/affiliates/1")
    digest = tokens.key_of(two.headers["Authorization"].removeprefix("Bearer "))
    two.session.store.call("DEL", digest)
    for more in ({}, {"If-None-Match": tag}):
        assert two.remembering.get("/api/v1/affiliates/1", headers=two.headers | more).status_code == 401


def test_what_does_not_hang_on_figures_has_no_tag(two: Two) -> None:
    for path in ("/api/v1/config/commission", "/api/v1/affiliates/9", "/health/live", "/api/v1/nothing"):
        answer = two.remembering.get(path, headers=two.headers | {"If-None-Match": "*"})
        assert "etag" not in answer.headers
        assert answer.status_code in (200, 404)


def test_only_so_many_bytes_are_remembered(two: Two) -> None:
    two.write(*(person(number) for number in range(1, 40)))
    front = two.remembering.app.front
    front._limit = 20_000
    for number in range(1, 40):
        two.tag(f"/affiliates/{number}")
    assert 10_000 < front._held == sum(known.size for known in front._known.values()) <= 20_000
    assert not two.forgetting.app.front._known
