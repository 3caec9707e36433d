"""The API over a planted tenant, with a writer that only notes what it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import date
from typing import Any, NamedTuple

import pytest
from litestar.testing import TestClient

from fature_kv import tenants
from fature_kv.access import tokens
from fature_kv.api.application import create_app
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from fature_kv.settings import Settings
from fature_kv.store import Store
from tests.figures.planting import plant
from tests.model.model import Model

DAY = 86_400_000_000
JUNE_20 = (date(2025, 6, 20) - date(1970, 1, 1)).days * DAY + 15 * 3_600_000_000
NOW = JUNE_20 + 2 * DAY
TODAY = "2025-06-22"
NAMES = {1: "Ana Souza", 2: "Bia Lima", 3: "Caio Reis", 4: "Davi Melo", 5: "Eva Pires", 6: "Fabio", 7: "Gil", 9: "Ivo"}


class Result(NamedTuple):
    result: str
    reason: str | None = None


class FakeWriter:
    """Answers each row with `answers`, in turn, and keeps what came."""

    def __init__(self) -> None:
        self.alive = True
        self.submitted: list[tuple[str, list[Row | BadRow]]] = []
        self.error: Exception | None = None

    def submit(self, slug: str, rows: list[Row | BadRow]) -> Future[list[Result]]:
        self.submitted.append((slug, rows))
        future: Future[list[Result]] = Future()
        if self.error:
            future.set_exception(self.error)
        else:
            bad = [Result("quarantined", row.reason) if isinstance(row, BadRow) else Result("applied") for row in rows]
            future.set_result(bad)
        return future


def small_world() -> Model:
    """A chain 1 > 2 > ... > 7 with everybody playing, and 9 apart and blocked."""
    model = Model()
    people = [
        Person(number, name, f"p{number}@example.com", "+5511", "blocked" if number == 9 else "active", JUNE_20)
        for number, name in NAMES.items()
    ]
    links = [Link(number, number - 1, JUNE_20) for number in range(2, 8)]
    money = [Money("depositos", 10 * n + d, n, 5_000, "approved", JUNE_20 + d * DAY) for n in NAMES for d in (0, 1)]
    bets = [Bet(10 * n + d, n, 9_000, 1_000 * n, JUNE_20 + d * DAY) for n in NAMES if n != 4 for d in (0, 1)]
    model.feed([*people, *links, *money, *bets], NOW)
    return model


class Client:
    """Requests with the token of a role; answers are checked for the media type."""

    def __init__(self, http: TestClient[Any], store: Store, writer: FakeWriter, model: Model) -> None:
        self.http, self.store, self.writer, self.model = http, store, writer, model
        self.tokens: dict[str, str] = {}

    def token(self, role: str = "owner", affiliate: int | None = None, slug: str = "upbet") -> str:
        name = f"{slug} {role} {affiliate}"
        if name not in self.tokens:
            self.tokens[name] = tokens.create(self.store, slug, role, affiliate, now_us=NOW)
        return self.tokens[name]

    def send(self, method: str, path: str, *, role: str = "owner", affiliate: int | None = None, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token(role, affiliate, more.pop('slug', 'upbet'))}"}
        return self.http.request(method, f"/api/v1{path}", headers=headers | more.pop("headers", {}), **more)

    def get(self, path: str, **more: Any) -> Any:
        answer = self.send("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def problem(self, status: int, method: str, path: str, **more: Any) -> Any:
        """The problem document, checked for what all of them have."""
        return problem_of(self.send(method, path, **more), status)


def problem_of(answer: Any, status: int) -> Any:
    """A problem document, checked for what all of them have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    store = Store(redis_url)
    yield store
    store.close()


@pytest.fixture
def client(redis_url: str, store: Store) -> Iterator[Client]:
    """A client of the planted tenant `upbet`; `other` exists and is empty."""
    model, writer = small_world(), FakeWriter()
    plant(store, "upbet", model, [date(2025, 6, day) for day in range(19, 24)])
    tenants.create(store, "other", name="", timezone="America/Sao_Paulo", currency="BRL", now_us=NOW)
    app = create_app(Settings(), redis_url, writer, now=lambda: NOW)
    with TestClient(app) as http:
        yield Client(http, store, writer, model)


@pytest.fixture
def count_round_trips(client: Client) -> Callable[[str], int]:
    """How many round trips a GET takes once scripts are loaded, the one for token and tenant aside."""

    def count(path: str) -> int:
        client.get(path)
        before = client.http.app.state.store.round_trips
        client.get(path)
        return int(client.http.app.state.store.round_trips - before - 1)

    return count
