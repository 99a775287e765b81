"""The hub's own broker as a feed, with clients of other libraries: paho (3.1.1) and raw packets of version 5."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)
from paho.mqtt.enums import CallbackAPIVersion

from cityhub.ingest.message import Command, TroubleAtSource
from cityhub.ingest.protocols.broker import Connector, Settings, connect
from cityhub.model.errors import Forbidden
from tests.services import free_port
from tests.unit.ingest.broker.mqtt_client import close_all, connected, open_client
from tests.unit.ingest.protocols.certificates import self_signed
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings

QOS1 = QoS.AT_LEAST_ONCE


STATIONS: list[dict[str, Any]] = []
"""What the feeds of a test share."""


@pytest.fixture(autouse=True)
async def _closed() -> Any:
    yield
    await close_all()
    while STATIONS:
        for station in STATIONS.pop().values():
            await station.stop()


def made(kept: Kept, port: int, shared: dict[str, Any] | None = None, name: str = "broker", **source: Any) -> Connector:
    settings = msgspec.convert({"port": port, "topics": ["rain/#"], **source}, Settings)

    async def identify(device: str, token: str) -> str:
        return "urn:ngsi-ld:Device:gauge-1" if (device, token) == ("gauge-1", "right") else ""

    shared = {} if shared is None else shared
    STATIONS.append(shared)
    around = surroundings(kept, shared=shared, identify=identify, secrets={"env:FEED_P": "secret"})
    return connect(feed(name), settings, around)


@pytest.fixture
def threads() -> Iterator[list[paho.Client]]:
    clients: list[paho.Client] = []
    yield clients
    for client in clients:
        client.loop_stop()


async def test_paho_publishes_and_hears_when_it_is_kept(threads: list[paho.Client]) -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port, anonymous=True), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        client = paho.Client(CallbackAPIVersion.VERSION2, "old")
        threads.append(client)
        await asyncio.to_thread(client.connect, "127.0.0.1", port)
        client.loop_start()
        await asyncio.to_thread(client.publish("rain/7/data", b'{"mm": 4}', qos=1).wait_for_publish, 5)
        await kept.count(1)
        await kept.until(lambda: 1 in kept.connected)
        client.disconnect()
    [message] = kept.messages
    assert (message.body, message.about["topic"], message.redelivered) == (b'{"mm": 4}', ["rain", "7", "data"], False)


async def test_a_device_speaks_as_itself_only() -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port, device_publish=["rain/{device}/#"]), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        wrong = await open_client(port)
        wrong.send(ConnectPacket("x", username="gauge-1", password=b"wrong"))
        assert (await wrong.expect(ConnAckPacket)).reason_code == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
        nobody = await open_client(port)
        nobody.send(ConnectPacket("x"))
        assert (await nobody.expect(ConnAckPacket)).reason_code == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
        device = await connected(port, "x", username="gauge-1", password=b"right")
        device.send(PublishPacket("rain/gauge-2/data", b"1", qos=QOS1, packet_id=1))
        assert (await device.expect(PubAckPacket)).reason_code == PubAckReasonCode.NOT_AUTHORIZED
        device.send(PublishPacket("rain/gauge-1/data", b"2", qos=QOS1, packet_id=2, content_type="text/csv"))
        assert (await device.expect(PubAckPacket)).reason_code == PubAckReasonCode.SUCCESS
    [message] = kept.messages
    assert (message.body, message.about["device"], message.format) == (b"2", "urn:ngsi-ld:Device:gauge-1", "text/csv")


async def test_accounts_of_the_feed_have_their_own_rights() -> None:
    kept, port = Kept(), free_port()
    user = {"username": "maker", "password": "env:FEED_P", "publish": ["rain/#"]}
    async with running(made(kept, port, users=[user]), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        client = await connected(port, "cloud", username="maker", password=b"secret")
        client.send(PublishPacket("rain/1", b"1", qos=QOS1, packet_id=1))
        await client.expect(PubAckPacket)
    assert [message.body for message in kept.messages] == [b"1"]


async def test_a_command_is_answered_by_the_device() -> None:
    kept, port = Kept(), free_port()
    connector = made(kept, port)
    async with running(connector, kept):
        await kept.until(lambda: ("running", "") in kept.states)
        command = Command("c1", "urn:ngsi-ld:Device:gauge-1", "reboot", {"in_s": 5}, timeout_s=5)
        assert (await connector.command(command)).state == "failed"  # it is not connected
        device = await connected(port, "x", username="gauge-1", password=b"right")
        device.send(SubscribePacket(1, [TopicFilter("devices/gauge-1/commands")]))
        await device.expect(SubAckPacket)
        asked = asyncio.create_task(connector.command(command))
        order = await device.expect(PublishPacket)
        assert json.loads(order.payload) == {"id": "c1", "name": "reboot", "parameters": {"in_s": 5}}
        device.send(PublishPacket("devices/gauge-1/answers", b'{"id": "c1", "done": true}'))
        result = await asked
    assert (result.state, result.value) == ("acknowledged", {"id": "c1", "done": True})
    assert kept.messages == []


async def test_two_feeds_share_a_broker_and_each_takes_what_it_wants() -> None:
    shared: dict[str, Any] = {}
    rain, all_of_it, port = Kept(), Kept(), free_port()
    first = made(rain, port, shared, anonymous=True)
    second = made(all_of_it, port, shared, "second", topics=["#"], anonymous=True)
    async with running(first, rain), running(second, all_of_it):
        await all_of_it.until(lambda: ("running", "") in all_of_it.states)
        client = await connected(port, "x")
        client.send(PublishPacket("rain/1", b"1", qos=QOS1, packet_id=1), PublishPacket("snow/1", b"2", qos=QOS1, packet_id=2))
        await client.expect(PubAckPacket)
        await client.expect(PubAckPacket)
    assert [message.body for message in rain.messages] == [b"1"]
    assert [message.body for message in all_of_it.messages] == [b"1", b"2"]


async def test_a_feed_that_is_started_anew_loses_nothing() -> None:
    shared: dict[str, Any] = {}
    before, after, port = Kept(), Kept(), free_port()
    async with running(made(before, port, shared, anonymous=True), before):
        await before.until(lambda: ("running", "") in before.states)
        client = await connected(port, "x")
    client.send(PublishPacket("rain/1", b"between", qos=QOS1, packet_id=1))
    await client.nothing()
    async with running(made(after, port, shared, anonymous=True), after):
        await client.expect(PubAckPacket)
    assert [message.body for message in after.messages] == [b"between"]


async def test_while_the_hub_is_away_nothing_is_acknowledged() -> None:
    kept, port = Kept(), free_port()
    async with running(made(kept, port, anonymous=True), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        kept.away = True
        client = await connected(port, "x")
        client.send(PublishPacket("rain/1", b"1", qos=QOS1, packet_id=1))
        await client.expect(DisconnectPacket)


async def test_it_speaks_tls(threads: list[paho.Client]) -> None:
    kept, port = Kept(), free_port()
    certificate, key = self_signed("127.0.0.1")
    async with running(made(kept, port, anonymous=True, certificate=certificate, key=key), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        client = paho.Client(CallbackAPIVersion.VERSION2, "tls")
        threads.append(client)
        client.tls_set_context(ssl.create_default_context(cadata=certificate))
        await asyncio.to_thread(client.connect, "127.0.0.1", port)
        client.loop_start()
        await asyncio.to_thread(client.publish("rain/7", b"{}", qos=1).wait_for_publish, 5)
        await kept.count(1)
        client.disconnect()


async def test_a_port_that_is_taken_is_a_trouble() -> None:
    kept, port = Kept(), free_port()
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    async with server:
        with pytest.raises(TroubleAtSource, match="can listen"):
            await made(kept, port).run(kept)


def test_beyond_this_machine_it_needs_tls_and_permission() -> None:
    with pytest.raises(msgspec.ValidationError, match="certificate"):
        msgspec.convert({"topics": ["#"], "listen": "0.0.0.0"}, Settings)
    with pytest.raises(Forbidden, match="feed_doors"):
        made(Kept(), 1, listen="0.0.0.0", certificate="x", key="y")
