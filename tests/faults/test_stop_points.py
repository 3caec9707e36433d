"""Law 5 at every boundary of what we write: that the list of them is whole, and a `kill -9` at each in turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import hiredis
import pytest

from fature_kv import stop_points, tenants
from fature_kv.archive.rebuild import rebuild_from_journal
from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.commission import configuration
from fature_kv.ingest.session import system_clock
from fature_kv.store import Store
from tests.faults import victims, world
from tests.faults.conftest import Undisturbed
from tests.faults.victims import Death, Job, Report, Victim
from tests.model.model import DEFAULT_CONFIG_VERSIONS

SET_UP = {"tenant", "tenants", "config", "token"}
REBUILD = {"generation", "unlink"}
API = {"answer"}
JOBS: tuple[Job, ...] = (
    victims.set_up, victims.import_all, victims.post_all, victims.rebuild_once, victims.decide_all
)  # fmt: skip


def job_for(name: str) -> Job:
    """Who comes to this boundary."""
    step = name.split()[1]
    if step in SET_UP:
        return victims.set_up
    if step in REBUILD:
        return victims.rebuild_once
    return victims.post_all if step in API else victims.import_all


def tenant_for(job: Job, store: Store, seed: int) -> str:
    """A tenant to do the work on."""
    service = world.service(store)
    if job is victims.set_up:
        return f"{service.slug}-to-be"
    if job in (victims.rebuild_once, victims.decide_all):
        world.feed(service, world.windows(seed))
    return service.slug


@pytest.fixture(scope="session")
def report_of(redis_server: str, session_store: Store, seed: int) -> Callable[[Job], Report]:
    """What a process comes to that nobody kills."""

    @cache
    def found(job: Job) -> Report:
        report = Victim(job, redis_server, tenant_for(job, session_store, seed), seed).end().report
        assert report is not None
        return report

    return found


# -- the list -------------------------------------------------------------------------------------------------------


def test_every_boundary_is_come_to_and_listed(report_of: Callable[[Job], Report]) -> None:
    reports = {job: report_of(job) for job in JOBS}
    assert {name for report in reports.values() for name in report.boundaries} == set(stop_points.names())
    for name in stop_points.names():
        assert name in reports[job_for(name)].boundaries


class Watching(Store):
    """A store that knows between which boundaries it is, and notes what it writes outside of any."""

    def __init__(self, url: str, writes: set[str]) -> None:
        super().__init__(url, timeout=30)
        self._writes = writes
        self.within: str | None = None
        self.wrote: set[tuple[str | None, str]] = set()

    def reached(self, name: str) -> None:
        when, _, step = name.partition(" ")
        assert self.within == (None if when == "before" else step), f"{name} within {self.within}"
        self.within = step if when == "before" else None

    def _send(self, packed: bytes) -> None:
        reader = hiredis.Reader()
        reader.feed(packed)
        while words := reader.gets():
            if (name := words[0].decode().upper()) in self._writes:
                self.wrote.add((self.within, name))
        super()._send(packed)


@pytest.fixture
def watching(redis_server: str, store: Store) -> Iterator[Watching]:
    commands = store.call("COMMAND")
    writes = {command[0].decode().upper() for command in commands if b"write" in command[2]} | {"EVALSHA", "EVAL"}
    assert {"SET", "HSET", "XADD", "SREM", "UNLINK", "INCR"} <= writes
    assert not {"GET", "HGETALL", "EVALSHA_RO"} & writes
    watching = Watching(redis_server, writes)
    yield watching
    watching.close()


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_nothing_is_written_but_between_boundaries(
    watching: Watching, store: Store, seed: int, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = tenant_for(job, store, seed)
    monkeypatch.setattr(stop_points, "reached", watching.reached)
    job(watching, slug, seed, lambda _: None)
    assert len(watching.wrote) >= 4
    assert None not in {within for within, _ in watching.wrote}, watching.wrote


# -- a kill at each -------------------------------------------------------------------------------------------------

OPEN_HOLD_SWAP = (1, 2, 3)
"""A rebuild's calls of lua/generation.lua."""
TIMES = [
    (name, at) for name in stop_points.names() for at in (OPEN_HOLD_SWAP if name.endswith(" generation") else (0,))
]


@pytest.mark.parametrize(("name", "at"), TIMES)
def test_killed_at(
    name: str,
    at: int,
    undisturbed: Undisturbed,
    report_of: Callable[[Job], Report],
    redis_server: str,
    store: Store,
) -> None:
    """The process dies there, the `at`-th time it comes there (0: whichever); one more run completes what it began."""
    job, seed = job_for(name), undisturbed.seed
    at = at or random.Random(f"{seed} {name}").randint(1, report_of(job).boundaries[name])
    while True:
        slug = tenant_for(job, store, seed)
        ended = Victim(job, redis_server, slug, seed, Death(name, at)).end()
        print(f"{job.__name__} killed {name}, time {at}: {ended.report is None}")
        if ended.report is None:
            break
        assert at > 1, f"it never came to '{name}'"
        at //= 2  # how often boards are flushed depends on how fast it went
    complete = {victims.set_up: complete_set_up, victims.rebuild_once: complete_rebuild}.get(job, complete_rows)
    complete(undisturbed, store, slug, ended.acknowledged)


def complete_rows(undisturbed: Undisturbed, store: Store, slug: str, acknowledged: list[world.Acknowledged]) -> None:
    world.let_go(store, slug)
    service = world.service(store, slug)
    assert world.lost(service, world.numbered(undisturbed.seed), acknowledged) == []
    world.feed(service, world.windows(undisturbed.seed))
    assert world.held(store, slug) == undisturbed.figures


def complete_rebuild(undisturbed: Undisturbed, store: Store, slug: str, _: Any) -> None:
    """Readers lost nothing; the next rebuild swaps, and deletes what the dead one left."""
    assert world.held(store, slug) | {"ripe": []} == undisturbed.figures | {"ripe": []}
    rebuild_from_journal(store, slug, world.SETTINGS)
    complete_rows(undisturbed, store, slug, [])
    assert reconcile_with_journal(store, slug, world.SETTINGS) == []
    keys = tenants.get(store, slug).keys
    generations = {key[len(keys.prefix) :].split(b":")[0] for key in store.call("KEYS", f"{keys.prefix}[0-9]*")}
    assert generations == {str(tenants.get(store, slug).live).encode()}


def complete_set_up(undisturbed: Undisturbed, store: Store, slug: str, _: Any) -> None:
    victims.set_up(store, slug, undisturbed.seed, lambda _: None)
    assert slug in {tenant.slug for tenant in tenants.list_tenants(store)}
    document = configuration.read(store, slug).in_force(20_000)
    assert document == configuration.parse_document(DEFAULT_CONFIG_VERSIONS[0][1])
    complete_rows(undisturbed, store, slug, [])


def test_an_older_version_waits_until_the_newer_one_is_in(
    store: Store, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions wait; the newer one, when its turn comes, is too large to be held: then the older one counts."""

    class Dies(BaseException):
        pass

    def die(name: str) -> None:
        if name == "after settle":
            raise Dies

    def person(number: int) -> world.Person:
        return world.Person(number, "", "", "", "active", world.BEGIN, world.BEGIN)

    service, at = world.service(store), world.BEGIN
    much = world.Money("depositos", 9, 3, 2**53 - 1001, "approved", at, at)
    service.feed([person(1), person(3), world.Link(3, 1, at), much], world.NOW)
    older = world.Money("depositos", 1, 2, 500, "approved", at, at)
    newer = world.Money("depositos", 1, 2, 5_000, "approved", at, at + world.DAY)
    assert {told for told, _ in service.feed([world.Link(2, 1, at), older, newer], world.NOW)} == {"parked"}
    with monkeypatch.context() as patch:
        patch.setattr(stop_points, "reached", die)
        with pytest.raises(Dies):
            service.feed([person(2)], world.NOW)
    service.feed([], world.NOW)
    assert world.in_the_way(store, service.slug) == (["depositos:1"], [])
    assert service.affiliate(2)["own"]["deposits_cents"] == 500


def test_what_a_dead_rebuild_holds_up_goes_on_by_itself(
    undisturbed: Undisturbed, redis_server: str, store: Store
) -> None:
    """Nothing is let go of by hand here: writers wait until the hold ends, and then write."""
    slug, seed = tenant_for(victims.rebuild_once, store, undisturbed.seed), undisturbed.seed
    ended = Victim(victims.rebuild_once, redis_server, slug, seed, Death("after generation", 2)).end()
    assert ended.report is None
    hold = int(store.call("HGET", tenants.get(store, slug).keys.control, "hold"))
    service = world.service(store, slug, real_time=True)
    row = world.Bet(999_999, 999_999, 1, 1, world.BEGIN)
    assert service.feed([row], world.NOW) == [("parked", "missing_user")]
    assert system_clock() >= hold
    assert tenants.get(store, slug).live == 1
