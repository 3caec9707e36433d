"""Which column is which, and which file is which source."""

from __future__ import annotations

import msgspec
import pytest

from fature_kv.domain.mapping import (
    _ALIASES,
    COLUMNS,
    Mapping,
    guess_source,
    letters,
    match_header,
    source_of_filename,
    source_of_word,
)
from fature_kv.domain.rows import SOURCES, Source

DEFAULT = Mapping()


@pytest.mark.parametrize("source", SOURCES)
def test_own_names_and_every_alias_are_found(source: Source) -> None:
    match = match_header(source, COLUMNS[source], DEFAULT)
    assert match.complete
    assert list(match.columns.values()) == list(range(len(COLUMNS[source])))
    for column, text in _ALIASES[source].items():
        for alias in text.replace("|", "").split():
            header = [alias.upper().replace("_", " ") if name == column else name for name in COLUMNS[source]]
            assert match_header(source, header, DEFAULT).columns[column] == COLUMNS[source].index(column), alias


@pytest.mark.parametrize("source", SOURCES)
def test_no_alias_stands_for_two_columns(source: Source) -> None:
    seen: dict[str, str] = {}
    for column, text in _ALIASES[source].items():
        for alias in text.replace("|", "").split():
            assert seen.setdefault(letters(alias), column) == column
            assert letters(alias) not in {letters(name) for name in COLUMNS[source] if name != column}


def test_case_accents_spaces_and_punctuation_do_not_matter() -> None:
    match = match_header("casino_bets_v", ["ID", "Usuário-ID", "VALOR APOSTADO", "prêmio", "Criado em"], DEFAULT)
    assert match.columns == {"id": 0, "user_id": 1, "stake": 2, "win": 3, "criado_em": 4}


def test_missing_and_ignored_columns_are_named() -> None:
    match = match_header("depositos", ["id", "user_id", "ip", "criado_em"], DEFAULT)
    assert match.missing == ("valor",)
    assert match.ignored == ("ip",)
    assert not match.complete


def test_standing_decides_and_equals_are_ambiguous() -> None:
    match = match_header("depositos", ["id", "user_id", "amount", "valor", "created_at"], DEFAULT)
    assert match.columns["valor"] == 3
    assert match.ignored == ("amount",)
    match = match_header("cadastro", ["id", "username", "name", "email", "phone", "status", "created_at"], DEFAULT)
    assert match.columns["nome"] == 2
    match = match_header("depositos", ["id", "user_id", "amount", "value", "criado_em"], DEFAULT)
    assert match.ambiguous == {"valor": ("amount", "value")}
    match = match_header("depositos", ["id", "id", "user_id", "valor", "criado_em"], DEFAULT)
    assert match.ambiguous == {"id": ("id", "id")}


def test_a_tenants_own_names_win() -> None:
    mapping = Mapping(columns={"depositos": {"valor": ["Líquido"]}}, money_status={"Liquidado": "Approved"})
    match = match_header("depositos", ["id", "user_id", "valor", "liquido", "criado_em"], mapping)
    assert match.columns["valor"] == 3
    assert mapping.money_status == {"liquidado": "approved"}


@pytest.mark.parametrize(
    "document",
    [
        {"columns": {"depositos": {"stake": ["x"]}}},
        {"columns": {"nothing": {"id": ["x"]}}},
        {"money_status": {"x": "y"}},
        {"person_status": {"x": "approved"}},
        {"other": {}},
    ],
)
def test_a_mapping_to_nothing_is_refused(document: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Mapping)


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("id,nome,email,telefone,status,criado_em", "cadastro"),
        ("id,name,email,phone,status,created_at", "cadastro"),
        ("user_id,referrer_id,tracked_em", "tracked"),
        ("id,user_id,stake,win,criado_em", "casino_bets_v"),
        ("id,user_id,amount,win,created_at", "casino_bets_v"),
        ("deposit_id,user_id,valor,data", "depositos"),
        ("bonus_id,user_id,valor,data", "bonus"),
        ("id,user_id,valor,status,criado_em", None),
        ("small_id,full_id", None),
    ],
)
def test_the_source_by_header(header: str, source: Source | None) -> None:
    assert guess_source(header.split(","), DEFAULT) == source


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cadastro.csv", "cadastro"),
        ("upbet_plataforma_public_users.csv", "cadastro"),
        ("upbet_plataforma_public_users.xlsx", "cadastro"),
        ("tracked.csv.gz", "tracked"),
        ("DEPOSITS.CSV.GZ", "depositos"),
        ("Depósitos (2).csv", "depositos"),
        ("deposits-2025-06.csv", "depositos"),
        ("casino_bets.xlsx", "casino_bets_v"),
        ("casino_bets_v.csv", "casino_bets_v"),
        ("folder.x/upbet-apostas.csv", "casino_bets_v"),
        ("users_withdrawals.csv", "saque"),
        ("saque.csv", "saque"),
        ("bonuses.csv", "bonus"),
        ("small-ids.csv", None),
        ("usersx.csv", None),
        ("2025.csv", None),
        (".csv", None),
    ],
)
def test_the_source_by_file_name(name: str, source: Source | None) -> None:
    assert source_of_filename(name) == source


def test_the_source_by_a_word_takes_no_prefix() -> None:
    assert source_of_word(" Deposits ") == "depositos"
    assert source_of_word("casino_bets_v") == "casino_bets_v"
    assert source_of_word("my_deposits") is None
