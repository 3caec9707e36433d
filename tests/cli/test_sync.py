"""`sync`, `mapping`, and rebuilds from an operations database, as commands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fature_kv.keyspace import tenant_keys
from fature_kv.store import Store
from tests.support.commands import Commands
from tests.support.figures_held import figures_held
from tests.support.operations_database import fill_with_rows, new_database

PASSWORD = "segredo-hunter22"


@pytest.fixture(scope="module")
def url(operations_server: str, sample: Path) -> str:
    """The sample in an operations database."""
    made = new_database(operations_server)
    fill_with_rows(made, sample)
    return made


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def synced(cli: Commands, url: str) -> str:
    """A tenant that was filled by `sync`."""
    cli("tenant", "create", "synced")
    cli("sync", "--tenant", "synced", "--ops-url", url)
    return "synced"


def test_it_answers_as_import_does_and_neither_adds_to_the_other(
    cli: Commands, store: Store, url: str, sample: Path, small: str, synced: str
) -> None:
    cli("tenant", "create", "other")
    done = cli.json("sync", "--tenant", "other", "--ops-url", url)
    imported = cli.json("import", "--tenant", "other", sample)
    assert set(imported) < set(done)
    assert sum(done["applied"].values()) == imported["duplicates"] > 0
    assert imported["applied"] == {}
    assert figures_held(store, "other") == figures_held(store, small) == figures_held(store, synced)
    assert cli.json("sync", "--tenant", small, "--ops-url", url)["applied"] == {}


def test_the_url_may_stand_in_the_environment(cli: Commands, url: str, synced: str) -> None:
    told = cli("sync", "--tenant", synced, "--lang", "pt-BR", environ={"FATURE_OPS_URL": url})
    assert "linhas" in told.out
    assert "FATURE_OPS_URL" in cli("sync", "--tenant", synced, code=2).complaint
    assert "FATURE_OPS_URL" in cli("sync", "--tenant", synced, code=2, environ={"FATURE_OPS_URL": "x://y"}).complaint


def test_nothing_of_the_url_is_kept_or_told(cli: Commands, store: Store, url: str, synced: str) -> None:
    secret = f"{url}&password={PASSWORD}"
    done = [cli("sync", "--tenant", synced, "--json", environ={"FATURE_OPS_URL": secret, "FATURE_LOG_LEVEL": "debug"})]
    wrong = f"postgresql://robert:{PASSWORD}@127.0.0.1:1/d"
    done.append(cli("sync", "--tenant", synced, "--ops-url", wrong, code=1, environ={"FATURE_LOG_LEVEL": "debug"}))
    assert "can't be reached" in done[-1].complaint
    done.append(cli("sync", "--tenant", synced, "--ops-url", f"postgresql://r:{PASSWORD}@[d", code=2))
    done.append(cli("run", "list", "--tenant", synced, "--json"))
    for one in done:
        assert PASSWORD not in one.out + one.err
        assert "robert" not in one.out + one.err
    held = store.call("HVALS", tenant_keys(synced).runs) + store.call("HGETALL", tenant_keys(synced).sync)
    assert not [value for value in held if PASSWORD.encode() in value or b"host=" in value]


def test_what_was_read_before_a_failure_counts_and_the_next_sync_completes(
    cli: Commands, operations_server: str, store: Store, sample: Path, synced: str
) -> None:
    broken = new_database(operations_server)
    fill_with_rows(broken, sample)
    with psycopg.connect(broken, autocommit=True) as admin:
        admin.execute("alter view casino_bets_v rename to kept")
        admin.execute(
            "create view casino_bets_v as select id, user_id, 1 / (id - 900) as stake, win, criado_em from kept"
        )
        cli("tenant", "create", "broken")
        failed = cli("sync", "--tenant", "broken", "--ops-url", broken, code=1)
        assert "'casino_bets_v'" in failed.complaint
        assert "division by zero" in failed.complaint
        assert "depositos" in failed.err.split("applied so far")[1]
        admin.execute("drop view casino_bets_v; alter view kept rename to casino_bets_v")
    assert set(cli.json("sync", "--tenant", "broken", "--ops-url", broken)["applied"]) == {"casino_bets_v", "saque"}
    assert figures_held(store, "broken") == figures_held(store, synced)
    assert [run["finished_at"] is None for run in cli.json("run", "list", "--tenant", "broken")["items"]] == [
        False,
        True,
    ]


def test_what_no_index_serves_is_told(cli: Commands, url: str, admin: psycopg.Connection[Any], synced: str) -> None:
    cli("sync", "--tenant", synced, "--ops-url", url)  # a rebuild before this asks for everything once
    admin.execute("drop index saque_atualizado_em_idx")
    told = cli("sync", "--tenant", synced, "--ops-url", url, "--json", environ={"FATURE_SYNC_SCAN_ROWS": "0"})
    assert [(gap["source"], gap["columns"]) for gap in told.json["left_to_full"]] == [("saque", ["atualizado_em"])]
    assert "sync --full" in told.err
    admin.execute("create index on saque (atualizado_em)")


def test_names_of_a_tenants_own(cli: Commands, url: str, admin: psycopg.Connection[Any], tmp_path: Path) -> None:
    cli("tenant", "create", "named")
    document = tmp_path / "mapping.json"
    document.write_text(json.dumps({"tables": {"saque": "retiradas"}, "money_status": {"liquidado": "approved"}}))
    admin.execute("create view retiradas as select id, user_id, valor, 'liquidado' as status, criado_em from saque")
    assert not cli.json("mapping", "set", "--tenant", "named", document)["owes_rebuild"]
    assert cli.json("mapping", "show", "--tenant", "named")["tables"] == {"saque": "retiradas"}
    assert not cli.json("sync", "--tenant", "named", "--ops-url", url)["quarantined"]
    admin.execute("drop view retiradas")
    assert "'retiradas'" in cli("sync", "--tenant", "named", "--ops-url", url, code=1).complaint
    document.write_text("{}")
    changed = cli("mapping", "set", "--tenant", "named", document, "--json")
    assert changed.json["owes_rebuild"]
    assert "rebuild --tenant named --from ops" in changed.err
    assert "rebuild --tenant named --from ops" in cli("doctor").out.replace("\n", " ")
    cli("rebuild", "--tenant", "named", "--from", "ops", "--ops-url", url)
    assert not cli.json("mapping", "show", "--tenant", "named")["owes_rebuild"]
    document.write_text('{"columns": {"saque": {"preco": ["x"]}}}')
    assert "'preco' is no column" in cli("mapping", "set", "--tenant", "named", document, code=2).complaint


def test_rows_of_files_follow_the_mapping_too(cli: Commands, tmp_path: Path) -> None:
    cli("tenant", "create", "filed")
    (tmp_path / "mapping.json").write_text('{"columns": {"cadastro": {"id": ["Matrícula"]}}}')
    cli("mapping", "set", "--tenant", "filed", tmp_path / "mapping.json")
    file = tmp_path / "cadastro.csv"
    file.write_text("matricula,nome,email,telefone,status,criado_em\n1,Ana,,,ativo,2025-06-26\n")
    assert cli.json("import", "--tenant", "filed", file)["applied"] == {"cadastro": 1}


def test_reconcile_and_rebuild(cli: Commands, operations_server: str, store: Store, sample: Path, synced: str) -> None:
    mine = new_database(operations_server)
    fill_with_rows(mine, sample)
    cli("tenant", "create", "mine")
    cli("sync", "--tenant", "mine", "--ops-url", mine)
    against = ("reconcile", "--tenant", "mine", "--against", "ops", "--ops-url", mine)
    assert cli.json(*against)["count"] == 0
    with psycopg.connect(mine, autocommit=True) as admin:
        admin.execute("delete from depositos where id = 9")
    found = cli(*against, "--json", code=1).json
    assert [(row["source"], row["id"], row["kind"]) for row in found["rows"]] == [("depositos", "9", "deleted")]
    refused = cli("rebuild", "--tenant", "mine", "--from", "ops", "--ops-url", mine, code=1).complaint
    assert "depositos 9 (deleted)" in refused
    assert "deleted" in cli(*against, code=1).out
    applied = cli.json(*against, "--apply")
    assert (applied["count"], applied["void"]) == (0, {"depositos": 1})
    before = figures_held(store, "mine")
    assert cli.json("rebuild", "--tenant", "mine", "--from", "ops", "--ops-url", mine)["from"] == "ops"
    assert figures_held(store, "mine") == before != figures_held(store, synced)
    assert "--against ops" in cli("reconcile", "--tenant", "mine", "--against", "journal", "--apply", code=2).complaint


def test_readers_and_writers_go_on_while_it_is_rebuilt(cli: Commands, url: str, store: Store, synced: str) -> None:
    from fature_kv import tenants
    from fature_kv.figures import affiliates
    from fature_kv.figures import tenant as standing
    from fature_kv.figures.reading import run

    done = threading.Event()
    seen: list[int] = []
    reader = store.another()

    def read() -> None:
        while not done.is_set():
            seen.append(run(reader, standing.standing(synced, lambda t: affiliates.affiliate(t, 1))).network_size)
            time.sleep(0.001)

    thread = threading.Thread(target=read)
    thread.start()
    live = tenants.get(store, synced).live
    try:
        cli("rebuild", "--tenant", synced, "--from", "ops", "--ops-url", url)
    finally:
        done.set()
        thread.join()
        reader.close()
    assert tenants.get(store, synced).live > live
    assert len(seen) > 20
    assert len(set(seen)) == 1


def test_validate_compares_a_database_with_what_is_held(
    cli: Commands, url: str, synced: str, admin: psycopg.Connection[Any]
) -> None:
    found = cli.json("validate", "--tenant", synced, "--ops-url", url)
    assert found["same"] is True
    assert [each["source"] for each in found["sources"]][:2] == ["cadastro", "tracked"]
    admin.execute("update depositos set valor = valor + 1 where id = 1")
    try:
        changed = cli("validate", "--tenant", synced, "--ops-url", url, "--json", code=1).json
    finally:
        admin.execute("update depositos set valor = valor - 1 where id = 1")
    (report,) = [each for each in changed["sources"] if each["differences"]]
    assert (report["source"], report["examples"][0]["kind"], report["examples"][0]["id"]) == (
        "depositos",
        "other_version",
        "1",
    )
    complaint = cli("validate", "--tenant", synced, "--against", "x", "--ops-url", url, code=2).complaint
    assert "either --against PATH or --ops-url URL" in complaint
    assert PASSWORD not in complaint
