"""A running case keeps its version, or is taken over on purpose."""

from __future__ import annotations

import msgspec

from cityhub.cases.processes.definition import Process
from cityhub.registers.versioned import Deed
from tests.unit.cases.desk.site import DISPATCHER, URBAN, Site


async def change(site: Site, old: str, new: str) -> Process:
    process = site.processes.get("standard")
    assert old in process.bpmn
    return await site.processes.replace(msgspec.structs.replace(process, bpmn=process.bpmn.replace(old, new)), Deed("test"))


async def test_cases_keep_their_version_until_they_are_taken_over(site: Site) -> None:
    case, other = await site.to("handle"), await site.open()
    new = await change(site, 'name="反馈"', 'name="答复"')
    later = await site.open()
    assert [one["processVersion"] for one in (case, other, later)] == [1, 1, 2]
    case = await site.do(case, "handle", "done", site.handler(URBAN))
    assert case["tasks"][0]["name"] == "反馈"
    done = await site.cases.migrations.migrate_cases(new.files(), [case["id"], later["id"]], None, DISPATCHER)
    assert done.migrated == [case["id"]] and [one["case"] for one in done.refused] == [later["id"]]
    rest = await site.cases.migrations.migrate_cases(new.files(), None, 1, DISPATCHER)
    assert (rest.migrated, rest.refused) == ([other["id"]], [])
    shown = await site.ask("GET", f"/api/cases/{case['id']}")
    assert (shown["processVersion"], shown["timeline"][-1]["what"]) == (2, "migrated")
    assert (await site.do(other, "accept", "accept", DISPATCHER))["step"] == "dispatch"


async def test_a_case_that_waits_where_the_new_version_has_nothing_stays(site: Site) -> None:
    case = await site.to("accept")
    new = await change(site, '"accept"', '"admit"')
    done = await site.cases.migrations.migrate_cases(new.files(), None, None, DISPATCHER)
    assert done.migrated == [] and "accept" in done.refused[0]["reason"]
    assert (await site.do(case, "accept", "accept", DISPATCHER))["step"] == "dispatch"
