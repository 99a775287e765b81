"""Heavy rain over the Apeng river: from the gauges to the closed case, with the district's own rules, processes and people.

The physical model of the district plays a storm of its own in June 2026; the gauges' readings come in as they would from outside. The
story is played twice, once with the hub killed amid the rising rain and once more amid the people's work: the end must be the same.
"""

from __future__ import annotations

import re
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from cityhub.ingest.district import read_district
from cityhub.ingest.live import build_world
from cityhub.ingest.simulation.sensors import Sensor, introduce, observe, sensors_of
from tests.hub_process import ROOT, HubProcess

SEED = 7
BEGIN = datetime(2026, 5, 23, 18, 0, tzinfo=UTC)
END = datetime(2026, 5, 25, 6, 0, tzinfo=UTC)
STEP = timedelta(minutes=10)
FEEDS = ("weather", "rain-gauges", "rivers", "reservoirs")
PERSON = "urn:ngsi-ld:Person:500114:"
DISPATCHER, OTHER, CHECKER = (PERSON + name for name in ("centre-duty-1", "centre-duty-2", "centre-checker-1"))
METEOROLOGIST = PERSON + "meteorology-leader"
PATIENCE_S = 120.0


def quiet_district(folder: Path) -> Path:
    """The district without what plays by itself: the test has the gauges."""
    shutil.copytree(ROOT / "districts/qianjiang", folder)
    tables = re.split(r"(?m)^(?=\[)", (folder / "feeds.toml").read_text("utf-8"))
    kept = [table for table in tables if not (table.startswith("[[feed]]") and 'kind = "simulated"' in table)]
    (folder / "feeds.toml").write_text("".join(kept), "utf-8")
    shutil.rmtree(folder / "feeds")
    return folder


class Storm:
    """What the gauges say, five minutes at a time."""

    def __init__(self) -> None:
        district = read_district(ROOT / "districts/qianjiang")
        self._district = district
        self._world = build_world(district, SEED, BEGIN)
        sensors = sensors_of(self._world, district.about.code)
        self._sensors: list[tuple[str, Sensor]] = [(feed, sensor) for feed in FEEDS for sensor in sensors[feed]]
        self.moment = BEGIN
        self._introduced = False

    def next(self) -> list[dict[str, Any]]:
        """The entities of the next five minutes."""
        self.moment += STEP
        self._world.advance_to(self.moment)
        at = self.moment.isoformat().replace("+00:00", "Z")
        told = []
        for feed, sensor in self._sensors:
            entity = observe(sensor, self.moment, at, self._district.uri("Feed", feed))
            told.append(entity if self._introduced else {**introduce(sensor), **entity})
        self._introduced = True
        return told


class Story:
    """One run of it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._options = ("--dev", "--port", "0", "--district", str(quiet_district(folder / "district")))
        self._hub: HubProcess | None = None
        self.start()

    def start(self) -> None:
        self._hub = HubProcess(self.data, self._options, CITYHUB_LOG_LEVEL="warning").__enter__()

    def kill(self) -> None:
        assert self._hub is not None
        self._hub.kill()
        self.start()

    def stop(self) -> None:
        assert self._hub is not None
        self._hub.stop()

    def ask(self, method: str, path: str, body: Any = None, by: str = "", expect: tuple[int, ...] = (200, 201, 204)) -> Any:
        assert self._hub is not None
        headers = {"CityHub-Person": by} if by else {}
        answer = httpx.request(method, self._hub.url + path, json=body, headers=headers, timeout=60)
        assert answer.status_code in expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def until(self, holds: Any, what: Any = lambda: "") -> Any:
        end = time.monotonic() + PATIENCE_S
        while not (found := holds()):
            assert time.monotonic() < end, what()
            time.sleep(0.1)
        return found

    def tell(self, entities: list[dict[str, Any]]) -> None:
        assert self._hub is not None
        context = '<https://cityhub.example/districts/qianjiang/context.jsonld>; rel="http://www.w3.org/ns/json-ld#context"'
        answer = httpx.post(
            f"{self._hub.url}/ngsi-ld/v1/entityOperations/upsert?options=update", json=entities, timeout=60,
            headers={"Link": context + '; type="application/ld+json"'},
        )  # fmt: skip
        assert answer.status_code in (201, 204), answer.text

    def alerts(self, **query: str) -> list[Any]:
        found = self.ask("GET", "/api/alerts?limit=1000&" + "&".join(f"{name}={value}" for name, value in query.items()))
        return list(found["alerts"])


def told(story: Story) -> dict[str, Any]:
    """What the rain, the rules and the people made of it, without what the clock on the wall says."""
    alerts = {
        alert["id"]: [(step["kind"], step["severity"], step["at"]) for step in story.ask("GET", f"/api/alerts/{alert['id']}")["steps"]]
        for alert in story.alerts()
    }
    notices = story.ask("GET", "/api/notices?limit=1000")["notices"]
    cases = story.ask("GET", "/api/cases?limit=100&state=any")["cases"]
    warnings = story.ask("GET", "/api/warnings?limit=100")["warnings"]
    return {
        "alerts": alerts,
        "messages": sorted((message["key"], message["person"], message["channel"]) for message in notices if "Alert" in message["key"]),
        "cases": sorted((case["id"], case["kind"], case["grade"], case["state"]) for case in cases),
        "warnings": sorted((warning["alert"], warning["content"]["event"], warning["state"]) for warning in warnings),
    }
