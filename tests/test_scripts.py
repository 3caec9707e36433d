"""Every Lua script: it compiles on the real server, its head tells how to call it, and it agrees with Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fature_kv import errors, scripts
from fature_kv.assets import lua_dir
from fature_kv.domain import cells
from fature_kv.store import Store, translate
from tests.support import lualint
from tests.support.servers import REPO

PARTS = sorted((lua_dir() / "include").glob("*.lua"))
FILES = sorted(lua_dir().glob("*.lua")) + PARTS
LONGEST = {".lua": 120, ".py": 400}
LONGER: dict[str, str] = {}
"""Files above the limit, and why."""


def code_of(text: str) -> str:
    """Lua without comments."""
    return re.sub(r"--[^\n]*", "", text)


def head_of(name: str) -> str:
    """The comment a script begins with, less the directives."""
    lines = (lua_dir() / f"{name}.lua").read_text().splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--") or line.startswith("--#")), len(lines))
    return "\n".join(line[2:].strip() for line in lines[:end])


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_compiles_on_the_server(name: str, redis_server: str) -> None:
    store = Store(redis_server)
    script = scripts.script(name)
    assert "--#include" not in script.source
    assert store.call("SCRIPT", "LOAD", script.source).decode() == script.sha
    store.close()


@pytest.mark.parametrize("name", scripts.names())
def test_a_head_tells_purpose_keys_arguments_and_answer(name: str) -> None:
    head = head_of(name)
    assert head.partition("\n")[0].endswith("."), "the first line is a sentence"
    places = [re.search(rf"^{word}\b", head, re.MULTILINE) for word in ("KEYS", "ARGV", "Returns")]
    assert all(places), f"{name}.lua tells no {'KEYS, ARGV or Returns'}"
    starts = [place.start() for place in places if place]
    assert starts == sorted(starts)


@pytest.mark.parametrize("name", scripts.names())
def test_a_head_tells_every_error(name: str) -> None:
    """What a script or a part it takes in can refuse with is what its head says."""
    told = set(re.findall(r"FATURE_[A-Z]+", head_of(name)))
    used = set(re.findall(r"FATURE_[A-Z]+", code_of(scripts.script(name).source)))
    optional = {"FATURE_CONFIG", "FATURE_TREE"}  # of the common part, where a plan leaves them out
    assert told <= used
    assert used - told <= optional
    assert used <= scripts.REFUSALS.keys()


def test_every_code_is_used_and_is_told_in_words() -> None:
    used = {code for name in scripts.names() for code in re.findall(r"FATURE_[A-Z]+", scripts.script(name).source)}
    assert used == scripts.REFUSALS.keys()
    shown = {code for code, kind in scripts.REFUSALS.items() if not issubclass(kind, errors.Refused)}
    assert shown - {"FATURE_EXISTS"} <= {code.partition(" ")[0] for code in scripts.WORDS}


def test_read_only_scripts_say_so_and_write_nothing() -> None:
    for name in scripts.names():
        assert scripts.script(name).read_only == name.startswith("read_"), name


def test_parts_define_functions_and_touch_no_arguments() -> None:
    for path in PARTS:
        text = path.read_text()
        assert text.startswith("-- "), f"{path.name} has no head"
        code = code_of(text)
        assert not re.search(r"\b(KEYS|ARGV)\b", code), path.name
        outside = re.sub(r"^local function .*?^end$", "", code, flags=re.MULTILINE | re.DOTALL)
        assert "redis.call" not in outside, f"{path.name} runs a command outside its functions"
        assert "local function" in code, path.name


def test_parts_are_all_taken_in_somewhere_and_by_their_names() -> None:
    taken = {n for path in FILES for n in re.findall(r"^--#include (\w+)$", path.read_text(), re.MULTILINE)}
    assert taken == {path.stem for path in PARTS}


def test_names_of_figures_are_those_of_python() -> None:
    text = (lua_dir() / "include" / "figures.lua").read_text()
    listed = re.search(r"local RECORD = \{(.*?)\}", text, re.DOTALL)
    assert listed
    assert tuple(re.findall(r"'(\w+)'", listed[1])) == cells.RECORD_FIELDS


def test_numbers_are_never_joined_to_text() -> None:
    """`..` and `tostring` round numbers above 2^53 / 10; `string.format('%.0f')` does not."""
    for path in FILES:
        assert "tostring(" not in code_of(path.read_text()), path.name


def test_every_script_is_asked_for_by_its_name() -> None:
    python = "\n".join(path.read_text() for path in (REPO / "fature_kv").rglob("*.py"))
    for name in scripts.names():
        assert f'"{name}"' in python, f"nobody runs {name}.lua"


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        ("FATURE_STALE 1 3", errors.Stale, "1 3"),
        ("FATURE_TREE", errors.TreeMoved, "FATURE_TREE"),
        ("FATURE_FULL quarantine", errors.LimitReached, "the tenant's quarantine is full (FATURE_QUARANTINE_LIMIT): "),
        ("FATURE_FULL parked", errors.LimitReached, "too many rows of the tenant wait (FATURE_PARKED_LIMIT): "),
        ("FATURE_OVERFLOW", errors.FigureOverflow, "a sum would be beyond 2^53-1: "),
        ("OOM command not allowed when used memory > 'maxmemory'.", errors.ServerUnavailable, "Redis is full"),
        ("READONLY You can't write against a read only replica.", errors.ServerUnavailable, "Redis is read-only"),
        ("LOADING Redis is loading the dataset in memory", errors.ServerUnavailable, "Redis is loading"),
        ("MISCONF Errors writing to the AOF file", errors.ServerUnavailable, "Redis can't persist"),
        ("BUSY Redis is busy running a script.", errors.ServerUnavailable, "Redis can't take the command now"),
        ("NOPERM No permissions to access a key", errors.FatureError, "Redis refused: NOPERM"),
        ("ERR unknown command", errors.FatureError, "Redis refused: ERR unknown command"),
    ],
)
def test_replies_become_errors_of_ours(reply: str, kind: type[errors.FatureError], words: str) -> None:
    from redis.exceptions import ResponseError

    told = translate(ResponseError(reply))
    assert type(told) is kind
    assert str(told).startswith(words)


def test_files_are_not_too_long() -> None:
    files = [*FILES, *(p for top in ("fature_kv", "workers", "tests", "bench") for p in (REPO / top).rglob("*.py"))]
    found = {str(path.relative_to(REPO)) for path in files if lines(path) > LONGEST[path.suffix]}
    assert found == set(LONGER), "split it, or say in LONGER why not"


def lines(path: Path) -> int:
    return path.read_text().count("\n")


def test_the_lint_knows_where_a_line_comes_from() -> None:
    source, places = scripts.script("chunk").source.splitlines(), lualint.places_of("chunk")
    for line, place in zip(source, places, strict=True):
        if line:
            assert (lua_dir() / place.file).read_text().splitlines()[place.line - 1] == line
