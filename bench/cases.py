"""People at work on open cases: how long lists and steps take, by real HTTP to a hub with its caseworker.

    python -m bench.cases --cases 10000 --people 200 --seconds 60

A hub of its own is given a district with the standard process of the first one and with so many people. Some cases are opened by its
doors and taken to different steps, and copied until there are as many as are wanted; then each person looks at the tasks that wait for
them, at a list of cases, and does a step, with a pause to think after each. Told are the delays of each kind of request, in
milliseconds, and the processor time of the hub and the processes below it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from bench.machine import facts
from bench.servers import Server, used_processor_s
from cityhub.cases.desk.ledger import Ledger
from cityhub.cases.desk.record import URN
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite

ORGANIZATION = "urn:ngsi-ld:Organization:500114:"
PERSON = "urn:ngsi-ld:Person:bench:"
DEPARTMENTS = ["urban-management", "water-resources", "housing-construction", "transport", "ecology-environment"]
KINDS = ["event.rubbish", "part.manhole", "part.road", "event.noise", "part.streetlight", "event.flooding"]
ROLES = ["dispatcher", "handler", "handler", "handler", "checker"]
GRADES = ["blue", "blue", "blue", "yellow", "orange"]
AHEAD = {"accept": "accept", "dispatch": "dispatch", "handle": "done", "feedback": "done", "check": "pass", "close": "close"}
OPENING = 8
"""So many cases are opened at a time."""
FIRST = 200
"""So many are opened by the doors; the others are copies of them."""
BLOCK = 500
QUERIES = ["", "?grade=orange", "?overdue=true", "?q=路", "?kind=part.*&order=-opened", "?department={department}", "?person={person}"]


def people(count: int) -> list[dict[str, Any]]:
    """So many made-up people, of the roles and departments in turn."""
    return [
        {
            "id": f"{PERSON}{number}", "name": f"模拟·{number}", "roles": [ROLES[number % len(ROLES)]], "simulated": True,
            "department": ORGANIZATION + DEPARTMENTS[number // len(ROLES) % len(DEPARTMENTS)],
        }
        for number in range(count)
    ]  # fmt: skip


def district(folder: Path, count: int) -> Path:
    """A district with the first one's cases and processes, and with no feeds."""
    source = Path(__file__).parents[1] / "districts" / "qianjiang"
    for name in ("cases", "processes", "templates", "notices"):
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)
    shutil.copy(source / "context.jsonld", folder)
    (folder / "feeds").mkdir()
    head = (source / "district.toml").read_text("utf-8").partition("[[entities]]")[0]
    (folder / "district.toml").write_text("entities = []\n" + head, "utf-8")
    (folder / "feeds.toml").write_text((source / "feeds.toml").read_text("utf-8").partition("[[feed]]")[0] + _rest(source), "utf-8")
    (folder / "people.yaml").write_text(yaml.safe_dump({"people": people(count)}, allow_unicode=True), "utf-8")
    return folder


def _rest(source: Path) -> str:
    """The tables of a feeds file that are no feeds."""
    text = (source / "feeds.toml").read_text("utf-8")
    tables = ["[" + part for part in text.split("\n[")[1:]]
    return "feed = []\n" + "\n".join(table for table in tables if not table.startswith(("[[feed", "[feed")))


class Work:
    """What people do, and how long it took them.

    Args:
        session: To the hub.
        url: Of the hub.
        chance: Decides.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, chance: random.Random) -> None:
        self._session, self._url, self._chance = session, url, chance
        self.took: dict[str, list[float]] = {}
        self.statuses: Counter[int] = Counter()

    async def ask(self, kind: str, method: str, path: str, by: str, body: Any = None) -> Any:
        """One request; its delay is kept under `kind`."""
        began = time.perf_counter()
        async with self._session.request(method, self._url + path, json=body, headers={"CityHub-Person": by}) as answer:
            content = await answer.read()
        self.took.setdefault(kind, []).append(time.perf_counter() - began)
        self.statuses[answer.status] += 1
        return json.loads(content) if answer.status < 300 else None

    async def open(self, number: int, everybody: list[dict[str, Any]]) -> None:
        """A case, taken on for some steps."""
        chance = self._chance
        where = {"location": {"type": "Point", "coordinates": [108.48 + chance.random() * 0.4, 29.1 + chance.random() * 0.7]}}
        new = {"kind": chance.choice(KINDS), "title": f"模拟案件 {number} 路口", "place": where, "grade": chance.choice(GRADES)}
        case = await self.ask("open", "POST", "/api/cases", everybody[0]["id"], new)
        for _ in range(chance.randrange(3)):
            case = await self.step(case, case["tasks"][0], everybody, "open: step")

    async def step(self, case: Any, task: Any, everybody: list[dict[str, Any]], kind: str, by: str = "") -> Any:
        """A task of a case, done by somebody who may."""
        by = by or next(
            one["id"] for one in everybody
            if task["lane"] in one["roles"] and task["department"] in ("", one["department"])
        )  # fmt: skip
        data = {"departments": [ORGANIZATION + self._chance.choice(DEPARTMENTS)]} if task["element"] == "dispatch" else {}
        body = {"outcome": AHEAD[task["element"]], "data": data, "note": "模拟"}
        return await self.ask(kind, "POST", f"/api/cases/{case['id']}/tasks/{task['id']}", by, body)

    async def person(self, who: dict[str, Any], everybody: list[dict[str, Any]], think_s: float, end: float) -> None:
        """One person's work until a moment."""
        await asyncio.sleep(self._chance.random() * think_s)
        while time.perf_counter() < end:
            answer = await self.ask("task list", "GET", f"/api/tasks?person={who['id']}&limit=20", who["id"])
            await self._think(think_s)
            query = self._chance.choice(QUERIES).format(department=who["department"], person=who["id"])
            await self.ask("case list", "GET", f"/api/cases{query}", who["id"])
            await self._think(think_s)
            if answer and answer["tasks"]:
                task = self._chance.choice(answer["tasks"])
                await self.ask("case", "GET", f"/api/cases/{task['case']['id']}", who["id"])
                await self.step(task["case"], task, everybody, "step", who["id"])
                await self._think(think_s)

    async def _think(self, think_s: float) -> None:
        await asyncio.sleep(self._chance.uniform(0.5, 1.5) * think_s)


def told(took: list[float]) -> dict[str, float]:
    """Delays in milliseconds."""
    found = sorted(took)
    at = {name: found[min(len(found) - 1, int(share * len(found)))] for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return {"count": len(found), **{name: round(value * 1000, 1) for name, value in at.items()}, "max": round(found[-1] * 1000, 1)}


async def opened(url: str, given: argparse.Namespace) -> dict[str, Any]:
    """Opens the first cases."""
    chance, everybody = random.Random(7), people(given.people)
    async with aiohttp.ClientSession() as session:
        opening = Work(session, url, chance)
        for first in range(0, min(given.cases, FIRST), OPENING):
            await asyncio.gather(*(opening.open(number, everybody) for number in range(first, first + OPENING)))
    return {kind: told(took) for kind, took in opening.took.items()}


async def copied(data: Path, count: int) -> None:
    """Copies the cases of a hub that does not run until it has so many that are open."""
    store = await open_sqlite(data, SystemClock())
    ledger = Ledger(store, "", "模拟〔{year}〕{number:06d}", "Asia/Shanghai")
    cases = await ledger.open_cases()
    for first in range(len(cases), count, BLOCK):
        numbers = range(first, min(count, first + BLOCK))
        block = [(None, msgspec.structs.replace(cases[number % len(cases)], id=f"{URN}copy{number}")) for number in numbers]
        await ledger.write(block)
    await store.close()


async def settled(pid: int) -> None:
    """Waits until the hub has read what was copied beside it and rests, or for at most three minutes."""
    for _ in range(60):
        used = used_processor_s(pid) or 0.0
        await asyncio.sleep(3.0)
        if (used_processor_s(pid) or 0.0) - used < 0.5:
            return


async def measure(url: str, pid: int, given: argparse.Namespace) -> dict[str, Any]:
    """Lets the people work, and tells how long it took them."""
    chance, everybody = random.Random(8), people(given.people)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async with session.get(url + "/api/cases?limit=1") as answer:
            count = (await answer.json())["count"]
        await settled(pid)
        work = Work(session, url, chance)
        used, end = used_processor_s(pid) or 0.0, time.perf_counter() + given.seconds
        await asyncio.gather(*(work.person(who, everybody, given.think, end) for who in everybody))
        used = (used_processor_s(pid) or 0.0) - used
    return {
        "cases": count, "people": given.people, "thinkS": given.think,
        "work": {kind: told(took) for kind, took in work.took.items()},
        "statuses": {str(status): count for status, count in work.statuses.items()}, "processorS": round(used, 1),
    }  # fmt: skip


def main(words: list[str]) -> int:
    """Measures and prints one JSON document."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=10_000)
    options.add_argument("--people", type=int, default=200)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--think", type=float, default=3.0, help="seconds between two requests of a person, on average")
    given = options.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="bench-cases-") as folder:
        place = Path(folder, "district")
        place.mkdir()
        district(place, given.people)
        command = [sys.executable, "-m", "cityhub", "run", "--dev", "--port", "0", "--district", str(place), "--data", "{data}"]
        server = Server("cityhub", command)
        server.start()
        try:
            opening = asyncio.run(opened(f"http://127.0.0.1:{server.port}", given))
            server.stop(keep=True)
            assert server.folder is not None
            asyncio.run(copied(Path(server.folder.name, "data"), given.cases))
            server.start()
            found = {"startS": round(server.start_s, 2), "opening": opening}
            assert server.process is not None
            found |= asyncio.run(measure(f"http://127.0.0.1:{server.port}", server.process.pid, given))
            found["memoryMb"] = server.memory_mb()
        finally:
            server.stop()
    print(json.dumps({"machine": facts(), **found}, ensure_ascii=False, indent=1, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
