"""Workbooks as operators have them, and files that are none."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from fature_kv.errors import SourceFileError
from fature_kv.sources import sheets as sheets_module
from fature_kv.sources.files import find_files, open_all, open_source, open_sources, preview
from fature_kv.sources.sheets import Reader, look_through
from fature_kv.sources.source_file import SourceFile
from fature_kv.sources.workbooks import open_workbook
from tests.support.workbooks import Error, fill, package, parts, save, with_sheet

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


@pytest.fixture
def bets(tmp_path: Path) -> Given:
    """A workbook of bets with these rows under its header."""

    def make(*rows: object, header: object = BETS, date1904: bool = False) -> Path:
        return save(tmp_path / "casino_bets.xlsx", {"Planilha1": [header, *rows]}, date1904=date1904)  # type: ignore[list-item]

    return make


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


# -- headers and sheets ---------------------------------------------------------------------------------------------


def test_titles_above_and_columns_in_any_order(tmp_path: Path) -> None:
    rows = [
        ("Relatório de apostas",),
        (),
        ("Período:", "junho", None, datetime(2025, 7, 1)),
        (None, "Data da Aposta", "Prêmio", "Obs", "Valor Apostado", "Código", "Jogador"),
        (None, WHEN, 0.5, "x", 105.57, 1, 7),
        ("Total", None, None, None, 105.57),
    ]
    file = open_source(save(tmp_path / "apostas.xlsx", {"Plan1": rows}), ZONE, DEFAULT)
    good, total = everything(file)
    assert good == BET
    assert isinstance(total, BadRow)
    assert file.mapping_found["stake"] == "Valor Apostado"
    assert file.ignored == ("Obs",)


def test_merged_cells_in_titles_and_headers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    fill(sheet, [
        ("Apostas do mês",), (),
        ("id", "user_id", "Valores", None, "criado_em"),
        (None, None, "stake", "win", None),
        (1, 7, 105.57, 0.5, WHEN),
    ])  # fmt: skip
    for area in ("A1:E2", "A3:A4", "B3:B4", "C3:D3", "E3:E4"):
        sheet.merge_cells(area)
    book.save(tmp_path / "bets.xlsx")
    assert read(tmp_path / "bets.xlsx") == [BET]
    book = openpyxl.Workbook()
    fill(book.active, [(*BETS[:2], "stake", None, "win", None, "criado_em"), (), (1, 7, 105.57, None, 0.5, None, WHEN)])
    for area in ("A1:A2", "B1:B2", "C1:D2", "E1:F2", "G1:G2"):
        book.active.merge_cells(area)
    book.save(tmp_path / "bets.xlsx")
    assert read(tmp_path / "bets.xlsx") == [BET]


def test_sheets_told_by_their_name_the_files_name_or_their_header(tmp_path: Path) -> None:
    sheets = {
        "Capa": [("Exportação",), ("Data", "01/07/2025")],
        "Vazia": [],
        "apostas 2025": [BETS, (1, 7, 105.57, 0.5, WHEN)],
        "Plan2": [("user_id", "referrer_id", "tracked_em"), (7, 8, WHEN)],
        "saques": [DEPOSITS, (1, 7, 5, WHEN)],
        "Plan4": [DEPOSITS, (2, 7, 6, WHEN)],
        "Plan5": [DEPOSITS, (3, 7, 6, WHEN)],
        "usuários": [PEOPLE, (7, "Ana", None, None, "ativo", WHEN)],
    }
    path = save(tmp_path / "x_depositos.xlsx", sheets)
    ignored: list[tuple[str, str]] = []
    files = open_all([path], ZONE, DEFAULT, ignored=lambda sheet: ignored.append((sheet.sheet, sheet.why)))
    assert [(file.sheet, file.source) for file in files] == [
        ("usuários", "cadastro"),
        ("Plan2", "tracked"),
        ("Plan4", "depositos"),
        ("Plan5", "depositos"),
        ("apostas 2025", "casino_bets_v"),
        ("saques", "saque"),
    ]
    assert sorted(ignored) == [("Capa", "sheet_no_source"), ("Vazia", "sheet_empty")]
    assert [row for file in files for row in everything(file)] == [
        Person(7, "Ana", "", "", "active", AT),
        Link(7, 8, AT),
        Money("depositos", 2, 7, 600, "approved", AT, None),
        Money("depositos", 3, 7, 600, "approved", AT, None),
        BET,
        Money("saque", 1, 7, 500, "approved", AT, None),
    ]


@pytest.mark.parametrize(
    ("name", "sheets", "message"),
    [
        ("x.xlsx", {"a": [], "b": []}, ": nothing to import: its sheets ('a', 'b') are all empty"),
        ("x.xlsx", {"Capa": [("oi",)], "b": []}, ": nothing to import: its sheets ('b', 'Capa') hold no header"),
        ("x.xlsx", {"a": [DEPOSITS]}, ", sheet 'a', line 1: the header fits several sources"),
        (
            "bets.xlsx",
            {"a": [("t",), ("id", "user_id", "stake", "when")]},
            ", sheet 'a', line 2, column 'win': missing",
        ),
        ("bets.xlsx", {"a": [("user\nid", "id")]}, ", sheet 'a', line 1, column 'stake': missing"),
        ("bets.xlsx", {"a": [PEOPLE]}, ", sheet 'a', line 1, column 'user_id': missing"),
        ("bets.xlsx", {"a": [(*BETS, "id")]}, ", sheet 'a', line 1, column 'id': several columns may be it"),
        ("x.xlsx", {"bets": [BETS], "users": [PEOPLE[:4]]}, ", sheet 'users', line 1, column 'status': missing"),
    ],
)
def test_sheets_that_are_no_sources(tmp_path: Path, name: str, sheets: dict[str, list[object]], message: str) -> None:
    assert message in problem(save(tmp_path / name, sheets))  # type: ignore[arg-type]


# -- what is no workbook --------------------------------------------------------------------------------------------

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": is empty"),
        (b"id,user_id,stake,win,criado_em\n", ": is text, expected a workbook; rename it to .csv"),
        (OLE, ": is an old Excel workbook (.xls) under another name"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), ": is encrypted: open it with its password"),
        (b"\x1f\x8b\x08rest", ": is gzip data"),
        (b"\x00\x01binary", ": is no workbook"),
        (b"PK\x03\x04rest", ": the workbook is truncated or damaged"),
    ],
)
def test_files_that_are_no_workbooks(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bets.xlsx"
    path.write_bytes(content)
    assert message in problem(path)


def test_zip_files_that_are_no_workbooks(bets: Given, tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    assert ": is a zip file, but no workbook" in problem(package(path, {"bets.csv": b"x"}))
    assert ": is an OpenDocument file" in problem(package(path, {"content.xml": b"x"}))
    held = parts(bets((1, 7, 1, 1, WHEN)))
    binary = {name: part.replace(b"xl/workbook.xml", b"xl/workbook.bin") for name, part in held.items()}
    assert ": is a binary workbook (.xlsb)" in problem(package(path, {**binary, "xl/workbook.bin": b"x"}))
    assert "damaged" in problem(package(path, held | {"xl/workbook.xml": b"<workbook"}))
    assert "damaged" in problem(package(path, held | {"xl/workbook.xml": b"<!DOCTYPE x><workbook/>"}))


def test_truncated_and_damaged_workbooks(bets: Given) -> None:
    path = bets(*[(n, 7, n / 100, 0.5, WHEN) for n in range(1, 2_000)])
    whole = path.read_bytes()
    for size in (len(whole) - 30, len(whole) // 2, 100):
        path.write_bytes(whole[:size])
        assert ": the workbook is truncated or damaged" in problem(path)
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as package_:
        at = package_.getinfo("xl/worksheets/sheet1.xml").header_offset + 2_000
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    assert ", sheet 'Planilha1': the workbook is truncated or damaged" in problem(path)


def test_a_workbook_named_csv_and_spreadsheets_of_other_formats(bets: Given, tmp_path: Path) -> None:
    path = bets((1, 7, 1, 1, WHEN))
    assert ": is an Excel workbook or a zip file, expected CSV text; rename it to .xlsx" in problem(
        path.rename(tmp_path / "bets.csv")
    )
    (tmp_path / "old.xls").write_bytes(OLE)
    for asked in (tmp_path, tmp_path / "old.xls"):
        with pytest.raises(SourceFileError, match=r"save it as \.xlsx"):
            find_files([asked])


# -- what is too large ----------------------------------------------------------------------------------------------


def test_a_zip_bomb_is_not_unpacked(bets: Given) -> None:
    path = bets((1, 7, 1, 1, WHEN))
    package(path, parts(path) | {"xl/sharedStrings.xml": bytes(64 << 20)})
    tracemalloc.start()
    told = problem(path, workbook_bytes=8 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ": unpacks to 64 MiB, more than the 8 MiB of FATURE_WORKBOOK_BYTES" in told
    assert peak < 1 << 20


def test_a_zip_bomb_that_lies_about_its_size_is_not_unpacked(bets: Given) -> None:
    path = bets((1, 7, 1, 1, WHEN))
    package(path, parts(path) | {"xl/worksheets/sheet1.xml": bytes(96 << 20)})
    size = struct.pack("<I", 96 << 20)
    path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", 1_000)))
    tracemalloc.start()
    told = problem(path, workbook_bytes=8 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "damaged" in told
    assert peak < 40 << 20


def test_cells_too_far_apart(bets: Given, tmp_path: Path) -> None:
    row = '<row r="{0}"><c r="{1}{0}"><v>1</v></c></row>'
    lines = "".join(row.format(n, "A") for n in range(1, 3_000)) + row.format(3_000, "XFD")
    path = with_sheet(bets(), f"<sheetData>{lines}</sheetData>")
    assert ", sheet 'Planilha1': 16,384 columns by 3,000 lines are too many" in problem(path)


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
