"""Redis full, read-only or without replicas at any call of a run: a clear error, nothing half done, then completion."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from fature_kv.errors import ServerUnavailable
from fature_kv.store import Store
from tests.faults import world
from tests.faults.conftest import Undisturbed

TIMES = 10


class Fault(NamedTuple):
    """What befalls the server, how it is mended, and what is said meanwhile."""

    begin: tuple[str, ...]
    end: tuple[str, ...]
    says: str


FAULTS = {
    "full": Fault(
        ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "Redis is full (maxmemory reached)"
    ),
    "read-only": Fault(
        ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "Redis is read-only (a replica)"
    ),
    "no replicas": Fault(
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
        "Redis takes no writes without its replicas",
    ),
}  # fmt: skip


@pytest.fixture
def mended(store: Store) -> Iterator[None]:
    yield
    for fault in FAULTS.values():
        store.call(*fault.end)


def test_the_undisturbed_run_is_that_of_the_model(undisturbed: Undisturbed, redis_server: str, store: Store) -> None:
    model, service = world.model(undisturbed.seed), world.service(store)
    world.feed(service, world.windows(undisturbed.seed))
    people = model.people[::5]
    assert world.told(service, people) == world.told(model, people)
    assert world.held(store, service.slug) == undisturbed.figures
    names = {key.split(":")[0] for key in undisturbed.figures}
    assert names >= {"affiliate", "own", "own-month", "days", "months", "members", "board", "seen", "versions"}
    assert not names & {"moves", "pending-sizes", "ripe", "mask"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_into_a_fault_completes_afterwards(
    name: str, undisturbed: Undisturbed, redis_server: str, store: Store, mended: None
) -> None:
    fault, chance = FAULTS[name], random.Random(f"{undisturbed.seed} {name}")
    slug = world.service(store).slug
    rows = world.windows(undisturbed.seed)
    said: list[str] = []
    whole = 0
    for _ in range(TIMES):
        at, moment = chance.randrange(20, 220), chance.choice(("before", "answered"))
        failing = world.FailingStore(redis_server, at, moment, lambda: store.call(*fault.begin))
        watch = Whole(store, slug)
        failing.run = watch.around(failing.run)  # type: ignore[method-assign]
        try:
            world.feed(world.service(failing, slug), rows)
        except ServerUnavailable as error:
            said.append(str(error))
        else:
            assert failing.calls < at, "a fault that nobody noticed"
        whole += watch.refused
        store.call(*fault.end)
        world.let_go(store, slug)
        failing.close()
    assert len(said) >= TIMES // 2
    assert all(words.startswith(fault.says) for words in said), said
    assert whole >= 1, "no script was refused"
    world.feed(world.service(store, slug), rows)
    assert world.held(store, slug) == undisturbed.figures


class Whole:
    """Sees that a script which the server refused in the middle left every key as it was."""

    def __init__(self, store: Store, slug: str) -> None:
        self._store, self._pattern = store, f"fkv:{{{slug}}}:*"
        self.refused = 0
        self._before: dict[bytes, bytes] = {}

    def around(self, run: Callable[..., object]) -> Callable[..., object]:
        def watched(*args: object) -> object:
            try:
                return run(*args)
            except ServerUnavailable:
                before = self._dump()
                with pytest.raises(ServerUnavailable):
                    run(*args)  # the same call once more: what it left can't have moved
                assert self._dump() == before
                self.refused += 1
                raise

        return watched

    def _dump(self) -> dict[bytes, bytes]:
        keys = self._store.call("KEYS", self._pattern)
        return dict(zip(keys, self._store.pipeline([("DUMP", key) for key in keys]), strict=True))
