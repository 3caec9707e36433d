"""Workbooks for tests: by openpyxl as people save them, or part by part where the bytes matter."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path

import openpyxl
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.worksheet import Worksheet

DATE_FORMAT = "dd/mm/yyyy hh:mm:ss"


def save(path: Path, sheets: Mapping[str, Iterable[Sequence[object]]], *, date1904: bool = False) -> Path:
    """A workbook with the rows of each sheet; `Error("#N/A")` is a cell that holds an error."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    if date1904:
        book.epoch = CALENDAR_MAC_1904
    for name, rows in sheets.items():
        fill(book.create_sheet(name), rows)
    book.save(path)
    return path


class Error(str):
    """A cell that holds an error of the workbook."""


def fill(sheet: Worksheet, rows: Iterable[Sequence[object]]) -> None:
    """Rows from the first line on."""
    for line, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(line, column, value)
            if isinstance(value, datetime):
                cell.number_format = DATE_FORMAT
            if isinstance(value, Error):
                cell.data_type = "e"
            elif isinstance(value, str):
                cell.data_type = "s"


def parts(path: Path) -> dict[str, bytes]:
    """The parts of a package."""
    with zipfile.ZipFile(path) as package:
        return {entry.filename: package.read(entry) for entry in package.infolist()}


def package(path: Path, of: Mapping[str, bytes]) -> Path:
    """A package of parts."""
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, part in of.items():
            zipped.writestr(name, part)
    path.write_bytes(held.getvalue())
    return path


def with_sheet(path: Path, xml: str) -> Path:
    """A workbook whose first sheet has this XML under its `worksheet` element."""
    head = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    return package(path, parts(path) | {"xl/worksheets/sheet1.xml": f"{head}{xml}</worksheet>".encode()})
