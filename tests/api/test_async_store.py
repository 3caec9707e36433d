"""The API's connections: errors in the middle, scripts that are not loaded, connections that break."""

from __future__ import annotations

import asyncio

import pytest

from fature_kv.api.async_store import AsyncStore
from fature_kv.errors import FatureError, NotFound, ServerUnavailable
from fature_kv.figures import tenant as tenants
from fature_kv.store import Store


def test_an_error_in_a_pipeline_leaves_the_connection_in_order(redis_url: str) -> None:
    async def use() -> None:
        store = AsyncStore(redis_url)
        with pytest.raises(FatureError):
            await store.pipeline([("SET", "a", "1"), ("HGET", "a", "b"), ("GET", "a")])
        assert await store.pipeline([("GET", "a"), ("HGETALL", "none")]) == [b"1", []]
        await store.close()

    asyncio.run(use())


def test_a_broken_connection_is_made_anew(redis_url: str) -> None:
    async def use() -> None:
        store = AsyncStore(redis_url)
        await store.pipeline([("PING",)])
        sync = Store(redis_url)
        sync.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.05)
        assert await store.pipeline([("PING",)]) == [b"PONG"]
        sync.close()
        await store.close()

    asyncio.run(use())


def test_scripts_are_loaded_when_the_server_forgot_them(redis_url: str) -> None:
    sync = Store(redis_url)
    sync.pipeline(
        [
            ("HSET", "fkv:{t1}:profile", "name", "T", "timezone", "UTC", "currency", "BRL"),
            ("HSET", "fkv:{t1}:control", "live", 1),
        ]
    )

    async def use() -> None:
        store = AsyncStore(redis_url)
        for _ in range(2):
            sync.call("SCRIPT", "FLUSH")
            tenant = await store.answer(tenants.load("t1"))
            assert await store.run(tenant.records([tenant.keys.affiliate(1)])) == [[None, None], []]
        with pytest.raises(NotFound):
            await store.answer(tenants.load("t2"))
        await store.close()

    asyncio.run(use())
    sync.close()


def test_a_server_that_is_gone_is_told_at_once() -> None:
    async def use() -> None:
        store = AsyncStore("redis://127.0.0.1:1/0")
        with pytest.raises(ServerUnavailable):
            await store.pipeline([("PING",)])
        await store.close()

    asyncio.run(asyncio.wait_for(use(), 2))
