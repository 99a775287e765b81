"""Syslog: senders over UDP, TCP and TLS, well-behaved and not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.handlers
import socket
import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityhub.ingest.message import TroubleAtSource
from cityhub.ingest.protocols import doors
from cityhub.ingest.protocols.syslog import Connector, Settings, connect, next_message
from cityhub.model.errors import BadRequestData, Forbidden
from tests.services import find_program, free_port
from tests.unit.ingest.protocols.certificates import self_signed
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings

LINE = "<165>1 2026-03-01T10:00:00Z gate1 door 7 ID47 - opened 开门".encode()


def made(kept: Kept, port: int, secrets: dict[str, str] | None = None, **source: Any) -> Connector:
    settings = msgspec.convert({"port": port, **source}, Settings)
    return connect(feed("syslog", format="syslog"), settings, surroundings(kept, secrets=secrets))


async def opened(kept: Kept, port: int, **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    await kept.until(lambda: ("running", "") in kept.states)
    return await asyncio.open_connection("127.0.0.1", port, **more)


async def test_counted_and_lined_messages_over_tcp() -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port), kept):
        _, writer = await opened(kept, port)
        for piece in (b"%d " % len(LINE), LINE[:10], LINE[10:] + b"5 <1>", b"hi", b"<34>Oct 11 22:14:15 su: old\n\n<35>no end"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.close()
        await kept.count(4)
    assert [message.body for message in kept.messages] == [LINE, b"<1>hi", b"<34>Oct 11 22:14:15 su: old", b"<35>no end"]
    assert kept.messages[0].about == {"remote": "127.0.0.1"} and max(kept.connected) == 1 and kept.connected[-1] == 0


async def test_python_and_util_linux_send_over_udp() -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port, transport="udp"), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        handler = logging.handlers.SysLogHandler(("127.0.0.1", port))
        handler.emit(logging.makeLogRecord({"msg": "pump stopped", "levelno": logging.ERROR, "levelname": "ERROR"}))
        handler.close()
        await kept.count(1)
        logger = find_program("logger")
        if logger:
            process = await asyncio.create_subprocess_exec(logger, "--rfc5424", "--udp", "-n", "127.0.0.1", "-P", str(port), "water high")
            await process.wait()
            await kept.count(2)
            assert b"water high" in kept.messages[1].body
    assert kept.messages[0].body.startswith(b"<11>pump stopped")


async def test_datagrams_that_find_no_room_are_counted() -> None:
    kept, port = Kept(), free_port()
    kept.full = True
    async with running(made(kept, port, transport="udp"), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for _ in range(3):
                sender.sendto(LINE, ("127.0.0.1", port))
        await kept.until(lambda: any("3 messages came while there was no room" in detail for _, detail in kept.states))


async def test_tcp_waits_while_there_is_no_room() -> None:
    kept, port = Kept(), free_port()
    kept.full = True
    async with running(made(kept, port), kept):
        _, writer = await opened(kept, port)
        blocked = False
        for _ in range(2000):
            writer.write((LINE + b"\n") * 100)
            try:
                await asyncio.wait_for(writer.drain(), 0.2)
            except TimeoutError:
                blocked = True
                break
        assert blocked and kept.messages == []
        kept.full = False
        await kept.count(100)
        writer.close()


async def test_tls_with_and_without_a_certificate_of_the_sender() -> None:
    certificate, key = self_signed("127.0.0.1")
    secrets = {"file:c": certificate, "file:k": key}
    client = ssl.create_default_context(cadata=certificate)
    kept, port = Kept(), free_port()
    source: dict[str, Any] = {"transport": "tls", "certificate": "file:c", "key": "file:k"}
    async with running(made(kept, port, secrets, **source), kept):
        _, writer = await opened(kept, port, ssl=client)
        writer.write(b"%d %s" % (len(LINE), LINE))
        await kept.count(1)
        writer.close()
        plain, sender = await asyncio.open_connection("127.0.0.1", port)
        sender.write(LINE + b"\n")
        assert await asyncio.wait_for(plain.read(), 60) != LINE
        sender.close()
    asked, port = Kept(), free_port()
    async with running(made(asked, port, secrets, authorities="file:c", **source), asked):
        reader, writer = await opened(asked, port, ssl=client)
        writer.write(LINE + b"\n")
        with contextlib.suppress(OSError):
            await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert len(kept.messages) == 1 and asked.messages == []
    with pytest.raises(BadRequestData, match="must be a certificate and its key"):
        await made(Kept(), port, {"file:c": "no", "file:k": "no"}, **source).run(Kept())


@pytest.mark.parametrize("garbage", [b"9" * 50, b"12x", b"99999 x", b"<" + b"a" * 5000, b"\xff" * 5000, b"500 abc"])
async def test_senders_that_do_not_keep_to_the_protocol_are_shown_out_and_the_others_stay(garbage: bytes) -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port, max_bytes=1000, idle_s=0.5), kept):
        _, good = await opened(kept, port)
        reader, writer = await opened(kept, port)
        writer.write(garbage)
        good.write(LINE + b"\n")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 60) == b""
        await kept.count(1)
        writer.close()
        good.close()
    assert [message.body for message in kept.messages] == [LINE]


async def test_idle_connections_end_and_too_many_stay_outside() -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port, connections=50, idle_s=1), kept):
        peers = [await opened(kept, port) for _ in range(300)]
        await asyncio.sleep(0.2)
        assert kept.connected[-1] == 50
        for reader, writer in peers:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 60) == b""
            writer.close()
        await kept.until(lambda: kept.connected[-1] == 0)
        _, writer = await opened(kept, port)
        writer.write(LINE + b"\n")
        await kept.count(1)
        writer.close()


async def test_idle_connections_make_way_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "QUIET_S", 0.3)
    kept, port = Kept(), free_port()
    async with running(made(kept, port, connections=20), kept):
        _, busy = await opened(kept, port)
        peers = [await opened(kept, port) for _ in range(100)]
        for _ in range(5):
            await asyncio.sleep(0.1)
            busy.write(b"<1>still here\n")
        newcomers = [await opened(kept, port) for _ in range(19)]
        for _, writer in newcomers:
            writer.write(LINE + b"\n")
        busy.write(b"<1>and still\n")
        await kept.count(5 + 19 + 1)
        assert kept.connected[-1] == 20
        for _, writer in (*peers, *newcomers, (None, busy)):
            writer.close()


async def test_policy_and_troubles(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="feed_doors"):
        made(Kept(), 5514, listen="0.0.0.0")
    connect(feed("syslog"), Settings(5514, "0.0.0.0"), surroundings(Kept(), doors=("0.0.0.0",)))
    for wrong in ({"listen": "everywhere"}, {"senders": ["x"]}):
        with pytest.raises(BadRequestData):
            made(Kept(), 5514, **wrong)
    with pytest.raises(msgspec.ValidationError):
        made(Kept(), 5514, transport="tls")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TroubleAtSource, match="Nobody can listen"):
            await made(Kept(), taken.getsockname()[1]).run(Kept())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_only_known_senders_and_trouble_when_the_hub_is_away(transport: str) -> None:
    kept, port = Kept(), free_port()
    kept.away = True

    async def send() -> None:
        if transport == "tcp":
            with contextlib.suppress(ConnectionError):
                _, writer = await opened(kept, port)
                writer.write(LINE + b"\n")
                await writer.drain()
                writer.close()
        else:
            await kept.until(lambda: ("running", "") in kept.states)
            with socket.socket(type=socket.SOCK_DGRAM) as sender:
                sender.sendto(LINE, ("127.0.0.1", port))

    async with running(made(kept, port, transport=transport, senders=["10.0.0.0/8"]), kept):
        await send()
        await asyncio.sleep(0.1)
    assert kept.messages == []
    kept.states.clear()
    task = asyncio.ensure_future(made(kept, port, transport=transport).run(kept))
    await send()
    with pytest.raises(TroubleAtSource, match="hub cannot take"):
        await asyncio.wait_for(task, 60)


async def test_end_of_a_stream() -> None:
    reader = asyncio.StreamReader()
    reader.feed_eof()
    with pytest.raises(EOFError):
        await next_message(reader, 100)
