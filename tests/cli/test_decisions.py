"""Decisions by commands: moves, qualifications, runs taken back, rows tried again; each with its reason, listed."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

PEOPLE = "id;nome;email;telefone;status;criado_em\n" + "".join(f"{n};P{n};;;ativo;2025-06-01\n" for n in (1, 2, 3, 4))
LINKS = "user_id;referrer_id;tracked_em\n2;1;2025-06-01\n3;2;2025-06-01\n"
DEPOSITS = "id;user_id;valor;status;criado_em\n1;3;50,00;pago;2025-06-02\n2;2;70,00;pago;2025-06-02\n"
_numbers = itertools.count(1)


def written(folder: Path, **files: str) -> list[Path]:
    paths = []
    for name, text in files.items():
        paths.append(folder / f"{name}.csv")
        paths[-1].write_text(text)
    return paths


@pytest.fixture
def slug(cli: Any, tmp_path: Path) -> str:
    """A tenant with a chain 1 > 2 > 3, and 4 apart."""
    name = f"decided-{next(_numbers)}"
    cli("tenant", "create", name)
    cli("import", "--tenant", name, *written(tmp_path, cadastro=PEOPLE, tracked=LINKS, depositos=DEPOSITS))
    return name


def figures(cli: Any, slug: str, *people: int) -> list[tuple[int, int, int]]:
    shown = [cli.json("show", "affiliate", person, "--tenant", slug) for person in people]
    return [(a["total_deposits_cents"], a["network_size"], a["total_cpa_cents"]) for a in shown]


def proven(cli: Any, slug: str) -> None:
    assert cli.json("reconcile", "--tenant", slug, "--against", "journal")["differences"] == []
    cli("rebuild", "--tenant", slug, "--from", "journal")


def test_a_subtree_moves_with_its_history(cli, slug):
    assert figures(cli, slug, 1, 4) == [(12_000, 2, 0), (0, 0, 0)]
    words = ("affiliate", "move", 2, "--to", 4, "--reason", "came by 4", "--tenant", slug)
    assert cli.json(*words) == {"affiliate_id": 2, "sponsor_id": 4, "changed": True}
    assert figures(cli, slug, 1, 4) == [(0, 0, 0), (12_000, 2, 0)]
    assert "already" in cli(*words).out
    proven(cli, slug)
    assert figures(cli, slug, 1, 4) == [(0, 0, 0), (12_000, 2, 0)]
    cli("affiliate", "move", 2, "--to", "none", "--reason", "nobody", "--tenant", slug)
    assert figures(cli, slug, 1, 4) == [(0, 0, 0), (0, 0, 0)]
    assert [d["reason"] for d in cli.json("affiliate", "decisions", 4, "--tenant", slug)["items"]] == [
        "nobody",
        "came by 4",
    ]
    assert "came by 4" in cli("show", "affiliate", 2, "--tenant", slug).out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("move", 1, "--to", 3, "--reason", "x"), 1, "would close a loop"),
        (("move", 1, "--to", 1, "--reason", "x"), 1, "would close a loop"),
        (("move", 9, "--to", 1, "--reason", "x"), 1, "no affiliate 9"),
        (("move", 1, "--to", 9, "--reason", "x"), 1, "no affiliate 9"),
        (("move", 1, "--to", "all", "--reason", "x"), 2, "--to"),
        (("move", 1, "--to", 4, "--reason", " "), 2, "needs a reason"),
        (("qualify", 1, "--on", "2999-01-01", "--reason", "x"), 2, "up to today"),
        (("qualify", 9, "--on", "2025-06-02", "--reason", "x"), 1, "no affiliate 9"),
    ],
)
def test_what_can_not_be_decided(cli, slug, words, code, told):
    assert told in cli("affiliate", *words, "--tenant", slug, code=code).complaint
    assert cli.json("affiliate", "decisions", "--tenant", slug)["items"] == []


def test_a_player_is_declared_qualified(cli, slug):
    cli("affiliate", "qualify", 3, "--on", "2025-06-02", "--reason", "by phone", "--tenant", slug)
    assert figures(cli, slug, 1, 2) == [(12_000, 2, 2_000), (5_000, 1, 5_000)]
    proven(cli, slug)
    assert cli.json("show", "affiliate", 3, "--tenant", slug)["own"]["qualified_on"] == "2025-06-02"
    cli("affiliate", "qualify", 3, "--on", "none", "--reason", "a mistake", "--tenant", slug)
    assert figures(cli, slug, 1) == [(12_000, 2, 0)]
    page = cli.json("affiliate", "decisions", "--tenant", slug, "--limit", 1)
    assert page["items"][0]["qualified_on"] is None
    more = cli.json("affiliate", "decisions", "--tenant", slug, "--cursor", page["next_cursor"])
    assert [item["qualified_on"] for item in more["items"]] == ["2025-06-02"]
    assert more["next_cursor"] is None


def test_a_wrong_file_is_taken_back(cli, slug, tmp_path):
    wrong = "id;user_id;valor;criado_em;atualizado_em\n1;3;900,00;2025-06-02;2025-06-03\n3;3;1,00;2025-06-04;\n"
    run = cli.json("import", "--tenant", slug, *written(tmp_path, wrong_depositos=wrong))["run"]
    assert figures(cli, slug, 2) == [(90_100, 1, 0)]
    done = cli.json("run", "undo", run, "--tenant", slug, "--reason", "another operator's file")
    assert (done["already"], done["void"]) == (False, {"depositos": 2})
    assert figures(cli, slug, 2) == [(5_000, 1, 0)]
    proven(cli, slug)
    assert cli.json("run", "undo", run, "--tenant", slug)["already"] is True
    listed = {item["run"]: item for item in cli.json("run", "list", "--tenant", slug)["items"]}
    assert (listed[run]["state"], listed[run]["undone_reason"]) == ("undone", "another operator's file")
    assert "taken back" in cli("run", "list", "--tenant", slug).out
    again = cli.json("import", "--tenant", slug, *written(tmp_path, wrong_depositos=wrong))
    assert again["applied"] == {"depositos": 2}
    assert figures(cli, slug, 2) == [(90_100, 1, 0)]
    assert "run list" in cli("run", "undo", "import-nobody", "--tenant", slug, code=1).complaint


def test_people_and_links_of_a_run_go_and_what_hung_on_them_waits(cli, slug, tmp_path):
    runs = cli.json("run", "list", "--tenant", slug)["items"]
    cli("import", "--tenant", slug, *written(tmp_path, depositos="id;user_id;valor;criado_em\n9;3;1,00;2025-06-05\n"))
    cli("run", "undo", runs[0]["run"], "--tenant", slug, "--reason", "a test file")
    assert "no affiliate" in cli("show", "affiliate", 3, "--tenant", slug, code=1).complaint
    (waiting,) = cli.json("quarantine", "list", "--tenant", slug, "--parked")["items"]
    assert (waiting["id"], waiting["waits_for"]) == ("9", 3)
    proven(cli, slug)
    assert cli.json("quarantine", "retry", "--tenant", slug, "--parked")["left"] == 1
    cli("import", "--tenant", slug, *written(tmp_path, cadastro=PEOPLE, tracked=LINKS))
    assert figures(cli, slug, 1) == [(100, 2, 0)]


def test_quarantine_is_tried_again(cli, slug, tmp_path):
    """A second sponsor is accepted once the first link's run was taken back; what can't be read stays."""
    bad = "id;user_id;valor;criado_em\n50;3;1.234;2025-06-05\n"
    first = cli.json(
        "import", "--tenant", slug, *written(tmp_path, tracked="user_id;referrer_id;tracked_em\n4;1;2025-06-01\n")
    )
    other = "user_id;referrer_id;tracked_em\n4;3;2025-06-01\n"
    cli("import", "--tenant", slug, *written(tmp_path, tracked=other, bonus=bad))
    before = cli.json("quarantine", "retry", "--tenant", slug)
    assert (before["quarantined"], before["left"]) == ({"second_sponsor": 1}, 2)
    cli("run", "undo", first["run"], "--tenant", slug, "--reason", "wrong sponsor")
    assert cli.json("show", "affiliate", 4, "--tenant", slug)["sponsor_id"] == 3
    after = cli.json("quarantine", "retry", "--tenant", slug)
    assert (after["applied"], after["left"]) == ({}, 1)
    assert "left" in cli("quarantine", "retry", "--tenant", slug).out
    proven(cli, slug)
