"""`import` of a workbook: sheets, notes, and what is shown of it before and after."""

from __future__ import annotations

from tests.support.workbooks import save

AT = "2025-06-20 12:00:00"


def test_a_workbook(cli, tmp_path):
    book = save(
        tmp_path / "export.xlsx",
        {
            "Capa": [("Exportação de junho",)],
            "depositos": [
                ("id", "user_id", "valor", "criado_em"),
                (1, 1, 105.57, AT),
                (2, 1, "x", AT),
                (3, 1, 1.0, AT),
            ],
            "users": [("id", "nome", "email", "telefone", "status", "criado_em"), (1, "Ana", None, None, "ativo", AT)],
        },
    )
    slug = "booked"
    cli("tenant", "create", slug)
    seen = cli("import", "--tenant", slug, book, "--dry-run", "--lang", "pt-BR")
    assert "a planilha 'Capa' fica de fora" in seen.err
    assert "planilha 'depositos': depositos, XLSX, 3 linhas, 2 ok" in seen.out
    shown = cli.json("import", "--tenant", slug, book, "--dry-run")["files"]
    assert [(one["sheet"], one["source"], one["rows"]) for one in shown] == [
        ("users", "cadastro", 1),
        ("depositos", "depositos", 3),
    ]
    assert [(row["line"], row["reason"]) for row in shown[1]["bad"]] == [(3, "bad_money")]
    done = cli("import", "--tenant", slug, book, "--json")
    assert "sheet 'Capa' is left out" in done.err
    assert done.json["applied"] == {"cadastro": 1, "depositos": 2}
    assert done.json["quarantined"] == {"bad_money": 1}
    (item,) = cli.json("quarantine", "list", "--tenant", slug)["items"]
    assert (item["id"], item["row"]) == ("2", {"id": 2, "user_id": 1, "valor": "x", "criado_em": AT})
    (run,) = cli.json("run", "list", "--tenant", slug)["items"]
    assert run["files"] == [str(book)]
