"""How tests read workbooks: everything by each way there is, or the one line that it ends in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Bet, Row
from fature_kv.errors import SourceFileError
from fature_kv.sources.files import open_source, open_sources
from fature_kv.sources.source_file import SourceFile

ZONE = ZoneInfo("America/Sao_Paulo")
DEFAULT = Mapping()
WHEN = datetime(2025, 6, 26, 9, 0)
AT = 1_750_939_200_000_000
SERIAL = 45_834.375
BETS = ("id", "user_id", "stake", "win", "criado_em")
BET = Bet(1, 7, 10_557, 50, AT)
PEOPLE = ("id", "nome", "email", "telefone", "status", "criado_em")
DEPOSITS = ("id", "user_id", "valor", "criado_em")

Given = Callable[..., Path]


def everything(file: SourceFile) -> list[Row | BadRow]:
    """All rows, the same by each way to read them."""
    rows = list(file.rows())
    assert [row for part in file.lists(2) for row in part] == rows
    apart: list[Row | BadRow] = []
    for part in file.parts(2):
        apart += part.rows
        apart += [Bet(*row) for row in zip(*(column.tolist() for column in part.bets), strict=True)]
    assert sorted(apart, key=repr) == sorted(rows, key=repr)
    return rows


def read(path: Path) -> list[Row | BadRow]:
    return everything(open_source(path, ZONE, DEFAULT))


def problem(path: Path, **limits: int) -> str:
    """The one line that opening this file ends in."""
    with pytest.raises(SourceFileError) as error:
        open_sources(path, ZONE, DEFAULT, **limits)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(str(path))
