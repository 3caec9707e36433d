"""What the OpenAPI document says of request bodies, which handlers read themselves to answer better than a decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from fature_kv.domain.commission import MINIMUMS
from fature_kv.domain.mapping import COLUMNS
from fature_kv.domain.rows import SOURCES

_INTEGER: Final = Schema(type=OpenAPIType.INTEGER, minimum=0)
_TEXT_OR_NUMBER: Final = Schema(type=[OpenAPIType.STRING, OpenAPIType.NUMBER, OpenAPIType.NULL])
_ROW: Final = Schema(
    type=OpenAPIType.OBJECT,
    required=["source"],
    properties={
        "source": Schema(type=OpenAPIType.STRING, enum=list(SOURCES)),
        **{column: _TEXT_OR_NUMBER for columns in COLUMNS.values() for column in columns},
    },
)
_FIVE: Final = Schema(type=OpenAPIType.ARRAY, items=_INTEGER, min_items=5, max_items=5)


def _object(required: list[str], properties: Mapping[str, Any]) -> Schema:
    return Schema(type=OpenAPIType.OBJECT, required=required, properties=dict(properties), additional_properties=False)


_GROUP: Final = _object([], dict.fromkeys(MINIMUMS, _INTEGER))
_CPA: Final = _object(
    ["levels_cents", "criteria"], {"levels_cents": _FIVE, "criteria": Schema(type=OpenAPIType.ARRAY, items=_GROUP)}
)
_REV: Final = _object(["levels_bp"], {"levels_bp": _FIVE, "negative_carryover": Schema(type=OpenAPIType.BOOLEAN)})
_DAY: Final = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], description="A day, YYYY-MM-DD.")


def _json(schema: Schema, *, required: bool = True) -> RequestBody:
    return RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=required)


@dataclass
class EventsOperation(Operation):
    """`POST /events`"""

    def __post_init__(self) -> None:
        self.request_body = _json(Schema(type=OpenAPIType.ARRAY, items=_ROW, min_items=1))


@dataclass
class OverrideOperation(Operation):
    """`POST /affiliates/{id}/validate-cpa`"""

    def __post_init__(self) -> None:
        properties = {
            "override": Schema(type=OpenAPIType.BOOLEAN, description="Without it the request is a question."),
            "day": _DAY,
            "reason": Schema(type=OpenAPIType.STRING, min_length=1, max_length=500),
        }
        self.request_body = _json(_object([], properties), required=False)


@dataclass
class ConfigurationOperation(Operation):
    """`PUT /config/commission`"""

    def __post_init__(self) -> None:
        self.request_body = _json(_object(["cpa", "rev"], {"cpa": _CPA, "rev": _REV, "effective_from": _DAY}))
