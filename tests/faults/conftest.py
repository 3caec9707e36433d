"""Figures of an undisturbed run, for every disturbed one to be held against."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fature_kv.sources import sample_small
from fature_kv.store import Store
from tests.faults import world
from tests.support.data import real_data


@pytest.fixture(scope="session")
def rows_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of source files."""
    return real_data("small") or sample_small.write(tmp_path_factory.mktemp("sample"))


class Undisturbed(NamedTuple):
    """What a run ends in that nobody disturbed, and how many exchanges it takes."""

    seed: int
    figures: dict[str, Any]
    calls: int


@pytest.fixture(scope="session")
def seed() -> int:
    """FATURE_FAULT_SEED replays a run; a failure prints it."""
    return int(os.environ.get("FATURE_FAULT_SEED", "20250626"))


@pytest.fixture(autouse=True)
def replay(seed: int, request: pytest.FixtureRequest) -> None:
    print(f"replay: FATURE_FAULT_SEED={seed} python -m pytest -n0 '{request.node.nodeid}'")


@pytest.fixture(scope="module")
def store(redis_server: str) -> Iterator[Store]:
    store = Store(redis_server, timeout=30)
    yield store
    store.close()


@pytest.fixture(scope="module")
def undisturbed(redis_server: str, seed: int) -> Undisturbed:
    counting = world.FailingStore(redis_server, 0, "", lambda: None)
    service = world.service(counting)
    before = counting.calls
    world.feed(service, world.windows(seed))
    calls = counting.calls - before
    figures = world.held(counting, service.slug)
    counting.close()
    return Undisturbed(seed, figures, calls)
