"""An operations database read: values of any type, what an index serves, and databases that are not what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from fature_kv.domain.mapping import Mapping
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import BadRow, Bet, Money, Person
from fature_kv.errors import OperationsError, UsageError
from fature_kv.settings import Settings
from fature_kv.sources.mappings import Stored
from fature_kv.sources.operations import Operations
from fature_kv.sources.ops_cursors import Cursor, Mark
from fature_kv.sources.ops_database import Database
from tests.support.operations_database import new_database, with_parameters

ZONE = ZoneInfo("America/Sao_Paulo")
NOON = "2025-06-26 12:00:00-03"
AT = 1_750_950_000_000_000
SETTINGS = Settings()


@pytest.fixture
def url(operations_server: str) -> str:
    return new_database(operations_server)


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def opened(url: str, mapping: Mapping | None = None, settings: Settings = SETTINGS) -> Operations:
    stored = Stored(document=mapping or Mapping())
    return Operations(Database(url, settings.ops_timeout_s), stored, ZONE, settings)


def read(operations: Operations, source: Any, before: Cursor | None = None, **how: Any) -> tuple[list[Any], Any]:
    pull = operations.pull(source, before, **how)
    rows = [row for some in pull.lists(100) for row in some]
    operations.database.close()
    return rows, pull


def fill(admin: psycopg.Connection[Any], many: int, first: int = 1) -> None:
    admin.execute(
        "insert into depositos select n, 1, 10, 'approved', timestamptz '2025-01-01' + n * interval '1 minute', "
        "timestamptz '2025-01-01' + n * interval '1 minute' from generate_series(%s::int, %s) n",
        [first, first + many - 1],
    )
    admin.execute(
        "insert into apostas select n, 1, 1, 0, timestamptz '2025-01-01' + n * interval '1 minute', n %% 5 "
        "from generate_series(%s::int, %s) n",
        [first, first + many - 1],
    )
    admin.execute("insert into games select n, 'g' from generate_series(0, 4) n where not exists (select from games)")
    admin.execute("vacuum analyze")


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "value", "cents"),
    [
        ("numeric(14, 2)", "105.57", 10557),
        ("numeric(14, 4)", "105.57", 10557),
        ("numeric", "1e3", 100_000),
        ("numeric", "105.575", "bad_money"),
        ("numeric(14, 8)", "10.50000001", "bad_money"),
        ("numeric", "NaN", "bad_money"),
        ("numeric", "-1", "negative"),
        ("double precision", "0.30000000000000004", 30),
        ("real", "105.57", 10557),
        ("double precision", "105.575", "bad_money"),
        ("double precision", "Infinity", "bad_money"),
        ("text", "1.234,56", 123_456),
        ("text", "abc", "bad_money"),
        ("text", "1.234", "bad_money"),
        ("integer", "7", 700),
        ("money", "1234.5", 123_450),
    ],
)
def test_money_of_any_type(url, admin, type_, value, cents):
    admin.execute(f"alter table depositos alter valor type {type_} using null")
    admin.execute(f"insert into depositos values (1, 2, '{value}', null, '{NOON}')")
    ((row,), _) = read(opened(url), "depositos")
    assert row == Money("depositos", 1, 2, cents, "approved", AT) if isinstance(cents, int) else row.reason == cents


@pytest.mark.parametrize(
    ("type_", "value", "instant"),
    [
        ("timestamptz", "2025-06-26 15:00:00+00", AT),
        ("timestamp", "2025-06-26 12:00:00", AT),
        ("timestamp", "2025-06-26 12:00:00.25", AT + 250_000),
        ("date", "2025-06-26", AT - 12 * 3_600_000_000),
        ("text", "26/06/2025 12:00", AT),
        ("text", "yesterday", "bad_time"),
        ("timestamptz", "infinity", "bad_time"),
        ("timestamptz", "1999-12-31", "before_2000"),
    ],
)
def test_times_of_any_type(url, admin, type_, value, instant):
    admin.execute("drop view casino_bets_v")
    admin.execute(f"create table casino_bets_v (id int, user_id int, stake text, win real, criado_em {type_})")
    admin.execute(f"insert into casino_bets_v values (1, 2, '1,00', 0.5, '{value}')")
    ((row,), _) = read(opened(url), "casino_bets_v")
    assert row == Bet(1, 2, 100, 50, instant) if isinstance(instant, int) else row.reason == instant


def test_values_are_those_that_a_file_would_have(url, admin):
    admin.execute(f"insert into cadastro values (1, ' Ana ', null, '+55', 'Bloqueado', '{NOON}', null)")
    admin.execute(f"insert into cadastro values (2, 'Bia', '', '', 'on holiday', '{NOON}', '{NOON}')")
    rows, _ = read(opened(url), "cadastro")
    parser = RowParser(ZONE, Mapping())
    named = {"id": "2", "nome": "Bia", "email": "", "telefone": "", "status": "on holiday"}
    times = {"criado_em": "2025-06-26 15:00:00+00", "atualizado_em": "2025-06-26 15:00:00+00"}
    assert rows == [Person(1, "Ana", "", "+55", "blocked", AT), parser.parse("cadastro", named | times)]
    assert isinstance(rows[1], BadRow)


def test_a_mapping_names_tables_columns_and_words(url, admin):
    admin.execute('create schema "Loja"')
    admin.execute('create table "Loja"."Pagamentos" ("N" int, quem int, quanto text, estado text, quando timestamptz)')
    admin.execute(f"insert into \"Loja\".\"Pagamentos\" values (1, 2, '3,00', 'Liquidado', '{NOON}')")
    mapping = Mapping(
        tables={"depositos": "Loja.Pagamentos"},
        columns={"depositos": {"id": ["N"], "user_id": ["quem"], "valor": ["quanto"], "criado_em": ["quando"]}},
        money_status={"liquidado": "approved"},
    )
    assert read(opened(url, mapping), "depositos")[0] == [Money("depositos", 1, 2, 300, "approved", AT)]


# -- what an index serves ---------------------------------------------------------------------------------------------


def read_up_to(id_: int) -> Cursor:
    """The cursor of somebody who has read up to an id."""
    return Cursor(0, id_, 5, [Mark(1, id_, 5)])


def plans(operations: Operations, source: Any, before: Cursor) -> list[dict[str, Any]]:
    """What PostgreSQL does for the queries of an incremental read."""
    database = operations.database
    with database.transaction("can't be explained", by_index=True):
        reading = operations.incremental(operations.tables[source], before)
        plan = database.rows(f"explain (analyze, timing off, format json) {reading.query}")[0][0][0]["Plan"]
        return plan["Plans"] if plan["Node Type"] == "Append" else [plan]


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for each in plan.get("Plans", ()):
        yield from scans(each)


@pytest.mark.parametrize("source", ["depositos", "casino_bets_v"])
def test_an_incremental_read_touches_only_what_is_new(url, admin, source):
    fill(admin, 30_000)
    settings = Settings(sync_overlap_rows=20)
    _, pull = read(opened(url, settings=settings), source)
    fill(admin, 7, first=30_001)
    operations = opened(url, settings=settings)
    found = plans(operations, source, pull.cursor)
    operations.database.close()
    assert len(found) == (2 if source == "depositos" else 1)
    for plan in found:
        assert "Sort" not in json.dumps(plan)
        for scan in scans(plan):
            if scan["Relation Name"] != "games":
                assert scan["Node Type"].startswith(("Index", "Bitmap")), plan
                touched = scan["Actual Rows"] * scan["Actual Loops"] + scan.get("Rows Removed by Filter", 0)
                assert touched <= 7 + 60, "more than what is new and the overlap"


@pytest.mark.parametrize("source", ["depositos", "casino_bets_v"])
def test_new_rows_of_a_restored_database_are_found_after_a_whole_read(url, admin, source):
    """A restore goes back to lower ids; those that are given out then are below what was read before."""
    settings = Settings(sync_scan_rows=0, sync_overlap_rows=0)
    fill(admin, 300)
    _, pull = read(opened(url, settings=settings), source, read_up_to(9_000), full=True)
    assert (pull.whole, pull.cursor.id, pull.cursor.marks[-1].id) == (True, 300, 300)
    fill(admin, 5, first=301)
    rows, pull = read(opened(url, settings=settings), source, pull.cursor)
    assert (pull.whole, {row.id for row in rows} >= set(range(301, 306))) == (False, True)


def test_nothing_is_read_from_a_large_table_without_an_index(url, admin):
    admin.execute("alter table apostas drop constraint apostas_pkey")
    admin.execute("drop index depositos_atualizado_em_idx")
    fill(admin, 3_000)
    before = read_up_to(2_990)
    settings = Settings(sync_scan_rows=1_000, sync_overlap_rows=0)
    rows, pull = read(opened(url, settings=settings), "casino_bets_v", before)
    assert (rows, pull.gap.left, pull.gap.columns, pull.cursor) == ([], "skipped", ("id",), before)
    rows, pull = read(opened(url, settings=settings), "depositos", before)
    assert ([row.id for row in rows], pull.gap.left, pull.gap.columns) == (
        list(range(2_991, 3_001)), "unchanged", ("atualizado_em",),
    )  # fmt: skip
    assert pull.cursor.time == before.time
    rows, pull = read(opened(url, settings=settings), "casino_bets_v", before, full=True)
    assert len(rows) == 3_000


def test_a_small_table_without_an_index_is_read_whole(url, admin):
    admin.execute("alter table apostas drop constraint apostas_pkey")
    fill(admin, 300)
    rows, pull = read(opened(url), "casino_bets_v", read_up_to(300))
    assert (len(rows), pull.gap) == (300, None)


def test_a_small_table_beside_a_large_one_may_lack_its_index(url, admin):
    admin.execute("alter table games drop constraint games_pkey")
    fill(admin, 3_000)
    settings = Settings(sync_scan_rows=1_000, sync_overlap_rows=0)
    rows, pull = read(opened(url, settings=settings), "casino_bets_v", read_up_to(2_990))
    assert ([row.id for row in rows], pull.gap) == (list(range(2_991, 3_001)), None)


def test_a_view_that_lets_no_condition_through_is_not_read_by_its_index(url, admin):
    fill(admin, 3_000)
    admin.execute("drop view casino_bets_v")
    admin.execute(
        "create view casino_bets_v as select id, user_id, stake, win, criado_em, row_number() over () from apostas"
    )
    _, pull = read(opened(url, settings=Settings(sync_scan_rows=1_000)), "casino_bets_v", read_up_to(2_990))
    assert pull.gap.left == "skipped"


# -- databases that are not what they say -----------------------------------------------------------------------------


def test_bonus_need_not_be_there_others_do(url, admin):
    admin.execute("drop table bonus")
    operations = opened(url)
    assert "bonus" not in operations.tables
    operations.database.close()
    with pytest.raises(OperationsError, match="no table or view 'bonificacoes'"):
        opened(url, Mapping(tables={"bonus": "bonificacoes"}))
    admin.execute("drop table saque")
    with pytest.raises(OperationsError, match=r"no table or view 'saque'.*mapping set"):
        opened(url)


def test_a_column_that_is_missing_or_told_twice_is_named(url, admin):
    admin.execute("alter table depositos rename valor to preco")
    with pytest.raises(OperationsError, match=r"'depositos'.*no column 'valor'.*it has: id, user_id, preco"):
        opened(url)
    admin.execute("alter table depositos rename preco to amount")
    admin.execute("alter table depositos add quantia numeric")
    with pytest.raises(OperationsError, match="amount, quantia may all be 'valor'"):
        opened(url)


def test_a_user_without_the_right_is_told_so(operations_server, url, admin):
    admin.execute("drop role if exists reader; create role reader login password 'segredo'")
    admin.execute("grant select on cadastro, tracked, saque, bonus, casino_bets_v to reader")
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with pytest.raises(OperationsError, match=r"may not read 'id' of 'depositos'"):
        opened(with_parameters(operations_server, name, user="reader"))
    admin.execute("drop owned by reader; drop role reader")


def test_a_slow_statement_is_ended(url, admin):
    fill(admin, 10)
    admin.execute("drop view casino_bets_v")
    admin.execute(
        "create view casino_bets_v as select id, user_id, stake, win, criado_em, pg_sleep(5)::text from apostas"
    )
    with pytest.raises(OperationsError, match=r"'casino_bets_v'.*FATURE_OPS_TIMEOUT_S"):
        read(opened(url, settings=Settings(ops_timeout_s=0.3)), "casino_bets_v")


def test_a_connection_that_is_cut_keeps_what_was_read(url, admin):
    fill(admin, 500)
    operations = opened(url)
    pull = operations.pull("depositos", None)
    lists = pull.lists(100)
    assert len(next(lists)) == 100
    admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'fature%'")
    with pytest.raises(OperationsError, match="'depositos'"):
        list(lists)
    assert pull.cursor is None


def test_a_view_that_fails_in_the_middle_is_told(url, admin):
    fill(admin, 300)
    admin.execute("drop view casino_bets_v")
    admin.execute(
        "create view casino_bets_v as select id, user_id, stake, 1 / (200 - id) as win, criado_em from apostas"
    )
    with pytest.raises(OperationsError, match=r"'casino_bets_v'.*division by zero"):
        read(opened(url), "casino_bets_v")


def test_nothing_can_be_written(url, admin):
    operations = opened(url)
    with pytest.raises(OperationsError, match="read-only transaction"), operations.database.transaction("can't"):
        operations.database.rows("delete from cadastro returning 1")
    operations.database.close()


@pytest.mark.parametrize(
    "wrong", ["mysql://u:hunter22@h/d", "postgresql://u:hunter22@[h/d", "postgresql://u:hunter22@h/d?x"]
)
def test_a_url_that_is_none_is_not_repeated(wrong):
    with pytest.raises(UsageError, match="URL of the operations database") as refused:
        Database(wrong, 1.0)
    assert "hunter22" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_user_and_password_are_not_repeated():
    with pytest.raises(OperationsError, match="can't be reached") as refused:
        Database("postgresql://robert:hunter22@127.0.0.1:1/d", 1.0)
    assert not {"robert", "hunter22"} & set(str(refused.value).split())
