"""From signals to alerts, and what people do with them."""

from __future__ import annotations

from datetime import timedelta

from cityhub.model.alert import read_alert
from cityhub.model.time import to_text
from tests.unit.rules.alerts.conftest import ALERT, GAUGE, OPENS, START, Hub, heard_by, rule, signal


async def test_an_alert_says_why(hub: Hub) -> None:
    await hub.gauge()
    await hub.add(rule(source="GB/T 28592-2012"))
    await hub.hear(signal(location={"type": "Point", "coordinates": [108.77, 29.53]}))
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert alert["description"] == {
        "zh": "短时强降雨（黄色）：濯水雨量站，rain_1h = 31.5 mm（07-23 14:05）；条件“rain_1h >= 30”成立",
        "en": "Heavy rain (yellow): 濯水雨量站, rain_1h = 31.5 mm (07-23 14:05); the condition 'rain_1h >= 30' holds",
    }
    assert (alert["grade"], alert["severity"], alert["capSeverity"], alert["state"]) == ("yellow", "medium", "Moderate", "open")
    assert alert["reason"] == {
        "rule": "rain", "version": 1, "title": {"zh": "短时强降雨", "en": "Heavy rain"}, "condition": "rain_1h >= 30",
        "thresholds": [{"name": "rain_1h", "operator": ">=", "value": 30}],
        "inputs": [{"name": "rain_1h", "value": 31.5, "unit": "MMT", "at": to_text(START)}], "note": {}, "source": "GB/T 28592-2012",
    }  # fmt: skip
    assert (alert["subject"], alert["issued"], alert["location"]["coordinates"]) == (GAUGE, to_text(START), [108.77, 29.53])
    assert [(one["step"], one["kind"], one["position"]) for one in alert["steps"]] == [(0, "raised", 7)]


async def test_signals_that_come_again_change_nothing(hub: Hub) -> None:
    await hub.add(rule())
    signals = [signal(), signal(1, "changed", "red", minutes=5, value=81), signal(2, "changed", "yellow", minutes=9, value=40)]
    await hub.hear(*signals)
    before, last = hub.store.get("", ALERT), hub.store.last()
    await hub.hear(*signals[1:])
    await hub.hear(signals[0])
    assert hub.store.get("", ALERT) == before
    assert hub.store.last() == last
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert ([one["step"] for one in alert["steps"]], alert["grade"]) == ([0, 1, 2], "yellow")


async def test_steps_are_bounded_and_still_known(hub: Hub) -> None:
    await hub.add(rule())
    await hub.hear(signal(), *(signal(n, "changed", "red" if n % 2 else "yellow") for n in range(1, 200)))
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert [alert["steps"][place]["step"] for place in (0, 1, -1)] == [0, 101, 199]
    last = hub.store.last()
    await hub.hear(signal(50, "changed", "red"))
    assert hub.store.last() == last


async def test_a_group_is_a_subject(hub: Hub) -> None:
    await hub.add(rule(group_by="catchment"))
    await hub.hear(signal(subject="catchment=apeng"))
    entity = hub.store.get("", ALERT)
    assert entity is not None
    alert = read_alert(entity)
    assert alert is not None
    assert alert.subject == "catchment=apeng"


async def test_nobody_waits_for_an_alert_that_nobody_was_told_of(hub: Hub) -> None:
    await hub.add(rule())
    await hub.hear(signal(), signal(1, "cleared", minutes=30))
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert (alert["state"], alert["outcome"], alert["cleared"]) == ("closed", "ended", to_text(START + timedelta(minutes=30)))


async def test_an_alert_that_somebody_heard_of_is_closed_by_somebody(hub: Hub) -> None:
    await hub.add(rule(**heard_by()))
    await hub.hear(signal(), signal(1, "cleared", minutes=30))
    assert (await hub.ask("GET", f"/api/alerts/{ALERT}"))["state"] == "open"
    taken = await hub.ask("POST", f"/api/alerts/{ALERT}/acknowledge", {"note": "在看"})
    assert (taken["state"], taken["acknowledgedBy"], taken["deeds"][0]["note"]) == ("acknowledged", "local", "在看")
    closed = await hub.ask("POST", f"/api/alerts/{ALERT}/close", {"note": "雨停"})
    assert (closed["state"], closed["outcome"], [one["what"] for one in closed["deeds"]]) == ("closed", "true", ["acknowledge", "close"])
    assert "expiresAt" in (hub.store.get("", ALERT) or {})


async def test_operations_come_twice_and_only_where_they_may(hub: Hub) -> None:
    await hub.add(rule())
    await hub.hear(signal())
    for _ in range(2):
        taken = await hub.ask("POST", f"/api/alerts/{ALERT}/acknowledge")
    assert len(taken["deeds"]) == 1
    for _ in range(2):
        await hub.ask("POST", f"/api/alerts/{ALERT}/false", {"note": "传感器故障"})
    refused = await hub.ask("POST", f"/api/alerts/{ALERT}/close", expect=409)
    assert "marked as false" in refused["detail"]
    await hub.ask("POST", f"/api/alerts/{ALERT}/acknowledge", expect=409)
    commented = await hub.ask("POST", f"/api/alerts/{ALERT}/comment", {"note": "已报修"})
    assert [one["what"] for one in commented["deeds"]] == ["acknowledge", "false", "comment"]
    await hub.ask("POST", f"/api/alerts/{ALERT}/comment", {}, expect=400)
    await hub.ask("POST", f"/api/alerts/{ALERT}/close", {"wish": 1}, expect=400)
    await hub.ask("POST", "/api/alerts/urn:ngsi-ld:Alert:none/close", expect=404)
    await hub.gauge()
    await hub.ask("POST", f"/api/alerts/{GAUGE}/close", expect=404)


async def test_what_becomes_graver_is_open_again(hub: Hub) -> None:
    await hub.add(rule())
    await hub.hear(signal())
    await hub.ask("POST", f"/api/alerts/{ALERT}/close")
    await hub.hear(signal(1, "changed", "red", minutes=5))
    alert = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert (alert["state"], alert["outcome"], alert["closedAt"], alert["grade"]) == ("open", "", "", "red")
    assert "expiresAt" not in (hub.store.get("", ALERT) or {})
    await hub.ask("POST", f"/api/alerts/{ALERT}/acknowledge")
    await hub.hear(signal(2, "changed", "yellow", minutes=9))
    assert (await hub.ask("GET", f"/api/alerts/{ALERT}"))["state"] == "acknowledged"


async def test_lists_filter_and_count(hub: Hub) -> None:
    await hub.add(rule())
    for number, severity in enumerate(("yellow", "red", "blue", "red")):
        await hub.hear(signal(alert=f"urn:ngsi-ld:Alert:{number}", severity=severity, subject=f"urn:s:{number}", minutes=number))
    await hub.ask("POST", "/api/alerts/urn:ngsi-ld:Alert:3/false")

    async def ids(**parameters: str) -> list[str]:
        answer = await hub.ask("GET", "/api/alerts", **parameters)
        return [one["id"].rpartition(":")[2] for one in answer["alerts"]]

    assert await ids() == ["1", "0", "2", "3"]
    assert await ids(open="true") == ["1", "0", "2"]
    assert await ids(open="false") == ["3"]
    assert await ids(severity="red,blue", open="true") == ["1", "2"]
    assert await ids(status="closed") == ["3"]
    assert await ids(subject="urn:s:2") == ["2"]
    assert await ids(rule="none") == []
    assert await ids(q="强降雨", limit="1", offset="1") == ["0"]
    assert (await hub.ask("GET", "/api/alerts", limit="1"))["count"] == 4
    for wrong in ({"severity": "pink"}, {"open": "yes"}, {"status": "gone"}, {"color": "red"}, {"limit": "0"}):
        await hub.ask("GET", "/api/alerts", expect=400, **wrong)  # type: ignore[arg-type]


async def test_precision_counts_what_people_said(hub: Hub) -> None:
    await hub.add(rule())
    for number, operation in enumerate(("close", "false", "close", "close", "")):
        await hub.hear(signal(alert=f"urn:a:{number}"))
        if operation:
            await hub.ask("POST", f"/api/alerts/urn:a:{number}/{operation}")
    await hub.hear(signal(1, "cleared", alert="urn:a:4"))
    assert (await hub.ask("GET", "/api/rules/rain"))["precision"] == {"closed": 3, "false": 1, "value": 0.75}
    again = hub.built(None)
    await again.index.load(hub.store)
    assert again.index.precision("rain")["value"] == 0.75


async def test_who_waits_for_whom(hub: Hub) -> None:
    await hub.add(rule(opens=OPENS))
    await hub.hear(signal(), signal(alert="urn:a:2", severity="red"))
    later = to_text(hub.clock.moment + timedelta(minutes=10))
    assert {one.id for one in hub.attention.index.unacknowledged(later)} == {ALERT, "urn:a:2"}
    assert [one.id for one in hub.attention.index.unacknowledged(later, "red")] == ["urn:a:2"]
    assert hub.attention.index.unacknowledged(to_text(START)) == []
    await hub.ask("POST", f"/api/alerts/{ALERT}/acknowledge")
    assert [one.id for one in hub.attention.index.unacknowledged(later)] == ["urn:a:2"]
