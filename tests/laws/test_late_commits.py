"""Law 7: a row that becomes visible after rows with higher ids were read still counts; and sync beside files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from fature_kv import stop_points
from fature_kv.domain.mapping import Mapping
from fature_kv.ingest.session import RunCounts, system_clock
from fature_kv.settings import Settings
from fature_kv.sources.files import find_files, open_source
from fature_kv.store import Store
from tests.laws.service import Service
from tests.laws.syncs import sync
from tests.model.model import DEFAULT_CONFIG_VERSIONS
from tests.support.data import real_data
from tests.support.figures_held import figures_held
from tests.support.operations_database import fill, new_database

ZONE = "America/Sao_Paulo"
SETTINGS = Settings(sync_overlap_s=60, sync_overlap_rows=0, sync_scan_rows=0)
"""No ids are read again in any case and nothing is read whole: only what the cursor says."""
WRITE = "insert into apostas values (%s, 1, 1, 0, '2025-06-26 12:00:00-03')"


@pytest.fixture
def url(operations_server: str) -> str:
    return new_database(operations_server)


@pytest.fixture
def service(store: Store) -> Service:
    made = Service(store, ZONE, DEFAULT_CONFIG_VERSIONS, SETTINGS)
    made.now = system_clock()
    return made


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into cadastro values (1, 'Ana', '', '', 'active', '2025-01-01', null)")
        yield connection


def bets(service: Service) -> int:
    return int(service.affiliate(1)["own"]["bets_count"])


def test_transactions_that_commit_out_of_order(service: Service, url: str, admin: psycopg.Connection[Any]) -> None:
    """Writers begin in the order of their ids and end in any, with syncs in between."""
    sync(service, url, SETTINGS)
    draw = random.Random(7)
    with ExitStack() as stack:
        writers = [stack.enter_context(psycopg.connect(url)) for _ in range(8)]
        free, busy, written = list(writers), [], 0
        while written < 60 or busy:
            if free and written < 60 and (not busy or draw.random() < 0.6):
                written += 1
                writer = free.pop()
                writer.execute(WRITE, [written])
                busy.append(writer)
            elif busy:
                writer = busy.pop(draw.randrange(len(busy)))
                writer.commit()
                free.append(writer)
            if draw.random() < 0.3:
                sync(service, url, SETTINGS)
    sync(service, url, SETTINGS)
    assert bets(service) == 60


def test_late_by_nearly_the_overlap(service: Service, url: str, admin: psycopg.Connection[Any]) -> None:
    """The lower id appears 50 s after the higher one was read, of 60; nothing else was read again for it."""
    admin.execute(WRITE, [1])
    sync(service, url, SETTINGS, later_s=3600)
    sync(service, url, SETTINGS)  # goes on behind 1 from now on
    admin.execute(WRITE, [3])
    sync(service, url, SETTINGS, later_s=50)
    admin.execute(WRITE, [2])
    assert sync(service, url, SETTINGS, later_s=50).applied == {"casino_bets_v": 1}
    sync(service, url, SETTINGS, later_s=60)
    sync(service, url, SETTINGS)
    assert sync(service, url, SETTINGS).duplicates == 0
    assert bets(service) == 3


def test_later_than_the_overlap_is_closed_by_a_full_read(
    service: Service, url: str, admin: psycopg.Connection[Any]
) -> None:
    for _ in range(2):
        admin.execute(
            "insert into apostas select max(id) + 2, 1, 1, 0, now() from (select 0 id union select id from apostas)"
        )
        sync(service, url, SETTINGS, later_s=61)
        sync(service, url, SETTINGS, later_s=61)
    admin.execute(WRITE, [1])
    assert sync(service, url, SETTINGS).applied == {}
    assert sync(service, url, SETTINGS, full=True).applied == {"casino_bets_v": 1}


def test_changes_come_by_their_time(service: Service, url: str, admin: psycopg.Connection[Any]) -> None:
    insert = "insert into depositos values (%s, 1, 10, 'pending', '2025-06-01', '2025-06-01')"
    for id_ in (1, 2):
        admin.execute(insert, [id_])
    sync(service, url, SETTINGS, later_s=3600)
    sync(service, url, SETTINGS, later_s=3600)
    admin.execute("update depositos set status = 'approved', atualizado_em = now() where id = 1")
    assert sync(service, url, SETTINGS).applied == {"depositos": 1}
    with psycopg.connect(url) as late:
        late.execute("update depositos set status = 'approved', atualizado_em = now() where id = 2")
        admin.execute("update depositos set status = 'reversed', atualizado_em = now() where id = 1")
        sync(service, url, SETTINGS, later_s=50)
    assert sync(service, url, SETTINGS).applied == {"depositos": 1}
    assert service.affiliate(1)["own"]["deposits_cents"] == 1000


@pytest.mark.parametrize("boundary", ["before cursor", "after cursor"])
def test_a_sync_that_dies_at_any_source_is_completed_by_the_next(
    service: Service, url: str, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    """How far a source was read is told only when its rows are in, so none is passed over."""
    admin.execute(WRITE, [1])
    admin.execute("insert into depositos values (1, 1, 10, null, '2025-06-01')")
    for dies_at in range(1, 7):
        left = dies_at

        def die(name: str) -> None:
            nonlocal left
            left -= name == boundary
            if left == 0 and name == boundary:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(stop_points, "reached", die)
            with pytest.raises(KeyboardInterrupt):
                sync(service, url, SETTINGS)
    sync(service, url, SETTINGS)
    own = service.affiliate(1)["own"]
    assert (own["bets_count"], own["deposits_cents"]) == (1, 1000)
    assert sync(service, url, SETTINGS).applied == {}


@pytest.mark.skipif(real_data("small") is None, reason="no real data beside us")
def test_files_and_database_give_the_same_figures(store: Store, url: str) -> None:
    folder = real_data("small")
    assert folder is not None
    fill(url, folder)
    of_files, of_database = (Service(store, ZONE, DEFAULT_CONFIG_VERSIONS, Settings()) for _ in range(2))
    for service in (of_files, of_database):
        service.now = system_clock()
    applied = imported(of_files).applied
    assert sync(of_database, url).applied == applied == {
        "cadastro": 500, "tracked": 488, "depositos": 1942, "casino_bets_v": 2429, "saque": 364,
    }  # fmt: skip
    held = figures_held(store, of_files.slug)
    assert figures_held(store, of_database.slug) == held
    assert sync(of_files, url).applied == {}
    assert imported(of_database).applied == {}
    assert figures_held(store, of_files.slug) == figures_held(store, of_database.slug) == held


def imported(service: Service) -> RunCounts:
    session = service.session("import")
    for path in find_files([str(real_data("small"))]):
        for rows in open_source(path, session.tenant.zone, Mapping()).lists(20_000):
            session.apply(rows)
    return session.finish({})
