"""An XLSX file as a package: is it one, which sheets has it, which of its parts does a reader need.

Nothing is unpacked before the sizes that its directory states are known to lie within the limit, and never more than
those sizes, whatever the compressed data hold: a zip bomb ends here with one line.
"""

from __future__ import annotations

import mmap
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple
from xml.etree import ElementTree

from fature_kv.errors import SourceFileError

_MAGIC: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_ROOT: Final = "_rels/.rels"
_SMALL_PART: Final = 1 << 24
"""The most bytes of a part that only lists other parts."""
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Sheet(NamedTuple):
    """A sheet: its name, its part of the package, and what that takes compressed and unpacked."""

    name: str
    part: str
    packed_bytes: int
    bytes: int


class Workbook(NamedTuple):
    """A package whose directory was read. `styles` and `strings` are parts that its sheets refer to, or None."""

    path: Path
    sheets: list[Sheet]
    date1904: bool
    styles: str | None
    strings: str | None

    @contextmanager
    def opened(self, part: str) -> Iterator[IO[bytes]]:
        """A part to read; damaged data raise SourceFileError, told as the sheet's where it is one."""
        sheet = next((each.name for each in self.sheets if each.part == part), None)
        with _translated(self.path, sheet), zipfile.ZipFile(self.path) as package, package.open(part) as stream:
            yield stream

    def read(self, part: str | None) -> bytes | None:
        """A whole part; None for none."""
        if part is None:
            return None
        with self.opened(part) as stream:
            return stream.read()

    def part_bytes(self, part: str | None) -> int:
        """What a part takes unpacked; 0 for none."""
        if part is None:
            return 0
        with _translated(self.path), zipfile.ZipFile(self.path) as package:
            return package.getinfo(part).file_size


def open_workbook(path: Path, limit: int) -> Workbook:
    """Read a workbook's directory. Raises SourceFileError for a file that is none or unpacks to more than `limit`."""
    with _translated(path):
        _check_magic(path)
        with zipfile.ZipFile(path) as package:
            return _read_directory(path, package, limit)


def _read_directory(path: Path, package: zipfile.ZipFile, limit: int) -> Workbook:
    entries = {_tidy(entry.filename): entry for entry in package.infolist()}
    unpacked = sum(entry.file_size for entry in entries.values())
    if unpacked > limit:
        many, most = (f"{size / (1 << 20):,.0f} MiB" for size in (unpacked, limit))
        problem = f"unpacks to {many}, more than the {most} of FATURE_WORKBOOK_BYTES: split it, or raise the setting"
        raise SourceFileError(str(path), problem)
    if odd := next((entry for entry in entries.values() if entry.compress_type not in _METHODS), None):
        raise SourceFileError(str(path), f"is packed in a way that no workbook is ({odd.filename}); save it again")
    names = {name: entry.filename for name, entry in entries.items()}
    book = next((target for kind, target in _related(package, names, "").values() if kind == "officeDocument"), None)
    if book is None or not book.endswith(".xml"):
        raise SourceFileError(str(path), _kind_of_zip(names, book))
    root, related = _xml(package, book), _related(package, names, book)
    kinds = dict(related.values())
    sheets = []
    for element in _all(root, "sheet"):
        relation = next((value for name, value in element.items() if name.endswith("}id")), "")
        kind, part = related.get(relation, ("", ""))
        if kind == "worksheet":
            entry = package.getinfo(part)
            sheets.append(Sheet(element.get("name", ""), part, entry.compress_size, entry.file_size))
    date1904 = any(element.get("date1904") in ("1", "true") for element in _all(root, "workbookPr"))
    return Workbook(path, sheets, date1904, kinds.get("styles"), kinds.get("sharedStrings"))


def _related(package: zipfile.ZipFile, names: dict[str, str], part: str) -> dict[str, tuple[str, str]]:
    """The parts that a part refers to: id -> (kind, name in the package)."""
    folder, base = posixpath.split(part)
    relations = names.get(_tidy(posixpath.join(folder, "_rels", f"{base}.rels")) if part else _ROOT)
    found: dict[str, tuple[str, str]] = {}
    for element in _all(_xml(package, relations), "Relationship") if relations else ():
        target = posixpath.normpath(posixpath.join("/", folder, element.get("Target", "")))
        if name := names.get(_tidy(target)):
            found[element.get("Id", "")] = element.get("Type", "").rpartition("/")[2], name
    return found


def _tidy(name: str) -> str:
    """A part's name as packages compare it: without case, `/` between folders."""
    return name.replace("\\", "/").lstrip("/").lower()


def _xml(package: zipfile.ZipFile, part: str) -> ElementTree.Element:
    """A small part, parsed. Entities, which a workbook never declares, are not expanded."""
    if package.getinfo(part).file_size > _SMALL_PART:
        raise zipfile.BadZipFile(f"{part} is too large")
    text = package.read(part)
    if b"<!DOCTYPE" in text:
        raise zipfile.BadZipFile(f"{part} declares a document type")
    return ElementTree.fromstring(text)  # noqa: S314 -- no document type, so nothing to expand


def _all(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Elements by local name: strict workbooks have other namespaces."""
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)


@contextmanager
def _translated(path: Path, sheet: str | None = None) -> Iterator[None]:
    try:
        yield
    except _BROKEN:
        problem = "the workbook is truncated or damaged: open it, save it again, or export it anew"
        raise SourceFileError(str(path), problem, sheet=sheet) from None
    except ElementTree.ParseError as error:
        raise SourceFileError(str(path), f"the workbook is damaged ({error}): save it again", sheet=sheet) from None
    except OSError as error:
        raise SourceFileError(str(path), f"can't be read: {error.strerror or error}", sheet=sheet) from None


def _check_magic(path: Path) -> None:
    """Raises SourceFileError for what is no zip file, saying what it is."""
    with path.open("rb") as raw:
        head = raw.read(4_096)
        if head.startswith(_MAGIC):
            return
        if not head:
            raise SourceFileError(str(path), "is empty, expected a workbook")
        if head.startswith(_OLE):
            with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                encrypted = whole.find(_ENCRYPTED) >= 0
            told = (
                "is encrypted: open it with its password and save it without"
                if encrypted
                else "is an old Excel workbook (.xls) under another name: save it as .xlsx"
            )
        elif head.startswith(b"\x1f\x8b"):
            told = "is gzip data, expected a workbook; rename it to .csv.gz if that is what it holds"
        elif b"\x00" not in head:
            told = "is text, expected a workbook; rename it to .csv if that is what it is"
        else:
            told = "is no workbook, though its name says so: save it as .xlsx or CSV"
    raise SourceFileError(str(path), told)


def _kind_of_zip(names: dict[str, str], book: str | None) -> str:
    if book is not None:
        return "is a binary workbook (.xlsb) under another name: save it as .xlsx"
    if "content.xml" in names:
        return "is an OpenDocument file under another name: save it as .xlsx"
    return "is a zip file, but no workbook; unpack it, and import what it holds"
