"""Modbus TCP against a real server of the library's other half."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from cityhub.ingest.message import Command, TroubleAtSource
from cityhub.ingest.protocols.modbus import Connector, Settings, connect
from cityhub.ingest.protocols.modbus_tags import Tag, decoded, encoded, groups_of
from cityhub.model.errors import Forbidden
from cityhub.web.addresses import AddressPolicy
from tests.services import free_port
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings

TAGS = {
    "level": {"address": 10, "type": "float32"},
    "flow": {"address": 12, "type": "int16", "scale": 0.1},
    "energy": {"address": 13, "type": "uint32", "word_order": "little"},
    "name": {"address": 15, "type": "text", "length": 3},
    "alarm": {"address": 18, "type": "bit", "bit": 3},
    "setpoint": {"address": 60, "type": "uint16", "scale": 0.5, "writable": True},
    "target": {"address": 62, "type": "float32", "writable": True},
    "pump": {"address": 3, "table": "coil", "writable": True},
    "door": {"address": 1, "table": "discrete"},
    "temperature": {"address": 0, "table": "input", "type": "int16"},
}


def words(content: bytes) -> list[int]:
    return [int.from_bytes(content[at : at + 2], "big") for at in range(0, len(content), 2)]


@contextlib.asynccontextmanager
async def device() -> AsyncIterator[int]:
    def registers(address: int, values: list[int]) -> SimData:
        return SimData(address, values=values, datatype=DataType.REGISTERS)

    def bits(values: list[bool]) -> SimData:
        return SimData(0, values=values, datatype=DataType.BITS)

    holding = [registers(10, words(struct.pack(">f", 12.5))), registers(12, [0xFFF6]), registers(13, [0x0002, 0x0001]),
               registers(15, words(b"P1 \0\0\0")), registers(18, [0b1000]), registers(60, [40, 0, 0, 0])]  # fmt: skip
    unit = SimDevice(id=1, simdata=([bits([False] * 16)], [bits([False, True] + [False] * 14)], holding, [registers(0, [0xFFFE])]))
    port = free_port()
    server = ModbusTcpServer(unit, address=("127.0.0.1", port))
    task = asyncio.ensure_future(server.serve_forever())
    await asyncio.sleep(0.1)
    try:
        yield port
    finally:
        await server.shutdown()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def made(kept: Kept, port: int, policy: AddressPolicy | None = None, **source: Any) -> Connector:
    settings = msgspec.convert({"host": "127.0.0.1", "port": port, "tags": TAGS, "every_s": 0.1, "timeout_s": 1, "retries": 0, **source}, Settings)
    return connect(feed("modbus"), settings, surroundings(kept, policy))


async def test_tags_are_read_and_written() -> None:
    kept = Kept()
    async with device() as port:
        connector = made(kept, port)
        async with running(connector, kept):
            await kept.count(1)
            assert kept.records[0] == {
                "unit": 1, "level": 12.5, "flow": -1.0, "energy": 65538, "name": "P1", "alarm": True, "setpoint": 20.0, "target": 0.0,
                "pump": False, "door": True, "temperature": -2,
            }  # fmt: skip
            answers = [
                await connector.command(Command(str(n), "d", name, value))
                for n, (name, value) in enumerate([("setpoint", 33.5), ("target", {"value": 1.25, "unit": 1}), ("pump", True)])
            ]
            assert [answer.state for answer in answers] == ["acknowledged"] * 3
            before = len(kept.messages)
            await kept.count(before + 2)
        assert (await connector.command(Command("4", "d", "setpoint", 10))).state == "acknowledged"  # not connected: for itself
    last = kept.records[-1]
    assert (last["setpoint"], last["target"], last["pump"]) == (33.5, 1.25, True)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("level", 1, "no tag that may be written; those are: pump, setpoint, target"), ("setpoint", "high", "must be a number"),
    ("setpoint", 1e9, "does not fit"), ("pump", 1, "true or false"), ("pump", {"value": True, "unit": 9}, "'unit' must be"),
])  # fmt: skip
async def test_commands_that_cannot_be(name: str, value: Any, words: str) -> None:
    answer = await made(Kept(), 1).command(Command("1", "d", name, value))
    assert answer.state == "failed" and words in answer.detail


async def test_a_unit_that_refuses_an_address_says_so_and_the_rest_is_read() -> None:
    kept = Kept()
    async with device() as port:
        async with running(made(kept, port, tags={"no": {"address": 500}, "level": TAGS["level"]}), kept):
            await kept.count(1)
            await kept.until(lambda: ("running", "1 of 1 units refused something") in kept.states)
    assert kept.records[0] == {"unit": 1, "no": None, "level": 12.5, "problems": {"no": "the address is not known to it"}}


async def test_a_silent_unit_does_not_stop_the_others() -> None:
    async def bus(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A gateway that passes on what unit 1 says and leaves the rest without an answer."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(12)
                if request[6] == 1:
                    writer.write(request[:4] + b"\0\x07\x01\x03\x04" + struct.pack(">f", 12.5))
        writer.close()

    kept = Kept()
    server = await asyncio.start_server(bus, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with running(made(kept, port, units=[7, 1], tags={"level": TAGS["level"]}, timeout_s=0.2), kept):
            await kept.count(2)
        with pytest.raises(TroubleAtSource):
            await asyncio.wait_for(made(Kept(), port, units=[7, 8], timeout_s=0.2).run(Kept()), 60)
    assert kept.records[:2] == [{"unit": 7, "problems": {"level": "the unit does not answer"}}, {"unit": 1, "level": 12.5}]


async def test_devices_that_are_away_silent_or_speak_garbage_are_trouble() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        for _ in range(50):
            writer.write(b"\xff" * 1000)
            await asyncio.sleep(0)
        writer.close()

    with pytest.raises(TroubleAtSource, match="cannot be reached"):
        await made(Kept(), free_port()).run(Kept())
    for behaviour in (silent, garbage):
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        async with server:
            with pytest.raises(TroubleAtSource, match="does not answer"):
                await made(Kept(), server.sockets[0].getsockname()[1], timeout_s=0.3).run(Kept())
    with pytest.raises(Forbidden):
        await made(Kept(), 502, AddressPolicy()).run(Kept())


def test_tags_close_together_are_read_together() -> None:
    tags = {f"t{n}": Tag(address) for n, address in enumerate((0, 1, 5, 40, 41, 300))} | {"bit": Tag(2, table="coil")}
    assert [(group.table, group.address, group.count) for group in groups_of(tags, gap=8, most=125)] == [
        ("coil", 2, 1), ("holding", 0, 6), ("holding", 40, 2), ("holding", 300, 1),
    ]  # fmt: skip
    full = groups_of({f"t{n}": Tag(2 * n, type="float32") for n in range(100)}, gap=8, most=125)
    assert [group.count for group in full] == [124, 76]


@pytest.mark.parametrize("kind", ["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"])
@pytest.mark.parametrize("order", ["big", "little"])
def test_what_is_encoded_is_decoded(kind: Any, order: Any) -> None:
    tag = Tag(0, type=kind, word_order=order, byte_order=order)
    assert decoded(tag, encoded(tag, 1234), 0) == 1234


def test_not_a_number_is_null() -> None:
    assert decoded(Tag(0, type="float32"), words(struct.pack(">f", float("nan"))), 0) is None


@pytest.mark.parametrize("tag", [{"address": 70000}, {"address": 1, "table": "input", "writable": True}, {"address": 1, "scale": 0}])
def test_tags_are_checked(tag: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(tag, Tag)
