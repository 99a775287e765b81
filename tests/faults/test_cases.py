"""Kill -9 of the hub and of the caseworker under steps of cases: what was acknowledged is there once, nothing is there twice.

CITYHUB_KILLS says how often; a few times without it. Each client sends a request with a key until it is answered, as an office's
program does that does not know whether its last request came through.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.cases import AHEAD, ORGANIZATION, district, people
from tests.hub_process import HubProcess

KILLS = int(os.environ.get("CITYHUB_KILLS", "4"))
CLIENTS = 4
EVERYBODY = people(25)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 60 * KILLS)]


class Desk:
    """A hub that may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        place = folder / "district"
        place.mkdir()
        self._district = district(place, len(EVERYBODY))
        self._data = folder / "data"
        self._hub: HubProcess | None = None
        self.url = ""

    async def start(self) -> None:
        self._hub = HubProcess(self._data, ("--dev", "--port", "0", "--district", str(self._district)), CITYHUB_LOG_LEVEL="error")
        await asyncio.to_thread(self._hub.__enter__)
        self.url = self._hub.url

    def kill(self) -> None:
        hub, self._hub = self._hub, None
        if hub is not None:
            hub.kill()

    def kill_caseworker(self) -> bool:
        """Ends the process that works out steps; whether there was one."""
        assert self._hub is not None
        pid = self._hub.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"cityhub.caseworker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)
                    return True
        return False


class Office:
    """Takes cases from their opening to their closing, and remembers what was acknowledged."""

    def __init__(self, desk: Desk, name: str) -> None:
        self._desk = desk
        self._name = name
        self.done: dict[str, list[str]] = {}
        self.requests = 0

    async def ask(self, path: str, by: str, body: Any, key: str) -> Any:
        """A request with a key, sent until it is answered."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
                    headers = {"CityHub-Person": by, "Idempotency-Key": key}
                    async with session.post(self._desk.url + path, json=body, headers=headers) as answer:
                        if answer.status < 300:
                            self.requests += 1
                            return await answer.json()
                        assert answer.status in (409, 503), await answer.text()
                        assert answer.status == 503 or "faster" in await answer.text(), await answer.text()
            await asyncio.sleep(0.05)

    async def work(self) -> None:
        """Case after case until it is stopped."""
        number = 0
        while True:
            number += 1
            new = {"kind": "event.rubbish", "title": f"{self._name} {number}"}
            case = await self.ask("/api/cases", EVERYBODY[0]["id"], new, f"{self._name}-{number}")
            steps = self.done[case["id"]] = ["report"]
            while case["tasks"]:
                task = case["tasks"][0]
                by = next(one["id"] for one in EVERYBODY if task["lane"] in one["roles"] and task["department"] in ("", one["department"]))
                data = {"departments": [f"{ORGANIZATION}water-resources"]} if task["element"] == "dispatch" else {}
                body = {"outcome": AHEAD[task["element"]], "data": data}
                case = await self.ask(f"/api/cases/{case['id']}/tasks/{task['id']}", by, body, f"{self._name}-{number}-{len(steps)}")
                steps.append(task["element"])


async def test_no_step_is_lost_or_done_twice(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    desk = Desk(tmp_path)
    offices = [Office(desk, f"office{number}") for number in range(CLIENTS)]
    await desk.start()
    work = [asyncio.create_task(office.work()) for office in offices]
    try:
        for number in range(KILLS):
            await _acknowledged(offices, 5 + chance.randrange(20), work)
            await asyncio.sleep(0.1 * chance.random())
            if number % 2:
                desk.kill_caseworker()
            else:
                desk.kill()
                await desk.start()
        await _acknowledged(offices, 10, work)
        for task in work:
            task.cancel()
        results = await asyncio.gather(*work, return_exceptions=True)
        assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == []
        await _audit(desk, offices)
    finally:
        for task in work:
            task.cancel()
        desk.kill()


async def _acknowledged(offices: list[Office], count: int, work: list[asyncio.Task[None]]) -> None:
    """Waits until so many more requests were answered; a slow machine takes longer for them."""
    wanted = sum(office.requests for office in offices) + count
    while sum(office.requests for office in offices) < wanted:
        assert not any(task.done() for task in work), [task.exception() for task in work if task.done()]
        await asyncio.sleep(0.02)


async def _audit(desk: Desk, offices: list[Office]) -> None:
    numbers: list[str] = []
    acknowledged = 0
    async with aiohttp.ClientSession() as session:
        for id, steps in (item for office in offices for item in office.done.items()):
            async with session.get(f"{desk.url}/api/cases/{id}") as answer:
                case = await answer.json()
            found = [line["element"] for line in case["timeline"] if line["what"] in ("opened", "completed")]
            assert found[: len(steps)] == steps, "a step that was acknowledged is missing"
            assert len(found) <= len(steps) + 1 and len(set(found)) == len(found), "a step was done twice"
            assert case["version"] == 1 + len([line for line in case["timeline"] if line["what"] != "opened"])
            numbers.append(case["number"])
            acknowledged += len(steps)
        async with session.get(f"{desk.url}/api/cases", params={"limit": "1000"}) as answer:
            listed = {case["id"]: case["version"] for case in (await answer.json())["cases"]}
        for id in listed:
            async with session.get(f"{desk.url}/ngsi-ld/v1/entities/{id}", params={"options": "keyValues"}) as answer:
                face = await answer.json()
            assert (face.get("status"), face["type"]) == ("open", "Case"), face
    print(f"{KILLS} kills, {acknowledged} acknowledged steps of {len(numbers)} cases")
    assert len(set(numbers)) == len(numbers) and acknowledged >= 5 * KILLS
