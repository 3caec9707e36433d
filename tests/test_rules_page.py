"""docs/rules.md leads to code and worked examples that there are."""

from __future__ import annotations

import re

from tests.support.examples import load
from tests.support.servers import REPO

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (REPO / "docs" / "rules.md").read_text().splitlines()
    if line.startswith("| `")
]


def test_each_rule_has_an_id_of_its_own() -> None:
    ids = [row[0] for row in ROWS]
    assert len(ids) == len(set(ids)) > 20
    assert all(len(row) == 4 for row in ROWS)


def test_each_rule_has_a_home() -> None:
    for row in ROWS:
        places = re.findall(r"`([^`]+)`", row[2])
        assert places, row[0]
        for place in places:
            file, _, names = place.partition(": ")
            path = REPO / file if file.startswith("lua/") else REPO / "fature_kv" / file
            assert path.is_file(), place
            for name in filter(None, names.replace(", ", ".").split(".")):
                assert re.search(rf"\b(def|class|function) {name}\b", path.read_text()), place


def test_each_example_is_in_the_table() -> None:
    told = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row[3])}
    assert told <= {example.rule for example in load()}
