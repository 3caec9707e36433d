"""Runs luacheck on every script as the server gets it, includes in place: `python -m tests.support.lualint`.

A part alone would look full of unused and unknown names. Complaints are told by the file and line they are of.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from fature_kv import scripts
from fature_kv.assets import lua_dir

OPTIONS = (
    "--std=lua51", "--no-color", "--no-cache", "--formatter=plain", "--codes", "--max-line-length=120",
    "--read-globals", "redis", "cjson", "cmsgpack", "struct", "bit", "KEYS", "ARGV",
)  # fmt: skip
_COMPLAINT = re.compile(r"(?P<file>[^:]+):(?P<line>[0-9]+):(?P<column>[0-9]+): \((?P<code>[EW][0-9]+)\) (?P<text>.*)")
_UNUSED = re.compile(r"W2[1-3]1")
"""A script need not use all of what a part brings."""


class Place(NamedTuple):
    """Where a line of an assembled script comes from."""

    file: str
    line: int


def places_of(name: str) -> list[Place]:
    """Where each line of an assembled script comes from."""
    places: list[Place] = []
    for number, line in enumerate(_lines(f"{name}.lua"), start=1):
        if included := re.fullmatch(r"--#include (\w+)", line):
            part = f"include/{included[1]}.lua"
            places += [Place(part, i) for i, _ in enumerate(_lines(part), start=1)]
        places.append(Place(f"{name}.lua", number))  # behind a part, the line break that ended its directive
    assert len(places) == len(scripts.script(name).source.splitlines())
    return places


def _lines(file: str) -> list[str]:
    return (lua_dir() / file).read_text().splitlines()


def complaints(luacheck: str) -> list[str]:
    """What luacheck finds, each once, as `chunk.lua:7: (W113) ...`."""
    found: dict[str, None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in scripts.names():
            places = places_of(name)
            path = Path(folder) / f"{name}.lua"
            path.write_text(scripts.script(name).source)
            done = subprocess.run([luacheck, str(path), *OPTIONS], capture_output=True, text=True, check=False)
            if done.returncode > 2:
                return [f"luacheck failed: {done.stderr or done.stdout}"]
            for line in done.stdout.splitlines():
                told = _COMPLAINT.fullmatch(line.strip())
                if told is None:
                    continue
                place = places[int(told["line"]) - 1]
                if not (_UNUSED.fullmatch(told["code"]) and place.file.startswith("include")):
                    found[f"{place.file}:{place.line}: ({told['code']}) {told['text']}"] = None
    return list(found)


def main() -> int:
    luacheck = shutil.which("luacheck")
    if luacheck is None:
        print("luacheck is not here: Lua lint skipped (every script is compiled by the tests)")
        return 0
    found = complaints(luacheck)
    for line in found:
        print(line)
    print(f"luacheck: {len(scripts.names())} scripts, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
