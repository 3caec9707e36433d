"""Chunks on their way: while the server applies one, the next is decided and made ready.

One chunk is in flight at a time, sent by a thread of its own that mostly waits; a few more stand ready behind it. What
a chunk brings up (an error of the server's, say) is raised to whoever sends the next, or ends the block.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_READY = 8
"""Chunks that stand ready; more would only take memory."""


class Sender(Generic[T]):
    """Applies what it is given in order, until something fails; the first alone, without a thread, when it is all."""

    def __init__(self, apply: Callable[[T], None]) -> None:
        self._apply = apply
        self._first: T | None = None
        self._queue: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_READY)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def send(self, ready: T) -> None:
        """Takes one more; raises what an earlier one failed with."""
        if self._thread is None:
            if self._first is None:
                self._first = ready
                return
            self._start(self._first)
        self._room.acquire()
        if self._error is not None:
            raise self._error
        self._queue.put(ready)

    def _start(self, first: T) -> None:
        self._thread = threading.Thread(target=self._work, name="chunks", daemon=True)
        self._queue.put(first)
        self._thread.start()

    def _work(self) -> None:
        while (ready := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._apply(ready)
                except BaseException as error:
                    self._error = error
            self._room.release()

    def __enter__(self) -> Sender[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._error = self._error or error  # whoever fails to decide wants nothing more sent
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        elif self._first is not None and error is None:
            self._apply(self._first)
        if self._error is not None and error is None:
            raise self._error
