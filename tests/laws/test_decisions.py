"""Managers' decisions across the laws: moves, declared qualifications, and rows taken back, anywhere among the rows."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv.archive.rebuild import rebuild_from_journal
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.archive.undo import undo_run, void_rows
from fature_kv.domain.calendar import parse_day
from fature_kv.domain.rows import BadRow
from fature_kv.errors import Conflict, NotFound
from fature_kv.store import Store
from tests.laws.service import Service
from tests.laws.test_laws import laws, told
from tests.model.model import Model
from tests.model.rows import identity
from tests.model.strategies import SPAN, World, splits, worlds

pytestmark = pytest.mark.timeout(900)


class Decided(NamedTuple):
    """A decision: its kind, and the words it takes."""

    kind: str
    words: tuple[Any, ...]


def decisions(world: World, runs: int) -> st.SearchStrategy[list[Decided]]:
    """Some decisions that may follow the first `runs` runs."""
    people = st.sampled_from(world.people)
    days = st.sampled_from([day.isoformat() for day in world.days[:SPAN]])
    rows = [row for row in world.rows if not isinstance(row, BadRow)]
    return st.lists(
        st.one_of(
            st.builds(Decided, st.just("move"), st.tuples(people, st.none() | people)),
            st.builds(Decided, st.just("declare"), st.tuples(people, st.none() | days)),
            st.builds(Decided, st.just("undo"), st.tuples(st.integers(0, runs - 1).map("run-{}".format))),
            st.builds(Decided, st.just("void"), st.lists(st.sampled_from(rows), min_size=1, max_size=4).map(tuple)),
        ),
        max_size=3,
    )


def decide(service: Service, model: Model, decided: Decided, now: int) -> None:
    """The same decision on both sides; what the model refuses the service refuses too."""
    service.now = now
    session, words = service.session("decision"), decided.words
    match decided.kind:
        case "move":
            refused = _refused(model.move, *words, now)
            if refused:
                with pytest.raises((Conflict, NotFound)):
                    session.move(*words, "a test")
            else:
                session.move(*words, "a test")
        case "declare":
            day = None if words[1] is None else parse_day(words[1])
            if _refused(model.override, *words):
                with pytest.raises(NotFound):
                    session.declare(words[0], day, "a test")
            else:
                session.declare(words[0], day, "a test")
        case "undo":
            model.undo(words[0], (), now)
            undo_run(service.store, service.slug, service.settings, words[0], "a test", clock=lambda: now)
        case _:
            rows = [identity(row) for row in words]
            model.undo(None, rows, now)
            void_rows(service.store, service.slug, service.settings, rows, "a test", clock=lambda: now)


def _refused(decide: Any, *words: Any) -> bool:
    with suppress(ValueError):
        decide(*words)
        return False
    return True


@laws
@given(worlds(), st.data())
def test_decisions_anywhere_among_the_rows(store: Store, world: World, data: st.DataObject) -> None:
    service, model = Service(store, world.zone, world.config), world.model()
    for number, window in enumerate(data.draw(splits(world.rows)), start=1):
        model.feed(window, world.now, f"run-{number - 1}")
        service.feed(window, world.now, f"run-{number - 1}")
        for decided in data.draw(decisions(world, number)):
            decide(service, model, decided, world.now)
    assert told(service, world) == told(model, world)
    assert reconcile_with_journal(store, service.slug, service.settings) == []
    service.feed([], world.later)
    model.feed([], world.later)
    assert told(service, world) == told(model, world)
    rebuild_from_journal(store, service.slug, service.settings)
    assert told(service, world) == told(model, world)
    service.feed(world.rows, world.later, "again")
    model.feed(world.rows, world.later, "again")
    assert told(service, world) == told(model, world), "rows that were taken back count anew"
    assert reconcile_with_journal(store, service.slug, service.settings) == []
