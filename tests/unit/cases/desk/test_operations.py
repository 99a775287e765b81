"""Return, reassign, extend, merge, split, reopen, supervise, join, rate, withdraw, comment and grade."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cases.desk.site import CHECKER, DISPATCHER, HOUSING, LEADER, ORGANIZATION, URBAN, WATER, Site


async def shown(site: Site, case: Any) -> Any:
    return await site.ask("GET", f"/api/cases/{case['id']}")


def last(case: Any) -> Any:
    return case["timeline"][-1]


async def test_a_handler_returns_what_is_not_theirs(site: Site) -> None:
    case = await site.to("handle")
    case = await site.operate(case, "return", site.handler(URBAN), note="不属本部门职责")
    assert (case["step"], last(case)["what"], last(case)["note"]) == ("dispatch", "returned", "不属本部门职责")
    case = await site.do(case, "dispatch", "dispatch", DISPATCHER, departments=[WATER])
    assert (case["departments"], case["tasks"][0]["department"]) == ([WATER], WATER)
    await site.operate(await site.open(), "return", note="无可退回", expect=409)
    await site.operate(case, "return", expect=400)


async def test_a_joint_handler_who_returns_ends_the_handling_of_all(site: Site) -> None:
    case = await site.do(await site.to("dispatch"), "dispatch", "dispatch", DISPATCHER, departments=[URBAN, WATER])
    task = next(task for task in case["tasks"] if task["department"] == WATER)
    case = await site.operate(case, "return", site.handler(WATER), note="管线非本局", task=task["id"])
    assert [task["element"] for task in case["tasks"]] == ["dispatch"]


async def test_another_department_gets_the_task(site: Site) -> None:
    case = await site.to("handle")
    case = await site.operate(case, "reassign", task=case["tasks"][0]["id"], department=HOUSING, note="井盖属住建")
    assert (case["departments"], case["tasks"][0]["department"]) == ([HOUSING], HOUSING)
    case = await site.do(case, "handle", "done", site.handler(HOUSING))
    case = await site.do(case, "feedback", "done", site.handler(HOUSING))
    case = await site.do(case, "check", "return", CHECKER)
    assert (case["departments"], case["tasks"][0]["department"]) == ([HOUSING], HOUSING), "it comes back to who has it now"


async def test_a_return_that_is_sent_again_is_done_once(site: Site) -> None:
    case = await site.to("handle")
    path = f"/api/cases/{case['id']}/return"
    first, again = [await site.ask("POST", path, {"note": "不属本部门"}, site.handler(URBAN), key="k") for _ in range(2)]
    assert first["version"] == again["version"]


async def test_more_time_counts_when_somebody_else_has_granted_it(site: Site) -> None:
    case = await site.to("handle")
    due = case["dueAt"]
    case = await site.operate(case, "extend", LEADER, limit="handle", amount=7, note="等待材料")
    assert case["dueAt"] == due
    assert "may not grant" in (await site.do(case, "extension", "granted", LEADER, expect=403))["detail"]
    await site.operate(case, "extend", LEADER, limit="handle", amount=7, note="再申请", expect=409)
    case = await site.do(case, "extension", "granted", "")
    assert case["dueAt"] > due and case["extensions"] == {"handle": 7}
    for body, status in (({"limit": "report-city", "amount": 1}, 400), ({"limit": "handle", "amount": -1}, 400)):
        await site.operate(case, "extend", note="不可", expect=status, **body)


async def test_a_refused_extension_changes_nothing(site: Site) -> None:
    case = await site.to("handle")
    asked = await site.operate(case, "extend", site.handler(URBAN), limit="handle", amount=7, note="等待材料")
    case = await site.do(asked, "extension", "refused", LEADER)
    assert case["dueAt"] == asked["dueAt"] and case["extensions"] == {}


async def test_two_reports_of_the_same_become_one(site: Site) -> None:
    one, other = await site.open(), await site.open()
    gone = await site.operate(one, "merge", into=other["id"], note="同一处垃圾")
    kept = await shown(site, other)
    assert (gone["state"], gone["mergedInto"], kept["mergedFrom"], kept["state"]) == ("merged", other["id"], [one["id"]], "open")
    assert (await site.operate(one, "merge", into=other["id"]))["version"] == gone["version"], "again changes nothing"
    await site.operate(one, "reopen", note="误合并", expect=409)
    await site.operate(other, "merge", into=one["id"], expect=409)
    await site.operate(other, "merge", into=other["id"], expect=400)
    assert [case["id"] for case in (await site.ask("GET", "/api/cases"))["cases"]] == [other["id"]]


async def test_parts_become_cases_of_their_own(site: Site) -> None:
    case = await site.open(place={"address": "河滨路"})
    parts = [{"title": "清运垃圾"}, {"title": "修井盖", "kind": "part.manhole"}]
    case = await site.operate(case, "split", parts=parts, note="两件事")
    made = [await site.ask("GET", f"/api/cases/{id}") for id in case["splitInto"]]
    assert [(one["title"], one["kind"], one["splitFrom"], one["place"]["address"]) for one in made] == [
        ("清运垃圾", "event.rubbish", case["id"], "河滨路"), ("修井盖", "part.manhole", case["id"], "河滨路"),
    ]  # fmt: skip
    assert len({one["number"] for one in (case, *made)}) == 3
    again = await site.operate(case, "split", parts=[{"title": "第三件"}])
    assert len(set(again["splitInto"])) == 3


async def test_a_closed_case_that_was_not_fixed_is_reopened(site: Site) -> None:
    case = await site.to("none")
    await site.operate(case, "rate", "", score=1, note="没有清理")
    await site.operate(case, "rate", "", score=1, expect=409)
    case = await site.operate(case, "reopen", CHECKER, note="回访未解决")
    assert (case["state"], case["step"], case["round"], last(case)["what"]) == ("open", "dispatch", 2, "reopened")
    for element, outcome, by in (
        ("dispatch", "dispatch", DISPATCHER), ("handle", "done", site.handler(URBAN)), ("feedback", "done", site.handler(URBAN)),
        ("check", "pass", CHECKER), ("close", "close", DISPATCHER),
    ):  # fmt: skip
        case = await site.do(case, element, outcome, by)
    assert (case["state"], [one["outcome"] for one in case["rounds"]]) == ("closed", ["closed", "closed"])
    assert (await site.operate(case, "rate", "", score=5))["ratings"][-1]["round"] == 2


async def test_only_what_has_ended_is_reopened(site: Site) -> None:
    await site.operate(await site.open(), "reopen", note="未结", expect=409)


async def test_no_process_closes_a_case_without_a_check(site: Site) -> None:
    """CG-01: a check has passed before a case is closed, whatever the process says."""
    case = await site.open(process="unchecked")
    refused = await site.do(case, "handle", "done", "", expect=422)
    assert "only after a check" in refused["detail"]
    assert (await shown(site, case))["version"] == 1


async def test_supervision_tells_those_who_are_at_it(site: Site) -> None:
    case = await site.to("handle")
    case = await site.operate(case, "supervise", LEADER, note="区领导批示")
    assert case["supervised"][0]["note"] == "区领导批示"
    [notice] = await site.notices("case-supervised")
    assert [URBAN, "leader"] in notice["departments"] and [URBAN, "handler"] in notice["departments"] and notice["urgent"]
    assert (await site.ask("GET", "/api/cases?supervised=true"))["count"] == 1


async def test_departments_that_join_are_waited_for(site: Site) -> None:
    case = await site.operate(await site.to("handle"), "join", departments=[WATER], note="涉及水务")
    case = await site.do(case, "handle", "done", site.handler(URBAN))
    assert "asked to join" in (await site.do(case, "feedback", "done", site.handler(URBAN), expect=409))["detail"]
    await site.do(case, "joint", "done", site.handler(WATER))
    case = await site.do(case, "feedback", "done", site.handler(URBAN))
    await site.do(case, "check", "pass", site.handler(WATER), expect=403)
    await site.operate(case, "join", departments=[HOUSING], expect=409)


async def test_a_withdrawn_case_has_ended(site: Site) -> None:
    case = await site.operate(await site.to("handle"), "withdraw", note="上报人撤销")
    assert (case["state"], case["tasks"], case["clocks"][-1]["cancelled"]) == ("withdrawn", [], True)
    await site.operate(case, "withdraw", note="再撤", expect=409)
    await site.operate(case, "rate", score=3, expect=409)


async def test_a_milestone_stops_a_clock_of_law(site: Site) -> None:
    case = await site.open(kind="emergency.fire", grade="orange")
    [clock] = [clock for clock in case["clocks"] if clock["limit"] == "report-city"]
    assert (clock["rule"], clock["article"], bool(clock["endedAt"])) == ("CQT-01", "重庆市突发事件应对条例 第二十八条", False)
    site.clock.pass_by(minutes=30)
    case = await site.operate(case, "comment", event="reported-city", note="已电话报告")
    [clock] = [clock for clock in case["clocks"] if clock["limit"] == "report-city"]
    assert clock["endedAt"] and clock["broken"] is False
    for at in ("2026-03-01T00:00:00+08:00", "2026-03-05T00:00:00+08:00", "yesterday", "2026-03-02T10:00:00"):
        await site.operate(case, "comment", event="other", at=at, expect=400)
    for event in ("check.pass", "opened", "x" * 65):
        await site.operate(case, "comment", event=event, expect=400)
    await site.operate(case, "comment", expect=400)


async def test_a_graver_case_has_the_limits_of_its_grade(site: Site) -> None:
    case = await site.open(kind="emergency.fire", grade="yellow")
    assert not any(clock["limit"] == "report-city" for clock in case["clocks"])
    case = await site.operate(case, "grade", grade="red", note="有人员被困")
    assert any(clock["limit"] == "report-city" for clock in case["clocks"]) and case["grade"] == "red"


async def test_a_long_water_cut_asks_for_emergency_supply(site: Site) -> None:
    moments = {"notice-given": "2026-03-02T10:00:00+08:00", "cut-begins": "2026-03-03T09:00:00+08:00", "cut-ends": "2026-03-05T10:00:00+08:00"}
    case = await site.open(kind="service.water-cut", milestones=moments)
    [task] = [task for task in case["tasks"] if task["element"] == "follow-up"]
    assert (task["name"], task["department"]) == ("组织应急供水", f"{ORGANIZATION}water-resources")
    [notice] = [clock for clock in case["clocks"] if clock["limit"] == "water-cut-notice"]
    assert notice["broken"] and case["overdue"], "it was told 23 hours ahead"
    for element, outcome, by in (
        ("accept", "accept", DISPATCHER), ("dispatch", "dispatch", DISPATCHER), ("handle", "done", site.handler(WATER)),
        ("feedback", "done", site.handler(WATER)), ("check", "pass", CHECKER),
    ):  # fmt: skip
        await site.do(case, element, outcome, by)
    assert "组织应急供水" in (await site.do(case, "close", "close", DISPATCHER, expect=409))["detail"]
    case = await site.do(case, "follow-up", "done", site.handler(WATER))
    assert not any(task["element"] == "follow-up" for task in case["tasks"])


@pytest.mark.parametrize("operation", ["assign", "reassign", "extend", "merge", "split", "join", "rate", "grade"])
async def test_an_operation_without_what_it_needs_is_refused(site: Site, operation: str) -> None:
    refused = await site.operate(await site.open(), operation, expect=400)
    assert "needs" in refused["detail"]
