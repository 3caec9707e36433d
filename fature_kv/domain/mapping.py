"""Which column is which, and which file is which source (DOMAIN.md, "Sources"; CONTRACT.md, `import`).

Names are compared by their letters and digits alone: without case, accents, spaces and punctuation. Where a
header offers several names for one column, a tenant's own name wins over the source's name, that over the
default aliases, and those over the weak ones; two names of one standing are ambiguous and refused, not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from fature_kv.domain.rows import SOURCES, Source
from fature_kv.domain.status import MONEY_WORDS, PERSON_WORDS, normalise_word

COLUMNS: Final[dict[Source, tuple[str, ...]]] = {
    "cadastro": ("id", "nome", "email", "telefone", "status", "criado_em", "atualizado_em"),
    "tracked": ("user_id", "referrer_id", "tracked_em"),
    "depositos": ("id", "user_id", "valor", "status", "criado_em", "atualizado_em"),
    "casino_bets_v": ("id", "user_id", "stake", "win", "criado_em"),
    "saque": ("id", "user_id", "valor", "status", "criado_em", "atualizado_em"),
    "bonus": ("id", "user_id", "valor", "status", "criado_em", "atualizado_em"),
}
"""Columns per source in the order of DOMAIN.md."""

OPTIONAL: Final[dict[Source, frozenset[str]]] = {
    source: frozenset({"atualizado_em"} if source == "cadastro" else {"status", "atualizado_em"}) for source in SOURCES
}
"""Columns a header may lack."""

# Default aliases, per column: words apart by spaces; after a `|` come weaker ones, which count only where no
# stronger one is in the header (`username` is a name only where there is no `name`).
_PERSON: Final = (
    "user_id usuario_id id_usuario id_user player_id jogador_id id_jogador cliente_id id_cliente customer_id "
    "client_id account_id conta_id id_conta | usuario user jogador player cliente customer"
)
_CREATED: Final = (
    "created_at created_on created criado created_date creation_date date_created data_criacao data_de_criacao "
    "criacao | data data_hora data_e_hora date datetime date_time timestamp"
)
_UPDATED: Final = (
    "updated_at updated_on updated atualizado modified_at modified last_updated last_update date_updated "
    "data_atualizacao data_de_atualizacao ultima_atualizacao atualizacao alterado_em data_alteracao"
)
_AMOUNT: Final = "amount value valor_r$ valor_brl valor_em_reais valor_reais amount_brl quantia montante"


def _money_aliases(*names: str, created: str = "") -> dict[str, str]:
    """Aliases of a money source; `names` are what one of its rows is called, e.g. `deposito`, `deposit`."""
    ids = " ".join(f"{name}_id id_{name} id_do_{name}" for name in names)
    amounts = " ".join(f"valor_{name} valor_do_{name} {name}_amount {name}_value" for name in names)
    statuses = " ".join(f"status_{name} status_do_{name} {name}_status" for name in names)
    times = " ".join(f"data_{name} data_do_{name} {name}_date {name}_at {name}_em" for name in names)
    return {
        "id": f"{ids} transaction_id id_transacao transacao_id | codigo",
        "user_id": _PERSON,
        "valor": f"{amounts} {_AMOUNT} | valor_total total_amount total",
        "status": f"{statuses} situacao estado state",
        "criado_em": f"{created} {times} {_CREATED}",
        "atualizado_em": _UPDATED,
    }


_ALIASES: Final[dict[Source, dict[str, str]]] = {
    "cadastro": {
        "id": f"affiliate_id afiliado_id id_afiliado {_PERSON} codigo",
        "nome": "name full_name nome_completo nome_usuario nome_do_usuario | username user_name nome_de_usuario",
        "email": "e-mail email_address endereco_de_email correio_eletronico | mail",
        "telefone": "phone phone_number telephone numero_de_telefone fone tel | mobile mobile_phone celular whatsapp",
        "status": "situacao status_conta status_da_conta account_status user_status status_usuario",
        "criado_em": "registered_at registered_on registration_date signup_date signup_at data_cadastro "
        f"data_de_cadastro data_registro data_de_registro cadastrado_em registrado_em {_CREATED}",
        "atualizado_em": _UPDATED,
    },
    "tracked": {
        "user_id": f"id_indicado indicado_id referred_id referred_user_id referee_id {_PERSON} indicado",
        "referrer_id": "referrer_user_id referred_by_id referring_user_id indicador_id id_indicador sponsor_id "
        "patrocinador_id id_patrocinador affiliate_id afiliado_id id_afiliado parent_id upline_id "
        "| referrer referred_by indicador indicado_por sponsor patrocinador",
        "tracked_em": "tracked_at tracked_on rastreado_em indicado_em data_indicacao referred_at linked_at "
        f"vinculado_em | criado_em {_CREATED.replace(' |', '')}",
    },
    "depositos": _money_aliases("deposito", "deposit"),
    "casino_bets_v": {
        "id": "bet_id id_bet aposta_id id_aposta id_da_aposta transaction_id id_transacao | round_id rodada_id codigo",
        "user_id": _PERSON,
        "stake": "bet_amount bet_value stake_amount valor_aposta valor_da_aposta valor_apostado wager wager_amount "
        "| bet aposta apostado amount valor",
        "win": "win_amount win_value winnings payout payout_amount valor_ganho valor_do_ganho valor_premio "
        "valor_do_premio | wins won ganho ganhos premio prize retorno",
        "criado_em": f"bet_at bet_date placed_at played_at apostado_em data_aposta data_da_aposta {_CREATED}",
    },
    "saque": _money_aliases("saque", "withdrawal", "retirada", created="requested_at solicitado_em"),
    "bonus": _money_aliases("bonus", created="granted_at concedido_em data_concessao"),
}

_SOURCE_NAMES: Final[dict[Source, str]] = {
    "cadastro": "cadastro cadastros users user usuarios usuario clientes customers players jogadores "
    "affiliates afiliados accounts contas",
    "tracked": "tracked tracking referrals referral indicacoes indicados links",
    "depositos": "depositos deposito deposits deposit",
    "casino_bets_v": "casino_bets_v casino_bets casino_bet bets bet apostas aposta apostas_casino apostas_cassino",
    "saque": "saque saques withdrawals withdrawal withdraws withdraw retiradas retirada",
    "bonus": "bonus bonuses bonificacoes",
}


_TABLE: Final = re.compile(r"[^.\x00]{1,63}(\.[^.\x00]{1,63})?")


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant's own names on top of the defaults; `Mapping()` is the defaults.

    `columns`: source -> column -> further header names. `money_status`: the operation's word -> a word of
    DOMAIN.md, as `{"liquidado": "approved"}`. `person_status`: word -> English word, as `{"vip": "active"}`.
    `tables`: source -> table or view of the operations database, `name` or `schema.name`; by default the source's name.
    Words are kept normalised. Raises ValueError for a source, column, table or word that can't be.
    """

    tables: dict[Source, str] = {}
    columns: dict[Source, dict[str, list[str]]] = {}
    money_status: dict[str, str] = {}
    person_status: dict[str, str] = {}

    def __post_init__(self) -> None:
        for source, table in self.tables.items():
            if not _TABLE.fullmatch(table):
                raise ValueError(f"'{table}' is no table of '{source}', expected `name` or `schema.name`")
        for source, columns in self.columns.items():
            for column in columns:
                if column not in COLUMNS.get(source, ()):
                    raise ValueError(f"'{column}' is no column of '{source}'")
        money = {normalise_word(word): normalise_word(known) for word, known in self.money_status.items()}
        person = {normalise_word(word): normalise_word(known) for word, known in self.person_status.items()}
        for known, words in ((money, set(MONEY_WORDS)), (person, set(PERSON_WORDS.values()))):
            if wrong := sorted(set(known.values()) - words):
                raise ValueError(f"'{wrong[0]}' is no known status word, expected one of {', '.join(sorted(words))}")
        msgspec.structs.force_setattr(self, "money_status", money)
        msgspec.structs.force_setattr(self, "person_status", person)


class HeaderMatch(msgspec.Struct, frozen=True):
    """What a header holds: `columns` maps column -> index of its field; `complete` when a source can be read by it."""

    columns: dict[str, int]
    missing: tuple[str, ...]
    ambiguous: dict[str, tuple[str, ...]]
    ignored: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.missing and not self.ambiguous


@lru_cache(maxsize=4_096)
def letters(name: str) -> str:
    """What names are compared by: letters and digits, lower case, without accents."""
    bare = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in bare if c.isalnum())


@lru_cache(maxsize=64)
def _default_names(source: Source) -> dict[str, tuple[str, int]]:
    """Compared name -> (column, standing): 1 for the source's own name, 2 for an alias, 3 for a weak one."""
    names: dict[str, tuple[str, int]] = {}
    for column, text in _ALIASES[source].items():
        for standing, aliases in enumerate(text.split("|"), start=2):
            names.update({letters(alias): (column, standing) for alias in aliases.split()})
    names.update({letters(column): (column, 1) for column in COLUMNS[source]})
    return names


def accepted_names(source: Source, column: str, mapping: Mapping) -> list[str]:
    """Names a header may use for a column, best first, for messages."""
    own = mapping.columns.get(source, {}).get(column, [])
    return [*own, column, *_ALIASES[source][column].replace("|", "").split()]


def match_header(source: Source, header: Sequence[str], mapping: Mapping) -> HeaderMatch:
    """Find the columns of a source in a header (or in the keys of an object)."""
    names = dict(_default_names(source))
    for column, own in mapping.columns.get(source, {}).items():
        names.update({letters(name): (column, 0) for name in own})
    found: dict[str, list[tuple[int, int]]] = {}
    for index, text in enumerate(header):
        column, standing = names.get(letters(text), ("", 0))
        if column:
            found.setdefault(column, []).append((standing, index))
    columns: dict[str, int] = {}
    ambiguous: dict[str, tuple[str, ...]] = {}
    for column in COLUMNS[source]:
        best = min((standing for standing, _ in found.get(column, ())), default=None)
        indexes = [index for standing, index in found.get(column, ()) if standing == best]
        if len(indexes) == 1:
            columns[column] = indexes[0]
        elif indexes:
            ambiguous[column] = tuple(header[i] for i in indexes)
    absent = (c for c in COLUMNS[source] if c not in found and c not in OPTIONAL[source])
    taken = {*columns.values(), *(i for c in ambiguous for _, i in found[c])}
    ignored = tuple(text for i, text in enumerate(header) if i not in taken and text.strip())
    return HeaderMatch(columns, tuple(absent), ambiguous, ignored)


def guess_source(header: Sequence[str], mapping: Mapping) -> Source | None:
    """The source a header can only belong to, or None: deposits, withdrawals and bonuses look alike."""
    matches = {source: match_header(source, header, mapping) for source in SOURCES}
    fitting = {source: len(match.columns) for source, match in matches.items() if match.complete}
    best = [source for source, columns in fitting.items() if columns == max(fitting.values())]
    return best[0] if len(best) == 1 else None


_SOURCE_OF_NAME: Final[dict[str, Source]] = {
    name: source for source, names in _SOURCE_NAMES.items() for name in names.split()
}
_EXTENSION: Final = re.compile(r"(\.(csv|xlsx|gz))+$", re.IGNORECASE)
_NUMBERING: Final = re.compile(r"[\s_.-]*\(?[0-9]+([\s_.T:-]*[0-9]+)*\)?$")


def source_of_word(word: str) -> Source | None:
    """The source of a name that stands alone (`depositos`, `Deposits`, `users`), or None."""
    return _SOURCE_OF_NAME.get(normalise_word(word))


def source_of_filename(name: str) -> Source | None:
    """The source a file's name tells, or None.

    The name may carry a prefix ended by a separator (`upbet_plataforma_public_users.csv`) and, at its end, a
    number or date (`deposits-2025-06.csv.gz`, `saque (2).csv`).
    """
    stem = _EXTENSION.sub("", re.split(r"[/\\]", name)[-1])
    words = normalise_word(_NUMBERING.sub("", stem).replace(".", "_")).strip("_").split("_")
    return next((s for s in (_SOURCE_OF_NAME.get("_".join(words[i:])) for i in range(len(words))) if s), None)
