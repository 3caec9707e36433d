"""The one place that makes clients: servers leased, stores opened, a writer's session begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from fature_kv import embedded
from fature_kv.ingest.session import Session, new_run, system_clock
from fature_kv.ingest.writer import Writer
from fature_kv.settings import Settings
from fature_kv.sources.mappings import Stored
from fature_kv.sources.operations import Operations
from fature_kv.sources.ops_database import Database
from fature_kv.store import Store


def open_store(url: str, settings: Settings) -> Store:
    """A connection to the Redis of the figures."""
    return Store(url, settings.redis_timeout_s)


@contextmanager
def leased_store(settings: Settings) -> Iterator[Store]:
    """A store on the Redis of the settings: the embedded one is started where none is given."""
    with embedded.lease(settings) as servers:
        store = open_store(servers.redis_url, settings)
        try:
            yield store
        finally:
            store.close()


def session(store: Store, slug: str, settings: Settings, kind: str) -> Session:
    """A session for a run of its own."""
    return Session(store, slug, settings, run=new_run(kind, system_clock()))


@contextmanager
def operations(url: str, stored: Stored, zone: ZoneInfo, settings: Settings) -> Iterator[Operations]:
    """A connection to an operator's database, read by a tenant's mapping in its zone."""
    database = Database(url, settings.ops_timeout_s)
    try:
        yield Operations(database, stored, zone, settings)
    finally:
        database.close()


def writer(url: str, settings: Settings) -> Writer:
    """The API's writer, not yet started."""
    return Writer(open_store(url, settings), settings)
