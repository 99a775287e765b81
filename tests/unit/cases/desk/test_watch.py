"""Escalation: who is told when, once, and by whichever of several hubs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cityhub.cases.desk.watch import Watch
from tests.unit.cases.desk.site import URBAN, Site, open_site


async def test_each_level_is_told_once_to_those_whom_it_names(site: Site) -> None:
    case = await site.to("handle")
    [clock] = [clock for clock in case["clocks"] if clock["limit"] == "handle"]
    watch = Watch(site.cases.desk)
    told = []
    for mark in clock["marks"]:
        site.clock.moment = datetime.fromisoformat(mark) - timedelta(seconds=5)
        assert await watch.look() == 0
        site.clock.pass_by(seconds=10)
        assert await watch.look() == 1
        assert await watch.look() == 0, "a level is told once"
        told = await site.notices("case-deadline")
    by_share = {notice["values"]["share"]: notice for notice in told}
    assert sorted(by_share) == [0.5, 0.8, 1.0, 1.5]
    assert by_share[0.5]["departments"] == [[URBAN, "handler"]] and not by_share[0.5]["urgent"]
    assert by_share[0.8]["departments"] == [[URBAN, "handler"], [URBAN, "leader"]]
    assert [one for one in by_share[1.0]["departments"] if one[1] == "supervisor"] and by_share[1.0]["urgent"]
    shown = await site.ask("GET", f"/api/cases/{case['id']}")
    assert [entry["data"]["level"] for entry in shown["timeline"] if entry["what"] == "escalated"] == [1, 2, 3, 4]
    assert shown["overdue"]


async def test_the_face_says_that_a_case_is_overdue(site: Site) -> None:
    case = await site.to("handle")
    site.clock.moment = datetime.fromisoformat(case["dueAt"]) + timedelta(seconds=1)
    assert (await site.ask("GET", "/api/cases?overdue=true"))["count"] == 1
    await Watch(site.cases.desk).look()
    entity = site.store.get("", case["id"])
    assert entity is not None
    assert entity["attrs"]["https://uri.etsi.org/ngsi-ld/default-context/overdue"][0]["value"] is True


async def test_an_assignee_is_told_alone(site: Site) -> None:
    case = await site.to("handle")
    person = site.handler(URBAN, 2)
    await site.operate(case, "assign", task=case["tasks"][0]["id"], person=person)
    site.clock.moment = datetime.fromisoformat(case["clocks"][-1]["marks"][0]) + timedelta(seconds=1)
    await Watch(site.cases.desk).look()
    [notice] = await site.notices("case-deadline")
    assert (notice["people"], notice["departments"]) == ([person], [])


async def test_after_a_stop_what_was_missed_is_told_at_its_level(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        case = await site.to("handle")
        due = datetime.fromisoformat(case["dueAt"])
    async with open_site(tmp_path) as later:
        later.clock.moment = due.astimezone(UTC) + timedelta(seconds=1)
        await Watch(later.cases.desk).look()
        assert [notice["values"]["share"] for notice in await later.notices("case-deadline")] == [1.0]


async def test_new_tasks_of_grave_cases_are_told_to_all_who_may_take_them(site: Site) -> None:
    await site.to("handle", grade="orange")
    told = [(notice["values"]["task"], notice["departments"]) for notice in await site.notices("case-task")]
    assert told == [("受理立案", [["", "dispatcher"]]), ("派遣", [["", "dispatcher"]]), ("处置", [[URBAN, "handler"]])]


async def test_of_other_tasks_those_are_told_who_have_them(site: Site) -> None:
    case = await site.to("handle")
    assert await site.notices("case-task") == []
    await site.operate(case, "assign", task=case["tasks"][0]["id"], person=site.handler(URBAN))
    assert [notice["people"] for notice in await site.notices("case-task")] == [[site.handler(URBAN)]]
