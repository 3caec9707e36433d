"""Cursors of lists: the place to go on behind, opaque to callers."""

from __future__ import annotations

import base64
import binascii

from fature_kv.errors import UsageError


def encode(kind: str, place: str | int) -> str:
    """The cursor of a place in a list of that kind."""
    return base64.urlsafe_b64encode(f"{kind} {place}".encode()).decode().rstrip("=")


def decode(kind: str, cursor: str) -> str:
    """The place; UsageError for a cursor that no answer of that kind held."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        told, _, place = text.partition(" ")
    except (binascii.Error, ValueError):
        told, place = "", ""
    if told != kind or not place:
        raise refused()
    return place


def decode_number(kind: str, cursor: str) -> int:
    """The place where places are ids."""
    place = decode(kind, cursor)
    if not (place.isascii() and place.isdigit() and len(place) <= 16):
        raise refused()
    return int(place)


def refused() -> UsageError:
    """The error of a cursor that is none."""
    return UsageError("cursor: expected the `next_cursor` of an answer to the same request, or none")
