"""WebSocket servers of another library as sources."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from cityhub.ingest.message import Command, TroubleAtSource
from cityhub.ingest.protocols.websocket import Connector, Settings, connect
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.web.addresses import AddressPolicy
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings


@contextlib.asynccontextmanager
async def serving(talk: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with serve(talk, "127.0.0.1", 0, close_timeout=0.2) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/rain"


def made(kept: Kept, url: str, policy: AddressPolicy | None = None, **source: Any) -> Connector:
    settings = msgspec.convert({"url": url, "timeout_s": 3, **source}, Settings)
    return connect(feed("websocket"), settings, surroundings(kept, policy, {"env:T": "t0p"}))


async def test_messages_come_after_the_hello_and_commands_go() -> None:
    kept, heard = Kept(), []

    async def talk(peer: ServerConnection) -> None:
        assert peer.request is not None
        heard.append(peer.request.headers["Authorization"])
        heard.append(await peer.recv())
        await peer.send('{"rain": 1}')
        await peer.send(b"\xa1\x61r\x02")
        heard.append(json.loads(await peer.recv()))
        await peer.wait_closed()

    async with serving(talk) as url:
        connector = made(kept, url, hello=[{"subscribe": "rain"}], access={"kind": "bearer", "secret": "env:T"}, commands=True)
        assert (await connector.command(Command("0", "d", "early"))).state == "failed"
        async with running(connector, kept):
            await kept.count(2)
            assert (await connector.command(Command("1", "d1", "open", {"percent": 5}))).state == "sent"
            await kept.until(lambda: len(heard) == 3)
    assert heard == ["Bearer t0p", '{"subscribe":"rain"}', {"id": "1", "device": "d1", "name": "open", "parameters": {"percent": 5}}]
    assert [message.body for message in kept.messages] == [b'{"rain": 1}', b"\xa1\x61r\x02"]
    assert kept.messages[0].about["path"] == "/rain"


async def test_an_end_a_large_message_and_silence_are_trouble() -> None:
    async def leave(peer: ServerConnection) -> None:
        await peer.close(1001)

    async def large(peer: ServerConnection) -> None:
        await peer.send("x" * 5000)
        await peer.wait_closed()

    async def silent(peer: ServerConnection) -> None:
        await peer.wait_closed()

    for talk, more in ((leave, {}), (large, {"max_bytes": 1000}), (silent, {"silent_s": 0.2})):
        async with serving(talk) as url:
            with pytest.raises(TroubleAtSource, match=r"ended the connection|silent for"):
                await asyncio.wait_for(made(Kept(), url, **more).run(Kept()), 60)


async def test_a_half_open_connection_is_found_by_pings() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        from websockets.utils import accept_key

        key = request.lower().split(b"sec-websocket-key: ")[1]
        position = len(request) - len(key)
        accept = accept_key(request[position : position + 24].decode())
        writer.write(f"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):  # pings come and are not answered
                pass
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        with pytest.raises(TroubleAtSource):
            await asyncio.wait_for(made(Kept(), f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", ping_s=0.2).run(Kept()), 60)


async def test_the_hub_away_a_busy_queue_and_what_cannot_be() -> None:
    async def pour(peer: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            for n in range(200_000):
                await asyncio.wait_for(peer.send(f'{{"n": {n}, "text": "{"x" * 500}"}}'), 0.3)
            return
        blocked.set()
        await peer.wait_closed()

    blocked, kept = asyncio.Event(), Kept()
    kept.full = True
    async with serving(pour) as url:
        async with running(made(kept, url), kept):
            await asyncio.wait_for(blocked.wait(), 60)  # the server is slowed down
            assert kept.messages == []
        kept.full, kept.away = False, True
        with pytest.raises(TroubleAtSource, match="hub cannot take"):
            await asyncio.wait_for(made(kept, url).run(kept), 60)
        with pytest.raises(Forbidden):
            await made(Kept(), url, AddressPolicy()).run(Kept())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(TroubleAtSource, match="cannot be reached"):
            await made(Kept(), f"ws://127.0.0.1:{closed.getsockname()[1]}/").run(Kept())
    with pytest.raises(BadRequestData, match="begin with"):
        made(Kept(), "http://x")
