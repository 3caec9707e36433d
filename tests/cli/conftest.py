"""A data folder with a tenant `small` in it, shared by the tests of a module; the server is held up meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fature_kv.sources import sample_small
from fature_kv.store import Store
from tests.support.commands import Commands, data_folder, held_servers


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small seeded data set."""
    return sample_small.write(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def redis_of_commands() -> Iterator[tuple[Commands, str]]:
    with data_folder() as data, held_servers(data) as url:
        yield Commands(data), url


@pytest.fixture(scope="module")
def cli(redis_of_commands: tuple[Commands, str]) -> Commands:
    """Commands on a data folder whose server runs."""
    return redis_of_commands[0]


@pytest.fixture(scope="module")
def store(redis_of_commands: tuple[Commands, str]) -> Iterator[Store]:
    """The Redis of those commands."""
    store = Store(redis_of_commands[1])
    yield store
    store.close()


@pytest.fixture(scope="module")
def small(cli: Commands, sample: Path) -> str:
    """The tenant that holds the sample."""
    cli("tenant", "create", "small", "--name", "Pequena")
    cli("import", "--tenant", "small", sample)
    return "small"
