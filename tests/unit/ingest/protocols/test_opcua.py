"""OPC UA against a real server of the library's other half, open and secured."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asyncua import Server, ua
from asyncua.common.methods import uamethod
from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from asyncua.crypto.permission_rules import User, UserRole
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from cityhub.ingest.message import Command, TroubleAtSource
from cityhub.ingest.protocols.opcua import Connector, Settings, connect, json_of
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.web.addresses import AddressPolicy
from tests.services import free_port
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class OneUser:
    def get_user(self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None) -> User | None:
        return User(role=UserRole.User) if (username, password) == ("hub", "drop") else None


@uamethod
def double(parent: Any, value: float) -> float:
    return 2 * value


class Plant:
    """A server with a pump."""

    def __init__(self, port: int, with_user: bool, secured: tuple[str, str] | None) -> None:
        self.port, self._secured = port, secured
        self.server = Server(user_manager=OneUser() if with_user else None)

    async def start(self) -> None:
        server = self.server
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/plant")
        if self._secured:
            server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
            await server.load_certificate(self._secured[0])
            await server.load_private_key(self._secured[1])
        else:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = await server.register_namespace("urn:plant")
        pump = await server.nodes.objects.add_object(ua.NodeId("Pump", space), "Pump")
        self.flow = await pump.add_variable(ua.NodeId("Pump.Flow", space), "Flow", 1.5)
        self.name = await pump.add_variable(ua.NodeId("Pump.Name", space), "Name", ua.LocalizedText("泵", "zh"))
        self.speed = await pump.add_variable(ua.NodeId("Pump.Speed", space), "Speed", 10, ua.VariantType.Int16)
        await self.speed.set_writable()
        await pump.add_method(ua.NodeId("Pump.Double", space), "Double", double, [ua.VariantType.Double], [ua.VariantType.Double])
        await server.start()


@contextlib.asynccontextmanager
async def plant(with_user: bool = False, secured: tuple[str, str] | None = None) -> AsyncIterator[Plant]:
    running = Plant(free_port(), with_user, secured)
    await running.start()
    try:
        yield running
    finally:
        await running.server.stop()


TAGS = {"flow": "ns=2;s=Pump.Flow", "name": "ns=2;s=Pump.Name", "speed": "ns=2;s=Pump.Speed"}


def made(kept: Kept, port: int, policy: AddressPolicy | None = None, secrets: dict[str, str] | None = None, **source: Any) -> Connector:
    settings = msgspec.convert(
        {"url": f"opc.tcp://127.0.0.1:{port}/plant", "tags": TAGS, "interval_ms": 20, "timeout_s": 3, "writable": ["speed"],
         "methods": {"double": {"object": "ns=2;s=Pump", "method": "ns=2;s=Pump.Double"}}, **source},
        Settings,
    )  # fmt: skip
    return connect(feed("opcua"), settings, surroundings(kept, policy, secrets))


async def test_changes_come_and_commands_go() -> None:
    kept = Kept()
    async with plant() as peer:
        connector = made(kept, peer.port)
        async with running(connector, kept):
            await kept.until(lambda: {"flow", "name", "speed"} <= {name for record in kept.records for name in record})
            first = {name: value for record in kept.records for name, value in record.items()}
            assert (first["flow"], first["name"], first["speed"]) == (1.5, "泵", 10)
            kept.messages.clear()
            at = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
            await peer.flow.write_value(ua.DataValue(ua.Variant(2.5), SourceTimestamp=at.replace(tzinfo=None)))
            await kept.count(1)
            assert kept.records == [{"flow": 2.5, "time": "2026-03-01T10:00:00Z", "times": {"flow": "2026-03-01T10:00:00Z"}}]
            await peer.flow.write_value(ua.DataValue(Value=None, StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure)))
            await kept.count(2)
            assert kept.records[1]["flow"] is None and kept.records[1]["problems"] == {"flow": "BadSensorFailure"}
            answers = [await connector.command(Command(str(n), "d", name, value))
                       for n, (name, value) in enumerate([("speed", 77), ("double", [4.5]), ("speed", "fast"), ("flow", 1)])]  # fmt: skip
            assert [answer.state for answer in answers] == ["acknowledged", "acknowledged", "failed", "failed"]
            assert answers[1].value == 9.0 and "those are: double, speed" in answers[3].detail
            await kept.until(lambda: any(record.get("speed") == 77 for record in kept.records))
        assert (await connector.command(Command("5", "d", "speed", 78))).state == "acknowledged"
        assert await peer.speed.read_value() == 78


async def test_a_server_that_goes_is_trouble_and_its_return_brings_the_values_again() -> None:
    kept = Kept()
    async with plant() as peer:
        task = asyncio.ensure_future(made(kept, peer.port).run(kept))
        await kept.count(1)
    with pytest.raises(TroubleAtSource):
        await asyncio.wait_for(task, 60)


def certificate(folder: Path, name: str, uri: str) -> tuple[str, str]:
    key = generate_private_key()
    made = generate_self_signed_app_certificate(
        key, name, {}, [__import__("cryptography").x509.UniformResourceIdentifier(uri)], [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    )
    paths = folder / f"{name}.pem", folder / f"{name}-key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(dump_private_key_as_pem(key))
    return str(paths[0]), str(paths[1])


async def test_user_password_and_encryption(tmp_path: Path) -> None:
    server, hub, other = (certificate(tmp_path, name, f"urn:{name}") for name in ("server", "hub", "other"))
    texts = {f"file:{path}": Path(path).read_text() for pair in (server, hub, other) for path in pair} | {"env:PW": "drop", "env:BAD": "x"}
    source = {"security": "Basic256Sha256", "certificate": f"file:{hub[0]}", "key": f"file:{hub[1]}", "server_certificate": f"file:{server[0]}",
              "user": "hub", "password": "env:PW", "application_uri": "urn:hub"}  # fmt: skip
    async with plant(with_user=True, secured=server) as peer:
        kept = Kept()
        async with running(made(kept, peer.port, secrets=texts, **source), kept):
            await kept.count(1)
        for wrong in ({"password": "env:BAD"}, {"server_certificate": f"file:{other[0]}"}, {"security": "None"}):
            with pytest.raises(TroubleAtSource):
                await asyncio.wait_for(made(Kept(), peer.port, secrets=texts, **{**source, **wrong}).run(Kept()), 60)


async def test_what_cannot_be() -> None:
    with pytest.raises(Forbidden):
        await made(Kept(), 4840, AddressPolicy()).run(Kept())
    with pytest.raises(TroubleAtSource, match="cannot be reached"):
        await made(Kept(), free_port()).run(Kept())
    with pytest.raises(BadRequestData, match="'url' must be"):
        made(Kept(), 1, url="http://plc.local")
    for wrong in ({"tags": {}}, {"security": "Basic256Sha256"}, {"writable": ["x"]}, {"tags": {"time": "i=1"}}):
        with pytest.raises(msgspec.ValidationError):
            made(Kept(), 1, **wrong)
    async with plant() as peer:
        for tags in ({"no": "ns=2;s=Nothing"}, {"no": "nonsense"}):
            with pytest.raises(BadRequestData, match="no"):
                await made(Kept(), peer.port, tags=tags, writable=[]).run(Kept())


async def test_a_silent_peer_and_one_that_speaks_garbage_are_trouble() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff" * 100_000)
        await reader.read()
        writer.close()

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(TroubleAtSource):
            await asyncio.wait_for(made(Kept(), silent.getsockname()[1], timeout_s=0.3).run(Kept()), 60)
    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    async with server:
        with pytest.raises(TroubleAtSource):
            await asyncio.wait_for(made(Kept(), server.sockets[0].getsockname()[1], timeout_s=0.3).run(Kept()), 60)


def test_values() -> None:
    assert json_of([ua.LocalizedText("a", "en"), ua.NodeId(5), float("nan"), dt.datetime(2026, 3, 1, tzinfo=dt.UTC), b"\xff"]) == [
        "a", "i=5", None, "2026-03-01T00:00:00+00:00", "/w==",
    ]  # fmt: skip
