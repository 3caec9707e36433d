"""A run of `sync` on a service of the laws, without the command around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fature_kv import wiring
from fature_kv.ingest.session import RunCounts, new_run
from fature_kv.settings import Settings
from fature_kv.sources import mappings, ops_cursors
from fature_kv.sources.operations import Operations
from tests.laws.service import Service

SETTINGS = Settings()


@contextmanager
def opened(service: Service, url: str, settings: Settings = SETTINGS) -> Iterator[Operations]:
    """The database as the tenant's mapping reads it."""
    session = service.session()
    stored = mappings.read(service.store, session.keys)
    with wiring.operations(url, stored, session.tenant.zone, settings) as operations:
        yield operations


def sync(
    service: Service, url: str, settings: Settings = SETTINGS, *, full: bool = False, later_s: int = 0
) -> RunCounts:
    """A run over all sources, as the command makes it; the database's clock is so many seconds ahead."""
    session = service.session(new_run("sync", service.now))
    live = session.tenant.live
    with opened(service, url, settings) as operations:
        for source in operations.tables:
            before = ops_cursors.read(service.store, session.keys, live, source, operations.digest)
            pull = operations.pull(source, before, full=full)
            for rows in pull.lists(500):
                session.apply(rows)
            assert pull.cursor is not None
            cursor = aged(pull.cursor, later_s)
            ops_cursors.write(service.store, session.keys, live, source, operations.digest, cursor)
    return session.finish({"kind": "sync"})


def aged(cursor: ops_cursors.Cursor, seconds: int) -> ops_cursors.Cursor:
    """The same cursor, so many seconds after it was made."""
    marks = [ops_cursors.Mark(mark.at - seconds * 1_000_000, mark.id, mark.time) for mark in cursor.marks]
    return ops_cursors.Cursor(cursor.mapping, cursor.id, cursor.time, marks)
