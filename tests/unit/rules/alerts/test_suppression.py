"""What keeps alerts quiet, and that nothing of it is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cityhub.model.time import to_text
from tests.unit.rules.alerts.conftest import ALERT, GAUGE, OPENS, START, Hub, heard_by, rule, signal

SQUARE = {"type": "Polygon", "coordinates": [[[108, 29], [109, 29], [109, 30], [108, 30], [108, 29]]]}


def window(**more: Any) -> dict[str, Any]:
    return {"id": "w1", "title": "水文站检修", "from": "2026-07-23T14:00:00+08:00", "to": "2026-07-23T15:00:00+08:00", "rules": ["rain"], **more}


async def state(hub: Hub, alert: str = ALERT) -> str:
    return str((await hub.ask("GET", f"/api/alerts/{alert}"))["state"])


async def test_a_window_keeps_an_alert_quiet_and_lets_it_go(hub: Hub) -> None:
    await hub.add(rule(opens=OPENS, **heard_by()))
    made = await hub.ask("POST", "/api/maintenance", window(), 201)
    assert (made["from"], made["state"], made["by"]) == ("2026-07-23T06:00:00.000000Z", "running", "local")
    await hub.hear(signal(severity="red"))
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert (alert["state"], alert["suppressedBy"]) == ("suppressed", {"kind": "maintenance", "id": "w1", "title": "水文站检修"})
    await hub.reacted()
    await hub.attention.sweep()
    assert (await hub.notices.all(hub.store), hub.cases.asked, await state(hub)) == ([], [], "suppressed")
    await hub.ask("POST", f"/api/alerts/{ALERT}/acknowledge", expect=409)
    hub.clock.moment = START + timedelta(hours=1)
    await hub.attention.sweep()
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert (alert["state"], alert["suppressedBy"], alert["deeds"][0]["what"]) == ("open", None, "live")
    await hub.reacted()
    assert [notice["key"] for notice in await hub.notices.all(hub.store)] == [f"{ALERT}#red"]
    assert hub.cases.asked == [ALERT]


async def test_a_window_that_was_over_when_the_hub_came_back(hub: Hub) -> None:
    await hub.add(rule())
    await hub.ask("POST", "/api/maintenance", window(), 201)
    await hub.hear(signal())
    await hub.attention.stop()
    hub.clock.moment = START + timedelta(hours=2)
    hub.attention = hub.built(None)
    await hub.attention.start()
    await hub.attention.sweep()
    assert hub.attention.index.entry("", ALERT).alert.state == "open"  # type: ignore[union-attr]


async def test_what_ended_in_a_window_disturbs_nobody(hub: Hub) -> None:
    await hub.add(rule(**heard_by()))
    await hub.ask("POST", "/api/maintenance", window(), 201)
    await hub.hear(signal(), signal(1, "cleared", minutes=20))
    hub.clock.moment = START + timedelta(hours=2)
    await hub.attention.sweep()
    await hub.reacted()
    assert (await state(hub), await hub.notices.all(hub.store)) == ("closed", [])


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        ({"entities": [GAUGE]}, True), ({"entities": ["urn:other"]}, False), ({"rules": ["other"]}, False),
        ({"rules": [], "scope": "/qianjiang/#"}, True), ({"scope": "/youyang"}, False), ({"area": SQUARE}, True),
        ({"area": {**SQUARE, "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}}, False),
        ({"from": "2026-07-23T06:05:00.000001Z"}, False), ({"to": "2026-07-23T06:05:00Z"}, False),
    ],
)  # fmt: skip
async def test_a_window_covers_what_it_names(hub: Hub, names: dict[str, Any], covered: bool) -> None:
    await hub.gauge(scope=["/qianjiang/zhuoshui"])
    await hub.add(rule())
    await hub.ask("POST", "/api/maintenance", window(**names), 201)
    await hub.hear(signal(location={"type": "Point", "coordinates": [108.77, 29.53]}))
    assert (await state(hub) == "suppressed") is covered


@pytest.mark.parametrize(
    ("names", "right"),
    [
        ({"rules": []}, "must name"), ({"to": "2026-07-23T13:00:00+08:00"}, "later than 'from'"), ({"from": "yesterday"}, "a moment such as"),
        ({"scope": "//"}, "scope"), ({"area": {"type": "Point", "coordinates": [1, 2]}}, "Polygon"), ({"colour": 1}, "colour"),
        ({"area": {"type": "Polygon", "coordinates": [[[1, 1], [2, 2]]]}}, "area"), ({"id": "a b"}, "letters"),
    ],
)  # fmt: skip
async def test_a_wrong_window_is_refused(hub: Hub, names: dict[str, Any], right: str) -> None:
    assert right in (await hub.ask("POST", "/api/maintenance", window(**names), 400))["detail"]


async def test_windows_have_versions_and_go(hub: Hub) -> None:
    await hub.ask("POST", "/api/maintenance", window(), 201)
    changed = await hub.ask("PUT", "/api/maintenance/w1", window(title="延长", to="2026-07-23T16:00:00+08:00"))
    assert (changed["version"], changed["title"]) == (2, "延长")
    assert [one["id"] for one in (await hub.ask("GET", "/api/maintenance"))["maintenance"]] == ["w1"]
    await hub.ask("DELETE", "/api/maintenance/w1", expect=204)
    await hub.add(rule())
    await hub.hear(signal())
    assert await state(hub) == "open"


async def test_a_parents_open_alert_keeps_the_child_quiet_until_it_ends(hub: Hub) -> None:
    station = "urn:ngsi-ld:Station:1"
    await hub.gauge(locatedAt=station)
    await hub.add(rule("power"))
    await hub.add(rule(parent="power", parent_link="locatedAt"))
    await hub.hear(signal(alert="urn:a:power", rule="power", subject=station))
    await hub.hear(signal())
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert (alert["state"], alert["suppressedBy"]["kind"], alert["suppressedBy"]["id"]) == ("suppressed", "parent", "urn:a:power")
    await hub.attention.sweep()
    assert await state(hub) == "suppressed"
    await hub.hear(signal(1, "cleared", alert="urn:a:power", rule="power", subject=station, minutes=9))
    await hub.attention.sweep()
    assert await state(hub) == "open"


async def test_parent_and_child_in_one_breath(hub: Hub) -> None:
    await hub.add(rule("power"))
    await hub.add(rule(parent="power"))
    await hub.hear(signal(), signal(alert="urn:a:power", rule="power"))
    assert (await state(hub), await state(hub, "urn:a:power")) == ("suppressed", "open")
    await hub.attention.sweep()
    assert await state(hub) == "suppressed"
    await hub.ask("POST", "/api/alerts/urn:a:power/close")
    await hub.attention.sweep()
    assert await state(hub) == "open"


async def test_another_subjects_parent_keeps_nothing_quiet(hub: Hub) -> None:
    await hub.add(rule("power"))
    await hub.add(rule(parent="power"))
    await hub.hear(signal(alert="urn:a:power", rule="power", subject="urn:other"), signal())
    assert await state(hub) == "open"
    assert to_text(START) == (await hub.ask("GET", f"/api/alerts/{ALERT}"))["issued"]
