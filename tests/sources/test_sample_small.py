"""The small seeded data set: the same bytes for everyone, and nothing in it that can't be read."""

from __future__ import annotations

import hashlib
from zoneinfo import ZoneInfo

from fature_kv.domain.mapping import Mapping
from fature_kv.sources import sample_small
from fature_kv.sources.files import open_all, preview

DIGESTS = {
    "cadastro.csv": "1a1c9165a8a68b43",
    "casino_bets_v.csv": "7e69e7fdc744b6fd",
    "depositos.csv": "2e6d5b7d9e3a43d8",
    "saque.csv": "5208cd433f449075",
    "tracked.csv": "32d8e9c24dae7468",
}
ZONE = ZoneInfo("America/Sao_Paulo")


def test_it_is_the_same_bytes_everywhere(tmp_path):
    folder = sample_small.write(tmp_path)
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in folder.iterdir()} == DIGESTS


def test_every_row_can_be_read(tmp_path):
    found = [preview(file) for file in open_all([sample_small.write(tmp_path)], ZONE, Mapping())]
    assert all(one.reasons == {} for one in found)
    rows = {one.source: one.rows for one in found}
    assert (rows["cadastro"], rows["depositos"], rows["casino_bets_v"]) == (300, 3000, 5000)
    assert rows["tracked"] > 250
    assert rows["saque"] == 250
