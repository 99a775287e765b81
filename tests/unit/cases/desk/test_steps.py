"""The standard process from a report to its closing, and who may do what."""

from __future__ import annotations

from typing import Any

from cityhub.cases.desk.face import TYPE
from cityhub.model.entity import value_of
from cityhub.model.jsonld import CORE
from tests.unit.cases.desk.site import CHECKER, DISPATCHER, HOUSING, OTHER_CHECKER, URBAN, WATER, Site


def face(site: Site, case: Any) -> dict[str, Any]:
    entity = site.store.get("", case["id"])
    assert entity is not None and entity["type"] == [TYPE]
    return {short(name): value_of(instances[0]) for name, instances in entity["attrs"].items()}


def short(iri: str) -> str:
    """The name by which the entity shows an attribute where no @context is given."""
    name = CORE.compact(iri)
    assert ":" not in name, f"{iri} has no short name"
    return name


async def test_from_report_to_closing(site: Site) -> None:
    case = await site.to("none", place={"location": {"type": "Point", "coordinates": [108.77, 29.53]}})
    assert (case["state"], case["number"], case["onTime"], case["tasks"]) == ("closed", "黔〔2026〕000001", True, [])
    done = [(entry["element"], entry["outcome"]) for entry in case["timeline"]]
    assert done == [
        ("report", ""), ("accept", "accept"), ("dispatch", "dispatch"), ("handle", "done"), ("feedback", "done"), ("check", "pass"),
        ("close", "close"),
    ]  # fmt: skip
    assert case["version"] == 7 and all(entry["by"] and entry["at"] for entry in case["timeline"])
    seen = face(site, case)
    assert (seen["status"], seen["onTime"], seen["rounds"], seen["department"]) == ("closed", True, 1, URBAN)
    assert [step["step"] for step in seen["steps"]] == ["accept", "dispatch", "handle", "feedback", "check", "close"]


async def test_what_a_reporter_says_of_themselves_is_in_the_record_alone(site: Site) -> None:
    reporter = {"name": "王小明", "phone": "13812345678"}
    case = await site.open(source={"kind": "resident", "reporter": reporter})
    entity = site.store.get("", case["id"])
    assert "王小明" not in str(entity) and "13812345678" not in str(entity)
    shown = await site.ask("GET", f"/api/cases/{case['id']}", by=CHECKER)
    assert (shown["source"]["reporter"]["name"], shown["source"]["reporter"]["phone"]) == ("王**", "138****5678")
    own = await site.ask("GET", f"/api/cases/{case['id']}", by=DISPATCHER)
    assert own["source"]["reporter"]["phone"] == "13812345678"
    listed = await site.ask("GET", "/api/cases")
    assert "王小明" not in str(listed) and "1381" not in str(listed)


async def test_numbers_are_counted_by_year(site: Site) -> None:
    numbers = [(await site.open())["number"] for _ in range(3)]
    site.clock.pass_by(days=365)
    numbers.append((await site.open())["number"])
    assert numbers == ["黔〔2026〕000001", "黔〔2026〕000002", "黔〔2026〕000003", "黔〔2027〕000001"]


async def test_who_handled_may_not_check(site: Site) -> None:
    case = await site.to("check")
    refused = await site.do(case, "check", "pass", site.handler(URBAN), expect=403)
    assert "may not check" in refused["detail"]
    assert (await site.do(case, "check", "pass", CHECKER))["step"] == "close"


async def test_the_local_user_may_not_check_what_they_handled(site: Site) -> None:
    case = await site.to("handle")
    await site.do(case, "handle", "done", "")
    await site.do(case, "feedback", "done", "")
    assert "may not check" in (await site.do(case, "check", "pass", "", expect=403))["detail"]


async def test_with_joint_handling_nobody_who_took_part_may_check(site: Site) -> None:
    case = await site.to("dispatch")
    case = await site.do(case, "dispatch", "dispatch", DISPATCHER, departments=[URBAN, WATER])
    assert {task["department"] for task in case["tasks"]} == {URBAN, WATER}
    await site.do(case, "handle", "done", site.handler(URBAN), department=URBAN)
    await site.operate(case, "assign", task=(await site.ask("GET", f"/api/cases/{case['id']}"))["tasks"][0]["id"], person=site.handler(WATER))
    case = await site.do(case, "handle", "done", site.handler(WATER), department=WATER)
    assert case["step"] == "feedback"
    case = await site.do(case, "feedback", "done", site.handler(URBAN, 2))
    for person in (site.handler(URBAN), site.handler(WATER), site.handler(URBAN, 2)):
        await site.do(case, "check", "pass", person, expect=403)


async def test_a_task_is_for_its_role_and_department(site: Site) -> None:
    case = await site.to("handle")
    assert URBAN in (await site.do(case, "handle", "done", site.handler(WATER), expect=403))["detail"]
    await site.do(case, "handle", "done", CHECKER, expect=403)
    task = case["tasks"][0]["id"]
    await site.operate(case, "assign", task=task, person=site.handler(WATER), expect=400)
    await site.operate(case, "assign", task=task, person=site.handler(URBAN, 2))
    assert "somebody else" in (await site.do(case, "handle", "done", site.handler(URBAN), expect=403))["detail"]
    await site.do(case, "handle", "done", site.handler(URBAN, 2))


async def test_no_step_is_skipped(site: Site) -> None:
    case = await site.to("accept")
    accept = case["tasks"][0]["id"]
    await site.ask("POST", f"/api/cases/{case['id']}/tasks/99", {"outcome": "close"}, DISPATCHER, expect=409)
    wrong = await site.ask("POST", f"/api/cases/{case['id']}/tasks/{accept}", {"outcome": "close"}, DISPATCHER, expect=400)
    assert "accept, reject, ask" in wrong["detail"]
    data = {"outcome": "accept", "data": {"round": 5}}
    assert "no field" in (await site.ask("POST", f"/api/cases/{case['id']}/tasks/{accept}", data, DISPATCHER, expect=400))["detail"]


async def test_a_case_goes_to_somebody(site: Site) -> None:
    case = await site.to("dispatch")
    refused = await site.do(case, "dispatch", "dispatch", DISPATCHER, departments=[], expect=400)
    assert "departments" in refused["detail"]


async def test_a_rejected_case_is_ended_without_a_check(site: Site) -> None:
    case = await site.do(await site.open(), "accept", "reject", DISPATCHER)
    assert (case["state"], face(site, case)["status"]) == ("rejected", "rejected")


async def test_the_same_request_again_is_done_once(site: Site) -> None:
    new = {"kind": "other", "title": "同一次请求"}
    first = await site.ask("POST", "/api/cases", new, DISPATCHER, key="k1", expect=201)
    again = await site.ask("POST", "/api/cases", new, DISPATCHER, key="k1", expect=201)
    other = await site.ask("POST", "/api/cases", new, CHECKER, key="k1", expect=201)
    assert first["id"] == again["id"] != other["id"]
    path = f"/api/cases/{first['id']}/tasks/{first['tasks'][0]['id']}"
    done = await site.ask("POST", path, {"outcome": "accept"}, DISPATCHER, key="k2")
    repeated = await site.ask("POST", path, {"outcome": "accept"}, DISPATCHER, key="k2")
    assert done["version"] == repeated["version"] == 2
    assert "does not wait any more" in (await site.ask("POST", path, {"outcome": "accept"}, DISPATCHER, expect=409))["detail"]


async def test_a_report_waits_for_its_reporter_and_the_clock_stands_still(site: Site) -> None:
    case = await site.do(await site.open(), "accept", "ask", DISPATCHER)
    [clock] = [clock for clock in case["clocks"] if clock["limit"] == "accept"]
    assert clock["paused"] is True and case["dueAt"] == ""
    site.clock.pass_by(days=7)
    case = await site.do(case, "ask", "answered", DISPATCHER)
    [clock] = [clock for clock in case["clocks"] if clock["limit"] == "accept"]
    assert (clock["paused"], clock["broken"]) == (False, False) and clock["dueAt"].startswith("2026-03-09T06:00")


async def test_bad_cases_are_refused_with_what_would_be_right(site: Site) -> None:
    for body, said in (
        ({"kind": "nothing", "title": "x"}, "no kind"), ({"kind": "other", "title": " "}, "title"), ({"kind": "other"}, "title"),
        ({"kind": "other", "title": "x", "grade": "pink"}, "pink"), ({"kind": "other", "title": "x", "colour": 1}, "colour"),
        ({"kind": "other", "title": "x", "place": {"location": {"type": "Point"}}}, "Point"),
        ({"kind": "other", "title": "x", "milestones": {"cut-begins": "tomorrow"}}, "milestones"),
        ({"kind": "other", "title": "x", "data": {"a": "b" * 30_000}}, "bytes"),
    ):  # fmt: skip
        assert said in (await site.ask("POST", "/api/cases", body, DISPATCHER, expect=400))["detail"], body
    await site.ask("GET", "/api/cases/urn:ngsi-ld:Case:none", expect=404)
    case = await site.open()
    await site.operate(case, "dance", expect=404)
    await site.operate(case, "supervise", note=" ", expect=400)


async def test_grades_follow_the_rules_of_the_kind(site: Site) -> None:
    burst = await site.open(kind="event.pipe-burst", data={"diameter_mm": 499})
    large = await site.open(kind="event.pipe-burst", data={"diameter_mm": 500})
    assert (burst["grade"], large["grade"]) == ("yellow", "orange")  # CG-02
    assert burst["departments"] == [WATER, HOUSING]


async def test_a_second_checker_may_check(site: Site) -> None:
    case = await site.to("check")
    case = await site.do(case, "check", "return", CHECKER)
    assert case["step"] == "handle"
    for element, by in (("handle", site.handler(URBAN)), ("feedback", site.handler(URBAN))):
        case = await site.do(case, element, "done", by)
    assert (await site.do(case, "check", "pass", OTHER_CHECKER))["step"] == "close"
