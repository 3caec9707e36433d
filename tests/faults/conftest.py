"""Figures of an undisturbed run, themselves compared with the model's, for every disturbed one to be held against."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fature_kv.sources import sample_small
from fature_kv.store import Store
from tests.faults import world
from tests.support.data import real_data

KILLS = int(os.environ.get("FATURE_KILLS", "30"))
"""How often processes and the server are killed at random."""


@pytest.fixture(scope="session")
def rows_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of source files."""
    return real_data("small") or sample_small.write(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def seed() -> int:
    """FATURE_FAULT_SEED replays a run; a failure prints it."""
    return int(os.environ.get("FATURE_FAULT_SEED", "20250626"))


@pytest.fixture(autouse=True)
def replay(seed: int, request: pytest.FixtureRequest) -> None:
    environ = f"FATURE_FAULT_SEED={seed} FATURE_KILLS={KILLS}"
    print(f"replay: {environ} python -m pytest -n0 -p no:randomly '{request.node.nodeid}'")


@pytest.fixture(scope="session")
def session_store(redis_server: str) -> Iterator[Store]:
    store = Store(redis_server, timeout=30)
    yield store
    store.close()


@pytest.fixture
def store(session_store: Store) -> Store:
    return session_store


class Undisturbed(NamedTuple):
    """What a run ends in that nobody disturbed."""

    seed: int
    figures: dict[str, Any]


@pytest.fixture(scope="session")
def undisturbed_of(session_store: Store) -> Callable[..., Undisturbed]:
    """The undisturbed run of a world by its seed (and number of people)."""

    @cache
    def found(seed: int, people: int = world.PEOPLE) -> Undisturbed:
        service, model = world.service(session_store), world.model(seed, people)
        world.feed(service, world.windows(seed, people))
        shown = model.people[:: max(1, len(model.people) // 8)]
        assert world.told(service, shown) == world.told(model, shown)
        return Undisturbed(seed, world.held(session_store, service.slug))

    return found


@pytest.fixture
def undisturbed(undisturbed_of: Callable[..., Undisturbed], seed: int) -> Undisturbed:
    return undisturbed_of(seed)
