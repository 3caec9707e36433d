"""Reads while the tenant moves on underneath."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from fature_kv.errors import NotFound, ServerUnavailable, UsageError
from fature_kv.figures import affiliates, boards, cursors, reading, summaries
from fature_kv.figures import tenant as tenants
from fature_kv.figures.reading import Ask
from fature_kv.keyspace import tenant_keys
from fature_kv.scripts import names, script
from fature_kv.store import Store
from tests.api.conftest import small_world
from tests.figures.planting import plant

CONTROL = tenant_keys("upbet").control


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    store = Store(redis_url)
    plant(store, "upbet", small_world(), [date(2025, 6, 20)])
    yield store
    store.close()


def test_an_answer_follows_generation_and_configuration(store: Store) -> None:
    tenant = reading.run(store, tenants.load("upbet"))
    store.call("HSET", CONTROL, "config", 2)
    answer = reading.run(store, tenants.standing("upbet", lambda t: affiliates.affiliate(t, 2), tenant))
    assert answer.affiliate_id == 2
    store.call("HSET", CONTROL, "live", 2)
    with pytest.raises(NotFound):
        reading.run(store, tenants.standing("upbet", lambda t: affiliates.affiliate(t, 2), tenant))


def test_it_gives_up_when_the_tenant_never_stands_still(store: Store) -> None:
    def question(tenant: tenants.Tenant) -> reading.Read[Any]:
        store.call("HINCRBY", CONTROL, "live", 1)
        return affiliates.affiliate(tenant, 2)

    with pytest.raises(ServerUnavailable):
        reading.run(store, tenants.standing("upbet", question))


def test_no_tenant_no_answer(store: Store) -> None:
    with pytest.raises(NotFound):
        reading.run(store, tenants.load("nobody"))


def test_a_month_that_comes_in_between_is_read(store: Store) -> None:
    """The first look at the months is outdated by the time the days are read."""
    tenant = reading.run(store, tenants.load("upbet"))
    read = summaries.summary(tenant, 1, "day")
    look = next(read)
    assert isinstance(look, Ask)
    reply = store.run(*look)
    keys = tenant.keys
    cell = store.call("HGET", keys.days(1, "2025-06"), "20")
    store.pipeline([("HSET", keys.days(1, "2025-09"), "01", cell), ("HSET", keys.months(1), "2025-09", cell)])

    asked = read.send(reply)
    days = []
    try:
        while True:
            assert isinstance(asked, Ask)
            try:
                reply = store.run(*asked)
            except Exception as error:
                asked = read.throw(error)
            else:
                asked = read.send(reply)
    except StopIteration as done:
        days = [item.period for item in done.value.items]
    assert days == ["2025-06-20", "2025-06-21", "2025-09-01"]


def test_every_read_script_is_read_only() -> None:
    readers = [name for name in names() if name.startswith("read_")]
    assert len(readers) >= 5
    assert all(script(name).read_only for name in readers)


def test_the_largest_score_is_exact(store: Store) -> None:
    tenant = reading.run(store, tenants.load("upbet"))
    largest = 2**53 - 1
    store.call("ZADD", tenant.keys.board("bets", "all"), -largest, "a1", -(largest - 1), "a2")
    answer = reading.run(store, boards.board(tenant, "bets", "all", 0, 2))
    assert [(item.rank, item.score) for item in answer.items] == [(1, largest), (2, largest - 1)]


def test_cursors_belong_to_their_list() -> None:
    assert cursors.decode("day", cursors.encode("day", "2025-06-20")) == "2025-06-20"
    for wrong in (cursors.encode("week", "2025-W01"), "", "%", "ZA", "é"):
        with pytest.raises(UsageError):
            cursors.decode("day", wrong)
    with pytest.raises(UsageError):
        cursors.decode_number("referrals", cursors.encode("referrals", "-1"))
