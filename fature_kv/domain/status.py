"""Status words, in Portuguese and English (DOMAIN.md, "Sources" and "Versions").

A money row keeps the word it came with, normalised (`charged back` is `charged_back`); what matters of a word
is its class. Ranks order versions of one row that carry the same time: waiting < approved < refused < reversed.
Only approved rows count. Words are compared without case, accents and surrounding space; spaces and hyphens
inside are underscores.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

PersonStatus: TypeAlias = Literal["active", "inactive", "suspended", "blocked", "self_excluded"]

WAITING: Final = 0
APPROVED: Final = 1
REFUSED: Final = 2
REVERSED: Final = 3

DEFAULT_WORD: Final = "approved"
"""What a money row without a status carries."""

MONEY_WORDS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("pending", "pendente", "processing", "processando"), WAITING),
    **dict.fromkeys(("approved", "aprovado", "confirmed", "confirmado"), APPROVED),
    **dict.fromkeys(("paid", "pago", "completed", "concluido"), APPROVED),
    **dict.fromkeys(("rejected", "rejeitado", "refused", "recusado"), REFUSED),
    **dict.fromkeys(("cancelled", "canceled", "cancelado", "failed", "falhou", "expired", "expirado"), REFUSED),
    **dict.fromkeys(("reversed", "estornado", "refunded", "charged_back", "chargeback"), REVERSED),
}
"""Every word of a money row that DOMAIN.md knows -> its rank."""

PERSON_WORDS: Final[Mapping[str, PersonStatus]] = {
    "": "active",
    "active": "active",
    "ativo": "active",
    "inactive": "inactive",
    "inativo": "inactive",
    "suspended": "suspended",
    "suspenso": "suspended",
    "blocked": "blocked",
    "bloqueado": "blocked",
    "self_excluded": "self_excluded",
    "autoexcluido": "self_excluded",
    "auto_excluido": "self_excluded",
}
"""Every word of `cadastro.status` -> the English word that is stored; nothing means active."""

_GAPS: Final = re.compile(r"[\s_-]+")


@lru_cache(maxsize=4_096)
def normalise_word(word: str) -> str:
    """Lower case, no accents, no space around, one underscore for spaces and hyphens inside."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return _GAPS.sub("_", bare.casefold().strip())


def money_status(word: str, extra: Mapping[str, str] | None = None) -> str | None:
    """The word to store for a money row's status text, or None for an unknown one.

    `extra` holds a tenant's own words, normalised -> a word of `MONEY_WORDS`; they win over the defaults.
    """
    bare = normalise_word(word)
    if extra and bare in extra:
        return extra[bare]
    if not bare:
        return DEFAULT_WORD
    return bare if bare in MONEY_WORDS else None


def status_rank(word: str) -> int:
    """0..3 for a stored word: waiting, approved, refused, reversed. KeyError for a word that is not stored ever."""
    return MONEY_WORDS[word]


def counts(word: str) -> bool:
    """Whether a money row with this stored word counts in figures."""
    return MONEY_WORDS[word] == APPROVED


def person_status(word: str, extra: Mapping[str, str] | None = None) -> str | None:
    """The English word (a `PersonStatus`) for a status text of `cadastro`, or None for an unknown one.

    `extra` holds a tenant's own words, normalised -> a `PersonStatus`; they win over the defaults.
    """
    bare = normalise_word(word)
    if extra and bare in extra:
        return extra[bare]
    return PERSON_WORDS.get(bare)
