"""The wire between the processes: answers, errors by name, streams, cancellation, and what is no question at all."""

from __future__ import annotations

import asyncio
import socket
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from cityhub.model.errors import BadRequestData, StoreUnavailable, TooManyResults
from cityhub.web.wire import MAX_FRAME, WireServer, socket_path
from cityhub.web.wire_client import WireClient


class Peer:
    """Handlers that do little, and what they have seen."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.cancelled = asyncio.Event()
        self.given = 0

    async def note(self, position: int) -> None:
        self.seen.append(position)

    async def echo(self, body: bytes) -> bytes:
        return body

    async def refuse(self, body: bytes) -> bytes:
        raise BadRequestData("'x' is wrong: right would be 'y'", limit=5)

    async def break_down(self, body: bytes) -> bytes:
        raise ZeroDivisionError

    async def hang(self, body: bytes) -> bytes:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""

    async def pieces(self, body: bytes) -> AsyncIterator[bytes]:
        try:
            for number in range(1_000_000):
                self.given = number
                yield b"%d" % number * 1000
        finally:
            self.cancelled.set()

    async def two_and_refuse(self, body: bytes) -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"
        raise TooManyResults("no more than 2")


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
async def client(tmp_path: Path, peer: Peer) -> AsyncIterator[WireClient]:
    handlers: dict[str, Callable[[bytes], Awaitable[bytes] | AsyncIterator[bytes]]] = {
        name: getattr(peer, name) for name in ("echo", "refuse", "break_down", "hang", "pieces", "two_and_refuse")
    }
    server = WireServer("historian", handlers, peer.note)
    await server.start(tmp_path / "s")
    yield WireClient("historian", tmp_path / "s", lambda: 7, patience_s=0.3)
    await server.stop()


async def test_an_answer_has_seen_the_newest_position(client: WireClient, peer: Peer, tmp_path: Path) -> None:
    assert await client.call("echo", {"a": 1}) == b"\x81\xa1a\x01"
    assert await client.call("echo", None, fresh=False) == b"\xc0"
    assert peer.seen == [7]
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


async def test_errors_travel_by_name(client: WireClient) -> None:
    with pytest.raises(BadRequestData, match="right would be 'y'") as caught:
        await client.call("refuse", None)
    assert caught.value.members == {"limit": 5}
    with pytest.raises(StoreUnavailable, match="ZeroDivisionError"):
        await client.call("break_down", None)
    with pytest.raises(StoreUnavailable, match="does not know 'unknown'"):
        await client.call("unknown", None)


async def test_a_stream_comes_piece_by_piece_and_ends_with_the_loop(client: WireClient, peer: Peer) -> None:
    found = []
    async with aclosing(client.stream("pieces", None)) as pieces:
        async for piece in pieces:
            found.append(piece)
            if len(found) == 10:
                break
    assert found[9] == b"9" * 1000
    await asyncio.wait_for(peer.cancelled.wait(), 60)
    assert peer.given < 100_000, "it went far ahead of its reader"
    found = []
    with pytest.raises(TooManyResults):
        async for piece in client.stream("two_and_refuse", None):
            found.append(piece)
    assert found == [b"1", b"2"]


async def test_who_goes_away_ends_the_work(client: WireClient, peer: Peer) -> None:
    asking = asyncio.create_task(client.call("hang", None))
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.wait_for(peer.cancelled.wait(), 60)


async def test_work_that_takes_too_long_is_ended(client: WireClient, peer: Peer) -> None:
    with pytest.raises(StoreUnavailable, match="no answer within"):
        await client.call("hang", None, timeout_s=0.1)
    await asyncio.wait_for(peer.cancelled.wait(), 60)


async def test_a_historian_that_is_not_there_is_waited_for_a_while(tmp_path: Path, peer: Peer) -> None:
    client = WireClient("historian", tmp_path / "s", lambda: 0, patience_s=60)
    server = WireServer("historian", {"echo": peer.echo}, peer.note)

    async def late() -> None:
        await asyncio.sleep(0.3)
        await server.start(tmp_path / "s")

    starting = asyncio.create_task(late())
    assert await client.call("echo", 1) == b"\x01"
    assert client.missed.is_set()
    await starting
    await server.stop()
    with pytest.raises(StoreUnavailable, match="not there"):
        await WireClient("historian", tmp_path / "s", lambda: 0, patience_s=0.1).call("echo", 1)


@pytest.mark.parametrize("sent", [b"", b"x", b"GET / HTTP/1.1\r\n\r\n", struct.pack(">Ic", MAX_FRAME + 1, b"?"), struct.pack(">Ic", 3, b"?") + b"abc"])
async def test_what_is_no_question_is_hung_up_on(client: WireClient, tmp_path: Path, sent: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(sent)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    assert await client.call("echo", 1) == b"\x01"


def test_a_socket_with_too_long_a_path_is_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    place = socket_path(deep, "historian.sock")
    assert place == socket_path(deep, "historian.sock") != socket_path(tmp_path / ("y" * 120), "historian.sock")
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    finally:
        place.unlink()
        place.parent.chmod(0o755)
        with pytest.raises(RuntimeError, match="own"):
            socket_path(deep, "historian.sock")
        place.parent.rmdir()
    assert socket_path(Path("/d"), "historian.sock") == Path("/d/historian.sock")


