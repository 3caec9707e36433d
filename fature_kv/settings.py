"""Typed settings from `FATURE_*` variables: one field, one variable, one documented default.

`SETTINGS` below is the table: the docs are generated from `describe()` and a test compares them.
A variable that is unset or empty means its default. A value that can't be used is a `SettingsError`
naming the variable and the remedy; values are not repeated where they may hold a password.
"""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from fature_kv.errors import SettingsError

VARIABLE_PREFIX = "FATURE_"
PAGE_LIMIT_MAX = 1000
"""No list answers more items at once, whatever `limit` asks for."""

WORKBOOK_BYTES = 512 * 1024 * 1024
"""What a workbook may unpack to unless the setting says otherwise. A million lines of five columns are 220 MB."""

Durability = Literal["always", "waitaof"]
LogLevel = Literal["debug", "info", "warning", "error"]


def _meta(description: str, *, variable: str | None = None, secret: bool = False, **limits: Any) -> Meta:
    return Meta(description=description, extra={"variable": variable, "secret": secret}, **limits)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that may differ between two installations."""

    # servers
    data_dir: Annotated[
        str, _meta("Home of the embedded servers and their data; `--data` overrides it.", variable="FATURE_DATA")
    ] = "./.fature"
    redis_url: Annotated[
        str | None, _meta("Redis to use instead of the embedded one: redis://, rediss:// or unix://.", secret=True)
    ] = None
    queue_url: Annotated[
        str | None, _meta("Redis of the job queues when it is not the one of the figures.", secret=True)
    ] = None
    archive_url: Annotated[
        str | None, _meta("PostgreSQL to use instead of the embedded one: postgresql://.", secret=True)
    ] = None
    ops_url: Annotated[
        str | None, _meta("The operator's PostgreSQL that `sync` reads, where `--ops-url` is not given.", secret=True)
    ] = None
    redis_server: Annotated[
        str | None,
        _meta(
            "Program of the embedded Redis. Default: the one installed with us, "
            "else redis-server or valkey-server on PATH."
        ),
    ] = None
    redis_timeout_s: Annotated[
        float, _meta("Seconds to wait for Redis to answer or to accept a connection.", gt=0, le=600)
    ] = 10.0
    durability: Annotated[
        Durability,
        _meta(
            "How an acknowledged write is made durable: `always` (Redis fsyncs before it answers) "
            "or `waitaof` (the service waits for the fsync; Redis may then run `everysec` from version 8 on)."
        ),
    ] = "always"

    # the write path
    window_rows: Annotated[int, _meta("Rows that are decided together, at most.", ge=1, le=1_000_000)] = 100_000
    chunk_units: Annotated[int, _meta("Upper bound of one chunk, in units of its script's work.", ge=1, le=2_000)] = 200
    retry_attempts: Annotated[
        int, _meta("Times a refused chunk is decided anew before the run fails.", ge=1, le=1000)
    ] = 64
    flush_interval_ms: Annotated[
        int, _meta("Milliseconds until leaderboards follow the figures, at most.", ge=1, le=60_000)
    ] = 250
    flush_batch: Annotated[int, _meta("Affiliates whose boards one flush step writes.", ge=1, le=1_000_000)] = 100_000
    quarantine_limit: Annotated[int, _meta("Rows a tenant's quarantine holds.", ge=1)] = 100_000
    parked_limit: Annotated[int, _meta("Rows of a tenant that may wait for a person or a day.", ge=1)] = 100_000
    workbook_bytes: Annotated[
        int, _meta("Bytes that an XLSX file may unpack to; a larger one is refused before it is unpacked.", ge=1 << 20)
    ] = WORKBOOK_BYTES

    # the operations database
    ops_timeout_s: Annotated[
        float, _meta("Seconds that one statement may take on the operations database.", gt=0, le=86_400)
    ] = 60.0
    sync_overlap_s: Annotated[
        int, _meta("Seconds by which a row may be committed late and is still read by the next `sync`.", ge=0)
    ] = 3600
    sync_overlap_rows: Annotated[
        int, _meta("Ids below the highest one read that every `sync` reads again.", ge=0, le=1_000_000)
    ] = 100
    sync_scan_rows: Annotated[
        int, _meta("Rows a table may have to be read whole by every `sync` where an index is lacking.", ge=0)
    ] = 20_000

    # the API
    host: Annotated[str, _meta("Address the API listens on.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, _meta("Port the API listens on.", ge=1, le=65535)] = 8000
    workers: Annotated[int, _meta("Processes that serve the API.", ge=1, le=256)] = 1
    redis_queue: Annotated[
        int, _meta("Reads that may wait for Redis in one process; beyond that it answers 503.", ge=1)
    ] = 10_000
    answer_cache_bytes: Annotated[
        int, _meta("Bytes of answers that a process remembers while nothing was written; 0 for none.", ge=0)
    ] = 64 * 1024 * 1024
    events_queue_rows: Annotated[
        int, _meta("Rows of POST /events that may wait in one process; beyond that it answers 503.", ge=1)
    ] = 100_000
    events_limit: Annotated[int, _meta("Rows in one POST /events.", ge=1, le=100_000)] = 1000
    events_body_limit: Annotated[int, _meta("Bytes of one POST /events.", ge=1024)] = 4 * 1024 * 1024
    page_limit: Annotated[
        int, _meta(f"Items of a list unless `limit` says otherwise; {PAGE_LIMIT_MAX} at most.", ge=1, le=PAGE_LIMIT_MAX)
    ] = 100

    # new tenants
    tenant_time_zone: Annotated[str, _meta("Time zone of a new tenant that names none.")] = "America/Sao_Paulo"
    tenant_currency: Annotated[
        str, _meta("Currency of a new tenant that names none: three capital letters.", pattern="^[A-Z]{3}$")
    ] = "BRL"

    # people who operate it
    log_level: Annotated[LogLevel, _meta("How much is logged.")] = "info"


class Setting(msgspec.Struct, frozen=True):
    """One row of the table."""

    field: str
    variable: str
    type: Any
    default: Any
    meta: Meta
    secret: bool


def _table() -> list[Setting]:
    hints = get_type_hints(Settings, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta: Meta = get_args(hints[field.name])[1]
        extra = meta.extra or {}
        variable = extra["variable"] or VARIABLE_PREFIX + field.name.upper()
        rows.append(Setting(field.name, variable, hints[field.name], field.default, meta, extra["secret"]))
    return rows


SETTINGS: list[Setting] = _table()

_SCHEMES = {
    "redis_url": ("redis://", "rediss://", "unix://"),
    "queue_url": ("redis://", "rediss://", "unix://"),
    "archive_url": ("postgresql://", "postgres://"),
    "ops_url": ("postgresql://", "postgres://"),
}


def load(environ: Mapping[str, str] = os.environ, data_dir: str | None = None) -> Settings:
    """Read every setting; `data_dir` (the `--data` option) wins over its variable."""
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        raw = environ.get(setting.variable, "").strip()
        if raw:
            values[setting.field] = _parse(setting, raw)
    if data_dir is not None:
        if not data_dir.strip():
            raise SettingsError("--data is empty; name a folder, or leave it out for ./.fature")
        values["data_dir"] = data_dir
    return Settings(**values)


def describe() -> list[tuple[str, str, str, str]]:
    """(variable, type, default, description) of every setting, in the order of the table."""
    return [
        (
            s.variable,
            _type_name(s),
            "" if s.default is None else str(s.default),
            s.meta.description or "",
        )
        for s in SETTINGS
    ]


def _parse(setting: Setting, raw: str) -> Any:
    try:
        value = msgspec.convert(raw, setting.type, strict=False)
    except msgspec.ValidationError:
        raise _refuse(setting, raw, _expected(setting)) from None
    if isinstance(value, float) and value != value:
        raise _refuse(setting, raw, _expected(setting))
    schemes = _SCHEMES.get(setting.field)
    if schemes and not raw.startswith(schemes):
        raise _refuse(setting, raw, "a URL that starts with " + " or ".join(schemes))
    if setting.field == "tenant_time_zone":
        _check_zone(setting, raw)
    return value


def _check_zone(setting: Setting, raw: str) -> None:
    try:
        zoneinfo.ZoneInfo(raw)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _refuse(setting, raw, "a zone of the IANA database such as America/Sao_Paulo") from None


def _refuse(setting: Setting, raw: str, expected: str) -> SettingsError:
    shown = "its value" if setting.secret else f"'{raw}'"
    remedy = "unset it" if setting.default is None else f"unset it for the default, {setting.default}"
    return SettingsError(f"{setting.variable}: {shown} can't be used; give {expected}, or {remedy}")


def _base_type(setting: Setting) -> Any:
    base = get_args(setting.type)[0]
    if get_origin(base) is not Literal and type(None) in get_args(base):
        base = next(t for t in get_args(base) if t is not type(None))
    return base


def _type_name(setting: Setting) -> str:
    base = _base_type(setting)
    if get_origin(base) is Literal:
        return " | ".join(get_args(base))
    return {str: "text", int: "integer", float: "number"}[base]


def _expected(setting: Setting) -> str:
    base, meta = _base_type(setting), setting.meta
    if get_origin(base) is Literal:
        return " or ".join(get_args(base))
    if base is str:
        return "three capital letters such as BRL" if meta.pattern else "a text"
    text = "a whole number" if base is int else "a number"
    low = meta.ge if meta.ge is not None else meta.gt
    if low is not None and meta.le is not None:
        return f"{text} {'from' if meta.ge is not None else 'above'} {low} to {meta.le}"
    return text if low is None else f"{text} of at least {low}"
