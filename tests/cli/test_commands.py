"""Commands as a person or a script calls them: output, exit codes, and one clear line when something is wrong."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from fature_kv import tenants
from fature_kv.store import Store
from tests.support.commands import Commands, end

PEOPLE = "id;nome;email;telefone;status;criado_em\n"
DEPOSITS = "id;user_id;valor;status;criado_em\n"
AT = "2025-06-20 12:00:00"


def new_tenant(cli: Commands, slug: str) -> str:
    cli("tenant", "create", slug)
    return slug


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def journal_length(store: Store, slug: str) -> int:
    return int(store.call("XLEN", tenants.get(store, slug).keys.journal))


# -- tenants and tokens ---------------------------------------------------------------------------------------------


def test_tenants_are_made_and_listed(cli):
    made = cli.json(
        "tenant", "create", "acme", "--name", "Acme Ltda", "--timezone", "America/Recife", "--currency", "usd"
    )
    assert {**made, "created_at": ""} == {
        "slug": "acme", "name": "Acme Ltda", "timezone": "America/Recife", "currency": "USD", "created_at": ""
    }  # fmt: skip
    assert made in cli.json("tenant", "list")["items"]
    assert "Acme Ltda" in cli("tenant", "list").out
    again = cli("tenant", "create", "acme", code=1)
    assert "exists already" in again.complaint
    assert again.out == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Big Corp"], "slug"),
        (["zoned", "--timezone", "Mars/Base"], "time zone"),
        (["paid", "--currency", "R$"], "currency"),
    ],
)
def test_a_tenant_that_can_not_be(cli, words, told):
    assert told in cli("tenant", "create", *words, code=2).complaint


def test_tokens(cli, small):
    token = cli.json("token", "create", "--tenant", small, "--role", "affiliate", "--affiliate", 7, "--ttl", "30d")
    assert list(token) == ["token"]
    assert token["token"].startswith("fkv_small_")
    assert cli("token", "create", "--tenant", small, "--role", "owner").out.startswith("fkv_small_")
    assert "affiliate's id" in cli("token", "create", "--tenant", small, "--role", "affiliate", code=2).complaint
    told = cli("token", "create", "--tenant", "nobody", "--role", "owner", code=1).complaint
    assert "fature-kv tenant create nobody" in told


# -- import ---------------------------------------------------------------------------------------------------------


def test_an_import_tells_what_became_of_the_rows(cli, sample):
    slug = new_tenant(cli, "imported")
    first = cli.json("import", "--tenant", slug, sample)
    assert set(first) == {
        "run", "applied", "duplicates", "parked", "quarantined", "seconds", "rows_per_second"
    }  # fmt: skip
    assert first["applied"] | {"tracked": 0} == {
        "cadastro": 300, "tracked": 0, "depositos": 3000, "casino_bets_v": 5000, "saque": 250
    }  # fmt: skip
    assert (first["duplicates"], first["parked"], first["quarantined"]) == (0, 0, {})
    assert first["rows_per_second"] > 0
    again = cli.json("import", "--tenant", slug, sample / "depositos.csv", sample / "casino_bets_v.csv")
    assert (again["applied"], again["duplicates"]) == ({}, 8000)
    shown = cli("import", "--tenant", slug, sample / "saque.csv").out
    assert "250 rows" in shown


def test_a_dry_run_shows_and_applies_nothing(cli, tmp_path):
    bad = written(
        tmp_path / "depositos.csv", DEPOSITS.replace("\n", ";obs\n") + f"1;1;1.234;ok;{AT};x\n2;1;10,00;pago;{AT};\n"
    )
    shown = cli.json("import", "--tenant", "unborn", bad, "--dry-run")
    assert shown["dry_run"] is True
    assert shown["timezone"] == "America/Sao_Paulo"
    (one,) = shown["files"]
    assert (one["source"], one["rows"], one["good"], one["reasons"]) == ("depositos", 2, 1, {"bad_money": 1})
    assert one["ignored"] == ["obs"]
    assert one["columns"]["valor"] == "valor"
    assert [(row["line"], row["reason"]) for row in one["bad"]] == [(2, "bad_money")]
    done = cli("import", "--tenant", "unborn", bad, "--dry-run")
    assert "no tenant 'unborn' yet" in done.err
    assert "bad_money" in done.out
    assert "unborn" not in json.dumps(cli.json("tenant", "list"))


def test_a_dry_run_starts_no_server(tmp_path, sample):
    cli = Commands(tmp_path / "data")
    done = cli("import", "--tenant", "any", sample, "--dry-run")
    assert "America/Sao_Paulo" in done.err
    assert not (tmp_path / "data").exists()


def workbook() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return held.getvalue()


BAD_FILES: dict[str, tuple[str, bytes | None, list[str]]] = {
    "truncated": ("depositos.csv.gz", gzip.compress(DEPOSITS.encode() * 4000)[:-20], ["truncated"]),
    "empty": ("cadastro.csv", b"", ["empty", "header"]),
    "a missing column": ("depositos.csv", b"id;valor;criado_em\n1;1,00;2025-06-20\n", ["line 1", "'user_id'"]),
    "a workbook under another name": ("cadastro.csv", workbook(), ["workbook"]),
    "an unknown source": ("things.csv", b"a;b\n1;2\n", ["neither name nor header"]),
    "another suffix": ("cadastro.txt", PEOPLE.encode(), [".csv"]),
    "an open quote": ("cadastro.csv", PEOPLE.encode() + b'1;"Ana;a@b;1;ativo;2025-06-20\n', ["line 2", "quot"]),
    "missing": ("cadastro.csv", None, ["no such file"]),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_is_not_what_it_says_stops_the_import_before_it_begins(cli, store, small, tmp_path, what):
    name, held, told = BAD_FILES[what]
    path = tmp_path / name
    if held is not None:
        path.write_bytes(held)
    good = written(tmp_path / "users.csv", PEOPLE + f"9001;Zoe;z@example.com;1;ativo;{AT}\n")
    before = journal_length(store, small)
    done = cli("import", "--tenant", small, good, path, "--json", code=1)
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert all(words in done.complaint for words in [str(path), *told]), done.complaint
    assert journal_length(store, small) == before


def test_an_empty_folder_and_an_unknown_tenant(cli, tmp_path):
    assert "no file in this folder" in cli("import", "--tenant", new_tenant(cli, "hollow"), tmp_path, code=1).complaint
    told = cli("import", "--tenant", "nobody", tmp_path, code=1).complaint
    assert "fature-kv tenant create nobody" in told
    assert "slug" in cli("import", "--tenant", "No Body", tmp_path, code=2).complaint


def test_rows_that_are_bad_or_early_are_listed(cli, tmp_path):
    slug = new_tenant(cli, "listed")
    written(tmp_path / "cadastro.csv", PEOPLE + f"1;Ana;a@example.com;1;ativo;{AT}\n")
    bad = "".join(f"{n};1;-1,00;pago;{AT}\n" for n in range(1, 4)) + f"4;1;1,00;talvez;{AT}\n5;2;1,00;pago;{AT}\n"
    written(tmp_path / "depositos.csv", DEPOSITS + bad)
    done = cli.json("import", "--tenant", slug, tmp_path)
    assert done["quarantined"] == {"negative": 3, "unknown_status": 1}
    assert done["parked"] == 1

    items: list[dict[str, Any]] = []
    cursor: list[str] = []
    while True:
        page = cli.json("quarantine", "list", "--tenant", slug, "--limit", 3, *cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 3
        cursor = ["--cursor", page["next_cursor"]]
    assert [item["id"] for item in items] == ["1", "2", "3", "4"]
    assert set(items[0]) == {"source", "id", "reason", "row", "at"}
    assert items[3]["reason"] == "unknown_status"
    assert items[3]["row"]["status"] == "talvez"

    (waiting,) = cli.json("quarantine", "list", "--tenant", slug, "--parked")["items"]
    assert (waiting["source"], waiting["id"], waiting["reason"], waiting["waits_for"]) == (
        "depositos",
        "5",
        "missing_user",
        2,
    )
    assert waiting["row"]["amount_cents"] == 100
    assert "missing_user" in cli("quarantine", "list", "--tenant", slug, "--parked").out
    assert "cursor" in cli("quarantine", "list", "--tenant", slug, "--cursor", "!", code=2).complaint


def test_a_full_quarantine_stops_the_import_with_a_remedy(cli, tmp_path):
    slug = new_tenant(cli, "crammed")
    rows = "".join(f"{n};1;-1,00;pago;{AT}\n" for n in range(1, 6))
    path = written(tmp_path / "depositos.csv", DEPOSITS + rows)
    done = cli("import", "--tenant", slug, path, code=1, environ={"FATURE_QUARANTINE_LIMIT": "4"})
    assert "FATURE_QUARANTINE_LIMIT" in done.complaint
    assert "applied so far" in done.err


def test_runs_are_listed_latest_first(cli, sample):
    slug = new_tenant(cli, "runner")
    ran = [cli.json("import", "--tenant", slug, sample / f"{name}.csv")["run"] for name in ("cadastro", "tracked")]
    page = cli.json("run", "list", "--tenant", slug, "--limit", 1)
    (latest,) = page["items"]
    assert (latest["run"], latest["kind"]) == (ran[1], "import")
    assert latest["files"] == [str(sample / "tracked.csv")]
    assert latest["started_at"] < latest["finished_at"]
    more = cli.json("run", "list", "--tenant", slug, "--cursor", page["next_cursor"])
    assert [item["run"] for item in more["items"]] == ran[:1]
    assert more["next_cursor"] is None
    assert ran[0] in cli("run", "list", "--tenant", slug).out


# -- figures --------------------------------------------------------------------------------------------------------


def test_show_affiliate(cli, small):
    shown = cli.json("show", "affiliate", 1, "--tenant", small)
    assert shown["affiliate_id"] == 1
    assert shown["as_of"]["synced_at"]
    assert shown["total_deposits_cents"] > 0
    table = cli("show", "affiliate", 1, "--tenant", small, "--lang", "pt-BR").out
    assert "depósitos" in table
    assert f"{shown['total_deposits_cents'] // 100:,}".replace(",", ".") in table
    assert "no affiliate 77777" in cli("show", "affiliate", 77777, "--tenant", small, code=1).complaint


def test_show_leaderboard(cli, small):
    board = cli.json("show", "leaderboard", "deposits", "--tenant", small, "--limit", 3)
    assert (board["metric"], board["period"], board["key"]) == ("deposits", "all", "all")
    assert [item["rank"] for item in board["items"]] == [1, 2, 3]
    assert board["as_of"]["applied_at"]
    month = cli.json("show", "leaderboard", "cpa", "--tenant", small, "--period", "month", "--at", "2025-05-10")
    assert month["key"] == "2025-05"
    rest = cli.json("show", "leaderboard", "deposits", "--tenant", small, "--limit", 2, "--offset", 1)
    assert rest["items"] == board["items"][1:]
    assert str(board["items"][0]["affiliate_id"]) in cli("show", "leaderboard", "deposits", "--tenant", small).out
    assert "no leaderboard" in cli("show", "leaderboard", "luck", "--tenant", small, code=2).complaint
    assert "period" in cli("show", "leaderboard", "rev", "--tenant", small, "--period", "week", code=2).complaint


def test_configuration(cli, small, tmp_path):
    shown = cli.json("config", "show", "--tenant", small)
    document = {"cpa": {**shown["cpa"], "levels_cents": [6000, 0, 0, 0, 0]}, "rev": shown["rev"]}
    path = written(tmp_path / "commission.json", json.dumps(document))
    slug = new_tenant(cli, "configured")
    version = cli.json("config", "set", "--tenant", slug, path)
    assert (version["revision"], version["effective_from"]) == (1, None)
    assert cli.json("config", "show", "--tenant", slug)["cpa"]["levels_cents"] == [6000, 0, 0, 0, 0]
    assert "60.00" in cli("config", "show", "--tenant", slug).out
    late = cli.json("config", "set", "--tenant", small, path, "--effective-from", "2190-01-01")
    assert late["effective_from"] == "2190-01-01"
    told = cli("config", "set", "--tenant", small, path, "--effective-from", "2025-01-01", code=1).complaint
    assert "first allowed day" in told
    assert (
        "effective_from" in cli("config", "set", "--tenant", small, path, "--effective-from", "soon", code=2).complaint
    )
    wrong = written(tmp_path / "wrong.json", '{"cpa": {"levels_cents": [1], "criteria": []}, "rev": {"levels_bp": []}}')
    assert "levels_cents" in cli("config", "set", "--tenant", small, wrong, code=2).complaint
    broken = written(tmp_path / "broken.json", '{"cpa": ')
    assert "no JSON" in cli("config", "set", "--tenant", small, broken, code=1).complaint
    assert "no such file" in cli("config", "set", "--tenant", small, tmp_path / "none.json", code=1).complaint


def test_an_earlier_configuration_comes_with_a_rebuild(cli, sample, tmp_path):
    pytest.importorskip("fature_kv.archive.rebuild")
    slug = new_tenant(cli, "reconfigured")
    cli("import", "--tenant", slug, sample)
    before = cli.json("show", "leaderboard", "cpa", "--tenant", slug)["items"]
    document = {
        "cpa": {"levels_cents": [100, 0, 0, 0, 0], "criteria": [{"deposits_count": 1}]},
        "rev": {"levels_bp": [0] * 5},
    }
    path = written(tmp_path / "commission.json", json.dumps(document))
    assert cli.json("config", "set", "--tenant", slug, path, "--rebuild")["rebuild"]
    after = cli.json("show", "leaderboard", "cpa", "--tenant", slug)["items"]
    assert after != before
    assert all(item["score"] % 100 == 0 and item["score"] < 30_000 for item in after)


def test_rebuild_and_reconcile(cli, store, sample):
    pytest.importorskip("fature_kv.archive.rebuild")
    pytest.importorskip("fature_kv.archive.reconcile")
    slug = new_tenant(cli, "rebuilt")
    cli("import", "--tenant", slug, sample)
    proof = cli.json("reconcile", "--tenant", slug, "--against", "journal")
    assert (proof["count"], proof["differences"]) == (0, [])
    assert "no difference" in cli("reconcile", "--tenant", slug, "--against", "journal").out
    tenant = tenants.get(store, slug)
    damaged = tenant.keys.generation(tenant.live).affiliate(1)
    store.call("HINCRBY", damaged, "total_deposits_cents", 7)
    found = cli("reconcile", "--tenant", slug, "--against", "journal", "--json", code=1).json
    assert found["count"] == len(found["differences"]) >= 1
    assert any(d["field"] == "total_deposits_cents" and "affiliate:1" in d["key"] for d in found["differences"])
    cli("rebuild", "--tenant", slug, "--from", "journal")
    assert cli.json("reconcile", "--tenant", slug, "--against", "journal")["count"] == 0
    assert "tenant create" in cli("rebuild", "--tenant", "nobody", "--from", "journal", code=1).complaint


# -- looking into it ------------------------------------------------------------------------------------------------


def test_inspect(cli, small):
    shown = cli.json("inspect", f"fkv:{{{small}}}:1:months:1", "--limit", 2)
    assert (shown["type"], len(shown["value"])) == ("hash", 2)
    assert all(name.startswith("l") for month in shown["value"].values() for name in month)
    seen = cli.json("inspect", f"fkv:{{{small}}}:1:seen:0")
    assert (seen["entries"], seen["value"]) == (5000, ["1-5000"])
    entries = cli.json("inspect", f"fkv:{{{small}}}:journal", "--limit", 500)["value"]
    bets = next(entry["bets"] for entry in entries if entry["kind"] == "rows" and "bets" in entry)
    assert set(bets[0]) == {"id", "user_id", "stake_cents", "win_cents", "created_at"}
    assert "l1_referrals" in cli("inspect", f"fkv:{{{small}}}:1:affiliate:1").out
    assert "no key of ours" in cli("inspect", "other:key", code=2).complaint
    assert "there is no key" in cli("inspect", f"fkv:{{{small}}}:1:affiliate:777", code=1).complaint


def test_inspect_shows_no_secret_of_a_token(cli, store):
    slug = new_tenant(cli, "secret")
    token = cli.json("token", "create", "--tenant", slug, "--role", "owner")["token"]
    (key,) = [key.decode() for key in store.call("KEYS", f"fkv:\\{{{slug}\\}}:token:*")]
    shown = cli.json("inspect", key)["value"]
    assert shown["role"] == "owner"
    entries = cli("inspect", f"fkv:{{{slug}}}:journal", "--json").out
    assert '"token"' in entries
    for text in (json.dumps(shown), entries):
        assert token not in text
        assert key.rpartition(":")[2] not in text


def test_doctor(cli, small):
    found = cli.json("doctor")
    assert found["ok"] is True
    names = {check["name"]: check for check in found["checks"]}
    assert names["appendfsync"]["found"] == "always"
    assert names[f"tenant {small}"]["status"] == "ok"
    assert "appendonly" in cli("doctor").out


def test_doctor_says_what_to_do(cli, store):
    store.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        done = cli("doctor", "--json", code=1)
    finally:
        store.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    (failed,) = [check for check in done.json["checks"] if check["status"] == "failed"]
    assert failed["name"] == "maxmemory-policy"
    assert "noeviction" in failed["remedy"]


def test_no_redis(tmp_path):
    cli = Commands(tmp_path, FATURE_REDIS_URL="redis://127.0.0.1:1/0")
    assert "can't be reached" in cli("tenant", "list", code=1).complaint
    assert cli("doctor", "--json", code=1).json["ok"] is False


def test_a_wrong_setting_is_named(tmp_path):
    assert "FATURE_WINDOW_ROWS" in Commands(tmp_path, FATURE_WINDOW_ROWS="many")("tenant", "list", code=2).complaint


def test_a_reader_that_hangs_up_is_no_error(cli, small):
    process = cli.start("inspect", f"fkv:{{{small}}}:journal", "--limit", 5000, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    done = end(process, 141)
    assert done.err == ""
