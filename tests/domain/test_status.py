"""Status words of DOMAIN.md, "Sources" and "Versions"."""

from __future__ import annotations

import pytest

from fature_kv.domain.status import (
    APPROVED,
    MONEY_WORDS,
    REFUSED,
    REVERSED,
    WAITING,
    counts,
    money_status,
    normalise_word,
    person_status,
    status_rank,
)

APPROVED_WORDS = ["approved", "aprovado", "confirmed", "confirmado", "paid", "pago", "completed", "concluido"]
OTHER_WORDS = [
    "pending",
    "pendente",
    "processing",
    "processando",
    "rejected",
    "rejeitado",
    "refused",
    "recusado",
    "cancelled",
    "canceled",
    "cancelado",
    "failed",
    "falhou",
    "expired",
    "expirado",
    "reversed",
    "estornado",
    "refunded",
    "charged_back",
    "chargeback",
]


def test_the_words_are_those_of_the_rules() -> None:
    assert set(MONEY_WORDS) == {*APPROVED_WORDS, *OTHER_WORDS}
    assert {word for word in MONEY_WORDS if counts(word)} == set(APPROVED_WORDS)
    for word in MONEY_WORDS:
        assert money_status(word) == word


@pytest.mark.parametrize(
    ("text", "word", "rank"),
    [
        ("", "approved", APPROVED),
        ("  ", "approved", APPROVED),
        (" Concluído ", "concluido", APPROVED),
        ("PENDENTE", "pendente", WAITING),
        ("processing", "processing", WAITING),
        ("Charged back", "charged_back", REVERSED),
        ("charged-back", "charged_back", REVERSED),
        ("Estornado", "estornado", REVERSED),
        ("Falhou", "falhou", REFUSED),
    ],
)
def test_case_accents_and_gaps_do_not_matter(text: str, word: str, rank: int) -> None:
    assert money_status(text) == word
    assert status_rank(word) == rank


@pytest.mark.parametrize("text", ["ok", "approvedd", "1", "-", "aprovado!", "chargedback"])
def test_other_words_are_unknown(text: str) -> None:
    assert money_status(text) is None


def test_a_tenants_own_words_win() -> None:
    assert money_status("Liquidado", {"liquidado": "approved"}) == "approved"
    assert money_status("completed", {"completed": "pending"}) == "pending"
    assert person_status("VIP", {"vip": "active"}) == "active"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "active"),
        ("Ativo", "active"),
        ("INATIVO", "inactive"),
        ("suspenso", "suspended"),
        ("Bloqueado", "blocked"),
        ("autoexcluído", "self_excluded"),
        ("self excluded", "self_excluded"),
        ("approved", None),
        ("x", None),
    ],
)
def test_people(text: str, word: str | None) -> None:
    assert person_status(text) == word


def test_normalising_is_idempotent() -> None:
    for text in ("  Auto-Excluído ", "CHARGED  BACK", "Straße"):
        assert normalise_word(normalise_word(text)) == normalise_word(text)
