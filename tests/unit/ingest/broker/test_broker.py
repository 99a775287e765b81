"""The broker over real connections; the conformance suite has what is common to all brokers."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
    TopicFilter,
    Will,
)

from cityhub.ingest.broker.broker import Limits
from cityhub.ingest.broker.door import Account, Publication
from cityhub.ingest.broker.listener import Listener, listen
from tests.unit.ingest.broker.mqtt_client import Client, close_all, connected, open_client

QOS1, QOS2 = QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE
ANY = Account("any", ("#",), ("#",))


class Keeping:
    """A door that keeps what it takes, and says so when it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[Publication, Callable[[bool], None]]] = []
        self.accounts: dict[str, Account] | None = None
        self.is_prompt = True
        self.is_full = False
        self._free = asyncio.Event()

    async def admit(self, client_id: str, username: str, password: bytes, remote: str) -> Account | None:
        if self.accounts is None:
            return ANY
        return self.accounts.get(username) if password == b"right" else None

    def take(self, publication: Publication, settled: Callable[[bool], None]) -> bool:
        if self.is_full:
            return False
        self.taken.append((publication, settled))
        if self.is_prompt:
            settled(True)
        return True

    def relays(self, topic: str) -> bool:
        return True

    async def room(self) -> None:
        await self._free.wait()

    def make_room(self) -> None:
        self.is_full = False
        self._free.set()


@pytest.fixture
def door() -> Keeping:
    return Keeping()


@contextlib.asynccontextmanager
async def running(door: Keeping, **limits: float) -> AsyncIterator[Listener]:
    listener = await listen(door, "127.0.0.1", 0, limits=Limits(**limits))  # type: ignore[arg-type]
    try:
        yield listener
    finally:
        await listener.stop()
        await close_all()


@pytest.fixture
async def port(door: Keeping) -> AsyncIterator[int]:
    async with running(door) as listener:
        yield listener.port


async def subscribed(port: int, client_id: str, filter: str = "#", **options: object) -> Client:
    client = await connected(port, client_id, **options)
    client.send(SubscribePacket(1, [TopicFilter(filter)]))
    await client.expect(SubAckPacket)
    return client


async def test_a_message_is_acknowledged_only_when_it_is_durable(door: Keeping, port: int) -> None:
    door.is_prompt = False
    client = await connected(port, "gauge")
    client.send(PublishPacket("rain/1", b"5", qos=QOS1, packet_id=1), PublishPacket("rain/1", b"6", qos=QOS1, packet_id=2))
    await client.nothing()
    door.taken[1][1](True)
    await client.nothing()  # answers go out in the order of the messages
    door.taken[0][1](True)
    assert [(await client.expect(PubAckPacket)).packet_id for _ in range(2)] == [1, 2]


async def test_what_could_not_be_kept_is_not_acknowledged_and_comes_again(door: Keeping, port: int) -> None:
    door.is_prompt = False
    client = await connected(port, "gauge", session_expiry_interval=60)
    client.send(PublishPacket("rain/1", b"5", qos=QOS1, packet_id=1))
    await asyncio.sleep(0.05)
    door.taken[0][1](False)
    assert (await client.expect(DisconnectPacket)).reason_code == DisconnectReasonCode.SERVER_BUSY
    door.is_prompt = True
    client = await open_client(port)
    client.send(ConnectPacket("gauge", session_expiry_interval=60))
    assert (await client.expect(ConnAckPacket)).session_present
    client.send(PublishPacket("rain/1", b"5", qos=QOS1, packet_id=1, duplicate=True))
    assert (await client.expect(PubAckPacket)).packet_id == 1
    assert door.taken[1][0].duplicate


async def test_without_room_the_broker_stops_reading_and_loses_nothing(door: Keeping, port: int) -> None:
    door.is_full = True
    client = await connected(port, "gauge")
    client.send(*(PublishPacket("rain/1", b"%d" % number, qos=QOS1, packet_id=number) for number in range(1, 101)))
    await client.nothing()
    assert door.taken == []
    door.make_room()
    assert [(await client.expect(PubAckPacket)).packet_id for _ in range(100)] == list(range(1, 101))
    assert [publication.payload for publication, _ in door.taken] == [b"%d" % number for number in range(1, 101)]


async def test_exactly_once_takes_a_message_once(door: Keeping, port: int) -> None:
    client = await connected(port, "gauge")
    message = PublishPacket("rain/1", b"5", qos=QOS2, packet_id=1)
    client.send(message)
    await client.expect(PubRecPacket)
    client.send(PublishPacket("rain/1", b"5", qos=QOS2, packet_id=1, duplicate=True))
    await client.expect(PubRecPacket)
    assert len(door.taken) == 1
    client.send(PubRelPacket(1))
    await client.next()
    client.send(message)
    await client.expect(PubRecPacket)
    assert len(door.taken) == 2


async def test_wrong_credentials_are_refused_and_rights_are_kept(door: Keeping, port: int) -> None:
    door.accounts = {"one": Account("one", ("devices/one/#",), ("devices/one/#",))}
    stranger = await open_client(port)
    stranger.send(ConnectPacket("x", username="one", password=b"wrong"))
    assert (await stranger.expect(ConnAckPacket)).reason_code == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
    client = await connected(port, "x", username="one", password=b"right")
    client.send(PublishPacket("devices/two/data", b"lie", qos=QOS1, packet_id=1))
    assert (await client.expect(PubAckPacket)).reason_code == PubAckReasonCode.NOT_AUTHORIZED
    client.send(SubscribePacket(2, [TopicFilter("#"), TopicFilter("devices/one/commands")]))
    codes = (await client.expect(SubAckPacket)).reason_codes
    assert codes == [SubAckReasonCode.NOT_AUTHORIZED, SubAckReasonCode.GRANTED_QOS_EXACTLY_ONCE]
    assert door.taken == []


async def test_a_session_is_not_given_to_another_account(door: Keeping, port: int) -> None:
    door.accounts = {"one": Account("one", ("#",), ("#",)), "two": Account("two", ("#",), ("#",))}
    first = await connected(port, "same", username="one", password=b"right", session_expiry_interval=60)
    other = await open_client(port)
    other.send(ConnectPacket("same", username="two", password=b"right"))
    assert (await other.expect(ConnAckPacket)).reason_code == ConnAckReasonCode.CLIENT_ID_NOT_VALID
    first.send(PingReqPacket())
    await first.expect(PingRespPacket)
    first.close()
    await asyncio.sleep(0.05)
    other = await open_client(port)
    other.send(ConnectPacket("same", username="two", password=b"right"))
    assert not (await other.expect(ConnAckPacket)).session_present


async def test_the_same_client_takes_its_session_over(port: int) -> None:
    first = await subscribed(port, "same", "a", session_expiry_interval=60)
    second = await open_client(port)
    second.send(ConnectPacket("same", session_expiry_interval=60))
    assert (await second.expect(ConnAckPacket)).session_present
    assert (await first.expect(DisconnectPacket)).reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
    second.send(PublishPacket("a", b"x"))
    assert (await second.expect(PublishPacket)).payload == b"x"


async def test_a_packet_that_is_too_large_is_refused_by_its_head(door: Keeping) -> None:
    async with running(door, packet_bytes=1000) as listener:
        client = await connected(listener.port, "x")
        client.send(b"\x30\xff\xff\xff\x7f")
        assert (await client.expect(DisconnectPacket)).reason_code == DisconnectReasonCode.PACKET_TOO_LARGE
        await client.ended()


async def test_silent_connections_are_ended(door: Keeping) -> None:
    async with running(door, connect_s=0.2, keep_alive_s=1) as listener:
        silent = await open_client(listener.port)
        client = await connected(listener.port, "x")
        await silent.ended()
        assert (await client.expect(DisconnectPacket)).reason_code == DisconnectReasonCode.KEEP_ALIVE_TIMEOUT


async def test_there_is_a_bound_on_connections(door: Keeping) -> None:
    async with running(door, connections=2) as listener:
        clients = [await connected(listener.port, str(number)) for number in range(2)]
        third = await open_client(listener.port)
        with contextlib.suppress(ConnectionError):
            await third.ended()
        clients[0].close()
        await asyncio.sleep(0.05)
        await connected(listener.port, "again")


async def test_what_waits_for_a_client_that_is_away_is_bounded(port: int) -> None:
    away = await subscribed(port, "away", "a", session_expiry_interval=60)
    away.close()
    client = await connected(port, "x")
    for number in range(1, 1201):
        client.send(PublishPacket("a", b"%d" % number, qos=QOS1, packet_id=1))
        await client.expect(PubAckPacket)
    back = await open_client(port)
    back.send(ConnectPacket("away", session_expiry_interval=60))
    await back.expect(ConnAckPacket)
    first = await back.expect(PublishPacket)
    assert first.payload == b"201"


async def test_a_will_is_published_when_a_client_breaks_off(door: Keeping, port: int) -> None:
    watcher = await subscribed(port, "watcher", "state/#")
    client = await connected(port, "gauge", will=Will("state/gauge", payload=b"gone", qos=QOS1))
    client.close()
    assert (await watcher.expect(PublishPacket)).payload == b"gone"
    assert [publication.topic for publication, _ in door.taken] == ["state/gauge"]


@pytest.mark.parametrize("seed", range(20))
async def test_garbage_ends_the_connection_and_nothing_else(port: int, seed: int) -> None:
    chance = random.Random(seed)
    watcher = await subscribed(port, "watcher", "a")
    client = await connected(port, "x") if seed % 2 else await open_client(port)
    client.send(bytes(chance.randrange(256) for _ in range(chance.randrange(1, 3000))))
    client.writer.write_eof()
    with contextlib.suppress(ConnectionError):
        await client.ended()
    watcher.send(PublishPacket("a", b"alive"))
    assert (await watcher.expect(PublishPacket)).payload == b"alive"


async def test_version_3_clients_are_served_beside_version_5(port: int) -> None:
    old = await open_client(port)
    old.send(bytes.fromhex("100d00044d51545404020000000161"))
    assert await old.reader.readexactly(4) == bytes.fromhex("20020000")
    old.send(bytes.fromhex("8206000100016101"))
    assert await old.reader.readexactly(5) == bytes.fromhex("9003000101")
    new = await connected(port, "new")
    new.send(PublishPacket("a", b"x", qos=QOS2, packet_id=1, user_properties=[("k", "v")]))
    assert await old.reader.readexactly(8) == bytes.fromhex("3206000161000178")


async def test_who_is_not_read_is_not_late(door: Keeping, port: int) -> None:
    """While there is no room the broker reads nothing, so that it does not hear the pings either."""
    client = await connected(port, "patient", keep_alive=1)
    door.is_full = True
    client.send(PublishPacket("a", b"1", qos=QOS1, packet_id=1))
    await client.nothing(2.6)
    client.send(PingReqPacket())
    door.make_room()
    await client.expect(PubAckPacket)
    await client.expect(PingRespPacket)


async def test_the_silent_make_way_when_it_is_crowded(door: Keeping) -> None:
    async with running(door, connections=4, keep_alive_s=1000) as listener:
        now = listener.broker.now
        silent = await connected(listener.port, "silent", keep_alive=1000)
        listener.broker.now = lambda: now() + 500
        others = [await connected(listener.port, f"other-{number}", keep_alive=1000) for number in range(3)]
        goodbye = await silent.expect(DisconnectPacket)
        assert goodbye.reason_code == DisconnectReasonCode.KEEP_ALIVE_TIMEOUT
        await others[0].nothing(0.7)
