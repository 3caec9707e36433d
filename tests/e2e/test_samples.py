"""The published data sets, made and imported by commands, read exactly the published figures."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fature_kv.cli.shows import ask
from fature_kv.figures import affiliates, levels
from fature_kv.figures.answers import Affiliate
from fature_kv.store import Store
from tests.support.commands import Commands, data_folder, held_servers

PEOPLE, DEPOSITS, BETS = 409, 3_059, 514_686
NETWORK = {
    "cadastro.csv": "f80637cd364494df",
    "casino_bets.csv": "f25e685014f6baf8",
    "depositos.csv": "f4c355e730fc0bd5",
    "tracked.csv": "d9fcdde864eb5d47",
}
HISTORIC = {
    "casino_bets.xlsx": "b9eb8f19b7af6c6a",
    "deposits.xlsx": "3f0a6dcd9bd67a5a",
    "upbet_plataforma_public_users.xlsx": "72deeb898c29195b",
}
"""Of the sheets: how they are packed depends on zlib."""
_PEAK_OF_READING = """
import sys
from pathlib import Path
from zoneinfo import ZoneInfo
from fature_kv.domain.mapping import Mapping
from fature_kv.sources.files import open_source
rows = sum(part.many for part in open_source(sys.argv[1], ZoneInfo("America/Sao_Paulo"), Mapping()).parts())
status = Path("/proc/self/status").read_text().splitlines()
print(rows, next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
"""


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Commands, Store]]:
    with data_folder() as data, held_servers(data) as url:
        store = Store(url)
        yield Commands(data), store
        store.close()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def test_the_historic_load(place: tuple[Commands, Store], tmp_path: Path) -> None:
    cli, store = place
    written = cli.json("sample", "historic", tmp_path / "historic")["files"]
    for path in written:
        with zipfile.ZipFile(path) as package:
            assert digest(package.read("xl/worksheets/sheet1.xml")) == HISTORIC[Path(path).name]
            assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 31, 0, 0, 0)}
            assert b"2025-07-01T00:00:00Z" in package.read("docProps/core.xml")
    cli("tenant", "create", "historic")
    done = cli.json("import", "--tenant", "historic", tmp_path / "historic")
    assert done["applied"] == {"cadastro": PEOPLE, "depositos": DEPOSITS, "casino_bets_v": BETS}
    assert (done["duplicates"], done["parked"], done["quarantined"]) == (0, 0, {})
    own = [person.own for person in people_of(store, "historic", range(1, PEOPLE + 1))]
    assert len(own) == PEOPLE
    assert sum(each.deposits_count for each in own) == DEPOSITS
    assert sum(each.bets_count for each in own) == BETS
    assert sum(each.deposits_cents for each in own) == 10_557 * DEPOSITS
    again = cli.json("import", "--tenant", "historic", *(path for path in written if "casino" not in path))
    assert (again["applied"], again["duplicates"]) == ({}, PEOPLE + DEPOSITS)
    if not Path("/proc/self/status").is_file():
        return  # getrusage would tell the memory of who started the process
    memory = [sys.executable, "-c", _PEAK_OF_READING, next(path for path in written if "casino" in path)]
    rows, megabytes = map(int, subprocess.run(memory, capture_output=True, text=True, check=True).stdout.split())
    assert rows == BETS
    assert megabytes < 300, "a sheet of any size is read in pieces"


def people_of(store: Store, slug: str, ids: range) -> list[Affiliate]:
    """The records of people, a hundred at a time."""
    found: list[Affiliate] = []
    for first in range(ids.start, ids.stop, 100):
        some = list(range(first, min(first + 100, ids.stop)))
        found += ask(store, slug, lambda tenant, some=some: affiliates.affiliates(tenant, some)).items
    return found


def test_the_network_that_was_published(place: tuple[Commands, Store], tmp_path: Path) -> None:
    cli, store = place
    written = cli.json("sample", "network", tmp_path / "network")["files"]
    assert {Path(path).name: digest(Path(path).read_bytes()) for path in written} == NETWORK
    cli("tenant", "create", "network")
    done = cli.json("import", "--tenant", "network", tmp_path / "network")
    assert done["applied"].keys() == {"cadastro", "tracked", "depositos", "casino_bets_v"}
    assert (done["applied"]["cadastro"], done["duplicates"], done["parked"], done["quarantined"]) == (95_559, 0, 0, {})
    shown = cli.json("show", "affiliate", 1622968, "--tenant", "network")
    assert shown["network_size"] == 95_558
    assert (shown["total_referrals"], shown["total_validated_referrals"]) == (757, 757)
    assert shown["total_deposits_cents"] == 245_000_000 + 895_000_000
    assert shown["total_cpa_cents"] == 3_785_000 + 6_956_000
    first, second, *deeper = ask(store, "network", lambda tenant: levels.mlm_structure(tenant, 1622968)).levels
    assert (first.count, first.validated, first.deposits_cents, first.cpa_cents) == (757, 757, 245_000_000, 3_785_000)
    assert (second.count, second.validated) == (3_478, 3_478)
    assert (second.deposits_cents, second.cpa_cents) == (895_000_000, 6_956_000)
    assert [(level.validated, level.deposits_cents, level.cpa_cents) for level in deeper] == [(0, 0, 0)] * 3


def test_a_folder_that_is_a_file(place: tuple[Commands, Store], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    assert "is no folder" in place[0]("sample", "network", tmp_path / "taken", code=2).complaint
