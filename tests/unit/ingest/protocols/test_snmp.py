"""SNMP against Net-SNMP's own agent and trap sender."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cityhub.ingest.message import Command, TroubleAtSource
from cityhub.ingest.protocols.snmp import Connector, Settings, connect
from cityhub.model.errors import Forbidden
from cityhub.web.addresses import AddressPolicy
from tests import services
from tests.services import find_program, free_port
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings

SECRETS = {"env:C": "city-read", "env:W": "city-write", "env:A": "auth-pass-phrase", "env:P": "priv-pass-phrase", "env:NO": "something-else"}
TAGS = {"name": "1.3.6.1.2.1.1.5.0", "uptime": ".1.3.6.1.2.1.1.3.0", "none": "1.3.6.1.2.1.1.99.0"}
TABLE = {"columns": {"descr": "1.3.6.1.2.1.2.2.1.2", "mtu": "1.3.6.1.2.1.2.2.1.4"}}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = find_program("snmpd", "/usr/sbin/snmpd")
    if program is None:
        services.unavailable("Net-SNMP is not installed (on Debian: apt-get install snmpd snmp)")
    folder, port = tmp_path_factory.mktemp("snmp"), free_port()
    settings = folder / "snmpd.conf"
    settings.write_text(
        "rocommunity city-read 127.0.0.1\nrwcommunity city-write 127.0.0.1\nsysname 闸门1\nrwuser hub priv\n"
        "createUser hub SHA-256 auth-pass-phrase AES priv-pass-phrase\n"
    )
    environment = os.environ | {"SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder), "MIBS": ""}
    server = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", str(program), "-f", "-Lf", str(folder / "log"), "-C", "-c", str(settings), "-r",
         "-p", str(folder / "pid"), f"udp:127.0.0.1:{port}"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        services.wait_for(lambda: _bound(port), server, "snmpd")
        yield port
    finally:
        services.stop(server)


def _bound(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def made(kept: Kept, policy: AddressPolicy | None = None, **source: Any) -> Connector:
    settings = msgspec.convert({"community": "env:C", "every_s": 0.1, "timeout_s": 1, "retries": 0, **source}, Settings)
    return connect(feed("snmp"), settings, surroundings(kept, policy, SECRETS))


async def test_values_and_tables_are_read(agent: int) -> None:
    kept = Kept()
    async with running(made(kept, host="127.0.0.1", port=agent, tags=TAGS, tables={"interfaces": TABLE}), kept):
        await kept.count(2)
    single, *rows = kept.messages[0].records or []
    assert single["name"] == "闸门1" and isinstance(single["uptime"], int)
    assert single["none"] is None and single["problems"] == {"none": "the device has no such object"}
    loopback = next(row for row in rows if row["descr"] == "lo")
    assert loopback["table"] == "interfaces" and loopback["mtu"] == 65536 and loopback["index"].isdecimal()


async def test_version_3_with_authentication_and_privacy_and_commands(agent: int) -> None:
    user = {"host": "127.0.0.1", "port": agent, "version": "3", "user": "hub", "authentication": "sha256", "authentication_key": "env:A",
            "privacy": "aes128", "privacy_key": "env:P", "tags": {"contact": "1.3.6.1.2.1.1.4.0", "services": "1.3.6.1.2.1.1.7.0"}}  # fmt: skip
    kept = Kept()
    connector = made(kept, **user, writable=["contact", "services"])
    answer = await connector.command(Command("1", "d", "contact", "值班室"))
    assert answer.state == "acknowledged"
    async with running(connector, kept):
        await kept.count(1)
    assert kept.records[0]["contact"] == "值班室"
    assert "refused" in (await connector.command(Command("2", "d", "services", 3))).detail
    assert "may be set" in (await connector.command(Command("3", "d", "name", "x"))).detail
    assert "whole number or a text" in (await connector.command(Command("4", "d", "contact", 1.5))).detail
    for wrong in ({"authentication_key": "env:NO"}, {"privacy_key": "env:NO"}, {"user": "nobody"}):
        with pytest.raises(TroubleAtSource):
            await asyncio.wait_for(made(Kept(), **{**user, **wrong}).run(Kept()), 60)


async def test_traps_come_in() -> None:
    program = find_program("snmptrap")
    if program is None:
        services.unavailable("Net-SNMP is not installed (on Debian: apt-get install snmpd snmp)")
    kept, port = Kept(), free_port()

    async def trap(community: str, *options: str) -> int:
        process = await asyncio.create_subprocess_exec(
            str(program), "-v2c", "-c", community, *options, f"127.0.0.1:{port}", "123", "1.3.6.1.4.1.9999.1", "1.3.6.1.2.1.1.5.0", "s", "gate 1",
            "1.3.6.1.4.1.9999.2", "i", "7", env=os.environ | {"MIBS": ""}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return await process.wait()

    async with running(made(kept, trap_port=port), kept):
        await kept.until(lambda: ("running", "") in kept.states)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for garbage in (b"", b"\xff" * 500, b"0\x84\xff\xff\xff\xff", b"\x30\x05\x02\x01"):
                sender.sendto(garbage, ("127.0.0.1", port))
        await trap("wrong")
        await trap("city-read")
        await kept.count(1)
        assert await trap("city-read", "-Ci") == 0  # an inform is answered
        await kept.count(2)
    assert kept.records[0] == {"trap": "1.3.6.1.4.1.9999.1", "uptime": 123, "values": {"1.3.6.1.2.1.1.5.0": "gate 1", "1.3.6.1.4.1.9999.2": 7}}
    refusing = Kept()
    async with running(made(refusing, trap_port=port, senders=["10.0.0.0/8"]), refusing):
        await refusing.until(lambda: ("running", "") in refusing.states)
        await trap("city-read")
        await asyncio.sleep(0.2)
    assert refusing.messages == []


async def test_troubles_policy_and_settings(agent: int) -> None:
    with pytest.raises(TroubleAtSource):
        await made(Kept(), host="127.0.0.1", port=agent, tags=TAGS, community="env:NO").run(Kept())
    with pytest.raises(TroubleAtSource):
        await made(Kept(), host="127.0.0.1", port=free_port(), tags=TAGS).run(Kept())
    with pytest.raises(Forbidden):
        await made(Kept(), AddressPolicy(), host="127.0.0.1", tags=TAGS).run(Kept())
    with pytest.raises(Forbidden, match="feed_doors"):
        made(Kept(), trap_port=1162, listen="0.0.0.0")
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(TroubleAtSource, match="Nobody can listen"):
            await asyncio.wait_for(made(Kept(), trap_port=taken.getsockname()[1]).run(Kept()), 60)
    for wrong in ({}, {"host": "x"}, {"host": "x", "tags": {"a": "sysName"}}, {"trap_port": 1162, "community": ""},
                  {"host": "x", "tags": TAGS, "version": "3"}, {"host": "x", "tags": TAGS, "privacy": "aes128"}):  # fmt: skip
        with pytest.raises(msgspec.ValidationError):
            made(Kept(), **wrong)


