"""Bodies of `POST /events`: refused whole, or rows in the order sent."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Bet, Link, Money
from fature_kv.errors import UsageError
from fature_kv.sources.http_rows import parse_events

ZONE = ZoneInfo("America/Sao_Paulo")
DEPOSIT = {"source": "depositos", "id": 1, "user_id": 7, "valor": "105.57", "criado_em": "2025-06-26T12:00:00Z"}
AT = 1_750_939_200_000_000
MONEY = Money("depositos", 1, 7, 10557, "approved", AT, None)


@pytest.mark.parametrize("body", [[DEPOSIT], {"items": [DEPOSIT]}, {"rows": [DEPOSIT]}, {"events": [DEPOSIT]}, DEPOSIT])
def test_shapes_of_a_body(body: object) -> None:
    assert parse_events(body, ZONE, Mapping()) == [MONEY]


def test_aliases_and_order() -> None:
    body = [
        {"source": "bets", "id": 5, "user_id": 7, "amount": 1, "win": 0.5, "created_at": "2025-06-26T12:00:00Z"},
        {"source": "Referrals", "user_id": 7, "sponsor_id": "3", "tracked_at": "2025-06-26T12:00:00Z", "utm": ["x"]},
        DEPOSIT,
        {**DEPOSIT, "status": None, "atualizado_em": ""},
    ]
    assert parse_events(body, ZONE, Mapping()) == [Bet(5, 7, 100, 50, AT), Link(7, 3, AT), MONEY, MONEY]


def test_values_that_cannot_be_used_are_bad_rows() -> None:
    body = [{**DEPOSIT, "valor": "1.234"}, {"source": "depositos"}, {**DEPOSIT, "criado_em": 1750939200}, DEPOSIT]
    rows = parse_events(body, ZONE, Mapping())
    assert [row.reason if isinstance(row, BadRow) else None for row in rows] == [
        "bad_money",
        "bad_id",
        "bad_time",
        None,
    ]
    assert rows[0] == BadRow(
        "depositos", "1", "bad_money", {"id": 1, "user_id": 7, "valor": "1.234", "criado_em": DEPOSIT["criado_em"]}
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "the body is null"),
        ("x", "the body is text"),
        ({}, "the body is an object"),
        ({"items": DEPOSIT}, "the body is an object"),
        ({"items": [DEPOSIT], "rows": [DEPOSIT]}, "the body is an object"),
        ([], "no rows"),
        ([DEPOSIT] * 4, "4 rows, expected at most 3"),
        ([DEPOSIT, 5], "row 1 is a number"),
        ([{"id": 1}], "row 0: unknown source null"),
        ([DEPOSIT, {**DEPOSIT, "source": "dep"}], "row 1: unknown source 'dep'"),
        ([{**DEPOSIT, "source": ["depositos"]}], "row 0: unknown source a list"),
        ([DEPOSIT, {**DEPOSIT, "valor": {"x": 1}}], "row 1: 'valor' is an object"),
        ([{**DEPOSIT, "user_id": [7]}], "row 0: 'user_id' is a list"),
        ([{**DEPOSIT, "id": True}], "row 0: 'id' is a boolean"),
        ([{"source": "bonus", "amount": 1, "value": 2}], "row 0: amount, value may all be 'valor'"),
    ],
)
def test_bodies_that_are_refused_whole(body: object, message: str) -> None:
    with pytest.raises(UsageError, match="expected") as error:
        parse_events(body, ZONE, Mapping(), limit=3)
    assert message in str(error.value)
