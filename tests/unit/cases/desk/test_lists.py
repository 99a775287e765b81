"""Lists and filters of cases and tasks, with other hubs on the same store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cases.desk.site import CHECKER, DISPATCHER, URBAN, DirectEngine, SetClock, Site, open_site


async def ids(site: Site, query: str) -> list[str]:
    answer = await site.ask("GET", f"/api/cases?{query}")
    return [case["title"] for case in answer["cases"]]


async def test_filters(site: Site) -> None:
    await site.open(title="甲", kind="part.manhole", place={"address": "新华大道"})
    await site.open(title="乙", grade="red")
    handled = await site.to("handle", title="丙")
    await site.to("none", title="丁")
    assert await ids(site, "order=opened") == ["甲", "乙", "丙"]
    assert await ids(site, "order=-opened") == ["丙", "乙", "甲"]
    assert (await ids(site, "order=grade"))[0] == "乙"
    assert await ids(site, "kind=part.*") == ["甲"]
    assert await ids(site, "grade=red") == ["乙"]
    assert await ids(site, "q=新华") == ["甲"]
    assert await ids(site, f"department={URBAN}&order=opened") == ["乙", "丙"]
    assert await ids(site, f"person={site.handler(URBAN)}") == ["丙"]
    assert await ids(site, f"person={CHECKER}") == []
    assert await ids(site, "state=closed") == ["丁"]
    assert await ids(site, "state=rejected") == []
    assert await ids(site, "limit=1&offset=1&order=opened") == ["乙"]
    assert handled["number"] in str(await site.ask("GET", f"/api/cases?q={handled['number'][-6:]}"))


@pytest.mark.parametrize("query", [
    "state=done", "order=colour", "grade=pink", "overdue=perhaps", "limit=0", "colour=red", "state=closed&person=x", "q=" + "x" * 101,
])
async def test_wrong_questions_are_refused(site: Site, query: str) -> None:
    await site.ask("GET", f"/api/cases?{query}", expect=400)


async def test_tasks_are_for_those_who_may_take_them(site: Site) -> None:
    async def tasks(query: str) -> list[tuple[str, str]]:
        answer = await site.ask("GET", f"/api/tasks?{query}")
        return [(task["case"]["title"], task["element"]) for task in answer["tasks"]]

    await site.open(title="甲")
    case = await site.to("handle", title="乙")
    assert await tasks(f"person={DISPATCHER}") == [("甲", "accept")]
    assert await tasks(f"person={site.handler(URBAN)}") == [("乙", "handle")]
    await site.operate(case, "assign", task=case["tasks"][0]["id"], person=site.handler(URBAN, 2))
    assert await tasks(f"person={site.handler(URBAN)}") == []
    assert await tasks(f"department={URBAN}") == [("乙", "handle")]
    assert len(await tasks("")) == 2 and await tasks("overdue=true") == []


async def test_two_hubs_on_one_store_agree(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path, site.store, site.people, site.processes, site.clock, DirectEngine())
    await other.cases.start()
    try:
        case = await site.open(title="甲")
        await _until(other, 1)
        await site.operate(case, "withdraw", note="撤销")
        await _until(other, 0)
        await other.operate(case, "reopen", note="重开")
        await _until(site, 1)
    finally:
        await other.cases.stop()
        await other.client.aclose()


async def _until(site: Site, count: int) -> None:
    for _ in range(200):
        if (await site.ask("GET", "/api/cases"))["count"] == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the other hub did not hear of it")


class SlowEngine(DirectEngine):
    """Lets others in between the reading and the writing of a case."""

    async def step(self, *given: Any) -> Any:
        await asyncio.sleep(0.01)
        return await super().step(*given)


async def test_of_two_who_do_the_same_task_at_once_one_has_done_it(tmp_path: Path) -> None:
    async with open_site(tmp_path, SetClock(), SlowEngine()) as site:
        case = await site.open()
        path = f"/api/cases/{case['id']}/tasks/{case['tasks'][0]['id']}"
        answers = await asyncio.gather(*(
            site.client.post(path, json={"outcome": outcome}, headers={"CityHub-Person": DISPATCHER}) for outcome in ("accept", "reject")
        ))  # fmt: skip
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        shown = await site.ask("GET", f"/api/cases/{case['id']}")
        assert len([entry for entry in shown["timeline"] if entry["element"] == "accept"]) == 1


async def test_a_step_that_met_a_comment_is_done_all_the_same(tmp_path: Path) -> None:
    async with open_site(tmp_path, SetClock(), SlowEngine()) as site:
        case = await site.open()
        await asyncio.gather(
            site.do(case, "accept", "accept", DISPATCHER), site.operate(case, "comment", note="现场照片稍后")
        )
        shown = await site.ask("GET", f"/api/cases/{case['id']}")
        assert {entry["what"] for entry in shown["timeline"]} == {"opened", "completed", "commented"} and shown["step"] == "dispatch"


async def test_the_same_case_asked_for_at_once_is_opened_once(tmp_path: Path) -> None:
    async with open_site(tmp_path, SetClock(), SlowEngine()) as site:
        new = {"kind": "other", "title": "同时"}
        made = await asyncio.gather(*(site.ask("POST", "/api/cases", new, DISPATCHER, key="k", expect=201) for _ in range(5)))
        assert len({case["id"] for case in made}) == 1
        assert (await site.open())["number"].endswith("000002"), "no number was lost"
