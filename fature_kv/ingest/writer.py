"""The API's writer: one thread that applies rows of many requests together.

Requests that wait at the same time for the same tenant share a window, so a crowd of one-row requests costs little
more than one request. Between them the thread does what time or a dead writer left behind: rows whose day has come,
histories to move, sizes to pass up, boards to follow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from fature_kv import stop_points, tenants
from fature_kv.domain.rows import BadRow, Row
from fature_kv.errors import FatureError, ServerUnavailable
from fature_kv.ingest.session import Session, chores, system_clock
from fature_kv.ingest.window import RowResult
from fature_kv.settings import Settings
from fature_kv.store import Store

_log = logging.getLogger(__name__)
_IDLE_S = 1.0
_TENANTS_REMEMBERED = 64
API_RUN = "api"
"""The run of all rows that come by `POST /events`."""


@dataclass(slots=True)
class _Request:
    slug: str
    rows: list[Row | BadRow]
    answer: Future[Sequence[RowResult]] = field(default_factory=Future)


class Writer:
    """Applies rows in a thread of its own; `submit` from any thread."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], int] = system_clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._requests: deque[_Request] = deque()
        self._waiting_rows = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Applies what was submitted, then ends."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        self._store.close()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, slug: str, rows: list[Row | BadRow]) -> Future[Sequence[RowResult]]:
        """Results in the order of the rows, once what was applied is durable and on the boards.

        ServerUnavailable at once when more rows wait than `FATURE_EVENTS_QUEUE_ROWS`.
        """
        request = _Request(slug, rows)
        with self._wake:
            if self._stopping or not self._thread.is_alive():
                raise ServerUnavailable("the service is stopping: send the rows again")
            if self._waiting_rows + len(rows) > self._settings.events_queue_rows:
                raise ServerUnavailable("too many rows wait to be applied: send them again in a moment")
            self._requests.append(request)
            self._waiting_rows += len(rows)
            self._wake.notify()
        return request.answer

    def _work(self) -> None:
        last_chores = 0.0
        while True:
            with self._wake:
                if not self._requests and not self._stopping:
                    self._wake.wait(_IDLE_S)
                batch = self._take()
                if not batch and self._stopping:
                    return
            if batch:
                self._apply(batch)
            if time.monotonic() - last_chores > _IDLE_S:
                self._do_chores()
                last_chores = time.monotonic()

    def _take(self) -> list[_Request]:
        """Requests of one tenant that fit one window, in order; those of others stay."""
        batch: list[_Request] = []
        rest: deque[_Request] = deque()
        room = self._settings.window_rows
        while self._requests:
            request = self._requests.popleft()
            if (not batch or request.slug == batch[0].slug) and (not batch or len(request.rows) <= room):
                batch.append(request)
                room -= len(request.rows)
                self._waiting_rows -= len(request.rows)
            else:
                rest.append(request)
        self._requests = rest
        return batch

    def _apply(self, batch: Sequence[_Request]) -> None:
        slug = batch[0].slug
        try:
            session = self._session(slug)
            results = session.apply([row for request in batch for row in request.rows])
            session.settle()
        except FatureError as error:
            self._sessions.pop(slug, None)
            _fail(batch, error)
        except Exception as error:  # one tenant's trouble must not stop the others' writes
            _log.exception("rows of tenant %s could not be applied", slug)
            self._sessions.pop(slug, None)
            _fail(batch, error)
        else:
            start = 0
            stop_points.reached("before answer")
            for request in batch:
                request.answer.set_result(results[start : start + len(request.rows)])
                start += len(request.rows)
            stop_points.reached("after answer")

    def _session(self, slug: str) -> Session:
        session = self._sessions.get(slug)
        if session is None:
            session = Session(self._store, slug, self._settings, run=API_RUN, clock=self._clock)
            self._sessions[slug] = session
        self._sessions.move_to_end(slug)
        while len(self._sessions) > _TENANTS_REMEMBERED:
            self._sessions.popitem(last=False)
        return session

    def _do_chores(self) -> None:
        try:
            every = tenants.list_tenants(self._store)
            asked = [command for t in every for command in chores(t.keys, t.live, self._clock())]
            replies = self._store.pipeline(asked)
        except FatureError as error:
            self._sessions.clear()
            _log.warning("chores were put off: %s", error)
            return
        for tenant, waiting, due in zip(every, replies[::2], replies[1::2], strict=True):
            if waiting or due:
                self._do_chores_of(tenant.slug)

    def _do_chores_of(self, slug: str) -> None:
        try:
            session = self._session(slug)
            session.release()
            session.settle()
        except Exception as error:  # one tenant's trouble must not stop the others' chores
            self._sessions.pop(slug, None)
            _log.warning("chores of tenant %s were put off: %s", slug, error)


def _fail(batch: Sequence[_Request], error: Exception) -> None:
    for request in batch:
        request.answer.set_exception(error)
