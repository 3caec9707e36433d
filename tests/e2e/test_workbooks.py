"""A workbook and CSV files of the same rows are the same import."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fature_kv.sources import sample_small
from fature_kv.store import Store
from tests.support.commands import Commands, data_folder, held_servers
from tests.support.figures_held import figures_held
from tests.support.workbooks import save


def cell(text: str) -> object:
    """What a spreadsheet program makes of a text of the sample."""
    if text.isdigit():
        return int(text)
    if len(text) == 19 and text[2] == "/":
        return datetime.strptime(text, "%d/%m/%Y %H:%M:%S")
    bare = text.replace(".", "").replace(",", ".")
    return float(bare) if bare.replace(".", "").isdigit() and "," in text else text


@pytest.mark.parametrize("window", ["300", "20000"])
def test_the_same_rows_from_a_workbook(tmp_path: Path, window: str) -> None:
    sheets = {
        name: [header.split(";"), *([cell(str(value)) for value in record] for record in records)]
        for name, (header, records) in sample_small.tables().items()
    }
    book = save(tmp_path / "export.xlsx", dict(reversed(sheets.items())))
    files = sample_small.write(tmp_path / "files")
    with data_folder() as data, held_servers(data) as url:
        store, cli = Store(url), Commands(data, FATURE_WINDOW_ROWS=window)
        counts = {}
        for slug, path in (("csv", files), ("xlsx", book)):
            cli("tenant", "create", slug)
            counts[slug] = cli.json("import", "--tenant", slug, path)["applied"]
        assert counts["csv"] == counts["xlsx"]
        held = [figures_held(store, slug) for slug in counts]
        assert held[0] == held[1]
        again = cli.json("import", "--tenant", "csv", book)
        assert (again["applied"], again["duplicates"]) == ({}, sum(counts["csv"].values()))
        store.close()
