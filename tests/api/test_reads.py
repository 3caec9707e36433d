"""Every read over HTTP, against the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import TODAY, Client
from tests.figures.planting import AS_OF

READS: list[tuple[str, Callable[[Any], Any]]] = [
    ("/affiliates/2", lambda model: model.affiliate(2)),
    ("/affiliates/2/mlm-structure", lambda model: model.mlm_structure(2)),
    ("/affiliates/2/streak", lambda model: model.streak(2, TODAY)),
    ("/affiliates/2/streak?at=2025-06-20", lambda model: model.streak(2, "2025-06-20")),
    ("/affiliates/2/dashboard", lambda model: model.dashboard(2, TODAY)),
    ("/leaderboards/ggr", lambda model: model.leaderboard("ggr")),
    ("/leaderboards/ggr?period=week", lambda model: model.leaderboard("ggr", "week", TODAY)),
    ("/leaderboards/rev?period=month&at=2025-06-01", lambda model: model.leaderboard("rev", "month", "2025-06-01")),
    ("/leaderboards/streak", lambda model: model.leaderboard("streak", "day", TODAY)),
]


@pytest.mark.parametrize(("path", "expected"), READS, ids=[path for path, _ in READS])
def test_a_read_answers_as_the_model(client: Client, path: str, expected: Callable[[Any], Any]) -> None:
    assert client.get(path) == {**expected(client.model), "as_of": AS_OF}


def test_validate_cpa_explains(client: Client) -> None:
    for player in (3, 4):
        answer = client.send("POST", f"/affiliates/{player}/validate-cpa")
        assert answer.status_code == 200
        assert answer.json() == {**client.model.validate_cpa(player), "as_of": AS_OF}


def test_many_affiliates_in_the_order_asked(client: Client) -> None:
    answer = client.get("/affiliates?ids=3,1,77,3")
    assert answer["items"] == [client.model.affiliate(3), client.model.affiliate(1)]
    assert answer["as_of"] == AS_OF


def pages(client: Client, path: str) -> list[Any]:
    items: list[Any] = []
    cursor = ""
    while True:
        page = client.get(path + (f"&cursor={cursor}" if cursor else ""))
        items.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def test_lists_go_on_by_cursor(client: Client) -> None:
    for period, shown in (("day", 2), ("week", 1), ("month", 1), ("year", 1)):
        found = pages(client, f"/affiliates/1/financial-summary?period={period}&limit=1")
        assert [len(page) for page in found if page] == [1] * shown
        assert [item for page in found for item in page] == client.model.summary(1, period)["items"]
    assert pages(client, "/affiliates/1/referrals?level=1&limit=1") == [client.model.referrals(1, 1)["items"]]
    pending = client.get("/affiliates/3/referrals?level=1&status=pending")
    assert pending["items"] == client.model.referrals(3, 1, "pending")["items"] != []


def test_around_has_neighbours_and_the_rank(client: Client) -> None:
    board = client.model.leaderboard("deposits")
    around = client.get("/leaderboards/deposits/around/3?radius=1")
    place = next(i for i, item in enumerate(board["items"]) if item["affiliate_id"] == 3)
    assert around["items"] == board["items"][max(0, place - 1) : place + 2]
    assert around["rank"] == client.model.rank(3, "deposits")
    not_listed = client.get("/leaderboards/deposits/around/9")
    assert (not_listed["rank"], not_listed["items"], not_listed["total"]) == (None, [], board["total"])
    client.problem(404, "GET", "/leaderboards/deposits/around/77")


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/affiliates/2", 1),
        ("/affiliates?ids=1,2,3", 1),
        ("/affiliates/2/mlm-structure", 1),
        ("/affiliates/2/streak", 1),
        ("/affiliates/2/dashboard", 1),
        ("/affiliates/2/referrals?level=1", 2),
        ("/affiliates/2/financial-summary?period=month", 1),
        ("/affiliates/2/financial-summary?period=day&from=2025-06-01&to=2025-06-30", 1),
        ("/affiliates/2/financial-summary?period=day", 2),
        ("/leaderboards/ggr", 2),
        ("/leaderboards/ggr/around/2", 2),
    ],
)
def test_two_round_trips_at_most(count_round_trips: Callable[[str], int], path: str, most: int) -> None:
    assert count_round_trips(path) <= most


def test_a_swap_of_generations_is_followed(client: Client) -> None:
    client.store.call("HSET", "fkv:{upbet}:control", "live", 2)
    client.problem(404, "GET", "/affiliates/2")
    client.store.call("HSET", "fkv:{upbet}:control", "live", 1)
    assert client.get("/affiliates/2")["affiliate_id"] == 2
