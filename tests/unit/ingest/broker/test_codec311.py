from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
)

from cityhub.ingest.broker import codec311

CONNECT = bytes.fromhex("101a 0004 4d515454 04 c6 003c 0001 61 0001 74 0002 6869 0001 75 0001 70".replace(" ", ""))


def test_connect_is_read_with_will_and_credentials() -> None:
    packet, length = codec311.read(memoryview(CONNECT))
    assert isinstance(packet, ConnectPacket) and length == len(CONNECT)
    assert (packet.client_id, packet.username, packet.password, packet.keep_alive) == ("a", "u", b"p", 60)
    assert packet.clean_start and packet.session_expiry_interval == 0
    assert packet.will is not None and (packet.will.topic, packet.will.payload) == ("t", b"hi")


@given(st.text(min_size=1, max_size=20).filter(lambda text: not set("\0+#") & set(text)), st.binary(max_size=400), st.integers(0, 2), st.booleans())
def test_publish_comes_back_as_it_was(topic: str, payload: bytes, qos: int, retain: bool) -> None:
    levels = (QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, QoS.EXACTLY_ONCE)
    packet = PublishPacket(topic, payload, qos=levels[qos], retain=retain, packet_id=7 if qos else None, duplicate=qos > 0)
    data = codec311.write(packet)
    back, length = codec311.read(memoryview(data + b"\xc0\x00"))
    assert length == len(data)
    assert back == packet


@pytest.mark.parametrize("end", range(len(CONNECT)))
def test_a_packet_that_is_not_whole_is_waited_for(end: int) -> None:
    with pytest.raises(IndexError):
        codec311.read(memoryview(CONNECT[:end]))


@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_a_value_error(data: bytes) -> None:
    try:
        codec311.read(memoryview(data))
    except (IndexError, ValueError):
        pass


@pytest.mark.parametrize(
    "data",
    ["800a 0001 0001 61 00 0001 62 03", "8202 0001", "3203 0001 61", "3003 0003 61", "c100", "8205 0001 0001 61", "36 05 0001 61 0001"],
)
def test_what_breaks_the_standard_is_refused(data: str) -> None:
    with pytest.raises(ValueError):
        codec311.read(memoryview(bytes.fromhex(data.replace(" ", ""))))


def test_subscriptions_never_keep_the_retain_flag() -> None:
    packet, _ = codec311.read(memoryview(bytes.fromhex("8206 0001 0001 61 02".replace(" ", ""))))
    assert isinstance(packet, SubscribePacket)
    assert [(one.pattern, int(one.max_qos), one.retain_as_published) for one in packet.topic_filters] == [("a", 2, False)]


def test_answers_use_the_codes_of_their_version() -> None:
    assert codec311.write(ConnAckPacket(reason_code=ConnAckReasonCode.NOT_AUTHORIZED)) == bytes.fromhex("20020005")
    assert codec311.write(ConnAckPacket(reason_code=ConnAckReasonCode.BANNED)) == bytes.fromhex("20020003")
    assert codec311.write(SubAckPacket(9, [SubAckReasonCode.NOT_AUTHORIZED, SubAckReasonCode(1)])) == bytes.fromhex("900400098001")
    assert codec311.write(DisconnectPacket()) == b""
