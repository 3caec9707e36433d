"""One row of each source, and the reason of each row that can't be taken."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv.domain.calendar import parse_time
from fature_kv.domain.mapping import COLUMNS, Mapping
from fature_kv.domain.parse import FIELDS, parse_id, parse_row
from fature_kv.domain.rows import MAX_ID, REASONS, SOURCES, BadRow, Bet, Link, Money, Person, Row, Source

ZONE = ZoneInfo("America/Sao_Paulo")
NOON = parse_time("2025-06-26T12:00:00-03:00", ZONE)

GOOD: dict[Source, dict[str, object]] = {
    "cadastro": {"id": "7", "nome": " Ana ", "status": "Ativo", "criado_em": "26/06/2025 12:00"},
    "tracked": {"user_id": 7, "referrer_id": 3.0, "tracked_em": "2025-06-26 12:00:00"},
    "depositos": {"id": "12", "user_id": "7", "valor": "105,57", "criado_em": "2025-06-26T15:00:00Z"},
    "casino_bets_v": {"id": 1, "user_id": 7, "stake": 1.5, "win": "0,00", "criado_em": "2025-06-26T12:00:00-03"},
    "saque": {"id": "12", "user_id": "7", "valor": "1.234,56", "status": "pago", "criado_em": "2025-06-26T15:00Z"},
    "bonus": {"id": "12", "user_id": "7", "valor": 5, "status": None, "criado_em": "2025-06-26T15:00Z"},
}


def parse(source: Source, **changes: Any) -> Row | BadRow:
    return parse_row(source, {**GOOD[source], **changes}, ZONE, Mapping())


def reason(source: Source, **changes: Any) -> str:
    row = parse(source, **changes)
    assert isinstance(row, BadRow)
    assert row.reason in REASONS
    return row.reason


def test_good_rows() -> None:
    assert parse("cadastro") == Person(7, "Ana", "", "", "active", NOON, None)
    assert parse("cadastro", telefone=5511.0, email=None) == Person(7, "Ana", "", "5511", "active", NOON, None)
    assert parse("tracked") == Link(7, 3, NOON)
    assert parse("depositos", atualizado_em=" ") == Money("depositos", 12, 7, 10557, "approved", NOON, None)
    assert parse("depositos", atualizado_em="2025-06-26") == Money(
        "depositos", 12, 7, 10557, "approved", NOON, parse_time("2025-06-26", ZONE)
    )
    assert parse("casino_bets_v") == Bet(1, 7, 150, 0, NOON)
    assert parse("saque") == Money("saque", 12, 7, 123456, "pago", NOON, None)
    assert parse("bonus") == Money("bonus", 12, 7, 500, "approved", NOON, None)


@pytest.mark.parametrize("value", ["12", " 12 ", "012", 12, 12.0])
def test_ids(value: object) -> None:
    assert parse_id(value) == 12


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "0",
        0,
        -1,
        "-1",
        "+1",
        "1.0",
        "1_0",
        "٣",
        "1e3",
        1.5,
        True,
        MAX_ID + 1,
        1e300,
        [],
        "9" * 5000,
        float("nan"),
        float("inf"),
    ],
)
def test_bad_ids(value: object) -> None:
    assert reason("casino_bets_v", user_id=value) == "bad_id"
    assert parse_id(MAX_ID) == MAX_ID


def test_reasons() -> None:
    assert reason("casino_bets_v", criado_em="06/26/2025") == "bad_time"
    assert reason("casino_bets_v", criado_em=None) == "bad_time"
    assert reason("casino_bets_v", stake="1.234") == "bad_money"
    assert reason("casino_bets_v", win="-1,00") == "negative"
    assert reason("depositos", status="talvez") == "unknown_status"
    assert reason("cadastro", status="approved") == "unknown_status"
    assert reason("depositos", atualizado_em="ontem") == "bad_time"
    assert reason("tracked", referrer_id="7") == "self_referral"


def test_before_2000_is_a_day_of_the_tenants_zone() -> None:
    assert reason("casino_bets_v", criado_em="2000-01-01T01:59:59.999999Z") == "before_2000"
    assert isinstance(parse("casino_bets_v", criado_em="2000-01-01T02:00:00Z"), Bet)
    assert reason("cadastro", atualizado_em="1999-12-31") == "before_2000"
    assert reason("tracked", tracked_em="0001-01-01") == "before_2000"


def test_the_first_column_that_fails_names_the_reason() -> None:
    assert reason("depositos", id="x", valor="x", status="x", criado_em="x") == "bad_id"
    assert reason("depositos", valor="-1", status="x", criado_em="x") == "negative"
    assert reason("depositos", status="x", criado_em="x") == "unknown_status"
    assert reason("depositos", criado_em="1999-01-01", atualizado_em="x") == "bad_time"
    assert reason("tracked", referrer_id=7, tracked_em="1999-01-01") == "self_referral"


def test_a_bad_row_keeps_its_identity_and_its_values() -> None:
    assert parse("depositos", id=" 012 ", valor="x") == BadRow(
        "depositos", "12", "bad_money", {**GOOD["depositos"], "id": " 012 ", "valor": "x"}
    )
    link = parse("tracked", tracked_em="x")
    assert isinstance(link, BadRow)
    assert link.id == "7:3"
    half = parse("tracked", referrer_id="x")
    assert isinstance(half, BadRow)
    assert half.id is None
    retried = parse_row("bonus", {FIELDS: ["1", "2"]}, ZONE, Mapping())
    assert retried == BadRow("bonus", None, "bad_row", {FIELDS: ["1", "2"]})


def test_a_tenants_status_words() -> None:
    mapping = Mapping(money_status={"Liquidado": "approved"})
    row = parse_row("bonus", {**GOOD["bonus"], "status": "LIQUIDADO"}, ZONE, mapping)
    assert isinstance(row, Money)
    assert row.status == "approved"


VALUES = st.none() | st.text(max_size=8) | st.integers() | st.floats() | st.booleans() | st.sampled_from(["1", "1,5"])


@given(st.sampled_from(SOURCES), st.data())
def test_any_values_give_a_row_or_a_known_reason(source: Source, data: st.DataObject) -> None:
    changes = data.draw(st.dictionaries(st.sampled_from(COLUMNS[source]), VALUES))
    row = parse(source, **changes)
    assert not isinstance(row, BadRow) or row.reason in REASONS
    assert parse(source, **changes) == row or "nan" in repr(changes)
