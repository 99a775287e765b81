"""Every request passes the application: what it bounds, refuses, answers and tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.model.errors import StoreUnavailable
from cityhub.web.application import Application
from cityhub.web.http import Request, Response, Route, json_response

MAX_BODY = 1_000


class Heard:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.all: list[tuple[str, int]] = []

    def answered(self, request: Request, operation: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.all.append((operation, status))


class Numbers:
    """A stream without end, as a generator, and whether it was closed."""

    def __init__(self) -> None:
        self.closed = False
        self.waiting = False

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            for number in range(3):
                yield b"%d\n" % number
            self.waiting = True
            await asyncio.Event().wait()
        finally:
            self.closed = True


HEARD = Heard
LOCAL = {"host": "localhost"}


def application(heard: Heard | None = None, numbers: Numbers | None = None) -> Application:
    async def echo(request: Request) -> Response:
        return json_response({"path": request.parameters, "query": request.query, "size": len(request.body), "who": request.principal.id})

    async def full(request: Request) -> Response:
        raise StoreUnavailable("The disk is full")

    async def broken(request: Request) -> Response:
        raise RuntimeError("secret inside")

    async def empty(request: Request) -> Response:
        return Response(204)

    async def stream(request: Request) -> Response:
        assert numbers is not None
        return Response(200, media_type="text/plain", chunks=numbers.stream())

    async def torn(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one"
            raise RuntimeError("it broke")

        return Response(200, chunks=chunks())

    routes = [
        Route("GET", "/things/{id}", echo, "entity.read", "Get thing"),
        Route("POST", "/things", echo, "entity.write", "Make thing"),
        Route("DELETE", "/things/{id}", empty, "entity.write", "Delete thing"),
        Route("GET", "/full", full, "public", "Full"),
        Route("GET", "/broken", broken, "public", "Broken"),
        Route("GET", "/stream", stream, "public", "Stream"),
        Route("GET", "/torn", torn, "public", "Torn"),
    ]
    return Application(routes, LoopbackAccess(), MAX_BODY, [heard] if heard else [], [("x-frame-options", "DENY")])


class Answer:
    """What came back over ASGI."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    def json(self) -> Any:
        return orjson.loads(self.body)


async def ask(
    hub: Application, method: str, path: str, body: bytes | list[bytes] | None = None, headers: dict[str, str] | None = None,
    peer: str = "127.0.0.1", receive: Callable[[], Any] | None = None,
) -> Answer:  # fmt: skip
    """One request over ASGI."""
    pieces = [body or b""] if not isinstance(body, list) else body
    sent = {**LOCAL, **({"content-length": str(sum(map(len, pieces)))} if body is not None else {}), **(headers or {})}
    raw_path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": raw_path, "raw_path": raw_path.encode(), "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()], "client": (peer, 1),
    }  # fmt: skip
    waiting = [{"type": "http.request", "body": piece, "more_body": place < len(pieces) - 1} for place, piece in enumerate(pieces)]

    async def next_message() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    answer = Answer()
    await asyncio.wait_for(hub(scope, receive or next_message, answer.send), 60)
    return answer


async def test_a_door_that_takes_too_long_is_ended_and_says_so() -> None:
    ended: list[str] = []
    heard = Heard()

    async def slow(request: Request) -> Response:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(request.path)
            raise
        raise AssertionError

    async def quick(request: Request) -> Response:
        await asyncio.sleep(0.05)
        return json_response("done")

    async def endless(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one"
            await asyncio.sleep(0.15)
            yield b"two"

        return Response(200, chunks=chunks())

    doors = [("/slow", slow), ("/quick", quick), ("/endless", endless)]
    routes = [Route("GET", path, handler, "public", path) for path, handler in doors]
    hub = Application(routes, LoopbackAccess(), MAX_BODY, [heard], answer_timeout_s=0.1)

    async def watch() -> None:
        while True:
            await hub.end_overdue()
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    late, done, streamed = await asyncio.gather(*(ask(hub, "GET", path) for path, _ in doors))
    watching.cancel()
    assert late.status == 503
    assert "0.1 seconds" in late.json()["detail"]
    assert ended == ["/slow"]
    assert ("/slow", 503) in heard.all
    assert done.json() == "done"
    assert streamed.body == b"onetwo"


async def test_a_large_body_whose_parts_would_fill_the_memory_is_refused() -> None:
    async def count(request: Request) -> Response:
        return json_response(len(request.json()))

    hub = Application([Route("POST", "/", count, "public", "Count")], LoopbackAccess(), 100_000)
    assert (await ask(hub, "POST", "/", b"[" + b"{}," * 30_000 + b"{}]")).status == 413
    assert (await ask(hub, "POST", "/", orjson.dumps(["x" * 50] * 1500))).json() == 1500


async def test_a_caller_who_ends_a_request_is_no_slow_door() -> None:
    async def slow(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    hub = Application([Route("GET", "/slow", slow, "public", "Slow")], LoopbackAccess(), MAX_BODY)
    asking = asyncio.create_task(ask(hub, "GET", "/slow"))
    await asyncio.sleep(0.01)
    await hub.end_overdue()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_request_and_its_answer() -> None:
    heard = Heard()
    answer = await ask(application(heard), "GET", "/things/urn:a?x=1&x=2&y=%20")
    assert answer.status == 200
    assert answer.json() == {"path": {"id": "urn:a"}, "query": {"x": "1,2", "y": " "}, "size": 0, "who": "local"}
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-frame-options"] == "DENY"
    assert heard.all == [("Get thing", 200)]


async def test_head_is_get_without_a_body() -> None:
    hub = application()
    whole = await ask(hub, "GET", "/things/urn:a")
    head = await ask(hub, "HEAD", "/things/urn:a")
    assert (head.status, head.headers, head.body) == (200, whole.headers, b"")
    assert (await ask(hub, "HEAD", "/nowhere")).status == 404
    assert (await ask(hub, "HEAD", "/things")).status == 405


async def test_no_content_has_no_length() -> None:
    answer = await ask(application(), "DELETE", "/things/urn:a")
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers


async def test_unknown_path() -> None:
    heard = Heard()
    answer = await ask(application(heard), "GET", "/nowhere", headers={"ngsild-tenant": "north"})
    assert answer.status == 404
    assert answer.json()["type"] == "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound"
    assert len(answer.json()["trace"]) == 32
    assert answer.headers["ngsild-tenant"] == "north", "GS CIM 009 6.3.14: also with errors"
    assert heard.all == [("unknown", 404)]


async def test_unknown_method() -> None:
    answer = await ask(application(), "PATCH", "/things/urn:a", b"{}")
    assert answer.status == 405
    assert answer.headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize("peer", ["10.0.0.9", ""])
async def test_strangers_are_told_to_sign_in(peer: str) -> None:
    assert (await ask(application(), "GET", "/things/urn:a", peer=peer)).status == 401
    assert (await ask(application(), "GET", "/full", peer=peer)).status == 503, "a public door"


async def test_a_body_needs_a_length() -> None:
    answer = await ask(application(), "POST", "/things")
    assert (answer.status, answer.body) == (411, b"")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "\u00b2", "1_0", " 5", "9" * 5000])
async def test_a_length_must_be_a_number(length: str) -> None:
    assert (await ask(application(), "POST", "/things", headers={"content-length": length})).status == 400


async def test_a_body_has_a_bound() -> None:
    hub = application()
    assert (await ask(hub, "POST", "/things", b"x" * MAX_BODY)).json()["size"] == MAX_BODY
    assert (await ask(hub, "POST", "/things", [b"x" * 400, b"", b"x" * 600])).json()["size"] == MAX_BODY
    too_large = await ask(hub, "POST", "/things", b"x" * (MAX_BODY + 1))
    assert too_large.status == 413
    assert "1000 bytes" in too_large.json()["detail"]
    liar = await ask(hub, "POST", "/things", [b"x" * 600, b"x" * 600], {"content-length": "10"})
    assert liar.status == 413, "whatever length was declared"


async def test_a_body_that_does_not_come() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    answer = await ask(application(), "POST", "/things", headers={"content-length": "10"}, receive=gone)
    assert answer.status == 400


async def test_a_store_that_is_away_is_503() -> None:
    answer = await ask(application(), "GET", "/full")
    assert (answer.status, answer.json()["detail"]) == (503, "The disk is full")


async def test_a_fault_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    hub = application(heard)
    answer = await ask(hub, "GET", "/broken")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "secret inside" in caplog.text
    assert heard.all == [("Broken", 500)]
    assert hub.running == 0


@pytest.mark.parametrize("query", ["?q=%FF", "?" + "&".join(f"a{n}=1" for n in range(300))])
async def test_a_query_string_that_is_none(query: str) -> None:
    assert (await ask(application(), "GET", "/things/urn:a" + query)).status == 400


async def test_a_stream_ends_with_its_client() -> None:
    numbers = Numbers()
    hub = application(numbers=numbers)
    leave = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await leave.wait()
        return {"type": "http.disconnect"}

    asking = asyncio.create_task(ask(hub, "GET", "/stream", receive=receive))
    while not numbers.waiting:
        await asyncio.sleep(0.01)
    assert hub.running == 1
    leave.set()
    answer = await asking
    assert answer.body == b"0\n1\n2\n"
    assert numbers.closed
    assert hub.running == 0


async def test_a_stream_ends_with_the_hub() -> None:
    numbers = Numbers()
    hub = application(numbers=numbers)
    asking = asyncio.create_task(ask(hub, "GET", "/stream"))
    while not numbers.waiting:
        await asyncio.sleep(0.01)
    await hub.end_streams()
    assert (await asking).messages[-1] == {"type": "http.response.body", "body": b""}
    assert numbers.closed


async def test_a_stream_whose_request_is_cancelled_is_closed() -> None:
    numbers = Numbers()
    asking = asyncio.create_task(ask(application(numbers=numbers), "GET", "/stream"))
    while not numbers.waiting:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert numbers.closed


async def test_head_of_a_stream_does_not_begin_it() -> None:
    numbers = Numbers()
    answer = await ask(application(numbers=numbers), "HEAD", "/stream")
    assert (answer.status, answer.body) == (200, b"")
    assert not numbers.waiting


async def test_a_stream_that_breaks_is_not_ended_as_if_it_were_whole() -> None:
    with pytest.raises(RuntimeError, match="it broke"):
        await ask(application(), "GET", "/torn")
