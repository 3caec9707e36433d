"""Every error as a problem document (RFC 9457): `type` is stable and leads to a description at `/problems/<slug>`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec

from fature_kv import errors

MEDIA_TYPE: Final = "application/problem+json"
_LOG: Final = logging.getLogger("fature_kv.api")


class Invalid(msgspec.Struct, frozen=True):
    """A parameter that can't be used."""

    parameter: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Invalid] = []


class Kind(NamedTuple):
    """A kind of problem."""

    status: int
    title: str
    remedy: str


KINDS: Final[Mapping[str, Kind]] = {
    "bad-request": Kind(400, "The request can't be used as it is", "Change what `detail` names and send it again."),
    "unauthorized": Kind(401, "A valid token is needed", "Send `Authorization: Bearer TOKEN` with a token in force."),
    "forbidden": Kind(403, "The token's role does not allow this", "Use a token of a role that may do it."),
    "not-found": Kind(404, "Not found", "It does not exist, or not for this token."),
    "method-not-allowed": Kind(405, "The method is not allowed here", "Use one of the methods that `Allow` lists."),
    "conflict": Kind(409, "The present state forbids it", "Read `detail`: another day or name may do."),
    "too-large": Kind(413, "The request body is too large", "Send it in several requests."),
    "unsupported-media-type": Kind(415, "The body's type is not supported", "Send `Content-Type: application/json`."),
    "figure-overflow": Kind(422, "A sum would no longer be exact", "Look for a wrong amount; nothing was applied."),
    "too-many-requests": Kind(429, "Too many requests", "Wait as long as `Retry-After` says."),
    "internal": Kind(500, "Something went wrong on our side", "Try again; if it stays, report it with the time."),
    "unavailable": Kind(503, "The service can't answer now", "Send the same again after `Retry-After` seconds."),
    "limit-reached": Kind(507, "A bounded store is full", "Clear quarantined or parked rows, then send it again."),
}
_COMMON: Final = ("bad-request", "unauthorized", "forbidden", "not-found", "unavailable")
_BY_STATUS: Final = {kind.status: slug for slug, kind in KINDS.items()}


class UnsupportedMediaType(errors.FatureError):
    """A body of another type than JSON."""


_BY_ERROR: Final[tuple[tuple[type[errors.FatureError], str], ...]] = (
    (errors.SettingsError, "internal"),
    (errors.UsageError, "bad-request"),
    (errors.NotFound, "not-found"),
    (errors.Conflict, "conflict"),
    (errors.LimitReached, "limit-reached"),
    (errors.ServerUnavailable, "unavailable"),
    (errors.Refused, "unavailable"),
    (errors.FigureOverflow, "figure-overflow"),
    (UnsupportedMediaType, "unsupported-media-type"),
)


def responses(*slugs: str) -> dict[int, ResponseSpec]:
    """What the OpenAPI document says of errors: those of any endpoint with a token, and these."""
    kinds = [KINDS[slug] for slug in (*_COMMON, *slugs)]
    return {
        kind.status: ResponseSpec(Problem, generate_examples=False, description=kind.title, media_type=MEDIA_TYPE)
        for kind in kinds
    }


def type_of(slug: str) -> str:
    """The `type` of a kind of problem."""
    return f"/problems/{slug}"


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The problem document of an error."""
    if isinstance(error, errors.FatureError):
        return _of_ours(request, error)
    if isinstance(error, HTTPException) and error.status_code != 500:
        return _of_framework(request, error)
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _response("internal", "the error was logged")


def _of_ours(request: Request[Any, Any, Any], error: errors.FatureError) -> Response[Problem]:
    slug = next((slug for kind, slug in _BY_ERROR if isinstance(error, kind)), "internal")
    if slug == "internal":
        _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _response(slug, "the error was logged")
    retry_after = getattr(error, "retry_after", 1)
    headers = {"Retry-After": str(retry_after)} if slug == "unavailable" else {}
    detail = "the figures are being changed; try again" if isinstance(error, errors.Refused) else _shown(error)
    return _response(slug, detail, headers)


def _shown(error: errors.FatureError) -> str:
    """The error's words, less what tells where our servers are."""
    text = str(error)
    if isinstance(error, errors.ServerUnavailable):
        _LOG.warning("unavailable: %s", text)
        return text.partition(": ")[0] if text.startswith("Redis can't") else text
    return text


def _of_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    slug = _BY_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() != "content-type"}
    if isinstance(error, ValidationException):
        invalid = _invalid(error.extra)
        detail = "; ".join(f"{each.parameter}: {each.message}" for each in invalid) or error.detail
        return _response("bad-request", detail, headers, invalid)
    if slug == "not-found":
        return _response(slug, f"there is nothing at {request.url.path}", headers)
    if slug == "method-not-allowed":
        return _response(slug, f"{request.method} is not for {request.url.path}", headers)
    return _response(slug, error.detail, headers)


def _invalid(extra: object) -> list[Invalid]:
    entries: Iterable[object] = extra if isinstance(extra, list) else ()
    return [
        Invalid(str(entry.get("key", "")), str(entry.get("message", "")).split(" - at", 1)[0])
        for entry in entries
        if isinstance(entry, dict)
    ]


def _response(
    slug: str, detail: str, headers: Mapping[str, str] | None = None, invalid: list[Invalid] | None = None
) -> Response[Problem]:
    kind = KINDS[slug]
    return Response(
        Problem(type_of(slug), kind.title, kind.status, detail, invalid or []),
        status_code=kind.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )
