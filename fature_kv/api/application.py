"""The application: controllers, errors, metrics and the OpenAPI document put together."""

from __future__ import annotations

from time import perf_counter
from typing import Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Message, Receive, Scope, Send

import fature_kv
from fature_kv.api import config, events, metrics, problems, service
from fature_kv.api.affiliates import AffiliatesController
from fature_kv.api.async_store import AsyncStore
from fature_kv.api.front import Front
from fature_kv.api.leaderboards import LeaderboardsController
from fature_kv.api.session import Clock, clock, open_session
from fature_kv.settings import Settings

PREFIX: Final = "/api/v1"


class Application(Litestar):
    """Litestar behind what is known already, with every request measured: those too that meet no endpoint."""

    __slots__ = ("front",)
    front: Front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        if scope["type"] != ScopeType.HTTP:
            return await super().__call__(scope, receive, send)
        started, status = perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.front(scope, receive, watched)
        finally:
            metrics.observe(scope["method"], scope.get("path_template"), status, perf_counter() - started)


def create_app(settings: Settings, redis_url: str, writer: events.Writer, now: Clock = clock) -> Litestar:
    """The API over a Redis, with whoever applies rows; starting and stopping the writer is the caller's."""
    app = Application(
        route_handlers=[_api(), service.live, service.ready, service.scrape, service.problem],
        state=State({"settings": settings, "redis_url": redis_url, "writer": writer, "clock": now}),
        on_startup=[_open_store],
        on_shutdown=[_close_store],
        exception_handlers={Exception: problems.answer},
        openapi_config=_openapi(),
        logging_config=None,
        request_max_body_size=settings.events_body_limit,
    )
    app.front = Front(app, super(Application, app).__call__, PREFIX, settings.answer_cache_bytes)
    return app


def _api() -> Router:
    return Router(
        PREFIX,
        route_handlers=[AffiliatesController, LeaderboardsController, config.ConfigController, events.events],
        dependencies={"session": Provide(open_session)},
        security=[{"bearer": []}],
    )


def _openapi() -> OpenAPIConfig:
    """The document at /schema and /schema/openapi.json; no pages, which would fetch their parts from elsewhere."""
    return OpenAPIConfig(
        title="Fature KV",
        version=fature_kv.__version__,
        path="/schema",
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", description="An API token.")}
        ),
    )


async def _open_store(app: Litestar) -> None:
    settings: Settings = app.state.settings
    app.state.store = AsyncStore(app.state.redis_url, settings.redis_timeout_s, settings.redis_queue)


async def _close_store(app: Litestar) -> None:
    await app.state.store.close()
