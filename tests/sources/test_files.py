"""CSV files as operators have them, and files that are not what they say."""

from __future__ import annotations

import gzip
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Bet, Money, Person, Row, Source
from fature_kv.errors import SourceFileError
from fature_kv.sources.csv_file import CsvFile
from fature_kv.sources.files import find_files, open_all, open_source, preview
from tests.support.data import real_data

ZONE = ZoneInfo("America/Sao_Paulo")
DEFAULT = Mapping()
AT = 1_750_939_200_000_000
BETS = "id,user_id,stake,win,criado_em\n1,7,1.00,0.50,2025-06-26T12:00:00Z\n"
BET = Bet(1, 7, 100, 50, AT)
PEOPLE = "id,nome,email,telefone,status,criado_em\n1,José,j@x.br,,ativo,2025-06-26T12:00:00Z\n"
JOSE = Person(1, "José", "j@x.br", "", "active", AT, None)


def zipped(data: bytes) -> bytes:
    """Compressed the same way at any time, so that tests keep their names."""
    return gzip.compress(data, mtime=0)


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "casino_bets.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def read(path: Path, source: Source | None = None) -> list[Row | BadRow]:
    file = open_source(path, ZONE, DEFAULT, source)
    rows = list(file.rows())
    assert [row for part in file.lists(2) for row in part] == rows
    return rows


def problem(path: Path) -> str:
    """The one line that opening this file ends in."""
    with pytest.raises(SourceFileError) as error:
        open_source(path, ZONE, DEFAULT)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(str(path))


@pytest.mark.parametrize(
    "text",
    [
        BETS,
        BETS.replace("\n", "\r\n"),
        BETS.replace("\n", "\r"),
        BETS.replace(",", ";"),
        BETS.replace(",", "\t"),
        "\ufeff" + BETS,
        "\n\n" + BETS + "\n\n",
        BETS.rstrip("\n"),
        BETS.replace(",", ";").replace(".", ","),
        'ID;"Usuário ID";Valor Apostado;Prêmio;"Criado\nem"\n1;"7";"1,00";"0,50";26/06/2025 09:00\n',
        "criado_em,win,extra,stake,id,user_id\n2025-06-26T12:00:00Z,R$ 0.50,,1,1,7\n",
    ],
)
def test_files_that_say_the_same(write: Write, text: str) -> None:
    assert read(write(text)) == [BET]
    assert read(write(zipped(text.encode()), "casino_bets.csv.gz")) == [BET]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings(write: Write, encoding: str) -> None:
    path = write(PEOPLE.encode(encoding), "x_users.csv")
    assert read(path) == [JOSE]
    file = open_source(path, ZONE, DEFAULT)
    assert isinstance(file, CsvFile)
    assert file.encoding == ("latin-1" if encoding == "latin-1" else "utf-8")


def test_latin_1_shows_only_at_the_very_end(write: Write) -> None:
    header = "criado_em,id,email,telefone,status,nome\n"
    filler = "2025-06-26T12:00:00Z,1,x,,,Ana\n" * 30_000
    rows = read(write((header + filler + "2025-06-26T12:00:00Z,1,x,,,José").encode("latin-1"), "users.csv"))
    assert isinstance(rows[-1], Person)
    assert rows[-1].name == "José"
    assert "ends inside a character" in problem(write((PEOPLE + "2,José").encode()[:-1], "users.csv"))


def test_the_source_by_name_else_by_header_else_told(write: Write) -> None:
    assert open_source(write(BETS, "export.csv"), ZONE, DEFAULT).source == "casino_bets_v"
    deposits = write("id,user_id,valor,criado_em\n1,7,5,2025-06-26T12:00:00Z\n", "export.csv")
    assert "the header fits several sources" in problem(deposits)
    assert read(deposits, "saque") == [Money("saque", 1, 7, 500, "approved", AT, None)]
    assert "neither name nor header" in problem(write("a,b\n", "export.csv"))


def test_what_was_found_is_told(write: Write) -> None:
    path = write("Código;Jogador;Montante;Obs;Data\n1;7;x;;26/06/2025\n", "depositos.csv")
    file = open_source(path, ZONE, DEFAULT)
    assert file.mapping_found == {"id": "Código", "user_id": "Jogador", "valor": "Montante", "criado_em": "Data"}
    assert (file.ignored, file.kind, file.size_bytes) == (("Obs",), "utf-8, ';'", path.stat().st_size)
    raw: dict[str, object] = {"id": "1", "user_id": "7", "valor": "x", "criado_em": "26/06/2025"}
    assert list(file.rows()) == [BadRow("depositos", "1", "bad_money", raw)]


def test_bad_rows_do_not_stop_a_file(write: Write) -> None:
    text = BETS + '2,7,"1\n",x,2025-06-26\n3,7,1\n\n4,7,1,0,2025-06-26,,\n,,,,\nx\n5,7,1.234,0,26/06/2025\n' + BETS[31:]
    path = write(text)
    rows = read(path)
    assert rows[0] == rows[-1] == BET
    file = open_source(path, ZONE, DEFAULT)
    lines = [(file.line, row.id, row.reason) for row in file.rows() if isinstance(row, BadRow)]
    assert lines == [
        (3, "2", "bad_money"),
        (5, "3", "bad_row"),
        (7, "4", "bad_row"),
        (8, None, "bad_id"),
        (9, None, "bad_row"),
        (10, "5", "bad_money"),
    ]
    shown = preview(open_source(path, ZONE, DEFAULT), bad_rows=2)
    assert (shown.rows, shown.good) == (8, 2)
    assert shown.reasons == {"bad_id": 1, "bad_money": 2, "bad_row": 3}
    assert [(bad.line, bad.reason) for bad in shown.bad] == [(3, "bad_money"), (5, "bad_row")]
    assert shown.bad[1].raw == {"fields": ["3", "7", "1"]}


def test_a_header_alone_is_no_rows(write: Write) -> None:
    assert read(write(BETS[:31])) == []
    assert read(write(BETS[:30])) == []


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "bets.csv", ": is empty"),
        (b"\n \n", "bets.csv", ": is empty"),
        (b"", "bets.csv.gz", ": is empty"),
        (zipped(b""), "bets.csv.gz", ": is empty"),
        (zipped(BETS.encode()), "bets.csv", ": is gzip data, expected CSV text; rename it to .csv.gz"),
        (BETS.encode(), "bets.csv.gz", ": is not gzip data"),
        (b"PK\x03\x04rest", "bets.csv", ": is an Excel workbook or a zip file"),
        (zipped(b"PK\x03\x04rest"), "bets.csv.gz", ": is an Excel workbook"),
        (BETS.encode("utf-16"), "bets.csv", ": is UTF-16 text"),
        (BETS.encode() + b"2,7\x00,", "bets.csv", ", line 3: holds binary data"),
        (BETS.encode() + b"x" * 3_000_000, "bets.csv", ", line 3: a line of more than 1 MiB"),
        (zipped(BETS.encode() * 999)[:-20], "bets.csv.gz", "truncated"),
        (zipped(BETS.encode() * 999)[:-4] + b"xxxx", "bets.csv.gz", "truncated"),
        (BETS.encode() + b'2,7,"1.00,0.50,2025\n3,7,1,0,2025-06-26\n', "bets.csv", ", line 3: a quoted field opened"),
        (BETS.encode() + b'2,7,"1.00' + b"\n" * 200_000, "bets.csv", ", line 3: field larger than field limit"),
        (BETS.encode() + b"2,7,1.0", "bets.csv", ", line 3: the file breaks off in this row: 3 of 5 fields"),
        (b"id,user_id,win,criado_em\n", "bets.csv", ", line 1, column 'stake': missing"),
        (
            b"\nid,user_id,stake,win,id,criado_em\n",
            "bets.csv",
            ", line 2, column 'id': several columns may be it: id, id",
        ),
        (b"user_id,referrer_id,tracked_em\n", "users.csv", "it looks like a file of 'tracked': rename it"),
        (b"1,7,1.00,0.50,2025-06-26\n", "bets.csv", "is the first line a header?"),
    ],
)
def test_files_that_are_not_what_they_say(write: Write, content: bytes, name: str, message: str) -> None:
    assert message in problem(write(content, name))


def test_a_missing_column_names_what_is_there_and_what_is_accepted(write: Write) -> None:
    text = problem(write("id,user_id,quanto,criado_em\n", "depositos.csv"))
    assert text.startswith(", line 1, column 'valor': missing")
    assert "the header has: id, user_id, quanto, criado_em" in text
    assert "accepted for 'valor': valor, valor_deposito" in text


def test_a_file_that_changes_between_check_and_reading(write: Write) -> None:
    file = open_source(write(PEOPLE, "users.csv"), ZONE, DEFAULT)
    write((PEOPLE * 2).encode("latin-1"), "users.csv")
    with pytest.raises(SourceFileError, match="changed while it was read"):
        list(file.rows())
    write(PEOPLE + '2,"x', "users.csv")
    with pytest.raises(SourceFileError, match="changed while it was read"):
        list(file.rows())


def test_finding_files(write: Write, tmp_path: Path) -> None:
    for name in ("saque.csv", "x_users.CSV", "Depositos.csv.gz", "tracked.csv", "notes.txt", ".bets.csv", "small.csv"):
        write("a,b\n", name)
    write(BETS, "export.csv")
    names = ["Depositos.csv.gz", "export.csv", "saque.csv", "small.csv", "tracked.csv", "x_users.CSV"]
    assert [path.name for path in find_files([tmp_path])] == names
    assert sorted(path.name for path in find_files([tmp_path / "saque.csv", tmp_path])) == names
    assert [path.name for path in find_files([str(tmp_path / "tracked.csv")])] == ["tracked.csv"]
    (tmp_path / "empty").mkdir()
    for path, message in (
        (tmp_path / "empty", "no file"),
        (tmp_path / "x", "no such"),
        (tmp_path / "notes.txt", "ends"),
    ):
        with pytest.raises(SourceFileError, match=message):
            find_files([path])


def test_progress_ends_at_the_size(write: Write) -> None:
    path = write(zipped((BETS[:31] + BETS[31:] * 50_000).encode()), "bets.csv.gz")
    file = open_source(path, ZONE, DEFAULT)
    for reading in (file.rows, lambda progress: file.lists(1_000, progress)):
        seen: list[int] = []
        for _ in reading(progress=seen.append):
            pass
        assert seen == sorted(seen)
        assert seen[-1] == file.size_bytes


def test_memory_stays_flat(write: Write) -> None:
    row = '12345,7,1.00,0.50,"2025-06-26T12:00:00Z"\n'
    path = write(zipped((BETS + row * 100_000).encode()), "bets.csv.gz")
    tracemalloc.start()
    count = sum(1 for _ in open_source(path, ZONE, DEFAULT).rows())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_001
    assert peak < 3_000_000


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("small", {"cadastro": 500, "tracked": 488, "depositos": 1942, "casino_bets_v": 2429, "saque": 364}),
        ("full", {"cadastro": 8580, "tracked": 8214, "depositos": 36887, "casino_bets_v": 50000, "saque": 7527}),
    ],
)
def test_the_real_data_reads_clean(folder: str, counts: dict[str, int]) -> None:
    path = real_data(folder)
    if path is None:
        pytest.skip(f"the real data set '{folder}' is not beside this checkout")
    found: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for file in open_all([path], ZONE, DEFAULT):
        for row in file.rows():
            assert not isinstance(row, BadRow)
            found[file.source] += 1
            if isinstance(row, Money):
                sums[row.source] += row.amount
            elif isinstance(row, Bet):
                sums.update(stake=row.stake, win=row.win)
    assert dict(found) == counts
    if folder == "full":
        assert sums == {"depositos": 1743153316, "saque": 54820827, "stake": 1467625490, "win": 1490496385}
