"""CoAP devices as clients of the hub's resource, and as servers that are observed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import msgspec
import pytest
from aiocoap import resource

from cityhub.ingest.message import Command, TroubleAtSource
from cityhub.ingest.protocols.coap import Connector, Settings, connect
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.web.addresses import AddressPolicy
from tests.services import free_port
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings


def made(kept: Kept, policy: AddressPolicy | None = None, **source: Any) -> Connector:
    return connect(feed("coap"), msgspec.convert({"timeout_s": 3, **source}, Settings), surroundings(kept, policy))


async def send(context: aiocoap.Context, port: int, payload: bytes, path: str = "data/gauge/7", format: int | None = 50, code: Any = aiocoap.POST) -> Any:
    message = aiocoap.Message(code=code, uri=f"coap://127.0.0.1:{port}/{path}", payload=payload)
    message.opt.content_format = format
    return (await asyncio.wait_for(context.request(message).response, 60)).code


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[aiocoap.Context]:
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    try:
        yield context
    finally:
        await context.shutdown()


async def test_devices_post_and_are_answered_when_it_is_durable() -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port=port), kept), client() as device:
        await kept.until(lambda: ("running", "") in kept.states)
        assert await send(device, port, b'{"level": 1}') == aiocoap.CHANGED
        assert await send(device, port, b"\xa0", "data", 60, aiocoap.PUT) == aiocoap.CHANGED
        assert await send(device, port, b"x" * 5000, format=None) == aiocoap.CHANGED  # five blocks
        assert await send(device, port, b"x" * 70_000) == aiocoap.REQUEST_ENTITY_TOO_LARGE
        assert await send(device, port, b"", "elsewhere") == aiocoap.NOT_FOUND
        assert await send(device, port, b"", code=aiocoap.GET) == aiocoap.METHOD_NOT_ALLOWED
        kept.away = True
        assert await send(device, port, b"{}") == aiocoap.SERVICE_UNAVAILABLE
    first, second, third = kept.messages
    assert (first.body, first.format, first.about["topic"], first.about["remote"]) == (b'{"level": 1}', "application/json", ["gauge", "7"], "127.0.0.1")
    assert (second.format, second.about["topic"], third.format, len(third.body)) == ("application/cbor", [], "", 5000)


async def test_only_known_senders_and_garbage_harms_nobody() -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port=port, senders=["10.0.0.0/8"]), kept), client() as device:
        await kept.until(lambda: ("running", "") in kept.states)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for garbage in (b"", b"\xff" * 1000, b"\x40", b"\x4f\x02\x00\x01", b"\x40\x02\x00\x01\xff"):
                sender.sendto(garbage, ("127.0.0.1", port))
        assert await send(device, port, b"{}") == aiocoap.FORBIDDEN
    assert kept.messages == []


async def test_noise_writes_nothing_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    kept, port = Kept(), free_port()
    failed: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failed.append(context))
    async with running(made(kept, port=port), kept), client() as device:
        await kept.until(lambda: ("running", "") in kept.states)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for noise in (b"\xff" * 1000, b"\x4f\x02\x00\x01", b"\x40\x02\x00\x01\xb4\xff\xfe\xfd\xfc", b"\x40\x02\x00\x01\xff"):
                sender.sendto(noise, ("127.0.0.1", port))
        assert await send(device, port, b"{}") == aiocoap.CHANGED
    assert (caplog.records, failed) == ([], [])


class Gauge(resource.ObservableResource):
    def __init__(self) -> None:
        super().__init__()
        self.level = b"1"
        self.put: list[bytes] = []

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.level, content_format=50)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.put.append(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED, payload=b"done")


class Plain(resource.Resource):
    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=b"5")


@contextlib.asynccontextmanager
async def device() -> AsyncIterator[tuple[int, Gauge]]:
    port, site, gauge = free_port(), resource.Site(), Gauge()
    site.add_resource(["level"], gauge)
    site.add_resource(["plain"], Plain())
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    try:
        yield port, gauge
    finally:
        await context.shutdown()


async def test_resources_are_observed_or_asked_and_commands_put() -> None:
    kept = Kept()
    async with device() as (port, gauge):
        base = f"coap://127.0.0.1:{port}"
        connector = made(kept, observe=[f"{base}/level", f"{base}/plain"], renew_s=0.5, commands={"set": {"url": f"{base}/level"}, "no": {"url": f"{base}/none"}})
        async with running(connector, kept):
            await kept.count(2)
            gauge.level = b"2"
            gauge.updated_state()
            await kept.until(lambda: b"2" in [message.body for message in kept.messages])
            await kept.until(lambda: [message.body for message in kept.messages].count(b"5") >= 2)
        answer = await connector.command(Command("1", "d", "set", {"percent": 5}))
        assert (answer.state, answer.value, gauge.put) == ("acknowledged", "done", [b'{"percent":5}'])
        assert [(await connector.command(Command("2", "d", name))).state for name in ("no", "unknown")] == ["failed", "failed"]


async def test_troubles_and_policy() -> None:
    with pytest.raises(TroubleAtSource):
        await made(Kept(), observe=[f"coap://127.0.0.1:{free_port()}/x"]).run(Kept())
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(TroubleAtSource, match="did not answer within"):
            await made(Kept(), observe=[f"coap://127.0.0.1:{silent.getsockname()[1]}/x"], timeout_s=0.3).run(Kept())
    async with device() as (port, _):
        with pytest.raises(TroubleAtSource, match="answered 4"):
            await made(Kept(), observe=[f"coap://127.0.0.1:{port}/nothing"]).run(Kept())
    with pytest.raises(Forbidden):
        await made(Kept(), AddressPolicy(), observe=["coap://127.0.0.1/x"]).run(Kept())
    with pytest.raises(Forbidden, match="feed_doors"):
        made(Kept(), port=5683, listen="::")
    with pytest.raises(BadRequestData, match="must be such as"):
        made(Kept(), observe=["http://x"])
    with pytest.raises(msgspec.ValidationError):
        made(Kept())
