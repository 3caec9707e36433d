"""`validate` as a command: the table, the document, the exit code."""

from __future__ import annotations

import shutil


def test_a_folder_is_what_redis_holds(cli, small, sample):
    done = cli("validate", "--tenant", small, "--against", sample)
    assert "no difference" in done.out
    found = cli.json("validate", "--tenant", small, "--against", sample)
    assert found["same"] is True
    imported = cli.json("import", "--tenant", small, sample)
    assert sum(report["read"] for report in found["sources"]) == imported["duplicates"] + sum(
        report["parked"] + sum(report["quarantined"].values()) for report in found["sources"]
    )


def test_a_difference_ends_with_1_and_is_named(cli, small, sample, tmp_path):
    folder = shutil.copytree(sample, tmp_path / "changed")
    path = folder / "depositos.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    found = cli("validate", "--tenant", small, "--against", folder, "--json", code=1).json
    assert found["same"] is False
    (report,) = [each for each in found["sources"] if each["differences"]]
    assert report["source"] == "depositos"
    assert report["differences"]["not_in_source"] == 1
    assert report["examples"][0]["in_redis"]["amount_cents"] > 0
    told = cli("validate", "--tenant", small, "--against", path, "--lang", "pt-BR", code=1).out
    assert "not_in_source" in told
    assert "na fonte" in told
    assert "no such file" in cli("validate", "--tenant", small, "--against", tmp_path / "nothing", code=1).complaint
