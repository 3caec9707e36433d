"""Prometheus metrics: requests by endpoint, where answers came from, questions to Redis, rows of events by result.

With several workers the server sets PROMETHEUS_MULTIPROC_DIR, and whichever worker is asked answers for all.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

import fature_kv

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_REGISTRY: Final = CollectorRegistry()

_REQUESTS: Final = Histogram(
    "fature_http_request_duration_seconds",
    "Seconds that requests took, by endpoint.",
    ("method", "endpoint", "status"),
    buckets=_SECONDS,
    registry=_REGISTRY,
)
_ROWS: Final = Counter(
    "fature_events_rows", "Rows of POST /events, by source and result.", ("source", "result"), registry=_REGISTRY
)
_ANSWERS: Final = Counter(
    "fature_answers",
    "Answers about figures: remembered here (cache) or by the caller (client), or worked out (figures).",
    ("source",),
    registry=_REGISTRY,
)
_ROUND_TRIPS: Final = Counter("fature_redis_round_trips", "Questions that reads sent to Redis.", registry=_REGISTRY)
_WAITING: Final = Gauge(
    "fature_redis_waiting",
    "Questions that wait for Redis after the last ones were sent.",
    registry=_REGISTRY,
    multiprocess_mode="livesum",
)
_APP: Final = Gauge(
    "fature_app_info", "The version that runs.", ("version",), registry=_REGISTRY, multiprocess_mode="max"
)
_APP.labels(fature_kv.__version__).set(1)


def observe(method: str, endpoint: str | None, status: int, seconds: float) -> None:
    """A request was answered; `endpoint` is its template, None where there is no such endpoint."""
    _histogram(method if method in _METHODS else "other", endpoint or "unmatched", status).observe(seconds)


def count_row(source: str, result: str) -> None:
    """A row of events was answered."""
    _ROWS.labels(source, result).inc()


def count_answer(source: str) -> None:
    """An answer about figures was sent, from `cache`, `client` or `figures`."""
    _counter(source).inc()


def sent_to_redis(questions: int, waiting: int) -> None:
    """So many questions went out together; so many wait by now."""
    _ROUND_TRIPS.inc(questions)
    _WAITING.set(waiting)


def render() -> bytes:
    """All metrics as Prometheus reads them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(_REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


@cache
def _histogram(method: str, endpoint: str, status: int) -> Histogram:
    return _REQUESTS.labels(method, endpoint, str(status))


@cache
def _counter(source: str) -> Counter:
    return _ANSWERS.labels(source)
