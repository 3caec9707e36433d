"""Read scripts touch only the keys they were given: every read, as an ACL user that may read nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from fature_kv.errors import FatureError
from fature_kv.figures import boards
from fature_kv.scripts import Script, Word
from fature_kv.store import Store
from tests.api.conftest import TODAY, small_world
from tests.figures.planting import Service, plant
from tests.model.answers import everything

DAYS = [date(2025, 6, day) for day in range(19, 24)]


class FencedStore(Store):
    """A connection of a user whose keys are, for each script, exactly the declared ones, and only to read."""

    def __init__(self, url: str, admin: Store) -> None:
        super().__init__(url)
        self.admin = admin
        admin.call("ACL", "SETUSER", "fenced", "reset", "on", "nopass", "+@all", "allkeys")
        self.call("AUTH", "fenced", "any")

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Any:
        self.admin.call("ACL", "SETUSER", "fenced", "resetkeys", *(f"%R~{key}" for key in keys))
        try:
            return super().run(script, keys, args)
        finally:
            self.admin.call("ACL", "SETUSER", "fenced", "allkeys")


@pytest.fixture
def fenced(redis_url: str) -> Iterator[FencedStore]:
    admin = Store(redis_url)
    plant(admin, "upbet", small_world(), DAYS)
    store = FencedStore(redis_url, admin)
    yield store
    store.close()
    admin.call("ACL", "DELUSER", "fenced")
    admin.close()


def test_reads_touch_declared_keys_only(fenced: FencedStore) -> None:
    service, model = Service(fenced, "upbet", limit=2), small_world()
    assert everything(service, model.people, DAYS) == everything(model, model.people, DAYS)
    for person in model.people:
        assert service.dashboard(person, TODAY) == model.dashboard(person, TODAY)
        around = service.ask(lambda t: boards.around(t, "bets", "all", 0, person, 2))  # noqa: B023 -- asked at once
        assert around["rank"] == model.rank(person, "bets")


def test_the_fence_holds(fenced: FencedStore) -> None:
    peek = Script("peek", "return redis.call('GET', 'fkv:{upbet}:1:streak:1')", "", False)
    digest = fenced.call("SCRIPT", "LOAD", peek.source).decode()
    with pytest.raises(FatureError, match=r"(?i)noperm|permission|acl"):
        fenced.run(peek._replace(sha=digest), ["fkv:{upbet}:control"], [])
