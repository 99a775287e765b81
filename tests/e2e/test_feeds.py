"""From the district folder to entities in a running hub, by the hub's own feeds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hub_process import RunningHub, feeders_of, running_hub

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")]
LINK = {"Link": '<https://cityhub.example/districts/qianjiang/context.jsonld>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}


def all_live(status: dict[str, Any]) -> bool:
    live = [feed for feed in status["feeds"] if feed["state"] == "live"]
    return len(live) == 8 and status["entities"]["count"] > 790


def gone(hub: RunningHub) -> bool:
    end = time.monotonic() + 60
    while feeders_of(hub.url) and time.monotonic() < end:
        time.sleep(0.1)
    return not feeders_of(hub.url)


def test_district_comes_alive_and_stays_after_a_kill(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        first = hub.wait_until(lambda status: all_live(status) and hub.devices_spoke())
        assert len(first["feeds"]) == 12
        assert {feed["state"] for feed in first["feeds"]} == {"live", "recorded"}
        towns = hub.get("/ngsi-ld/v1/entities?type=Township&limit=100&options=keyValues&lang=zh", headers=LINK).json()
        assert len(towns) == 30
        assert "石会镇" in {town["name"] for town in towns}
        wet = hub.get('/ngsi-ld/v1/entities?type=WaterObserved&q=waterLevel.simulated==true&limit=100', headers=LINK).json()
        assert len(wet) == 10
        gdp = hub.get("/ngsi-ld/v1/entities/urn:ngsi-ld:KeyPerformanceIndicator:500114:gdp?options=concise", headers=LINK).json()
        assert gdp["kpiValue"]["value"] == 417
        assert "simulated" not in gdp["kpiValue"]
        assert len(feeders_of(hub.url)) == 1
        hub.wait_until(lambda status: 30 < status["changes"]["perSecond"] < 80)  # gentle, when the start is over
        hub.kill()
        assert gone(hub)
    with running_hub(tmp_path) as hub:
        again = hub.wait_until(all_live)
        assert again["entities"]["count"] == first["entities"]["count"]
    assert gone(hub)
