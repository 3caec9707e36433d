"""Rows that a run kept for later, and that an undo takes back while another writer is about to apply them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fature_kv.archive.reconcile import reconcile_with_journal
from fature_kv.archive.undo import undo_run
from fature_kv.domain.mapping import Mapping
from fature_kv.domain.rows import BadRow, Money, Person
from fature_kv.ingest import parking, retry
from fature_kv.store import Store
from tests.laws.service import Service
from tests.model.model import DEFAULT_CONFIG_VERSIONS

pytestmark = pytest.mark.timeout(300)
DAY = 86_400_000_000
NOW = 1_750_950_000_000_000
IVO = Person(5, "Ivo", "", "", "active", NOW - 9 * DAY)


@pytest.fixture
def service(store: Store) -> Service:
    return Service(store, "America/Sao_Paulo", DEFAULT_CONFIG_VERSIONS)


def undone_behind(service: Service, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, run: str) -> None:
    """The first time that the function has found rows, the run is taken back before they are applied."""
    read: Callable[..., Any] = getattr(module, name)
    done: list[bool] = []

    def interrupted(*words: Any) -> Any:
        found = read(*words)
        if found and not done:
            done.append(True)
            other = service.store.another()
            undo_run(other, service.slug, service.settings, run, "wrong file", clock=lambda: service.now)
            other.close()
        return found

    monkeypatch.setattr(module, name, interrupted)


@pytest.mark.parametrize("name", ["released", "applicable"])
def test_rows_that_waited(service: Service, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    service.feed([Money("depositos", 1, 5, 1000, "approved", NOW - DAY)], NOW, run="wrong")
    service.feed([Money("depositos", 2, 5, 300, "approved", NOW - DAY)], NOW, run="right")
    if name == "released":
        undone_behind(service, monkeypatch, parking, name, "wrong")
        service.feed([IVO], NOW, run="sync")
    else:
        monkeypatch.setattr(parking, "released", lambda fold: [])
        service.feed([IVO], NOW, run="sync")
        undone_behind(service, monkeypatch, parking, name, "wrong")
        retry.parked(service.store, service.slug, service.settings, clock=lambda: NOW)
    assert service.affiliate(5)["own"]["deposits_cents"] == 300
    assert reconcile_with_journal(service.store, service.slug, service.settings) == []


@pytest.mark.parametrize("name", ["_readable", "_still_there"])
def test_rows_of_quarantine(service: Service, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    service.feed([IVO], NOW, run="sync")
    for number, run in ((1, "wrong"), (2, "right")):
        raw = {"id": number, "user_id": 5, "valor": "3.00", "status": "ok", "criado_em": "2025-06-20"}
        service.feed([BadRow("depositos", str(number), "unknown_status", raw)], NOW, run=run)
    undone_behind(service, monkeypatch, retry, name, "wrong")
    mapping = Mapping(money_status={"ok": "approved"})
    counts = retry.quarantine(service.store, service.slug, service.settings, mapping, clock=lambda: NOW)
    assert counts.applied == {"depositos": 1}
    assert service.affiliate(5)["own"]["deposits_cents"] == 300
    assert reconcile_with_journal(service.store, service.slug, service.settings) == []
