"""Tokens and roles on a real server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv import journal, tenants
from fature_kv.access import tokens
from fature_kv.access.tokens import Caller, Permission, Role
from fature_kv.errors import NotFound, UsageError
from fature_kv.store import Store

SECOND = 1_000_000
NOW = 4_102_444_800 * SECOND  # 2100: the server must not expire what a test has just made


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    store = Store(redis_url)
    for slug in ("upbet", "other-op"):
        tenants.create(store, slug, name="", timezone="America/Sao_Paulo", currency="BRL", now_us=NOW)
    yield store
    store.close()


def fields_of(store: Store, token: str) -> dict[bytes, bytes]:
    flat = store.call("HGETALL", tokens.key_of(token))
    return dict(zip(flat[::2], flat[1::2], strict=True))


def test_a_token_names_its_tenant_and_leads_to_its_caller(store: Store) -> None:
    token = tokens.create(store, "other-op", "manager", now_us=NOW)
    assert tokens.parse(token) == "other-op"
    assert len(token) == len("fkv_other-op_") + 43
    assert tokens.key_of(token) == "fkv:{other-op}:token:" + hashlib.sha256(token.encode()).hexdigest()
    assert tokens.caller_of("other-op", fields_of(store, token), NOW) == Caller("other-op", Role.MANAGER, None)
    assert store.call("PTTL", tokens.key_of(token)) == -1


def test_no_two_tokens_are_alike(store: Store) -> None:
    made = {tokens.create(store, "upbet", "owner", now_us=NOW) for _ in range(50)}
    assert len(made) == 50
    assert {tokens.parse(token) for token in made} == {"upbet"}


def test_the_text_of_a_token_is_nowhere(store: Store) -> None:
    token = tokens.create(store, "upbet", "affiliate", 7, now_us=NOW)
    secret = token.removeprefix("fkv_upbet_")
    stored = fields_of(store, token)
    assert stored[b"prefix"].decode() == "fkv_upbet_" + secret[:6]
    entries = store.call("XRANGE", "fkv:{upbet}:journal", "-", "+")
    kind, data = entries[-1][1][1], entries[-1][1][3]
    assert kind == b"token"
    body = journal.body(data)
    assert tokens.key_of(token) == f"fkv:{{upbet}}:token:{body.pop('digest')}"
    assert (body.pop("run"), body.pop("at")) == ("", NOW)
    assert body == {name.decode(): value.decode() for name, value in stored.items()}
    assert secret not in repr(body)


def test_time_to_live(store: Store) -> None:
    token = tokens.create(store, "upbet", "widget", ttl_s=90, now_us=NOW + 1)
    stored = fields_of(store, token)
    end = NOW + 1 + 90 * SECOND
    assert store.call("PEXPIRETIME", tokens.key_of(token)) == end // 1000 + 1  # not a moment too early
    assert tokens.caller_of("upbet", stored, end - 1) == Caller("upbet", Role.WIDGET, None)
    assert tokens.caller_of("upbet", stored, end) is None


def test_an_expired_token_leaves_redis(store: Store) -> None:
    token = tokens.create(store, "upbet", "widget", ttl_s=1, now_us=1_000_000_000 * SECOND)
    assert fields_of(store, token) == {}
    assert tokens.caller_of("upbet", {}, NOW) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"role": "root"}, "expected one of owner, manager, analyst, affiliate, widget"),
        ({"role": "affiliate"}, "needs the affiliate's id"),
        ({"role": "affiliate", "affiliate": 0}, "no affiliate's id"),
        ({"role": "affiliate", "affiliate": 2**53}, "no affiliate's id"),
        ({"role": "manager", "affiliate": 7}, "for no affiliate"),
        ({"role": "owner", "ttl_s": 0}, "time to live"),
        ({"role": "owner", "ttl_s": 10**12}, "time to live"),
    ],
)
def test_wrong_use(store: Store, arguments: Mapping[str, Any], message: str) -> None:
    before = store.call("DBSIZE")
    with pytest.raises(UsageError, match=message):
        tokens.create(store, "upbet", **arguments, now_us=NOW)
    assert store.call("DBSIZE") == before


def test_a_token_needs_its_tenant(store: Store) -> None:
    with pytest.raises(NotFound):
        tokens.create(store, "nobody", "owner", now_us=NOW)
    assert store.call("EXISTS", "fkv:{nobody}:journal") == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fkv_upbet_",
        "fkv_upbet_" + "a" * 42,
        "fkv_upbet_" + "a" * 44,
        "fkv_upbet_" + "a" * 43 + "\n",
        "fkv_UPBET_" + "a" * 43,
        "fkv_up}bet_" + "a" * 43,
        "fkv_u_" + "a" * 43,
        "fkv_upbet_" + "á" * 43,
        "xkv_upbet_" + "a" * 43,
    ],
)
def test_what_is_no_token(text: str) -> None:
    assert tokens.parse(text) is None
    with pytest.raises(ValueError, match="not a token"):
        tokens.key_of(text)


def test_a_secret_with_the_separators_is_read_right() -> None:
    assert tokens.parse("fkv_a-b_" + "_-" * 21 + "_") == "a-b"


EXPECTED: dict[str, set[str]] = {
    "figures:read": {"owner", "manager", "analyst", "affiliate"},
    "boards:read": {"owner", "manager", "analyst", "affiliate", "widget"},
    "config:read": {"owner", "manager", "analyst"},
    "config:write": {"owner", "manager"},
    "decisions:write": {"owner", "manager"},
    "events:write": {"owner", "manager"},
    "export": {"owner", "manager", "analyst"},
    "names:full": {"owner", "manager", "analyst"},
    "tokens:write": {"owner"},
}


@pytest.mark.parametrize("permission", get_args(Permission))
def test_the_table_of_roles(permission: Permission) -> None:
    allowed = {role.value for role in Role if Caller("upbet", role, None).can(permission)}
    assert allowed == EXPECTED[permission]


def test_names_are_masked_for_affiliates_and_widgets() -> None:
    assert [role.value for role in Role if Caller("upbet", role, None).masked_names] == ["affiliate", "widget"]


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("Maria da Silva", "M*** S***"),
        ("Maria", "M***"),
        ("  joão   souza ", "j*** s***"),
        ("A\u0301lvaro Lima", "Á*** L***"),
        ("X Y", "X*** Y***"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_mask_name(name: str, masked: str) -> None:
    assert tokens.mask_name(name) == masked


@given(st.text())
def test_a_masked_name_shows_two_characters_at_most(name: str) -> None:
    masked = tokens.mask_name(name)
    assert masked == tokens.mask_name(name)
    assert (masked == "") == (name.split() == [])
    assert len(masked) <= 9
