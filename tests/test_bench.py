"""The benchmark runs, and leaves out what needs workloads that are not here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.servers import REPO


def bench(peers: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "--quick", "--engine", "embedded", "--json", *words]
    environ = os.environ | {"FATURE_BENCH_PEERS": str(peers)}
    return subprocess.run(command, cwd=REPO, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_a_line_without_peers(tmp_path):
    done = bench(tmp_path, "--only", "historic", "late-links", "--late-links", "30")
    assert done.returncode == 0, done.stderr
    assert f"no workloads and peer at {tmp_path} (FATURE_BENCH_PEERS): without historic" in done.stderr
    found = json.loads(done.stdout)
    (line,) = found["lines"]
    assert line["line"] == "late link"
    assert line["numbers"]["people"] == 30
    assert line["numbers"]["seconds"] > 0
    assert found["engine"].startswith("embedded: ")


def test_nothing_is_left_to_run_without_peers(tmp_path):
    done = bench(tmp_path, "--only", "wide")
    assert (done.returncode, done.stdout) == (0, "")
    assert "without wide" in done.stderr
