"""`POST /events`: rows in, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec
from litestar import Request, post
from litestar.datastructures import State

from fature_kv.api import metrics, problems
from fature_kv.api.bodies import EventsOperation
from fature_kv.api.problems import UnsupportedMediaType
from fature_kv.api.session import Opened
from fature_kv.domain.rows import BadRow, Bet, Link, Money, Person, Row
from fature_kv.errors import UsageError
from fature_kv.keyspace import tenant_keys
from fature_kv.sources import mappings
from fature_kv.sources.http_rows import parse_events

_SOURCE_OF: Final[dict[type, str]] = {Person: "cadastro", Link: "tracked", Bet: "casino_bets_v"}
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


class RowResult(Protocol):
    """What became of a row: `applied`, `duplicate`, `parked` or `quarantined` with a reason."""

    @property
    def result(self) -> str: ...
    @property
    def reason(self) -> str | None: ...


class Writer(Protocol):
    """Who applies rows: in a thread of its own, together with rows of other requests."""

    @property
    def alive(self) -> bool: ...
    def submit(self, slug: str, rows: list[Row | BadRow]) -> Future[Any]:
        """A `Sequence[RowResult]` in the order of the rows, once all that was applied is durable."""
        ...


class EventItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row's result; `id` is `user:referrer` for `tracked`, null where it can't be read."""

    source: str
    id: int | str | None
    result: str
    reason: str | None = None


class EventsAnswer(msgspec.Struct, frozen=True):
    """Results in the order sent."""

    items: list[EventItem]


@post(
    "/events",
    status_code=200,
    tags=("events",),
    summary="Rows of the sources",
    operation_class=EventsOperation,
    responses=problems.responses("too-large", "unsupported-media-type", "limit-reached"),
)
async def events(session: Opened, request: Request[Any, Any, Any], state: State) -> EventsAnswer:
    """Up to 1,000 rows `{"source": "depositos", "id": 1, ...}`; what is answered `applied` is durable."""
    session.need("events:write")
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"expected application/json, not {media_type}")
    body = _decode(await request.body())
    (held,) = await session.store.pipeline([("GET", tenant_keys(session.tenant.slug).mapping)])
    rows = parse_events(body, session.tenant.zone, mappings.of(held).document, state.settings.events_limit)
    writer: Writer = state.writer
    # A caller who hangs up does not take back what is being applied.
    results: Sequence[RowResult] = await asyncio.shield(asyncio.wrap_future(writer.submit(session.tenant.slug, rows)))
    items = [_item(row, result) for row, result in zip(rows, results, strict=True)]
    for item in items:
        metrics.count_row(item.source, item.result)
    return EventsAnswer(items)


def _decode(body: bytes) -> object:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"the body is no JSON: {error}") from None


def _item(row: Row | BadRow, result: RowResult) -> EventItem:
    return EventItem(_source(row), _id(row), result.result, result.reason)


def _source(row: Row | BadRow) -> str:
    return row.source if isinstance(row, Money | BadRow) else _SOURCE_OF[type(row)]


def _id(row: Row | BadRow) -> int | str | None:
    if isinstance(row, Link):
        return f"{row.user_id}:{row.referrer_id}"
    if isinstance(row, BadRow) and row.id is not None and row.id.isascii() and row.id.isdigit():
        return int(row.id)
    return row.id
