"""The laws of DOMAIN.md against a live server: whatever is fed, in whatever order, the service answers as the model.

Hypothesis prints the smallest world that fails, and how to replay it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fature_kv.domain.mapping import Mapping
from fature_kv.domain.parse import RowParser
from fature_kv.domain.rows import BadRow, Row
from fature_kv.store import Store
from tests.laws.service import Service
from tests.model.answers import everything
from tests.model.model import DEFAULT_CONFIG_VERSIONS, Model
from tests.model.strategies import World, splits, worlds
from tests.support.examples import Example, answer, load

pytestmark = pytest.mark.timeout(900)

SHRINK = os.environ.get("FATURE_SHRINK", "") == "1"
"""Looking for the smallest world that fails takes minutes on a server: FATURE_SHRINK=1 with the seed that failed."""

laws = settings(
    max_examples=int(os.environ.get("FATURE_LAW_EXAMPLES", "30")),
    deadline=None,
    print_blob=True,
    phases=[phase for phase in Phase if SHRINK or phase is not Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def compared(answers: dict[str, Any]) -> dict[str, Any]:
    """Answers without what the model does not tell: names on boards apart, pages have no end there."""
    for told in answers.values():
        if isinstance(told, dict):
            told.pop("next_cursor", None)
    return answers


def told(reader: Any, world: World) -> dict[str, Any]:
    return compared(everything(reader, world.people, world.days[::4]))


def fed(store: Store, world: World, windows: Sequence[Sequence[Row | BadRow]]) -> Service:
    service = Service(store, world.zone, world.config)
    for window in windows:
        service.feed(window, world.now)
    service.feed([], world.later)
    return service


@laws
@given(st.data())
def test_order_free_and_idempotent(store: Store, data: st.DataObject) -> None:
    """Laws 1 and 2: any split, order and repetition of the same rows ends in the figures of the model."""
    world = data.draw(worlds())
    service = fed(store, world, data.draw(splits(world.rows)))
    assert told(service, world) == told(world.read([world.rows]), world)


@laws
@given(worlds(order_free=False), st.data())
def test_conflicts_end_as_the_model_says(store: Store, world: World, data: st.DataObject) -> None:
    """Where order decides (two sponsors, two bets under one id), the same order ends in the same figures."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(world.rows)), max_size=4)))
    windows = [world.rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(world.rows)], strict=True)]
    service, model = Service(store, world.zone, world.config), world.model()
    for window in windows:
        expected = [told.result for told in model.feed(window, world.now)]
        assert [result for result, _ in service.feed(window, world.now)] == expected
    service.feed([], world.later)
    model.feed([], world.later)
    assert told(service, world) == told(model, world)
    expected_fields = {
        f"{source}:{'#' if number.startswith('raw ') else number}" for source, number in model.quarantine
    }
    assert quarantine_of(service) == expected_fields


@laws
@given(worlds(), st.data())
def test_conserved(store: Store, world: World, data: st.DataObject) -> None:
    """Law 3: level-n money is the own money of all who have an n-th ancestor; every period adds up to the totals."""
    service = fed(store, world, data.draw(splits(world.rows)))
    held = {person: told for person in world.people if (told := service.affiliate(person))}
    structures = {person: service.mlm_structure(person)["levels"] for person in held}
    for level in range(1, 6):
        members = [person for person in held if nth_ancestor(held, person, level)]
        for name in ("deposits_cents", "bets_cents", "wins_cents", "ggr_cents"):
            of_ancestors = sum(levels[level - 1][name] for levels in structures.values())
            assert of_ancestors == sum(held[member]["own"][name] for member in members)
        assert sum(levels[level - 1]["count"] for levels in structures.values()) == len(members)
    names = {"validated_referrals": "total_validated_referrals", "new_referrals": "total_referrals", "ftd": "total_ftd"}
    names |= {f"{name}_cents": f"total_{name}_cents" for name in ("deposits", "bets", "wins", "ggr", "cpa")}
    for person, totals in held.items():
        for period in ("day", "week", "month", "year"):
            items = service.summary(person, period)["items"]
            told_names = names | ({"rev_cents": "total_rev_cents"} if period in ("month", "year") else {})
            sums = {name: sum(item[name] for item in items) for name in told_names}
            assert sums == {name: totals[total] for name, total in told_names.items()}


def nth_ancestor(held: dict[int, Any], person: int | None, level: int) -> int | None:
    for _ in range(level):
        person = held[person]["sponsor_id"] if person else None
    return person


def quarantine_of(service: Service) -> set[str]:
    """Fields of the quarantine; the digest of a row without an id cut off."""
    fold = service.session().fold
    fields = [field.decode() for field in service.store.call("HKEYS", fold.keys.quarantine)]
    return {field.partition("#")[0] + "#" if "#" in field else field for field in fields}


@pytest.mark.parametrize("example", load(), ids=lambda example: example.rule)
def test_the_service_tells_the_worked_example(store: Store, example: Example) -> None:
    service = Service(store, example.zone, example.config or DEFAULT_CONFIG_VERSIONS)
    parser = RowParser(ZoneInfo(example.zone), Mapping())
    for window in example.windows:
        rows = [parser.parse(raw["source"], raw) for raw in window.raw]
        results = [result for result, _ in service.feed(rows, window.now)]
        if window.results is not None:
            assert results == window.results, example.says
    for expected in example.expect:
        assert expected.found_in(answer(service, expected)) == expected.value, f"{example.says} {expected}"


def test_the_model_is_another(store: Store) -> None:
    """The two share no rule: the model's module imports nothing of ours but row types."""
    import tests.model.facts as facts
    import tests.model.figures as figures
    import tests.model.rows as rows

    for module in (facts, figures, rows, __import__(Model.__module__, fromlist=["Model"])):
        ours = {value.__module__ for value in vars(module).values() if hasattr(value, "__module__")}
        assert {name for name in ours if name.startswith("fature_kv")} <= {"fature_kv.domain.rows"}
