"""Sheets, headers and titles of workbooks, and files that are none."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from fature_kv.domain.rows import BadRow, Link, Money, Person
from fature_kv.errors import SourceFileError
from fature_kv.sources.files import find_files, open_all, open_source
from tests.sources.workbook_reading import (
    AT,
    BET,
    BETS,
    DEFAULT,
    DEPOSITS,
    PEOPLE,
    WHEN,
    ZONE,
    Given,
    everything,
    problem,
    read,
)
from tests.support.workbooks import fill, package, parts, save, with_sheet

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


def test_rows_far_apart_in_the_middle_of_a_sheet(tmp_path: Path) -> None:
    """Whatever stands first and last in a piece: in one block, in two, told by a row or by a cell alone."""
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    cell = '<row r="2"><c r = "XFD1048576"><v>1</v></c></row>'
    wide = '<row r="2"><c r="A2"><v>1</v></c><c r="XFD2"><v>1</v></c></row>'
    pad = " " * 1_000
    apart = "".join(f'<row r="{n}" a="{pad}"><c r="A{n}"><v>1</v></c></row>' for n in range(3, 1_048_000, 450))
    many = "<row><c><v>1</v></c></row>" * 3_000 + f"<row>{'<c><v>1</v></c>' * 12_000}</row>"
    for rows in (far + '<row r="3"/>', cell + '<row r="3"/>', wide + apart, many):
        first = '<row r="1"><c r="A1"><v>1</v></c></row>'
        path = with_sheet(save(tmp_path / "bets.xlsx", {"s": []}), f"<sheetData>{first}{rows}</sheetData>")
        assert "are too many: delete what stands far from the rows" in problem(path)


@pytest.mark.parametrize("lines", [(1, 2, 2, 3), (1, 3, 2, 4), (1, 5, 3, 4, 2)])
def test_rows_out_of_order_are_no_sheet(tmp_path: Path, lines: tuple[int, ...]) -> None:
    rows = "".join(f'<row r="{line}"><c r="A{line}"><v>1</v></c></row>' for line in lines)
    path = with_sheet(save(tmp_path / "bets.xlsx", {"s": []}), f"<sheetData>{rows}</sheetData>")
    assert "comes twice or behind a later one: the sheet is damaged, save it again" in problem(path)


def test_a_text_that_looks_like_a_row_is_a_text(tmp_path: Path) -> None:
    rows = "".join(
        f'<row r="{line}"><c r="A{line}" t="inlineStr"><is><t>row r="1" r="C1"</t></is></c></row>' for line in (1, 2, 5)
    )
    path = with_sheet(save(tmp_path / "bets.xlsx", {"s": []}), f"<sheetData>{rows}</sheetData>")
    assert "comes twice" not in problem(path)


def test_a_tag_of_more_than_a_block_hides_no_line(tmp_path: Path) -> None:
    """Its line would stand where one block ends and the next begins."""
    head = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    begin = '<sheetData><row r="2"><c r="XFD2"><v>1</v></c></row><row '
    pad = " " * ((1 << 20) - len(head) - len(begin) - len('r="1048'))
    rows = f'{begin}{pad}r="1048576"{" " * (3 << 20)}><c><v>1</v></c></row></sheetData>'
    path = with_sheet(save(tmp_path / "bets.xlsx", {"s": []}), rows)
    assert "are too many: delete what stands far from the rows" in problem(path)


def test_a_cell_of_more_than_a_block(tmp_path: Path) -> None:
    path = with_sheet(
        save(tmp_path / "bets.xlsx", {"s": []}), f'<sheetData><row r="1"><c r="A1"{" " * (3 << 20)}/></row></sheetData>'
    )
    assert problem(path).endswith("a cell is longer than any may be: the sheet is damaged, save it again")
