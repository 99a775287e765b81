"""Commands: kept before they are sent, acknowledged or expired, and none lost by a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from cityhub.ingest.devices import commands as module
from cityhub.ingest.devices.commands import Commands
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command
from cityhub.model.errors import BadRequestData, StoreUnavailable
from tests.unit.ingest.devices.test_device_api import API, BODY, RAIN
from tests.unit.ingest.register.conftest import Hub, hub  # noqa: F401

KEY = ("", RAIN)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.02)
    monkeypatch.setattr(module, "LONGEST_S", 0.05)


@pytest.fixture
async def pump(hub: Hub) -> AsyncIterator[Hub]:  # noqa: F811
    async with hub.client() as client:
        assert (await client.post(API, json={**BODY, "address": {"topic": "pump/1"}})).status_code == 201
    yield hub


async def give(hub: Hub, status: int = 201, **changes: Any) -> dict[str, Any]:  # noqa: F811
    async with hub.client() as client:
        answer = await client.post(f"{API}/rain-1/commands", json={"name": "open", "parameters": {"valve": 1}, **changes})
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found


async def ended(hub: Hub, id: str, *states: str) -> dict[str, Any]:  # noqa: F811
    """The command once it is in one of the states."""
    for _ in range(3000):
        async with hub.client() as client:
            found: dict[str, Any] = (await client.get(f"{API}/rain-1/commands/{id}")).json()
        if found["state"] in states:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(found)


class Away:
    """A gateway that fails in a way of its own before it works again."""

    def __init__(self, hub: Hub, error: Exception | None) -> None:  # noqa: F811
        self.error = error
        self.work = hub.gateway.command
        hub.gateway.command = self.command  # type: ignore[method-assign]

    async def command(self, feed: str, command: Command) -> CommandResult:
        if self.error is not None:
            raise self.error
        return await self.work(feed, command)


async def test_a_command_goes_down_and_is_acknowledged(pump: Hub) -> None:
    given = await give(pump, timeoutS=5)
    assert given["state"] == "queued"
    done = await ended(pump, given["id"], "acknowledged")
    assert (done["value"], done["attempts"], done["by"]) == ({"valve": "open"}, 1, "local") and done["endedAt"]
    feed, command = pump.gateway.commands[0]
    assert (feed, command.id, command.device, command.address, command.timeout_s) == ("tank", given["id"], RAIN, {"topic": "pump/1"}, 5.0)


async def test_commands_go_in_order_one_at_a_time(pump: Hub) -> None:
    ids = [(await give(pump, name=f"step {number}"))["id"] for number in range(5)]
    await ended(pump, ids[-1], "acknowledged")
    assert [command.name for _, command in pump.gateway.commands] == [f"step {number}" for number in range(5)]
    async with pump.client() as client:
        listed = (await client.get(f"{API}/rain-1/commands?limit=2")).json()
        assert (listed["total"], [one["name"] for one in listed["commands"]]) == (5, ["step 4", "step 3"])


async def test_what_the_device_refuses_has_failed(pump: Hub) -> None:
    pump.gateway.result = CommandResult("failed", "valve is stuck")
    done = await ended(pump, (await give(pump))["id"], "failed")
    assert done["detail"] == "valve is stuck"
    Away(pump, BadRequestData("the address has no 'topic'"))
    done = await ended(pump, (await give(pump))["id"], "failed")
    assert done["detail"] == "the address has no 'topic'"


async def test_a_command_waits_for_the_gateway_and_then_goes(pump: Hub) -> None:
    away = Away(pump, StoreUnavailable("The gateway is away"))
    id = (await give(pump))["id"]
    await asyncio.sleep(0.1)
    waiting = await ended(pump, id, "queued")
    assert waiting["detail"] == "The gateway is away"
    away.error = None
    await ended(pump, id, "acknowledged")


async def test_what_could_not_be_sent_in_time_expires_and_says_so(pump: Hub) -> None:
    Away(pump, StoreUnavailable("The gateway is away"))
    id = (await give(pump, validS=60))["id"]
    await asyncio.sleep(0.1)
    pump.clock.moment += timedelta(seconds=61)
    done = await ended(pump, id, "expired")
    assert done["detail"].startswith("Not sent until 2026-11-23T06:06:") and "The gateway is away" in done["detail"]


async def test_what_is_not_acknowledged_in_time_expires_and_says_so(pump: Hub) -> None:
    pump.gateway.result = CommandResult("sent")
    id = (await give(pump, timeoutS=10))["id"]
    sent = await ended(pump, id, "sent")
    assert sent["sentAt"]
    pump.clock.moment += timedelta(seconds=11)
    done = await ended(pump, id, "expired")
    assert "not acknowledged within 10 s" in done["detail"]


async def test_a_restart_in_between_loses_none(pump: Hub) -> None:
    Away(pump, StoreUnavailable("The gateway is away"))
    ids = [(await give(pump, name=f"step {number}"))["id"] for number in range(3)]
    await pump.registers.commands.stop()
    again = Commands(pump.store, pump.registers.devices, pump.gateway, pump.clock)
    Away(pump, None).work = type(pump.gateway).command.__get__(pump.gateway)
    await again.load()
    assert again.waiting() == 3
    again.start()
    for id in ids:
        await ended(pump, id, "acknowledged", "queued", "sent")
    for _ in range(3000):
        if not again.waiting():
            break
        await asyncio.sleep(0.02)
    assert [command.id for _, command in pump.gateway.commands] == ids
    await again.stop()


async def test_a_device_may_ask_for_its_commands(pump: Hub) -> None:
    async with pump.client() as client:
        token = (await client.post(f"{API}/rain-1/credentials")).json()["token"]
        await client.patch(f"{API}/rain-1", json={"address": {"poll": True}, "feed": None})
    first, second = [(await give(pump, name=name))["id"] for name in ("open", "close")]
    async with pump.client("192.0.2.1", authorization=f"Bearer {token}") as device:
        asked = (await device.get("/api/device/commands")).json()["commands"]
        assert [(one["id"], one["name"]) for one in asked] == [(first, "open"), (second, "close")]
        assert (await ended(pump, first, "sent"))["attempts"] == 1
        assert (await device.post(f"/api/device/commands/{first}", json={"value": {"valve": "open"}})).status_code == 204
        assert (await device.post(f"/api/device/commands/{second}", json={"ok": False, "detail": "stuck"})).status_code == 204
        assert (await device.post(f"/api/device/commands/{first}", json={})).status_code == 409
        assert (await device.post("/api/device/commands/nothing", json={})).status_code == 404
        assert (await device.get("/api/device/commands")).json()["commands"] == []
    assert (await ended(pump, first, "acknowledged"))["value"] == {"valve": "open"}
    assert (await ended(pump, second, "failed"))["detail"] == "stuck"
    assert pump.gateway.commands == []


async def test_bad_commands_are_refused(pump: Hub) -> None:
    for wrong in ({"name": ""}, {"timeoutS": 0}, {"validS": 1e9}, {"timeoutS": True}, {"nothing": 1}, {"parameters": "x" * 70_000}):
        await give(pump, 400, **wrong)
    async with pump.client() as client:
        assert (await client.post(f"{API}/nobody/commands", json={"name": "x"})).status_code == 404
        assert (await client.get(f"{API}/rain-1/commands/nothing")).status_code == 404
        await client.patch(f"{API}/rain-1", json={"feed": None})
    assert "no 'feed'" in (await give(pump, 409))["detail"]


async def test_so_many_are_kept_and_wait(pump: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    for _ in range(5):
        await ended(pump, (await give(pump))["id"], "acknowledged")
    assert len(await pump.store.records("", module.COMMANDS)) == 3
    monkeypatch.setattr(module, "MOST_OPEN", 1)
    Away(pump, StoreUnavailable("The gateway is away"))
    await give(pump)
    await give(pump, 409)
