"""The versions of a tenant's commission configuration, kept and read (rules: fature_kv/domain/commission.py).

Which first day a new version may have, by what was asked:

    asked                          no money rows yet     money rows       either, with a rebuild
    no `effective_from`            beginning of time     first allowed    beginning of time
    a day from the first allowed   that day              that day         that day
    an earlier day                 Conflict              Conflict         that day

The first allowed day is two days after today: rows lie up to a day ahead of now, so no row that was applied already
can lie on it. (Where the clocks go forward tomorrow and it is late today, "a day ahead" reaches the day after
tomorrow; then it is one day later.) An earlier day on a tenant without money rows is a Conflict too, as DOMAIN says
it; with the rebuild, which then has nothing to fold, a history of versions can be set up before the first import.

The newest version from the beginning of time stands for the ones before it, and of several for one day the newest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from fature_kv import journal
from fature_kv.domain import calendar
from fature_kv.domain.commission import BEGINNING, DAYS_OF_NOTICE, Configuration, Document, Version, parse_document
from fature_kv.errors import ConfigMoved, Conflict, GenerationMoved, NotFound, ServerUnavailable, UsageError
from fature_kv.keyspace import TenantKeys, check_slug
from fature_kv.scripts import script
from fature_kv.store import Store

_ATTEMPTS: Final = 100
_PAUSE_S: Final = 0.05
"""How long a writer waits when a rebuild is just being swapped in."""


class _Stored(msgspec.Struct, frozen=True):
    """A version as the config hash holds it, in JSON."""

    effective_from: str | None
    document: Document
    set_at: int


class _Seen(NamedTuple):
    """What a version's first day is decided on."""

    generation: int
    revision: int
    money_rows: bool
    zone: ZoneInfo


def load(fields: Mapping[bytes, bytes]) -> Configuration:
    """The configuration of a config hash; of an absent one, the default alone."""
    versions = []
    for revision, raw in sorted((int(name), value) for name, value in fields.items()):
        stored = msgspec.json.decode(raw, type=_Stored)
        first = BEGINNING if stored.effective_from is None else calendar.parse_day(stored.effective_from)
        versions.append(Version(revision, first, stored.document))
    return Configuration(versions)


def read(store: Store, slug: str) -> Configuration:
    """A tenant's configuration."""
    flat = store.call("HGETALL", TenantKeys(check_slug(slug)).config)
    return load(dict(zip(flat[::2], flat[1::2], strict=True)))


def set_configuration(
    store: Store,
    slug: str,
    raw_document: object,
    effective_from: str | None,
    *,
    today: int,
    now_us: int,
    rebuild: bool = False,
) -> Version:
    """Add a version; the head of this file tells from which day it holds. Waits out a swap for a few seconds.

    With `rebuild` it is for the caller to rebuild the tenant: until then its figures follow the older versions.
    """
    document = parse_document(raw_document)
    asked = None if effective_from is None else _day(effective_from)
    keys = TenantKeys(check_slug(slug))
    for _ in range(_ATTEMPTS):
        seen = _look(store, keys)
        allowed = first_allowed_day(today, now_us, seen.zone)
        first = _first_day(asked, allowed, seen.money_rows, rebuild)
        try:
            version = Version(seen.revision + 1, first, document)
            return _add(store, keys, seen, version, now_us, owes_rebuild=rebuild and seen.money_rows)
        except ConfigMoved:
            continue
        except GenerationMoved:
            time.sleep(_PAUSE_S)
    raise ServerUnavailable(f"the figures of tenant '{slug}' are being rebuilt or configured by others; try again")


def first_allowed_day(today: int, now_us: int, zone: ZoneInfo) -> int:
    """The first day that no row applied by now can lie on, two days after today at the least."""
    return max(today + DAYS_OF_NOTICE, calendar.day_of(now_us + calendar.DAY, zone) + 1)


def show(configuration: Configuration, today: int) -> dict[str, Any]:
    """The version in force today, as `describe` shows it, and under `versions` all that are or will be in force."""
    document = configuration.in_force(today)
    current = next(version for version in configuration.versions if version.document is document)
    return {**describe(current), "versions": [describe(version) for version in configuration.versions]}


def describe(version: Version) -> dict[str, Any]:
    """A version: its document's members beside `revision` (0: the default) and `effective_from` (null: always)."""
    return {
        "revision": version.revision,
        "effective_from": _text(version.effective_from),
        **msgspec.to_builtins(version.document),
    }


def _first_day(asked: int | None, allowed: int, money_rows: bool, rebuild: bool) -> int:
    if asked is None:
        return allowed if money_rows and not rebuild else BEGINNING
    if asked < allowed and not rebuild:
        raise Conflict(
            f"a version can't hold from {_text(asked)}: the first allowed day is {_text(allowed)}, "
            "an earlier one needs a rebuild of the tenant"
        )
    return asked


def _look(store: Store, keys: TenantKeys) -> _Seen:
    (live, revision), zone = store.pipeline(
        [("HMGET", keys.control, "live", "config"), ("HGET", keys.profile, "timezone")]
    )
    if live is None or zone is None:
        raise NotFound(f"tenant '{keys.tenant}' does not exist; create it with `fature-kv tenant create {keys.tenant}`")
    generation = int(live)
    money_rows = store.call("HGET", keys.generation(generation).state, "money_rows") == b"1"
    return _Seen(generation, int(revision or 0), money_rows, ZoneInfo(zone.decode()))


def _add(store: Store, keys: TenantKeys, seen: _Seen, version: Version, now_us: int, *, owes_rebuild: bool) -> Version:
    stored = _Stored(_text(version.effective_from), version.document, now_us)
    body = {"run": "", "at": now_us, "revision": version.revision, **msgspec.to_builtins(stored)}
    kind, data = journal.entry("config", body)
    store.run(
        script("config"),
        [keys.control, keys.generation(seen.generation).state, keys.config, keys.journal],
        [
            *(seen.generation, seen.revision, int(seen.money_rows)),
            *(version.revision, msgspec.json.encode(stored), kind, data, now_us, int(owes_rebuild)),
        ],
    )
    return version


def _day(text: str) -> int:
    try:
        return calendar.parse_day(text)
    except calendar.TimeError as error:
        raise UsageError(f"effective_from: {error}") from None


def _text(day: int) -> str | None:
    return None if day == BEGINNING else calendar.day_text(day)
