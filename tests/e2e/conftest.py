"""Data for whole runs: the real small set where it is at hand, else the seeded one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fature_kv.sources import sample_small
from tests.support.data import real_data


@pytest.fixture(scope="session")
def rows_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of source files."""
    return real_data("small") or sample_small.write(tmp_path_factory.mktemp("sample"))
