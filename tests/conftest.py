"""Fixtures of every test: one private Redis per xdist worker, and data folders that must end up quiet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support import operations_database, servers
from tests.support.commands import data_folder


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of this worker's own Redis (FATURE_TEST_ENGINE says which), on the shipped configuration."""
    with servers.private_redis() as url:
        yield url


@pytest.fixture(scope="session")
def operations_server() -> Iterator[str]:
    """URL of this worker's own PostgreSQL, for databases of operators."""
    with operations_database.postgres() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The same Redis, emptied."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def tmp_data() -> Iterator[Path]:
    """A fresh data folder for commands run as processes; none of its servers may be left afterwards."""
    with data_folder() as data:
        yield data
