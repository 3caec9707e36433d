"""Every kind of key has a reader."""

from __future__ import annotations

import inspect

import pytest

from fature_kv.cli.decoding import kind_of, kinds, plain
from fature_kv.keyspace import TENANTS, GenerationKeys, TenantKeys

ARGUMENTS = {
    "digest": "ab" * 32, "person": 7, "affiliate": 7, "month": "2025-06", "level": 2, "status": "pending", "page": 3,
    "source": "depositos", "metric": "cpa", "period_key": "2025-W26",
}  # fmt: skip


def keys_of(keys: TenantKeys | GenerationKeys) -> list[str]:
    """One key of every kind."""
    found = []
    for name, member in inspect.getmembers(type(keys)):
        if name.startswith("_") or name in ("prefix", "generation", *keys.__slots__, "tenant", "count", "index"):
            continue
        if isinstance(member, property):
            found.append(getattr(keys, name))
        else:
            wanted = list(inspect.signature(member).parameters)[1:]
            found.append(getattr(keys, name)(*(ARGUMENTS[each] for each in wanted)))
    return found


TENANT = TenantKeys("upbet")
ALL = [TENANTS, *keys_of(TENANT), *keys_of(TENANT.generation(12))]


@pytest.mark.parametrize("key", ALL)
def test_a_key_of_ours_is_known(key):
    assert kind_of(key) is not None


def test_there_is_no_reader_of_a_key_that_is_not_ours():
    named = {found[1]["name"] for key in ALL[1:] if (found := kind_of(key))}
    assert set(kinds()) - {TENANTS} == named


@pytest.mark.parametrize(
    "key", ["", "fkv:", "fkv:{upbet}", "fkv:{upbet}:1:", "fkv:{UP}:profile", "other", "fkv:{upbet}:1:x"]
)
def test_other_keys_are_not(key):
    assert kind_of(key) is None


def test_bytes_become_text_or_digits():
    assert plain({b"a": [b"b", b"\xff\x00", 1]}) == {"a": ["b", "ff00", 1]}
