"""Tenants on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fature_kv import journal, tenants
from fature_kv.errors import Conflict, NotFound, UsageError
from fature_kv.keyspace import TENANTS, TenantKeys
from fature_kv.store import Store

NOW = 1_750_950_000_000_000


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    store = Store(redis_url)
    yield store
    store.close()


def make(store: Store, slug: str = "upbet", **changes: str) -> tenants.Tenant:
    wanted = {"name": "Upbet", "timezone": "America/Sao_Paulo", "currency": "BRL", **changes}
    return tenants.create(store, slug, **wanted, now_us=NOW)


def test_a_new_tenant_has_a_profile_a_generation_and_a_journal(store: Store) -> None:
    tenant = make(store)
    assert tenant == tenants.Tenant("upbet", "Upbet", "America/Sao_Paulo", "BRL", NOW, 1)
    assert tenant == tenants.get(store, "upbet")
    assert tenant.zone.key == "America/Sao_Paulo"
    assert store.call("HGETALL", tenant.keys.control) == [b"live", b"1"]
    ((_, fields),) = store.call("XRANGE", tenant.keys.journal, "-", "+")
    assert fields[:2] == [b"kind", b"tenant"]
    assert journal.body(fields[3]) == {
        "run": "",
        "at": NOW,
        "slug": "upbet",
        "name": "Upbet",
        "timezone": "America/Sao_Paulo",
        "currency": "BRL",
        "created_at": NOW,
    }


def test_the_list_is_sorted_and_passes_over_slugs_without_a_tenant(store: Store) -> None:
    assert tenants.list_tenants(store) == []
    make(store, "zeta")
    make(store, "alfa", name="  ", currency="usd")
    store.call("SADD", TENANTS, "never-made")
    assert [(t.slug, t.name, t.currency) for t in tenants.list_tenants(store)] == [
        ("alfa", "alfa", "USD"),
        ("zeta", "Upbet", "BRL"),
    ]


def test_creating_again_is_a_conflict_that_changes_nothing_and_mends_the_list(store: Store) -> None:
    tenant = make(store)
    store.call("SREM", TENANTS, "upbet")  # as after a kill between the script and the set
    with pytest.raises(Conflict, match="'upbet' exists already"):
        make(store, name="Other", timezone="UTC")
    assert tenants.list_tenants(store) == [tenant]
    assert store.call("XLEN", tenant.keys.journal) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timezone": "America/Atlantis"}, "no time zone"),
        ({"timezone": ""}, "no time zone"),
        ({"timezone": "../etc/passwd"}, "no time zone"),
        ({"timezone": "America"}, "no time zone"),
        ({"currency": "R$"}, "no currency"),
        ({"currency": "REAL"}, "no currency"),
        ({"currency": "BR1"}, "no currency"),
    ],
)
def test_what_can_not_be_used_is_refused_before_anything_is_written(
    store: Store, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make(store, **changes)
    assert store.call("DBSIZE") == 0


@pytest.mark.parametrize("slug", ["", "a", "Upbet", "-upbet", "up_bet", "up}bet", "a" * 64, "upbet\n"])
def test_bad_slugs(store: Store, slug: str) -> None:
    for call in (make, tenants.get):
        with pytest.raises(UsageError, match="no tenant slug"):
            call(store, slug)


def test_a_tenant_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound, match="create it with `fature-kv tenant create upbet`"):
        tenants.get(store, "upbet")
    store.call("HSET", TenantKeys("upbet").profile, "slug", "upbet")
    assert tenants.tenant_of({b"slug": b"upbet"}, None) is None
