"""Who calls, for which tenant: told by the token alone, in one round trip."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.params import SkipValidation
from litestar.types import Scope

from fature_kv.access import tokens
from fature_kv.api.async_store import AsyncStore
from fature_kv.figures import tenant as tenants
from fature_kv.figures.reading import Read, T, hash_of
from fature_kv.figures.tenant import Tenant
from fature_kv.figures.viewer import Viewer

Clock: TypeAlias = Callable[[], int]
"""Microseconds since 1970."""


_SESSION: Final = "fature_session"


def clock() -> int:
    """The time now."""
    return time.time_ns() // 1000


class Session:
    """A request whose token holds."""

    def __init__(self, store: AsyncStore, caller: tokens.Caller, tenant: Tenant, now: int, page: int) -> None:
        self.store = store
        self.caller = caller
        self.tenant = tenant
        self.now = now
        self.page_limit = page
        self.viewer: Final = Viewer(caller.affiliate, tokens.mask_name if caller.masked_names else None)

    @property
    def today(self) -> int:
        """The tenant's day."""
        return self.tenant.today(self.now)

    def need(self, permission: tokens.Permission) -> None:
        """Goes on only for a role that may."""
        if not self.caller.can(permission):
            raise PermissionDeniedException(f"a token of role {self.caller.role} has no permission '{permission}'")

    async def answer(self, question: Callable[[Tenant], Read[T]]) -> T:
        """The answer to a question about the tenant."""
        return await self.store.answer(tenants.standing(self.tenant.slug, question, self.tenant))


Opened: TypeAlias = SkipValidation[Session]


async def open_session(request: Request[Any, Any, Any]) -> Session:
    """The session of a request, for endpoints; 401 without a token that is in force."""
    held: Session | None = request.scope["state"].get(_SESSION)
    return held or await opened(request.app.state, request.headers.get("authorization", ""))


def put(scope: Scope, session: Session) -> None:
    """Lets `open_session` find a session that was opened before the endpoint."""
    scope.setdefault("state", {})[_SESSION] = session


async def opened(state: State, authorization: str) -> Session:
    """The session of whoever sends such a header; NotAuthorizedException without a token that is in force."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        _refuse("the request has no `Authorization: Bearer TOKEN`", "")
    slug = tokens.parse(token)
    if slug is None:
        _refuse("the token is not valid", ', error="invalid_token"')
    store: AsyncStore = state.store
    now: int = state.clock()
    held, *about = await store.pipeline([("HGETALL", tokens.key_of(token)), *tenants.commands(slug)])
    caller = tokens.caller_of(slug, hash_of(held), now)
    if caller is None:
        _refuse("the token is not valid", ', error="invalid_token"')
    return Session(store, caller, tenants.of(slug, about), now, state.settings.page_limit)


def _refuse(detail: str, error: str) -> NoReturn:
    raise NotAuthorizedException(detail, headers={"WWW-Authenticate": f'Bearer realm="fature-kv"{error}'})
