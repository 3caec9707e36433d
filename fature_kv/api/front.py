"""Before the endpoints: who calls, and whether the answer is known already.

An answer about a tenant's figures hangs on who asks what, on the tenant's day and on its `version`, which every write
of anything that can be read moves (keyspace.md, `control`). It comes in the round trip that checks the token, so what
is sent again is exactly what would be answered anew, whichever process wrote meanwhile. An answer is remembered under
the version that was read before it: it is that new at least.

Endpoints whose answers are so take part by `opt = VERSIONED`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, Final, NamedTuple, TypeAlias

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

import fature_kv
from fature_kv.api import metrics, session
from fature_kv.errors import FatureError

VERSIONED: Final = {"versioned": True}
_HEADERS: Final = ((b"cache-control", b"private, no-cache"), (b"vary", b"authorization"))
"""Whoever keeps an answer asks each time whether it still holds."""
_OVERHEAD: Final = 1000
"""Bytes that an answer takes besides its body, about."""

_Key: TypeAlias = tuple[Any, ...]


class _Known(NamedTuple):
    endpoint: str
    head: Message
    body: Message
    size: int


class Front:
    """An ASGI application before another. `limit` is how many bytes of answers are remembered."""

    def __init__(self, app: Litestar, endpoints: ASGIApp, prefix: str, limit: int) -> None:
        self._app, self._endpoints, self._prefix, self._limit = app, endpoints, prefix, limit
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._held = 0

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" or not scope["path"].startswith(self._prefix):
            return await self._endpoints(scope, receive, send)
        headers = dict(scope["headers"])
        try:
            caller = await session.opened(self._app.state, headers.get(b"authorization", b"").decode("latin-1"))
        except (FatureError, HTTPException):
            return await self._endpoints(scope, receive, send)  # where it comes up again, and is told
        session.put(scope, caller)
        asked = _key(caller, scope)
        tag = b'"%s"' % hashlib.blake2b(repr(asked).encode(), digest_size=15).hexdigest().encode()
        if tag in headers.get(b"if-none-match", b"") and (endpoint := self._versioned(scope)):
            return await _unchanged(scope, send, endpoint, tag)
        if known := self._known.get(asked):
            self._known.move_to_end(asked)
            scope["path_template"] = known.endpoint
            metrics.count_answer("cache")
            await send(known.head)
            return await send(known.body)
        await self._endpoints(scope, receive, self._remembering(scope, send, asked, tag))

    def _versioned(self, scope: HTTPScope) -> str | None:
        """The endpoint's template, if its answers hang on the version."""
        try:
            *_, handler, _, _, template = self._app.asgi_router.handle_routing(path=scope["path"], method="GET")
        except HTTPException:
            return None
        return template if handler.opt.get("versioned") else None

    def _remembering(self, scope: HTTPScope, send: Send, asked: _Key, tag: bytes) -> Send:
        """Sends on, with the tag of the answer, and remembers it."""
        head: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                if message["status"] == 200 and scope["route_handler"].opt.get("versioned"):
                    head = message = {**message, "headers": [*message["headers"], (b"etag", tag), *_HEADERS]}
                    metrics.count_answer("figures")
            elif head and message["type"] == "http.response.body" and not message.get("more_body"):
                size = len(message["body"]) + len(scope["path"]) + len(scope["query_string"]) + _OVERHEAD
                self._remember(asked, _Known(str(scope["path_template"]), head, message, size))
            await send(message)

        return sending

    def _remember(self, asked: _Key, known: _Known) -> None:
        if known.size > self._limit:
            return
        if before := self._known.pop(asked, None):
            self._held -= before.size
        self._known[asked] = known
        self._held += known.size
        while self._held > self._limit:
            self._held -= self._known.popitem(last=False)[1].size


def _key(caller: session.Session, scope: HTTPScope) -> _Key:
    """All that an answer hangs on."""
    tenant, who = caller.tenant, caller.caller
    return (
        fature_kv.__version__, tenant.slug, tenant.keys.number, tenant.revision, tenant.version, tenant.name,
        tenant.zone.key, caller.today, who.role.value, who.affiliate, caller.page_limit, scope["path"],
        scope["query_string"],
    )  # fmt: skip


async def _unchanged(scope: HTTPScope, send: Send, endpoint: str, tag: bytes) -> None:
    """What the caller holds is what would be answered."""
    scope["path_template"] = endpoint
    metrics.count_answer("client")
    await send({"type": "http.response.start", "status": 304, "headers": [(b"etag", tag), *_HEADERS]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
