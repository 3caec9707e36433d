"""What the laws share: a store on this worker's own server. Tenants are new for each world, so nothing is emptied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fature_kv.store import Store


@pytest.fixture(scope="module")
def store(redis_server: str) -> Iterator[Store]:
    store = Store(redis_server)
    yield store
    store.close()
