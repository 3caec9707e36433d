"""`/config/commission`: the commission configuration, versioned."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Controller, Request, get, put
from litestar.datastructures import State

from fature_kv.api.bodies import ConfigurationOperation
from fature_kv.api.problems import responses
from fature_kv.api.session import Opened, Session
from fature_kv.commission import configuration
from fature_kv.domain.commission import Cpa, Rev, Version
from fature_kv.errors import UsageError
from fature_kv.store import Store


class VersionAnswer(msgspec.Struct, frozen=True):
    """A version: `effective_from` is the first day it holds, null for the beginning of time."""

    revision: int
    effective_from: str | None
    cpa: Cpa
    rev: Rev


class ConfigurationAnswer(VersionAnswer, frozen=True):
    """The version in force today; `versions` are all that are or will be in force."""

    versions: list[VersionAnswer]


class ConfigController(Controller):
    """The commission configuration."""

    path = "/config/commission"
    tags = ("configuration",)

    @get(summary="The commission configuration", responses=responses())
    async def show(self, session: Opened) -> ConfigurationAnswer:
        """The version in force today, and all that are or will be."""
        session.need("config:read")
        shown = configuration.show(session.tenant.configuration, session.today)
        return msgspec.convert(shown, ConfigurationAnswer)

    @put(
        summary="A new version",
        operation_class=ConfigurationOperation,
        responses=responses("conflict"),
    )
    async def put(self, session: Opened, request: Request[Any, Any, Any], state: State) -> VersionAnswer:
        """The document plus optional `effective_from`; a version is never edited, only superseded."""
        session.need("config:write")
        document = _object(await request.body())
        effective_from = document.pop("effective_from", None)
        if effective_from is not None and not isinstance(effective_from, str):
            raise UsageError("effective_from: expected a day as YYYY-MM-DD, null, or nothing")
        url, timeout = state.redis_url, state.settings.redis_timeout_s
        version = await asyncio.shield(asyncio.to_thread(_set, url, timeout, session, document, effective_from))
        return msgspec.convert(configuration.describe(version), VersionAnswer)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"the body is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError('the body: expected a document {"cpa": {...}, "rev": {...}}')
    return document


def _set(url: str, timeout: float, session: Session, document: dict[str, Any], effective_from: str | None) -> Version:
    store = Store(url, timeout)
    try:
        return configuration.set_configuration(
            store, session.tenant.slug, document, effective_from, today=session.today, now_us=session.now
        )
    finally:
        store.close()
