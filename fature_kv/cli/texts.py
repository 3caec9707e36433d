"""Words of tables and of the demo, in English and in Brazilian Portuguese; messages of errors are English."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["en", "pt-BR"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "pt-BR")

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    # columns
    "rank": ("#", "#"),
    "affiliate": ("affiliate", "afiliado"),
    "id": ("id", "id"),
    "name": ("name", "nome"),
    "email": ("e-mail", "e-mail"),
    "phone": ("phone", "telefone"),
    "status": ("status", "situação"),
    "sponsor": ("sponsor", "patrocinador"),
    "registered": ("registered", "cadastro"),
    "level": ("level", "nível"),
    "people": ("people", "pessoas"),
    "validated": ("validated", "validados"),
    "ftd": ("FTD", "FTD"),
    "referrals": ("referrals", "indicados"),
    "deposits": ("deposits", "depósitos"),
    "withdrawals": ("withdrawals", "saques"),
    "bonus": ("bonus", "bônus"),
    "bets": ("bets", "apostas"),
    "wins": ("wins", "prêmios"),
    "ggr": ("GGR", "GGR"),
    "cpa": ("CPA", "CPA"),
    "rev": ("REV", "REV"),
    "streak": ("streak", "sequência"),
    "total": ("total", "total"),
    "own": ("own play", "jogo próprio"),
    "network": ("network", "rede"),
    "network_size": ("network size", "tamanho da rede"),
    "days_active": ("active days", "dias ativos"),
    "first_deposit_on": ("first deposit", "primeiro depósito"),
    "qualified_on": ("qualified", "qualificado em"),
    "period": ("period", "período"),
    "score": ("score", "valor"),
    "slug": ("slug", "slug"),
    "timezone": ("time zone", "fuso"),
    "currency": ("currency", "moeda"),
    "created": ("created", "criado em"),
    "run": ("run", "execução"),
    "began": ("began", "início"),
    "ended": ("ended", "fim"),
    "applied": ("applied", "aplicadas"),
    "duplicates": ("duplicates", "repetidas"),
    "parked": ("parked", "em espera"),
    "quarantined": ("quarantined", "em quarentena"),
    "read": ("read", "lidas"),
    "differences": ("differences", "diferenças"),
    "difference": ("difference", "diferença"),
    "figure": ("figure", "número"),
    "in_source": ("in the source", "na fonte"),
    "in_redis": ("in Redis", "no Redis"),
    "left": ("left", "restantes"),
    "state": ("state", "estado"),
    "unfinished": ("not ended", "não terminou"),
    "finished": ("ended", "terminou"),
    "undone": ("taken back", "desfeita"),
    "decision": ("decision", "decisão"),
    "what": ("what", "o quê"),
    "source": ("source", "fonte"),
    "reason": ("reason", "motivo"),
    "row": ("row", "linha"),
    "rows": ("rows", "linhas"),
    "line": ("line", "linha"),
    "at": ("at", "quando"),
    "column": ("column", "coluna"),
    "header": ("header", "cabeçalho"),
    "ignored": ("ignored", "ignoradas"),
    "file": ("file", "arquivo"),
    "sheet": ("sheet", "planilha"),
    "check": ("check", "verificação"),
    "result": ("result", "resultado"),
    "what_to_do": ("what to do", "o que fazer"),
    "key": ("key", "chave"),
    "kind": ("what", "o que"),
    "field": ("field", "campo"),
    "live": ("live", "em uso"),
    "rebuilt": ("rebuilt", "refeito"),
    "today": ("day", "dia"),
    "month": ("month", "mês"),
    "previous_month": ("month before", "mês anterior"),
    # sentences
    "empty": ("nothing", "nada"),
    "more": ("there is more: --cursor {cursor}", "há mais: --cursor {cursor}"),
    "leaderboard": ("Leaderboard: {metric}, {key} ({total} listed)", "Ranking: {metric}, {key} ({total} na lista)"),
    "dashboard": ("Dashboard of affiliate {id} on {day}", "Painel do afiliado {id} em {day}"),
    "as_of": ("figures as of {at}", "números de {at}"),
    "never": ("never", "nunca"),
    "done_import": (
        "{rows} rows in {seconds} s ({rate} rows/s), run {run}",
        "{rows} linhas em {seconds} s ({rate} linhas/s), execução {run}",
    ),
    "sheet_empty": (
        "{path}: sheet '{sheet}' is empty and left out",
        "{path}: a planilha '{sheet}' está vazia e fica de fora",
    ),
    "sheet_no_source": (
        "{path}: sheet '{sheet}' is left out: none of its first lines is like the header of a source",
        "{path}: a planilha '{sheet}' fica de fora: nenhuma das primeiras linhas parece o cabeçalho de uma fonte",
    ),
    "sample_writing": (
        "Writing the data set '{what}' into {folder}",
        "Gravando o conjunto de dados '{what}' em {folder}",
    ),
    "reading": ("checking files", "verificando arquivos"),
    "boards": ("boards", "rankings"),
    "same": ("no difference", "nenhuma diferença"),
    "gap_skipped": (
        "'{table}' was not read: no index serves {columns}; `sync --full` reads it (or make an index)",
        "'{table}' não foi lida: nenhum índice serve {columns}; `sync --full` a lê (ou crie um índice)",
    ),
    "gap_unchanged": (
        "'{table}': no index serves {columns}, so rows that changed there come with `sync --full` (or make an index)",
        "'{table}': nenhum índice serve {columns}; linhas alteradas vêm com `sync --full` (ou crie um índice)",
    ),
    "mapping_owes_rebuild": (
        "rows were read by an earlier mapping: `fature-kv rebuild --tenant {slug} --from ops` reads them anew",
        "linhas foram lidas por um mapeamento anterior: `fature-kv rebuild --tenant {slug} --from ops` as relê",
    ),
    "decided": ("decided; all figures follow it", "decidido; todos os números já seguem a decisão"),
    "decided_already": ("that is so already; nothing was changed", "já está assim; nada mudou"),
    "undone_run": (
        "run {run} was taken back; the same rows count again when they are read again",
        "a execução {run} foi desfeita; as mesmas linhas voltam a contar quando forem lidas de novo",
    ),
    "undone_already": ("run {run} was taken back before", "a execução {run} já tinha sido desfeita"),
    "demo_real": ("Loading the data set at {folder}", "Carregando os dados de {folder}"),
    "demo_own": (
        "Loading a small data set made with a seed",
        "Carregando um pequeno conjunto de dados com semente fixa",
    ),
    "demo_again": ("All rows were in already", "Todas as linhas já estavam carregadas"),
    "demo_token": ("A manager's token of tenant '{slug}'", "Um token de gerente do tenant '{slug}'"),
    "demo_try": ("Try, while it serves", "Experimente, enquanto o serviço roda"),
    "demo_open": ("open {url}/schema for the OpenAPI document", "abra {url}/schema para o documento OpenAPI"),
    "demo_serve_later": (
        "To serve this data: `fature-kv serve`, or `make demo`",
        "Para servir estes dados: `fature-kv serve`, ou `make demo`",
    ),
    "serving": ("Serving on {url} (Ctrl-C ends it)", "Servindo em {url} (Ctrl-C encerra)"),
    "stopped": ("Stopped.", "Encerrado."),
}


def text(name: str, language: Language, **values: object) -> str:
    """A text in a language, with its values filled in."""
    english, portuguese = _TEXTS[name]
    return (portuguese if language == "pt-BR" else english).format(**values)


def language_of(environ: Mapping[str, str] = os.environ) -> Language:
    """The language that the environment asks for; English unless it is Portuguese."""
    asked = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "pt-BR" if asked.lower().startswith("pt") else "en"


def number(value: int, language: Language) -> str:
    """`1,234,567`, or `1.234.567`."""
    grouped = f"{value:,}"
    return grouped.replace(",", ".") if language == "pt-BR" else grouped


def money(cents: int, language: Language) -> str:
    """`-1,234.56`, or `-1.234,56`."""
    whole, rest = divmod(abs(cents), 100)
    point = "," if language == "pt-BR" else "."
    return f"{'-' if cents < 0 else ''}{number(whole, language)}{point}{rest:02d}"
