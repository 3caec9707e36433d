"""An operator's database for tests: the embedded PostgreSQL, its schema as an operator has it, rows of files in it."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from psycopg import conninfo

from fature_kv import embedded
from fature_kv.domain.calendar import rfc3339
from fature_kv.domain.mapping import COLUMNS, Mapping
from fature_kv.domain.money import money_text
from fature_kv.domain.rows import BadRow, Row
from fature_kv.settings import Settings
from fature_kv.sources.files import find_files, open_source
from tests.support.servers import scratch_dir

_numbers = itertools.count(1)

SCHEMA = """
create table cadastro (id bigint primary key, nome text, email text, telefone text, status text,
    criado_em timestamptz not null, atualizado_em timestamptz);
create table tracked (user_id bigint, referrer_id bigint, tracked_em timestamptz not null,
    primary key (user_id, referrer_id));
create table depositos (id bigint primary key, user_id bigint, valor numeric(14, 2), status text,
    criado_em timestamptz, atualizado_em timestamptz);
create table saque (like depositos including all);
create table bonus (like depositos including all);
create table apostas (id bigint primary key, user_id bigint, stake numeric(14, 2), win numeric(14, 2),
    criado_em timestamptz, game_id int);
create table games (id int primary key, name text);
create view casino_bets_v as select a.id, a.user_id, a.stake, a.win, a.criado_em, g.name as game
    from apostas a left join games g on g.id = a.game_id;
create index on cadastro (atualizado_em);
create index on tracked (tracked_em);
create index on depositos (atualizado_em);
create index on saque (atualizado_em);
create index on bonus (atualizado_em);
"""
"""Indexes as docs/operations.md asks for them."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of an embedded PostgreSQL of one's own."""
    with scratch_dir() as path:
        settings = Settings(data_dir=str(path / "postgres"), redis_url="redis://unused")
        with embedded.lease(settings, postgres=True) as held:
            assert held.archive_url is not None
            yield held.archive_url


def new_database(server: str, schema: str = SCHEMA) -> str:
    """The URL of a new database with a schema."""
    name = f"operations_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    url = with_parameters(server, name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(schema)
    return url


def with_parameters(url: str, database: str, **others: str) -> str:
    """The URL of another database, or of another user, of the same server."""
    told = conninfo.conninfo_to_dict(url)
    host = str(told["host"]).replace("/", "%2F")
    user = others.pop("user", told.get("user"))
    query = "".join(f"&{name}={value}" for name, value in others.items())
    return f"postgresql://{user}@/{database}?host={host}{query}"


def fill(url: str, folder: Path) -> None:
    """Copies source files into the tables of their names; bets into the table below the view."""
    with psycopg.connect(url) as connection:
        for path in sorted(folder.glob("*.csv")):
            with path.open(newline="") as file:
                header = next(csv.reader(file))
                table = "apostas" if path.stem == "casino_bets_v" else path.stem
                query = f"copy {table} ({', '.join(header)}) from stdin with (format csv)"
                with connection.cursor().copy(query) as copy:
                    while block := file.read(1 << 16):
                        copy.write(block)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def fill_with_rows(url: str, folder: Path) -> None:
    """The same for files of any spelling: each row as our reader of files has it."""
    with psycopg.connect(url) as connection:
        for path in find_files([folder]):
            file = open_source(path, ZoneInfo("America/Sao_Paulo"), Mapping())
            table = "apostas" if file.source == "casino_bets_v" else file.source
            query = f"copy {table} ({', '.join(COLUMNS[file.source])}) from stdin"
            with connection.cursor().copy(query) as copy:
                for row in file.rows():
                    copy.write_row(_values(row))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _values(row: Row | BadRow) -> list[Any]:
    assert not isinstance(row, BadRow)
    told = msgspec.structs.asdict(row)
    told.pop("source", None)
    for name in ("amount", "stake", "win"):
        if name in told:
            told[name] = money_text(told[name])
    return [rfc3339(value) if name.endswith("_at") and value is not None else value for name, value in told.items()]
