"""An import that is stopped in its middle says what it applied; running it again completes it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fature_kv import tenants
from fature_kv.store import Store
from tests.support.commands import Commands, data_folder, end, held_servers
from tests.support.figures_held import figures_held
from tests.support.servers import wait_for


class Place(NamedTuple):
    cli: Commands
    store: Store


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with data_folder() as data, held_servers(data) as url:
        store = Store(url)
        yield Place(Commands(data, FATURE_WINDOW_ROWS="100"), store)
        store.close()


@pytest.fixture(scope="module")
def whole(place: Place, rows_folder: Path) -> str:
    """A tenant whose import nobody disturbed."""
    place.cli("tenant", "create", "whole")
    place.cli("import", "--tenant", "whole", rows_folder)
    return "whole"


def begun(place: Place, slug: str, folder: Path, rows: int) -> subprocess.Popen[str]:
    """An import that has applied so many journal entries, and is far from its end."""
    place.cli("tenant", "create", slug)
    journal = tenants.get(place.store, slug).keys.journal
    process = place.cli.start("import", "--tenant", slug, folder)
    wait_for(lambda: place.store.call("XLEN", journal) > rows, f"{rows} journal entries of {slug}")
    return process


def complete(place: Place, slug: str, folder: Path) -> None:
    done = place.cli.json("import", "--tenant", slug, folder)
    assert done["applied"]
    assert done["duplicates"] > 0
    assert place.cli.json("import", "--tenant", slug, folder)["applied"] == {}


@pytest.mark.parametrize("entries", [4, 25])
def test_ctrl_c_stops_between_windows(place, whole, rows_folder, entries):
    slug = f"stopped-{entries}"
    done = end(begun(place, slug, rows_folder, entries), 130, signal.SIGINT)
    assert "applied so far: cadastro" in done.err
    assert "perhaps" not in done.err
    assert "Ctrl-C again stops at once" in done.err
    assert "running the same again completes it" in done.err
    assert done.complaint == "fature-kv: interrupted"
    (left,) = place.cli.json("run", "list", "--tenant", slug)["items"]
    assert (left["state"], left["finished_at"]) == ("unfinished", None)
    assert left["applied"]["cadastro"] > 0
    complete(place, slug, rows_folder)
    assert figures_held(place.store, slug) == figures_held(place.store, whole)


def test_sigterm_stops_at_once(place, whole, rows_folder):
    done = end(begun(place, "ended", rows_folder, 25), 143, signal.SIGTERM)
    assert "applied so far: cadastro" in done.err
    assert done.complaint == "fature-kv: terminated"
    complete(place, "ended", rows_folder)
    assert figures_held(place.store, "ended") == figures_held(place.store, whole)


def test_a_full_redis_stops_it_with_one_clear_line(place, whole, rows_folder):
    place.cli("tenant", "create", "filled")
    place.store.call("CONFIG", "SET", "maxmemory", "1mb")
    try:
        done = place.cli("import", "--tenant", "filled", rows_folder, code=1)
        assert "Redis is full" in done.complaint
        assert "applied so far: nothing" in done.err
    finally:
        place.store.call("CONFIG", "SET", "maxmemory", "0")
    place.cli("import", "--tenant", "filled", rows_folder)
    assert figures_held(place.store, "filled") == figures_held(place.store, whole)


def test_two_imports_at_once_end_in_the_same_figures(place, whole, rows_folder):
    place.cli("tenant", "create", "twice")
    both = [place.cli.start("import", "--tenant", "twice", rows_folder, "--json") for _ in range(2)]
    done = [end(process, 0).json for process in both]
    rows = sum(sum(one["applied"].values()) for one in done)
    assert rows == sum(place.cli.json("run", "list", "--tenant", whole)["items"][0]["applied"].values())
    assert figures_held(place.store, "twice") == figures_held(place.store, whole)
