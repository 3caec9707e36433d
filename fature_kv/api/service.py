"""What is asked at the root, without a token: health, metrics, and what a kind of problem means."""

from __future__ import annotations

import msgspec
from litestar import Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from fature_kv.api import metrics
from fature_kv.api.async_store import AsyncStore
from fature_kv.api.events import Writer
from fature_kv.api.problems import KINDS, type_of
from fature_kv.errors import NotFound, ServerUnavailable


class Health(msgspec.Struct, frozen=True):
    status: str


class ProblemKind(msgspec.Struct, frozen=True):
    """A kind of problem, and what to do about it."""

    type: str
    title: str
    status: int
    remedy: str


@get("/health/live", tags=("service",), summary="Whether the process lives")
async def live() -> Health:
    """Answers as long as the process does."""
    return Health("ok")


@get("/health/ready", tags=("service",), summary="Whether requests can be answered")
async def ready(state: State) -> Health:
    """Redis answers and the writer works; else 503."""
    store: AsyncStore = state.store
    writer: Writer = state.writer
    await store.pipeline([("PING",)])
    if not writer.alive:
        raise ServerUnavailable("the writer has stopped; restart the service")
    return Health("ok")


@get("/metrics", tags=("service",), summary="Prometheus metrics", media_type=metrics.CONTENT_TYPE)
async def scrape() -> Response[bytes]:
    """Requests by endpoint, rows of events by result, the version that runs."""
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


@get("/problems/{slug:str}", tags=("service",), summary="What a kind of problem means")
async def problem(slug: FromPath[str]) -> ProblemKind:
    """The page that a problem's `type` leads to."""
    kind = KINDS.get(slug)
    if kind is None:
        raise NotFound(f"there is no problem '{slug}'")
    return ProblemKind(type_of(slug), kind.title, kind.status, kind.remedy)
