"""The server: bounds on heads and on arrival, readiness, and the orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cityhub.settings import Settings
from cityhub.web.server import MAX_HEAD_BYTES, bind, serve

SETTINGS = Settings(port=0, request_timeout_s=1, stop_timeout_s=5)
GET = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"
asked: list[str] = []


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with the body's length; `/slow` after half a second."""
    asked.append(scope["path"])
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"%d" % length
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def served(stopped: list[str] | None = None) -> AsyncIterator[int]:
    listener = bind(SETTINGS)
    ready = asyncio.Event()

    async def on_stop() -> None:
        if stopped is not None:
            stopped.append("stopping")

    task = asyncio.create_task(serve(echo, listener, SETTINGS, ready.set, on_stop))
    await ready.wait()
    yield listener.getsockname()[1]
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 60)


async def exchange(port: int, *pieces: bytes, answers: int = 1) -> bytes:
    """What the server answers to the pieces until it closes, or has sent so many answers and nothing more for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while part := await asyncio.wait_for(reader.read(65536), 60 if answer.count(b"HTTP/1.1 ") < answers else 0.3):
            answer += part
    writer.close()
    return answer


async def test_requests_are_answered_one_after_the_other_and_pipelined() -> None:
    async with served() as port:
        answer = await exchange(port, GET % b"" + GET % b"slow" + b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nab", b"c" + GET % b"", answers=4)
    assert answer.count(b"HTTP/1.1 200") == 4
    assert b"\r\n\r\n3HTTP" in answer
    assert b"server:" not in answer.lower()


async def test_idle_connection_outlives_the_time_for_arrival() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(GET % b"")
            assert await reader.readuntil(b"\r\n\r\n0")
            await asyncio.sleep(1.3)
        writer.close()


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES + 100, 5 * MAX_HEAD_BYTES])
@pytest.mark.parametrize("whole", [True, False])
async def test_too_large_head_is_refused(size: int, whole: bool) -> None:
    head = b"GET / HTTP/1.1\r\nx: " + b"a" * size
    pieces = [head + b"\r\n\r\n"] if whole else [head[at : at + 20_000] for at in range(0, len(head), 20_000)]
    async with served() as port:
        answer = await exchange(port, *pieces)
        assert (await exchange(port, GET % b"")).startswith(b"HTTP/1.1 200")
    # A client that goes on sending may find the connection reset before it reads the answer.
    assert answer.startswith(b"HTTP/1.1 431") or (answer == b"" and size > 2 * MAX_HEAD_BYTES)
    assert answer.count(b"HTTP/1.1") <= 1
    assert answer == b"" or b"application/problem+json" in answer


async def test_large_body_with_small_head_is_fine() -> None:
    async with served() as port:
        body = b"x" * (3 * MAX_HEAD_BYTES)
        answer = await exchange(port, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert answer.endswith(b"\r\n\r\n%d" % len(body))


async def test_what_is_not_http_gets_a_problem_document() -> None:
    async with served() as port:
        answer = await exchange(port, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"detail":"The request is not valid HTTP/1.1"' in answer


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\nhost:", GET % b"" + b"GET / HT"])
async def test_a_head_that_never_ends_is_given_up(beginning: bytes) -> None:
    async with served() as port:
        answer = await exchange(port, beginning, answers=beginning.count(b"\r\n\r\n") + 1)
    assert b"HTTP/1.1 408" in answer


async def test_a_body_that_never_ends_is_given_up() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()


async def test_stop_lets_running_requests_finish_and_tells_first() -> None:
    stopped: list[str] = []
    async with served(stopped) as port:
        asked.clear()
        running = asyncio.create_task(exchange(port, GET % b"slow"))
        while not asked:
            await asyncio.sleep(0.01)
    assert (await running).endswith(b"\r\n\r\n0")
    assert stopped == ["stopping"]
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


def test_an_address_that_is_taken_is_an_error() -> None:
    with contextlib.closing(bind(SETTINGS)) as first:
        first.listen()
        with pytest.raises(RuntimeError, match=f"Port {first.getsockname()[1]} of 127.0.0.1 is taken"):
            bind(Settings(port=first.getsockname()[1]))
