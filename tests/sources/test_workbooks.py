"""Cells of workbooks as operators have them, by both libraries, in pieces."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fature_kv.domain.rows import BadRow, Bet, Person
from fature_kv.sources import sheets as sheets_module
from fature_kv.sources.files import open_source, open_sources, preview
from fature_kv.sources.sheets import Reader, look_through
from fature_kv.sources.workbooks import open_workbook
from tests.sources.workbook_reading import (
    AT,
    BET,
    BETS,
    DEFAULT,
    PEOPLE,
    SERIAL,
    WHEN,
    ZONE,
    Given,
    everything,
    read,
)
from tests.support.workbooks import Error, save, with_sheet

# -- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        (1, 7, 105.57, 0.5, WHEN),
        (1.0, 7.0, 105.57, 0.50, WHEN),
        ("1", " 7 ", "105,57", "R$ 0,50", "26/06/2025 09:00"),
        ("0001", "7", "105.57", "0.5", "2025-06-26T12:00:00Z"),
        (1, 7, 105.57 + 1e-9, 0.3 + 0.2, SERIAL),
        (1, 7, 105.57 - 1e-9, 0.1 + 0.4, SERIAL + 4e-10),
    ],
)
def test_cells_that_say_the_same(bets: Given, row: tuple[object, ...]) -> None:
    assert read(bets(row)) == [BET]


def test_ids_of_any_spelling(tmp_path: Path) -> None:
    cells = '<c r="A{0}"><v>{1}</v></c><c r="B{0}"><v>{2}</v></c><c r="C{0}"><v>1</v></c><c r="D{0}"><v>0</v></c>'
    row = '<row r="{0}">' + cells + '<c r="E{0}"><v>45834.375</v></c></row>'
    header = "".join(f'<c r="{"ABCDE"[i]}1" t="str"><v>{name}</v></c>' for i, name in enumerate(BETS))
    spelt = [
        ("1.0e6", "1622968.0"),
        ("1E+6", "1.622968E6"),
        ("1000000", "1622968.5"),
        ("0", "1"),
        ("9007199254740992", "1"),
    ]
    lines = "".join(row.format(line, *ids) for line, ids in enumerate(spelt, start=2))
    path = save(tmp_path / "bets.xlsx", {"s": []})
    rows = read(with_sheet(path, f'<sheetData><row r="1">{header}</row>{lines}</sheetData>'))
    assert rows[:2] == [Bet(1_000_000, 1_622_968, 100, 0, AT)] * 2
    assert [(row.id, row.reason) for row in rows[2:] if isinstance(row, BadRow)] == [
        ("1000000", "bad_id"), (None, "bad_id"), (None, "bad_id"),
    ]  # fmt: skip


@pytest.mark.parametrize("date1904", [False, True])
def test_dates_of_both_calendars(bets: Given, date1904: bool) -> None:
    serial = SERIAL - (1462 if date1904 else 0)
    rows = [(1, 7, 105.57, 0.5, WHEN), (1, 7, 105.57, 0.5, serial), (1, 7, 105.57, 0.5, "26/06/2025 09:00:00")]
    assert read(bets(*rows, date1904=date1904)) == [BET] * 3


def test_a_day_alone_is_its_midnight(bets: Given) -> None:
    for day in (date(2025, 6, 26), 45_834, datetime(2025, 6, 26), "26/06/2025"):
        assert read(bets((1, 7, 105.57, 0.5, day))) == [Bet(1, 7, 10_557, 50, AT - 9 * 3_600_000_000)]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        (0, True, "bad_id"),
        (0, 1.5, "bad_id"),
        (1, None, "bad_id"),
        (2, 1.005, "bad_money"),
        (2, 105.57 + 2e-6, "bad_money"),
        (2, "1.234", "bad_money"),
        (2, None, "bad_money"),
        (2, WHEN, "bad_money"),
        (3, -0.5, "negative"),
        (4, None, "bad_time"),
        (4, True, "bad_time"),
        (4, -1, "bad_time"),
        (4, 3e9, "bad_time"),
        (4, time(9, 30), "bad_time"),
        (4, timedelta(hours=30), "bad_time"),
        (4, 36_525, "before_2000"),
        (4, "06/26/2025", "bad_time"),
        (2, Error("#N/A"), "bad_money"),
        (4, Error("#REF!"), "bad_time"),
    ],
)
def test_what_a_cell_can_not_be(bets: Given, column: int, value: object, reason: str) -> None:
    row = [1, 7, 105.57, 0.5, WHEN]
    row[column] = value  # type: ignore[call-overload]
    good, bad = read(bets((1, 7, 105.57, 0.5, WHEN), row))
    assert good == BET
    assert isinstance(bad, BadRow)
    assert bad.reason == reason


def test_an_error_is_no_text(tmp_path: Path) -> None:
    rows = [
        PEOPLE,
        (1, "Ana", "a@x.br", 5511987654321.0, None, WHEN),
        (2, Error("#N/A"), "b@x.br", "x", "ativo", WHEN),
        (3, "Rui", "c@x.br", "x", Error("#NAME?"), WHEN),
    ]
    good, *bad = read(save(tmp_path / "x_users.xlsx", {"s": rows}))
    assert good == Person(1, "Ana", "a@x.br", "5511987654321", "active", AT)
    assert [(row.id, row.reason) for row in bad if isinstance(row, BadRow)] == [
        ("2", "error_cell"),
        ("3", "error_cell"),
    ]
    path = tmp_path / "users.csv"
    path.write_text(",".join(PEOPLE) + "\n2,#N/A,b@x.br,x,ativo,26/06/2025\n")
    (row,) = open_source(path, ZONE, DEFAULT).rows()
    assert isinstance(row, BadRow)
    assert row.reason == "error_cell"


def test_bad_rows_are_kept_as_they_came_with_their_line(bets: Given) -> None:
    path = bets(
        (1, 7, 105.57, 0.5, WHEN), (), (2, 7, "x", 1.0, SERIAL), ("", " ", None, None, None), (3.0, 7, 1, None, WHEN)
    )
    file = open_source(path, ZONE, DEFAULT)
    found = [(file.line, row) for row in file.rows() if isinstance(row, BadRow)]
    raw = {"id": 2, "user_id": 7, "stake": "x", "win": 1, "criado_em": WHEN}
    assert found == [
        (4, BadRow("casino_bets_v", "2", "bad_money", raw)),
        (6, BadRow("casino_bets_v", "3", "bad_money", {"id": 3, "user_id": 7, "stake": 1, "criado_em": WHEN})),
    ]
    assert [type(row.raw["id"]) for _, row in found] == [int, int]
    shown = preview(file)
    assert (shown.rows, shown.good, shown.sheet, shown.kind) == (3, 1, "Planilha1", "XLSX")
    assert [(bad.line, bad.reason) for bad in shown.bad] == [(4, "bad_money"), (6, "bad_money")]


def test_formulas_count_as_what_they_last_were(tmp_path: Path) -> None:
    header = "".join(f'<c r="{"ABCDE"[i]}1" t="str"><v>{name}</v></c>' for i, name in enumerate(BETS))
    cells = '<c r="A2"><f>ROW()-1</f><v>1</v></c><c r="B2"><v>7</v></c><c r="C2"><f>A2*105.57</f><v>105.57</v></c>'
    cells += '<c r="D2" t="str"><f>"0"</f><v>0,50</v></c><c r="E2"><f>NOW()</f><v>45834.375</v></c>'
    path = save(tmp_path / "bets.xlsx", {"s": []})
    xml = f'<sheetData><row r="1">{header}</row><row r="2">{cells}</row></sheetData>'
    assert read(with_sheet(path, xml)) == [BET]


cell = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**7),
    st.floats(-1e7, 1e7).map(lambda value: float(f"{value:.15g}")),
    st.datetimes(datetime(1999, 1, 1), datetime(2060, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
    st.sampled_from(["", "7", "105,57", "1.234", "26/06/2025", "2025-06-26T12:00:00Z", "ativo", "José", "x<&>"]),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(cell, min_size=6, max_size=6), max_size=6), date1904=st.booleans(), people=st.booleans())
def test_both_libraries_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[object]], date1904: bool, people: bool
) -> None:
    path = tmp_path_factory.mktemp("same") / ("users.xlsx" if people else "bets.xlsx")
    header = PEOPLE if people else (*BETS, "obs")
    save(path, {"s": [header, *rows]}, date1904=date1904)
    fast = read(path)
    (file,) = open_sources(path, ZONE, DEFAULT)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "_by_calamine", lambda *_: pytest.fail("by openpyxl alone"))
        patch.setattr(Reader, "_pieces", lambda self, _size: self._by_openpyxl(1))
        slow = everything(file)
    assert fast == slow


def test_plain_sheets_are_read_by_calamine_and_those_with_errors_by_openpyxl(
    bets: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    for name in ("_by_calamine", "_by_openpyxl"):
        kept = getattr(Reader, name)
        monkeypatch.setattr(Reader, name, lambda *a, kept=kept, name=name: (used.append(name), kept(*a))[1])
    read(bets((1, 7, 105.57, 0.5, WHEN)))
    assert set(used) == {"_by_calamine"}
    used.clear()
    read(bets((1, 7, 105.57, Error("#N/A"), WHEN)))
    assert set(used) == {"_by_openpyxl"}


# -- pieces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [300, 1_000, 5_000, 1 << 20])
def test_a_sheet_in_pieces_is_the_same_sheet(bets: Given, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(sheets_module, "PIECE", size)
    rows: list[object] = [(n, 7, n / 100, "0,50" if n % 3 else 0.5, WHEN) for n in range(1, 200)]
    rows[50], rows[51], rows[120] = (), (None, 7), (121, 7, "x", 0, WHEN)
    path = bets(*rows)
    found = read(path)
    assert [row for row in found if isinstance(row, Bet)] == [
        Bet(n, 7, n, 50, AT) for n in range(1, 200) if n not in (51, 52, 121)
    ]
    file = open_source(path, ZONE, DEFAULT)
    assert [(file.line, row.reason) for row in file.rows() if isinstance(row, BadRow)] == [
        (53, "bad_id"), (122, "bad_money"),
    ]  # fmt: skip
    seen: list[int] = []
    for _ in file.parts(10, seen.append):
        pass
    assert seen == sorted(seen)
    assert seen[-1] == file.size_bytes


def plain(line: int, attributes: str) -> str:
    """A row of the bet number line - 1, as other programs write it."""
    values = (line - 1, 7, "105.57", "0.5", SERIAL)
    cells = "".join(f"<c{attributes.format('ABCDE'[i], line)}><v>{value}</v></c>" for i, value in enumerate(values))
    return f"<row>{cells}</row>" if not attributes else f'<row r="{line}">{cells}</row>'


@pytest.mark.parametrize("attributes", ["", " r='{}{}'", ' r="{}{}" s="0"'])
@pytest.mark.parametrize("comment", ["", "<!-- </row> -->"])
def test_sheets_of_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attributes: str, comment: str
) -> None:
    monkeypatch.setattr(sheets_module, "PIECE", 500)
    cells = "".join(f'<c r="{"ABCDE"[i]}1" t="inlineStr"><is><t>{name}</t></is></c>' for i, name in enumerate(BETS))
    header = f'<row r="1">{cells}</row>'.replace(' r="1"', "") if not attributes else f'<row r="1">{cells}</row>'
    lines = "".join(plain(line, attributes) for line in range(2, 60))
    path = with_sheet(save(tmp_path / "bets.xlsx", {"s": []}), f"<sheetData>{header}{comment}{lines}</sheetData>")
    assert read(path) == [Bet(n, 7, 10_557, 50, AT) for n in range(1, 59)]


def test_where_calamine_fails_openpyxl_goes_on(bets: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets_module, "PIECE", 2_000)
    path = bets(*[(n, 7, 105.57, 0.5, WHEN) for n in range(1, 100)])
    kept, calls = Reader._load, []

    def load(self: Reader, held: dict[str, bytes | None], text: bytes) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise sheets_module.python_calamine.CalamineError("a cell that it can't take")
        return kept(self, held, text)

    file = open_source(path, ZONE, DEFAULT)
    monkeypatch.setattr(Reader, "_load", load)
    calls.clear()
    assert list(file.rows()) == [Bet(n, 7, 10_557, 50, AT) for n in range(1, 100)]
    assert len(calls) == 4


def test_what_a_look_through_finds(bets: Given) -> None:
    path = bets((1, 7, 105.57, 0.5, WHEN), (2, 7, Error("#N/A"), 0.5, WHEN))
    workbook = open_workbook(path, 1 << 30)
    (sheet,) = workbook.sheets
    facts = look_through(workbook, sheet)
    assert (facts.cuttable, facts.errors, facts.last_line, facts.merged) == (True, True, 3, [])
