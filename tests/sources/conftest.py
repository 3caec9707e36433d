"""Workbooks of bets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.workbook_reading import BETS, Given
from tests.support.workbooks import save


@pytest.fixture
def bets(tmp_path: Path) -> Given:
    """A workbook of bets with these rows under its header."""

    def make(*rows: object, header: object = BETS, date1904: bool = False) -> Path:
        return save(tmp_path / "casino_bets.xlsx", {"Planilha1": [header, *rows]}, date1904=date1904)  # type: ignore[list-item]

    return make
