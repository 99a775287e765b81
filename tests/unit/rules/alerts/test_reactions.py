"""What follows from alerts, once each."""

from __future__ import annotations

import asyncio

from cityhub.model.errors import Conflict, StoreUnavailable
from tests.unit.rules.alerts.conftest import ALERT, BY, OPENS, Hub, heard_by, rule, signal


async def keys(hub: Hub) -> list[str]:
    return [notice["key"] for notice in await hub.notices.all(hub.store)]


async def test_each_grade_is_told_once(hub: Hub) -> None:
    await hub.add(rule(**heard_by()))
    await hub.hear(signal(), signal(1, "changed", "orange"), signal(2, "changed", "yellow"), signal(3, "changed", "orange"))
    await hub.reacted()
    notices = {notice["key"]: notice for notice in await hub.notices.all(hub.store)}
    assert set(notices) == {f"{ALERT}#yellow", f"{ALERT}#orange"}
    yellow, orange = notices[f"{ALERT}#yellow"], notices[f"{ALERT}#orange"]
    assert (yellow["posts"], yellow["departments"], yellow["urgent"]) == (["watch-room"], [], False)
    assert (orange["posts"], orange["departments"], orange["urgent"]) == (["watch-room"], [["urn:org:water", ""]], True)
    assert yellow["values"]["description"]["zh"].startswith("短时强降雨（黄色）")
    shown = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert shown["notices"] == [{"key": f"{ALERT}#orange", "seen": False}]


async def test_whoever_heard_of_it_hears_of_its_end(hub: Hub) -> None:
    await hub.add(rule(**heard_by()))
    await hub.hear(signal(severity="red"), signal(1, "changed", "yellow"), signal(2, "cleared", "yellow", minutes=30))
    await hub.hear(signal(alert="urn:a:false"))
    await hub.ask("POST", "/api/alerts/urn:a:false/false")
    await hub.hear(signal(1, "cleared", alert="urn:a:false"))
    await hub.reacted()
    notices = {notice["key"]: notice for notice in await hub.notices.all(hub.store)}
    assert set(notices) == {f"{ALERT}#red", f"{ALERT}#yellow", f"{ALERT}#cleared", "urn:a:false#yellow"}
    end = notices[f"{ALERT}#cleared"]
    assert (end["template"], end["posts"], end["departments"], end["urgent"]) == (
        "alert-cleared", ["watch-room"], [["urn:org:water", ""]], False,
    )  # fmt: skip
    assert end["values"]["cleared"] > end["values"]["issued"]


async def test_a_case_is_opened_from_its_grade_on(hub: Hub) -> None:
    await hub.add(rule(opens=OPENS))
    await hub.hear(signal())
    await hub.reacted()
    assert hub.cases.asked == []
    await hub.hear(signal(1, "changed", "red"))
    await hub.reacted()
    opening = hub.cases.cases[ALERT]
    assert (opening.process, opening.kind, opening.departments, opening.rule) == ("flood", "flooding", ["urn:org:water"], "rain")
    assert (await hub.ask("GET", f"/api/alerts/{ALERT}"))["case"] == f"urn:ngsi-ld:Case:{ALERT}"


async def test_a_warning_is_drafted_and_ended(hub: Hub) -> None:
    await hub.add(rule(warning={"event": "暴雨"}))
    await hub.hear(signal())
    await hub.reacted()
    assert hub.drafts.drafts == {ALERT: {"event": "暴雨"}}
    hub.drafts.drafts.clear()
    await hub.hear(signal(1, "cleared"))
    await hub.reacted()
    assert list(hub.drafts.drafts) == [ALERT]
    assert (await hub.ask("GET", f"/api/alerts/{ALERT}"))["warning"] == f"warning-{ALERT}"


async def test_what_cannot_be_reached_is_asked_again(hub: Hub) -> None:
    hub.cases.fault = StoreUnavailable("The cases are away")
    await hub.add(rule(opens=OPENS, **heard_by()))
    await hub.hear(signal(severity="red"))
    async with asyncio.timeout(30):
        while not hub.cases.asked:
            await asyncio.sleep(0.01)
    assert await keys(hub) == [f"{ALERT}#red"]  # people are told all the same
    hub.cases.fault = None
    await hub.reacted()
    assert ALERT in hub.cases.cases
    assert await keys(hub) == [f"{ALERT}#red"]


async def test_what_is_refused_stands_at_the_alert_and_can_be_asked_again(hub: Hub) -> None:
    hub.cases.fault = Conflict("There is no process 'flood'")
    await hub.add(rule(opens=OPENS, **heard_by()))
    await hub.hear(signal(severity="red"))
    await hub.reacted()
    shown = await hub.ask("GET", f"/api/alerts/{ALERT}")
    assert [(one["what"], one["by"], one["note"]) for one in shown["deeds"]] == [("opening failed", "hub", "There is no process 'flood'")]
    assert await keys(hub) == [f"{ALERT}#red"]  # what can be done is done
    hub.cases.fault = None
    assert (await hub.ask("POST", f"/api/alerts/{ALERT}/retry"))["case"] == f"urn:ngsi-ld:Case:{ALERT}"
    assert await keys(hub) == [f"{ALERT}#red"]


async def test_reading_the_journal_again_tells_nobody_twice(hub: Hub) -> None:
    await hub.add(rule(opens=OPENS, **heard_by()))
    await hub.hear(signal(severity="red"))
    await hub.reacted()
    await hub.attention.stop()
    before = hub.store.last()
    await hub.attention.reactions.step(0)
    assert hub.store.last() == before
    assert await keys(hub) == [f"{ALERT}#red"]


async def test_the_rule_of_that_time_counts(hub: Hub) -> None:
    await hub.add(rule(**heard_by()))
    await hub.attention.rules.replace(rule(), BY)
    await hub.hear(signal(version=1))
    await hub.reacted()
    assert await keys(hub) == [f"{ALERT}#yellow"]
    await hub.attention.rules.delete("rain", BY)
    await hub.hear(signal(1, "changed", "red"))
    await hub.reacted()
    assert await keys(hub) == [f"{ALERT}#yellow", f"{ALERT}#red"]


async def test_the_journal_need_not_be_kept_for_what_is_no_alert(hub: Hub) -> None:
    await hub.gauge()
    last = hub.store.last()
    async with asyncio.timeout(60):
        while (await hub.store.readers())["alert reactions"] < last:
            await asyncio.sleep(0.05)
