"""Kill -9 while people are being told: what was asked for is told, and nobody is told twice. CITYHUB_KILLS says how often.

A real mail server, a gateway for text messages and a webhook's receiver count what comes. E-mail and text messages come at most once;
what was on its way at the kill is doubtful. A webhook may come again, with the same Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from email import message_from_bytes
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP

from tests.faults.hub import Hub

KILLS = int(os.environ.get("CITYHUB_KILLS", "5"))
CLIENTS = 4
PEOPLE = 5
CHANNELS = ("screen", "email", "sms", "webhook")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 + 40 * KILLS)]


class Town:
    """Everything that messages reach; each answers after a moment, so that kills find messages on their way."""

    def __init__(self, chance: random.Random) -> None:
        self.came: dict[str, Counter[str]] = {channel: Counter() for channel in CHANNELS}
        self._chance = chance

    async def __aenter__(self) -> Town:
        loop = asyncio.get_running_loop()
        self._mail = await loop.create_server(lambda: SMTP(self, hostname="localhost", loop=loop), "127.0.0.1", 0)
        self.mail_port = self._mail.sockets[0].getsockname()[1]
        application = web.Application()
        application.router.add_post("/sms", self._text)
        application.router.add_post("/hook", self._hook)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._mail.close()
        await self._runner.cleanup()

    async def _a_moment(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.03))

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.came["email"][str(message_from_bytes(envelope.content)["Message-ID"])[1:33]] += 1
        await self._a_moment()
        return "250 taken"

    async def _text(self, request: web.Request) -> web.Response:
        self.came["sms"][(await request.json())["id"]] += 1
        await self._a_moment()
        return web.json_response({})

    async def _hook(self, request: web.Request) -> web.Response:
        self.came["webhook"][request.headers["Idempotency-Key"]] += 1
        await self._a_moment()
        return web.json_response({})


def person(number: int, town: Town) -> dict[str, Any]:
    contacts = {"email": f"p{number}@example.org", "sms": f"1380000{number:04}", "webhook": f"{town.url}/hook"}
    return {
        "id": f"urn:ngsi-ld:Person:{number}", "name": f"模拟{number}", "department": "urn:ngsi-ld:Organization:1", "contacts": contacts,
        "simulated": True,
    }  # fmt: skip


class Client:
    """Asks for notices, each again until it is acknowledged."""

    def __init__(self, number: int, hub: Hub, chance: random.Random) -> None:
        self.number = number
        self.acknowledged: set[str] = set()
        self._hub = hub
        self._chance = chance
        self._next = 0

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                key = f"{self.number}:{self._next}"
                body = {"key": key, "people": [f"urn:ngsi-ld:Person:{self._next % PEOPLE}"], "values": {"title": key}, "urgent": True}
                try:
                    async with session.post(self._hub.url + "/api/notices", json=body) as answer:
                        assert answer.status == 202, await answer.text()
                except (aiohttp.ClientError, OSError, TimeoutError):
                    await asyncio.sleep(0.05)
                    continue
                self.acknowledged.add(key)
                self._next += 1
                await asyncio.sleep(self._chance.uniform(0.01, 0.05))


async def messages_of(session: aiohttp.ClientSession, hub: Hub) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        async with session.get(f"{hub.url}/api/notices", params={"limit": 1000, "offset": len(found)}) as answer:
            page = await answer.json()
        found += page["notices"]
        if len(found) >= page["count"] or not page["notices"]:
            return found


async def test_nobody_is_told_twice_and_nothing_is_lost(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    async with Town(chance) as town:
        gateway = tmp_path / "gateway.yaml"
        gateway.write_text(f'url: {town.url}/sms\njson: {{id: "{{id}}", to: "{{to}}"}}\n')
        settings = {"CITYHUB_MAIL_SERVER": f"smtp+plain://127.0.0.1:{town.mail_port}", "CITYHUB_MAIL_FROM": "hub@city.example"}
        hub = Hub(tmp_path / "data", CITYHUB_SMS_GATEWAY=str(gateway), **settings)
        await hub.start()
        clients = [Client(number, hub, chance) for number in range(CLIENTS)]
        try:
            async with aiohttp.ClientSession() as session:
                for number in range(PEOPLE):
                    async with session.post(hub.url + "/api/people", json=person(number, town)) as answer:
                        assert answer.status == 201, await answer.text()
            jobs = [asyncio.create_task(client.run()) for client in clients]
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.3, 1.5))
                hub.kill()
                await hub.start()
            await asyncio.sleep(0.5)
            for job in jobs:
                job.cancel()
            ended = await asyncio.gather(*jobs, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
            async with aiohttp.ClientSession() as session:
                messages = await settled(session, hub)
        finally:
            hub.stop()
        judge(messages, {key for client in clients for key in client.acknowledged}, town)


async def settled(session: aiohttp.ClientSession, hub: Hub) -> list[dict[str, Any]]:
    """The messages, once nothing is to be sent any more."""
    async with asyncio.timeout(150):
        while True:
            messages = await messages_of(session, hub)
            if not any(one["state"] in ("queued", "sending", "failed") for one in messages):
                return messages
            await asyncio.sleep(1)


def judge(messages: list[dict[str, Any]], acknowledged: set[str], town: Town) -> None:
    told = Counter((one["key"], one["channel"]) for one in messages)
    assert set(told.values()) == {1}
    missing = {(key, channel) for key in acknowledged for channel in CHANNELS} - set(told)
    assert missing == set(), "asked for and not told"
    for one in messages:
        came = town.came[one["channel"]][one["id"]]
        if one["channel"] in ("email", "sms"):
            assert one["state"] in ("sent", "doubtful"), one
            assert came == 1 if one["state"] == "sent" else came <= 1, (one, came)
        elif one["channel"] == "webhook":
            assert (one["state"], came >= 1) == ("delivered", True), (one, came)
    ids = {one["id"] for one in messages}
    assert all(set(came) <= ids for came in town.came.values()), "something came that is not in the ledger"
    doubtful = sum(one["state"] == "doubtful" for one in messages)
    again = sum(count - 1 for count in town.came["webhook"].values())
    print(f"{KILLS} kills, {len(acknowledged)} notices, {len(messages)} messages, {doubtful} doubtful, {again} webhooks came again")
    assert len(acknowledged) > 10 * KILLS, "there was hardly any load"
    assert doubtful + again > 0 or KILLS < 5, "no kill met a message on its way: the test shows nothing"
