"""Alerts open cases, which follow their grade and hear when they are over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cityhub.cases.desk.alerts import case_of
from cityhub.model.alert import ALERT, iri
from cityhub.model.entity import Entity, value_of
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import CaseOpening, Document, Write
from tests.unit.cases.desk.site import URBAN, Site

ID = "urn:ngsi-ld:Alert:flood:1"
OPENING = CaseOpening("standard", "emergency.flood", [], "apeng-level")


def alert(grade: str, **more: Any) -> Entity:
    values = {
        "rule": "apeng-level", "ruleVersion": 1, "grade": grade, "state": "open", "title": {"zh": "阿蓬江水位"},
        "description": {"zh": "水位 431.2 米，超过警戒"}, "dateIssued": "2026-03-02T02:00:00.000000Z", "validTo": "", **more,
    }  # fmt: skip
    attributes = {iri(name): [{"type": "Property", "value": value}] for name, value in values.items()}
    attributes[iri("location")] = [{"type": "GeoProperty", "value": {"type": "Point", "coordinates": [108.78, 29.52]}}]
    return {"id": ID, "type": [ALERT], "attrs": attributes, "createdAt": "2026-03-02T02:00:00.000000Z", "modifiedAt": "2026-03-02T02:00:00.000000Z"}


async def keep(site: Site, entity: Entity) -> None:
    def kept(current: Document | None, at: str) -> tuple[Document, None]:
        return {**entity, "attrs": {**(current["attrs"] if current else {}), **entity["attrs"]}}, None

    await site.store.write("", [Write(entity["id"], kept)])


async def test_an_alert_opens_one_case_and_refers_to_it(site: Site) -> None:
    entity = alert("yellow")
    await keep(site, entity)
    for _ in range(2):
        await site.cases.alerts.open("", entity, OPENING)
    found = await site.ask("GET", "/api/cases")
    case = await site.ask("GET", f"/api/cases/{found['cases'][0]['id']}")
    assert (found["count"], case["id"], case["grade"], case["source"]["ref"]) == (1, case_of("", ID), "yellow", ID)
    assert (case["title"], case["place"]["location"]["type"]) == ("阿蓬江水位", "Point")
    kept = site.store.get("", ID)
    assert kept is not None and value_of(kept["attrs"][iri("case")][0]) == case["id"]


async def test_a_case_follows_the_grade_of_its_alert_upwards(site: Site) -> None:
    for grade in ("yellow", "red", "blue"):
        await keep(site, alert(grade))
        await site.cases.alerts.open("", alert(grade), OPENING)
    case = await site.ask("GET", f"/api/cases/{case_of('', ID)}")
    assert case["grade"] == "red"
    assert [clock["rule"] for clock in case["clocks"] if clock["limit"] == "report-city"] == ["CQT-01"]


async def test_a_case_hears_once_that_its_alert_is_over(site: Site) -> None:
    await keep(site, alert("yellow"))
    await site.cases.alerts.open("", alert("yellow"), OPENING)
    await keep(site, alert("yellow", validTo="2026-03-02T06:00:00.000000Z"))
    for _ in range(200):
        case = await site.ask("GET", f"/api/cases/{case_of('', ID)}")
        heard = [entry for entry in case["timeline"] if entry["what"] == "alert cleared"]
        if heard:
            break
        await asyncio.sleep(0.05)
    assert [entry["data"] for entry in heard] == [{"alert": ID, "clearedAt": "2026-03-02T06:00:00.000000Z"}]
    change = [change for change in await site.store.read(0) if change.id == ID][-1]
    await site.cases.alerts.heard(change)
    again = await site.ask("GET", f"/api/cases/{case_of('', ID)}")
    assert again["version"] == case["version"]


async def test_the_rule_says_where_it_goes(site: Site) -> None:
    await keep(site, alert("yellow"))
    await site.cases.alerts.open("", alert("yellow"), CaseOpening("standard", "emergency.flood", [URBAN], "apeng-level"))
    assert (await site.ask("GET", f"/api/cases/{case_of('', ID)}"))["departments"] == [URBAN]


async def test_what_is_no_alert_opens_nothing(site: Site) -> None:
    with pytest.raises(BadRequestData, match="no alert"):
        await site.cases.alerts.open("", {"id": "urn:x", "type": ["X"], "attrs": {}}, OPENING)
    with pytest.raises(BadRequestData, match="no kind"):
        await site.cases.alerts.open("", alert("red"), CaseOpening("standard", "no such kind", [], "r"))


async def test_alerts_of_one_storm_join_one_case(site: Site) -> None:
    storm = CaseOpening("standard", "emergency.rainstorm", [], "rain", 86_400, ("emergency.flood",))
    rain, river, late = (
        {**alert(grade), "id": f"urn:ngsi-ld:Alert:storm:{number}"} for number, grade in enumerate(("orange", "red", "yellow"))
    )
    for entity, opening in ((rain, OPENING), (river, storm), (river, storm)):
        await keep(site, entity)
        await site.cases.alerts.open("", entity, opening)
    found = await site.ask("GET", "/api/cases")
    case = await site.ask("GET", f"/api/cases/{case_of('', rain['id'])}")
    assert (found["count"], case["grade"], case["alerts"]) == (1, "red", [river["id"]])
    assert await site.cases.alerts.case_of("", river["id"]) == case["id"]
    face = site.store.get("", case["id"])
    assert face is not None and value_of(face["attrs"][iri("alert")][0]) == [rain["id"], river["id"]]
    assert [entry["data"]["alert"] for entry in case["timeline"] if entry["what"] == "alert joined"] == [river["id"]]
    site.clock.pass_by(days=2)
    await keep(site, late)
    await site.cases.alerts.open("", late, storm)
    assert (await site.ask("GET", "/api/cases"))["count"] == 2


async def test_the_process_hears_when_all_alerts_of_its_case_are_over(site: Site) -> None:
    other = {**alert("yellow"), "id": "urn:ngsi-ld:Alert:flood:2"}
    opening = CaseOpening("standard", "emergency.flood", [], "apeng-level", 86_400)
    for entity in (alert("yellow"), other):
        await keep(site, entity)
        await site.cases.alerts.open("", entity, opening)
    for entity in (alert("yellow"), other):
        ended = {**entity, "attrs": {iri("validTo"): [{"type": "Property", "value": "2026-03-02T06:00:00.000000Z"}]}}
        await keep(site, ended)
    for _ in range(200):
        case = await site.ask("GET", f"/api/cases/{case_of('', ID)}")
        heard = [entry["what"] for entry in case["timeline"] if entry["what"].endswith("cleared")]
        if "alert cleared" in heard:
            break
        await asyncio.sleep(0.05)
    assert heard in (["one alert cleared", "alert cleared"], ["alert cleared", "alert cleared"])


async def test_an_alert_has_a_case_of_its_own_when_the_one_to_join_closes_meanwhile(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = await site.to("none")
    monkeypatch.setattr(site.cases.alerts, "_to_join", lambda opening: ended["id"])  # as if it closed just after it was chosen
    await keep(site, alert("yellow"))
    await site.cases.alerts.open("", alert("yellow"), CaseOpening("standard", "emergency.flood", [], "apeng-level", 86_400))
    assert await site.cases.alerts.case_of("", ID) == case_of("", ID)
    assert (await site.ask("GET", f"/api/cases/{case_of('', ID)}"))["state"] == "open"
    assert (await site.ask("GET", f"/api/cases/{ended['id']}")).get("alerts", []) == []
