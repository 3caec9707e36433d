"""Every read against the plain model, over worlds that Hypothesis makes, planted without the write path."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fature_kv.store import Store
from tests.figures.planting import Service, plant
from tests.model.answers import everything
from tests.model.strategies import World, worlds

MIDDLE = 12


@given(worlds(most_rows=25), st.sampled_from((1, 3, 1000)))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_reads_answer_as_the_model_does(redis_url: str, world: World, limit: int) -> None:
    model = world.read([world.rows])
    store = Store(redis_url)
    store.call("FLUSHALL")
    plant(store, "upbet", model, world.days)
    service = Service(store, "upbet", limit=limit)

    expected = everything(model, world.people, world.days)
    assert everything(service, world.people, world.days) == expected

    today = world.days[MIDDLE].isoformat()
    for person in world.people:
        assert service.dashboard(person, today) == model.dashboard(person, today)
        for status in ("pending", "validated"):
            assert service.referrals(person, 1, status) == model.referrals(person, 1, status)
        for period in ("day", "week", "month", "year"):
            first, last = world.days[4].isoformat(), world.days[15].isoformat()
            assert service.summary(person, period, first, last) == model.summary(person, period, first, last)
            assert service.summary(person, period, first) == model.summary(person, period, first)
            assert service.summary(person, period, None, last) == model.summary(person, period, None, last)
    store.close()
