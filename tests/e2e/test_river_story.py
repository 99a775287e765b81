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
import pytest

from cityhub.ingest.district import read_district
from cityhub.ingest.live import build_world
from cityhub.ingest.simulation.sensors import Sensor, introduce, observe, sensors_of
from tests.hub_process import ROOT, HubProcess

SEED = 7
BEGIN = datetime(2026, 5, 23, 22, 0, tzinfo=UTC)
PEAK = datetime(2026, 5, 24, 1, 0, tzinfo=UTC)
END = datetime(2026, 5, 25, 5, 0, tzinfo=UTC)
STEP = timedelta(minutes=10)
REACHES = tuple(f"urn:ngsi-ld:WaterObserved:500114:{name}" for name in ("puhua", "apeng-apengjiang"))
PERSON = "urn:ngsi-ld:Person:500114:"
ORGANIZATION = "urn:ngsi-ld:Organization:500114:"
DISPATCHER, CHECKER = (PERSON + name for name in ("centre-duty-1", "centre-checker-1"))
METEOROLOGIST = PERSON + "meteorology-leader"
BUREAU = ORGANIZATION + "emergency-management"
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
    """What the gauges of two reaches say, ten minutes at a time."""

    def __init__(self) -> None:
        district = read_district(ROOT / "districts/qianjiang")
        self._district = district
        self._world = build_world(district, SEED, BEGIN)
        sensors = sensors_of(self._world, district.about.code)
        gauges = [sensor for sensor in sensors["rain-gauges"] if sensor.fixed.get("drainsTo", {}).get("object") in REACHES]
        rivers = [sensor for sensor in sensors["rivers"] if sensor.id in REACHES]
        groups = (("weather", sensors["weather"]), ("rain-gauges", gauges), ("rivers", rivers))
        self._sensors: list[tuple[str, Sensor]] = [(feed, sensor) for feed, group in groups for sensor in group]
        self.moment = BEGIN
        self._introduced = False

    def next(self) -> list[dict[str, Any]]:
        """The entities of the next ten minutes."""
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


    def play(self, storm: Storm, until: datetime, kill_at: datetime | None = None) -> None:
        """The gauges speak until a moment of the story."""
        while storm.moment < until:
            self.tell(storm.next())
            if storm.moment == kill_at:
                self.kill()

    def settled(self) -> None:
        """Returns when the rules have read what was said and nothing follows any more."""
        before: Any = None

        def same() -> bool:
            nonlocal before
            now = told(self)
            is_same, before = now == before, now
            time.sleep(1)
            return is_same

        self.until(lambda: all(rule["status"]["lagS"] < 1 for rule in self.ask("GET", "/api/rules")["rules"] if rule["enabled"]))
        self.until(same)

    def cases(self) -> list[Any]:
        """All cases, open or not."""
        states = ("open", "closed", "rejected", "withdrawn", "merged")
        return [case for state in states for case in self.ask("GET", f"/api/cases?limit=100&state={state}")["cases"]]

    def case(self) -> Any:
        """The one case of the storm."""
        found = self.cases()
        assert len(found) == 1, found
        return self.ask("GET", f"/api/cases/{found[0]['id']}")

    def do(self, element: str, outcome: str, by: str, department: str = "", **data: Any) -> Any:
        case = self.case()
        task = next(one for one in case["tasks"] if one["element"] == element and department in ("", one.get("department")))
        return self.ask("POST", f"/api/cases/{case['id']}/tasks/{task['id']}", {"outcome": outcome, "data": data, "note": f"{element}: {outcome}"}, by)


def handler_of(department: str) -> str:
    """Somebody of an organization or a township who handles cases."""
    name = department.rpartition(":")[2]
    return f"{PERSON}{name}-duty" if ":Township:" in department else f"{PERSON}{name}-handler-1"


def story(folder: Path, *, disturbed: bool) -> dict[str, Any]:
    """The whole of it; what is left at its end."""
    run = Story(folder)
    try:
        run.until(lambda: len(run.ask("GET", "/ngsi-ld/v1/entities?type=https://cityhub.example/terms/Township&limit=50")) >= 30)
        run.until(lambda: len(run.ask("GET", "/api/rules")["rules"]) >= 12)
        for silent in ("silent-rain-gauge", "silent-water-gauge"):  # a storm of last summer is silent by the clock on the wall
            run.ask("POST", f"/api/rules/{silent}/stop")
        storm = Storm()
        run.play(storm, PEAK, kill_at=PEAK - timedelta(hours=1) if disturbed else None)
        run.settled()
        at_its_peak(run)
        departments = dispatched(run)
        done = run.do("handle", "done", handler_of(departments[0]), departments[0], result="已转移低洼处群众")
        assert done["step"] == "handle"
        if disturbed:
            run.kill()
        for department in departments[1:]:
            run.do("handle", "done", handler_of(department), department, result="已巡查")
        run.play(storm, END, kill_at=END - timedelta(hours=8) if disturbed else None)
        run.settled()
        run.do("feedback", "done", handler_of(departments[0]))
        with pytest.raises(AssertionError, match="403"):
            run.do("check", "pass", handler_of(departments[0]))
        run.do("check", "pass", CHECKER)
        run.do("close", "close", DISPATCHER)
        review(run, departments)
        return told(run)
    finally:
        run.stop()


def at_its_peak(run: Story) -> None:
    """Alerts with their reasons, seen by somebody; warnings that only the body that may releases."""
    gravest = run.alerts(rule="rainstorm-signal")[0]
    reason = run.ask("GET", f"/api/alerts/{gravest['id']}")["reason"]
    assert (gravest["grade"], reason["condition"]) == ("red", "rain_3h >= 100")
    assert gravest["description"]["zh"].startswith("流域暴雨预警信号（红色）：") and "drainsTo=" not in gravest["description"]["zh"]
    assert next(one for one in reason["inputs"] if one["name"] == "rain_3h")["value"] >= 100
    assert run.ask("POST", f"/api/alerts/{gravest['id']}/acknowledge", {"note": "已看到"}, DISPATCHER)["state"] == "acknowledged"
    drafts = run.ask("GET", "/api/warnings?state=draft&limit=100")["warnings"]
    rain = next(one for one in drafts if one["alert"] == gravest["id"])
    assert rain["population"] > 0 and rain["townships"] > 0
    refused = run.ask("POST", f"/api/warnings/{rain['id']}/release", {"why": "x"}, DISPATCHER, expect=(403,))
    assert refused["detail"]
    run.ask("POST", f"/api/warnings/{rain['id']}/release", {"why": "雷达与邻站已核对"}, METEOROLOGIST)
    flood = next(one for one in drafts if one["content"]["event"] == "flood")
    body = flood["content"]["issuer"].rpartition(":")[2]
    open_to_all = {name: value for name, value in flood["content"].items() if name not in ("scope", "restriction")}
    run.ask("PUT", f"/api/warnings/{flood['id']}", {**open_to_all, "scope": "Public", "why": "改为公开"}, DISPATCHER)
    refused = run.ask("POST", f"/api/warnings/{flood['id']}/release", {"why": "x"}, f"{PERSON}{body}-leader", expect=(403, 409, 422))
    assert "CQT-04" in refused["detail"], refused


def dispatched(run: Story) -> list[str]:
    """The one case goes to the bureau and to the townships that the warning's area really touches."""
    warning = next(one for one in run.ask("GET", "/api/warnings?state=released")["warnings"])
    impact = run.ask("GET", f"/api/warnings/{warning['id']}")["impact"]
    townships = sorted(one["id"] for one in impact["townships"])
    assert townships and all(":Township:" in one for one in townships)
    run.do("accept", "accept", DISPATCHER)
    departments = [BUREAU, *townships]
    run.do("dispatch", "dispatch", DISPATCHER, departments=departments)
    assert {task["department"] for task in run.case()["tasks"]} == set(departments)
    return departments


def review(run: Story, departments: list[str]) -> None:
    """At the end everything is over, and the time line tells all of it."""
    assert all(alert["cleared"] for alert in run.alerts())
    case = run.case()
    assert case["state"] == "closed"
    done = [(entry["element"], entry["outcome"]) for entry in case["timeline"] if entry["what"] == "completed"]
    assert done == [
        ("accept", "accept"), ("dispatch", "dispatch"), *[("handle", "done")] * len(departments), ("feedback", "done"), ("check", "pass"),
        ("close", "close"),
    ]  # fmt: skip
    heard = [entry["data"]["alert"] for entry in case["timeline"] if entry["what"].endswith("cleared")]
    assert sorted(heard) == sorted([case["source"]["ref"], *case["alerts"]])


def told(story: Story) -> dict[str, Any]:
    """What the rain, the rules and the people made of it, without what the clock on the wall says."""
    alerts = {
        alert["id"]: [(step["kind"], step["severity"], step["at"]) for step in story.ask("GET", f"/api/alerts/{alert['id']}")["steps"]]
        for alert in story.alerts()
    }
    notices = story.ask("GET", "/api/notices?limit=1000")["notices"]
    cases = story.cases()
    warnings = story.ask("GET", "/api/warnings?limit=100")["warnings"]
    return {
        "alerts": alerts,
        "messages": sorted((message["key"], message["person"], message["channel"]) for message in notices if "Alert" in message["key"]),
        "cases": sorted((case["id"], case["kind"], case["grade"], case["state"]) for case in cases),
        "warnings": sorted((warning["alert"], warning["content"]["event"], warning["state"]) for warning in warnings),
    }


@pytest.mark.slow
def test_the_story_ends_the_same_when_the_hub_is_killed_amid_it(tmp_path: Path) -> None:
    (tmp_path / "quiet").mkdir()
    (tmp_path / "killed").mkdir()
    undisturbed = story(tmp_path / "quiet", disturbed=False)
    assert len(undisturbed["alerts"]) > 10 and undisturbed["messages"]
    assert story(tmp_path / "killed", disturbed=True) == undisturbed
