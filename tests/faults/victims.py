"""Work in processes of their own, each of which may end itself by SIGKILL at a chosen instant.

A process is a fork of one that has imported everything already, so that a thousand of them cost little.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from fature_kv import stop_points, tenants
from fature_kv.access import tokens
from fature_kv.archive import rebuild, undo
from fature_kv.commission import configuration
from fature_kv.errors import Conflict, NotFound
from fature_kv.ingest.session import system_clock
from fature_kv.ingest.writer import Writer
from fature_kv.store import Store
from tests.faults import world
from tests.model.model import DEFAULT_CONFIG_VERSIONS

Tell = Callable[[Any], None]
Job = Callable[[Store, str, int, Tell], None]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])
PATIENCE_S = 120.0


class Death(NamedTuple):
    """When a process ends itself: the `at`-th time it comes to a boundary, or to a moment of its exchanges."""

    moment: str = ""
    at: int = 0


NEVER = Death()


class Report(NamedTuple):
    """What a process came to that ended by itself: exchanges with the server, and boundaries with how often."""

    calls: int
    boundaries: dict[str, int]


class Ended(NamedTuple):
    """How a process ended: what it told meanwhile (mostly world.Acknowledged), and its report if it was not killed."""

    acknowledged: list[Any]
    report: Report | None


class Victim:
    """A process at work."""

    def __init__(self, job: Job, url: str, slug: str, seed: int, death: Death = NEVER) -> None:
        self._heard, tell = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_work, args=(tell, job, url, slug, seed, death), daemon=True)
        self._process.start()
        tell.close()
        self._death = death

    def end(self) -> Ended:
        """Waits for its end, which is its own or the death it was to die."""
        told: list[Any] = []
        with contextlib.suppress(EOFError, OSError):  # it may die in the middle of a word
            while self._heard.poll(PATIENCE_S):
                told.append(self._heard.recv())
        self._process.join(PATIENCE_S)
        code = self._process.exitcode
        assert code in (0, -signal.SIGKILL), f"exit code {code}: {told[-1:]}"
        assert code == 0 or self._death != NEVER, "somebody else killed it"
        report = told.pop() if code == 0 else None
        assert code != 0 or isinstance(report, Report), report
        return Ended(told, report)


def _work(tell: Connection, job: Job, url: str, slug: str, seed: int, death: Death) -> None:
    seen: Counter[str] = Counter()

    def reached(name: str) -> None:
        seen[name] += 1
        if (name, seen[name]) == death:
            die()

    stop_points.reached = reached
    at = death.at if death.moment in world.MOMENTS else 0
    store = world.FailingStore(url, at, death.moment, die)
    try:
        job(store, slug, seed, tell.send)
    except BaseException:
        tell.send(traceback.format_exc())
        raise
    tell.send(Report(store.calls, dict(seen)))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# -- the work -------------------------------------------------------------------------------------------------------


def import_all(
    store: Store, slug: str, seed: int, tell: Tell, *, people: int = world.PEOPLE, real_time: bool = False
) -> None:
    """All windows as runs, and at the end whatever was early."""
    service, first = world.service(store, slug, real_time=real_time), 0
    for rows in world.windows(seed, people):
        told = service.feed(rows, world.NOW)
        tell((list(range(first, first + len(rows))), told))
        first += len(rows)
    service.feed([], world.LATER)


def import_shuffled(store: Store, slug: str, seed: int, tell: Tell, *, number: int, people: int) -> None:
    """The same rows in an order of one's own, by the real clock."""
    service, rows = world.service(store, slug, real_time=True), world.numbered(seed, people)
    for numbers in _pieces(random.Random(f"{seed} importer {number}"), len(rows), 120):
        tell((numbers, service.feed([rows[n] for n in numbers], world.NOW)))


def post_all(
    store: Store,
    slug: str,
    seed: int,
    tell: Tell,
    *,
    number: int = 0,
    most: int = 60,
    requests: int | None = None,
    people: int = world.PEOPLE,
    real_time: bool = False,
) -> None:
    """The rows as requests to an API writer, some at once."""
    chance, rows = random.Random(f"{seed} api {number}"), world.numbered(seed, people)
    clock = system_clock if real_time else lambda: world.NOW
    writer = Writer(store, world.SETTINGS, clock=clock)
    writer.start()
    try:
        pieces = _pieces(chance, len(rows), most)[:requests]
        while pieces:
            some = [pieces.pop() for _ in range(min(len(pieces), chance.choice((1, 1, 4))))]
            answers = [(numbers, writer.submit(slug, [rows[n] for n in numbers])) for numbers in some]
            for numbers, answer in answers:
                tell((numbers, [tuple(result) for result in answer.result(PATIENCE_S)]))
    finally:
        writer.stop()


def post_to_many(
    store: Store, _slug: str, _seed: int, tell: Tell, *, tenants: list[tuple[str, int]], people: int
) -> None:
    """A request to each tenant at once, as often as it takes."""
    writer = Writer(store, world.SETTINGS, clock=lambda: world.NOW)
    writer.start()
    try:
        for window in range(len(world.windows(0, people))):
            answers = [writer.submit(slug, world.windows(seed, people)[window]) for slug, seed in tenants]
            told = [answer.result(PATIENCE_S) for answer in answers]
    finally:
        writer.stop()
    tell((list(range(len(told))), []))


def _pieces(chance: random.Random, rows: int, most: int) -> list[list[int]]:
    """Numbers of rows, shuffled, in pieces of up to `most`."""
    numbers, pieces = list(range(rows)), []
    chance.shuffle(numbers)
    while numbers:
        size = chance.randint(1, most)
        pieces.append(numbers[:size])
        numbers = numbers[size:]
    return pieces


def rebuild_once(store: Store, slug: str, seed: int, tell: Tell) -> None:
    rebuild.rebuild_from_journal(store, slug, world.SETTINGS)


def rebuild_at_a_sign(store: Store, slug: str, seed: int, tell: Tell) -> None:
    """A rebuild that is told when to hold the writers, and would hold them up for long."""
    before, times = stop_points.reached, itertools.count(1)

    def reached(name: str) -> None:
        if name == "before generation" and next(times) == 2:
            store.call("RPUSH", f"{slug} ready", "")
            assert store.call("BLPOP", f"{slug} go", 20)
        before(name)

    stop_points.reached = reached
    rebuild._HOLD_US = 60_000_000
    tell(rebuild.rebuild_from_journal(store, slug, world.SETTINGS))


def decide_all(store: Store, slug: str, seed: int, tell: Tell) -> None:
    """Each kind of decision; on people who are gone, or where it would close a loop, it is refused."""
    service = world.service(store, slug)
    session = service.session("decision")
    for person, sponsor, day in world.decisions(seed):
        with contextlib.suppress(Conflict, NotFound):
            session.move(person, sponsor, "a test")
        with contextlib.suppress(NotFound):
            session.declare(person, day, "a test")
    undo.undo_run(store, slug, world.SETTINGS, world.run_of(1), "a test", clock=lambda: world.NOW)


def set_up(store: Store, slug: str, seed: int, tell: Tell) -> None:
    """A tenant with its rules and a token, as an operator makes it, whatever of it is there already."""
    with contextlib.suppress(Conflict):
        tenants.create(store, slug, name="", timezone=world.ZONE, currency="BRL", now_us=0)
    document = DEFAULT_CONFIG_VERSIONS[0][1]
    configuration.set_configuration(store, slug, document, None, today=0, now_us=0, rebuild=True)
    tokens.create(store, slug, "manager", now_us=0)
