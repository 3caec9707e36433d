"""One connection for all requests: order, cancellation, time limits, back-off, bounds, and what a broken one tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError

from fature_kv.api.multiplexer import Multiplexer
from fature_kv.errors import FatureError, ServerUnavailable
from fature_kv.store import Store
from tests.support.proxy import proxied

PING = b"PING\r\n"


def echo(word: int) -> bytes:
    return b"ECHO %d\r\n" % word


def used(url: str, use: Callable[[Multiplexer], Awaitable[None]], *, timeout: float = 10.0, most: int = 1000) -> None:
    async def run() -> None:
        server = Multiplexer(url, timeout, most)
        try:
            await use(server)
        finally:
            await server.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def pause(url: str, milliseconds: int) -> None:
    """The server reads questions and answers none of them for so long."""
    store = Store(url)
    store.call("CLIENT", "PAUSE", milliseconds, "ALL")
    store.close()


async def asked(*questions: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*questions, return_exceptions=True)


def test_everybody_gets_the_replies_to_his_own_questions(redis_url: str) -> None:
    async def use(server: Multiplexer) -> None:
        answers = await asked(
            *(server.ask(echo(n) + b"NONSENSE\r\n" * (n % 3 == 0), 1 + (n % 3 == 0)) for n in range(500))
        )
        for n, (first, *errors) in enumerate(answers):
            assert first == b"%d" % n
            assert [type(error) for error in errors] == [ResponseError] * (n % 3 == 0)

    used(redis_url, use)


def test_questions_of_one_turn_share_a_connection_and_a_write(redis_url: str) -> None:
    store = Store(redis_url)

    def reads() -> tuple[int, int]:
        told = dict(line.split(":", 1) for line in store.call("INFO", "stats").decode().splitlines() if ":" in line)
        return int(told["total_connections_received"]), int(told["total_reads_processed"])

    async def use(server: Multiplexer) -> None:
        await server.ask(PING, 1)
        connections, before = reads()
        await asked(*(server.ask(PING, 1) for _ in range(200)))
        assert (reads()[0] - connections, reads()[1] - before <= 4) == (0, True)

    used(redis_url, use)
    store.close()


def test_a_cancelled_question_does_not_leave_its_reply_to_the_next(redis_url: str) -> None:
    async def use(server: Multiplexer) -> None:
        await server.ask(PING, 1)
        pause(redis_url, 200)
        waiting = asyncio.ensure_future(server.ask(echo(1), 1))
        await asyncio.sleep(0.01)  # sent by now
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        other = asyncio.ensure_future(server.ask(echo(2), 1))
        assert await other == [b"2"]

    used(redis_url, use)


def test_who_gives_up_while_it_connects_does_not_take_it_from_the_others(redis_url: str) -> None:
    async def use(server: Multiplexer) -> None:
        first, second = asyncio.ensure_future(server.ask(PING, 1)), asyncio.ensure_future(server.ask(PING, 1))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == [b"PONG"]

    used(redis_url, use)


def test_no_answer_in_time_fails_all_that_wait_and_connects_anew(redis_url: str) -> None:
    async def use(server: Multiplexer) -> None:
        await server.ask(PING, 1)
        pause(redis_url, 1000)
        for answer in await asked(*(server.ask(PING, 1) for _ in range(5))):
            assert isinstance(answer, ServerUnavailable)
            assert "no answer within 0.2 s" in str(answer)
        await asyncio.sleep(0.9)  # until the pause is over
        assert await server.ask(PING, 1) == [b"PONG"]

    used(redis_url, use, timeout=0.2)


def test_too_many_questions_are_refused_and_lose_nobody_else_s_answer(redis_url: str) -> None:
    async def use(server: Multiplexer) -> None:
        await server.ask(PING, 1)
        answers = await asked(*(server.ask(echo(n), 1) for n in range(9)))
        assert answers[:6] == [[b"%d" % n] for n in range(6)]
        assert all("too many reads wait" in str(answer) for answer in answers[6:])

    used(redis_url, use, most=6)


def test_a_wire_that_broke_before_the_question_says_so(redis_url: str) -> None:
    async def use(server: Multiplexer) -> None:
        wire = await server.connected()
        wire.connection_lost(None)
        with pytest.raises(ServerUnavailable, match="can't be reached"):
            await wire.ask(PING, 1)
        assert await server.ask(PING, 1) == [b"PONG"]

    used(redis_url, use)


def test_while_it_can_t_be_reached_it_is_tried_ever_more_seldom() -> None:
    async def use(server: Multiplexer) -> None:
        tried, pool = 0, server._pool

        class Counted:
            def make_connection(self) -> Any:
                nonlocal tried
                tried += 1
                return pool.make_connection()

        server._pool = Counted()
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.7
        while loop.time() < end:
            for answer in await asked(*(server.ask(PING, 1) for _ in range(20))):
                assert isinstance(answer, ServerUnavailable)
        assert 3 <= tried <= 6  # at 0, 0.05, 0.15, 0.35, 0.6 s and perhaps 0.85 s

    used("redis://127.0.0.1:1/0", use)


@pytest.mark.parametrize("harm", ["lost", "cut", "stalled"])
def test_a_reply_that_does_not_come_whole_is_nobody_s(redis_url: str, harm: str) -> None:
    harms: list[str | None] = []

    async def use(server: Multiplexer) -> None:
        assert await server.ask(echo(1), 1) == [b"1"]
        harms.append(harm)
        (answer,) = await asked(server.ask(echo(2), 1))
        assert isinstance(answer, ServerUnavailable)
        assert await server.ask(echo(3), 1) == [b"3"]

    with proxied(redis_url, lambda: harms.pop() if harms else None) as url:
        used(url, use, timeout=0.5)


def test_a_wrong_password_is_told_as_such(redis_url: str) -> None:
    async def use(server: Multiplexer) -> None:
        with pytest.raises(FatureError) as told:
            await server.ask(PING, 1)
        assert "secret" not in str(told.value)

    with proxied(redis_url, lambda: None) as url:
        used(url.replace("redis://", "redis://someone:secret@"), use)
