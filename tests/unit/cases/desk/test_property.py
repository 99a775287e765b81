"""A case never goes back but by a return or a reopening, its timeline only grows, and face and lists agree with the record."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.cases.desk.deed import Deed
from cityhub.cases.desk.face import said
from cityhub.cases.desk.permits import check_may_do
from cityhub.cases.desk.record import Case, Task
from cityhub.cases.indicators.indicator_api import finished_of, is_closed
from cityhub.cases.indicators.measures import Finished, figures
from cityhub.model.change import Change
from cityhub.model.errors import CityHubError
from tests.unit.cases.desk.site import CHECKER, DISPATCHER, LEADER, OTHER_CHECKER, URBAN, WATER, Site, open_site

STATIONS = ("accept", "ask", "dispatch", "handle", "feedback", "check", "close")
BACK = {("accept", "ask"), ("ask", "answered"), ("ask", "silent")}
"""Moves between waiting for the reporter and acceptance, which are one station."""
PEOPLE = [
    "local", DISPATCHER, CHECKER, OTHER_CHECKER, LEADER, *(f"urn:ngsi-ld:Person:500114:{name}-handler-{which}" for name in (
        "urban-management", "water-resources") for which in (1, 2)),
]  # fmt: skip
OPERATIONS = ["do"] * 30 + ["return", "reassign", "join", "extend", "supervise", "comment", "reopen", "withdraw", "rate", "grade", "assign"]
acts = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 7), st.integers(0, 7), st.integers(0, 7)), min_size=20, max_size=60)


class Walk:
    """Does things to one case, allowed or not, and looks at what became of it."""

    def __init__(self, site: Site, case: Case) -> None:
        self.site, self.case = site, case

    async def act(self, what: str, who: int, which: int, how: int) -> None:
        before, by = self.case, PEOPLE[who % len(PEOPLE)]
        if what == "do" and who < 6 and before.tasks:  # mostly somebody who may, or hardly a case would come to its end
            by = self._somebody(before.tasks[which % len(before.tasks)], by)
        try:
            after = await self._done(what, by, which, how)
        except CityHubError:
            after = await self.site.cases.desk.get(before.id)
            assert after == before, "what was refused has changed nothing"
        self._look(before, after, what)
        self.case = after

    def _somebody(self, task: Task, otherwise: str) -> str:
        def may(by: str) -> bool:
            try:
                check_may_do(self.site.people, by, task, self.case)
            except CityHubError:
                return False
            return True

        return next(filter(may, PEOPLE[::-1]), otherwise)

    async def _done(self, what: str, by: str, which: int, how: int) -> Case:
        site, case, deed = self.site, self.case, Deed(by, "说明")
        task = case.tasks[which % len(case.tasks)] if case.tasks else None
        site.clock.pass_by(minutes=how * 13)
        if what == "do" and task is not None:
            outcome = (task.outcomes or ["done"])[how % max(1, len(task.outcomes))]
            if task.own:
                return await site.cases.operations.finish_own(case.id, task.id, outcome, deed)
            data: dict[str, Any] = {"departments": [[URBAN], [URBAN, WATER]][how % 2]} if task.element == "dispatch" else {}
            return await site.cases.desk.complete(case.id, task.id, outcome, data, deed)
        bodies: dict[str, dict[str, Any]] = {
            "return": {"note": "退回"}, "reassign": {"task": task.id if task else "0", "department": WATER, "note": "改派"},
            "join": {"departments": [WATER]}, "extend": {"limit": "handle", "amount": 2, "note": "延期"}, "supervise": {"note": "督办"},
            "comment": {"note": "备注"}, "reopen": {"note": "重开"}, "withdraw": {"note": "撤销"}, "rate": {"score": 3},
            "grade": {"grade": ("blue", "red")[how % 2], "note": "调级"}, "assign": {"task": task.id if task else "0", "person": by},
        }  # fmt: skip
        return await site.cases.operations.by_name.get(what, site.cases.operations.comment)(case.id, bodies.get(what, {"note": "x"}), deed)

    def _look(self, before: Case, after: Case, what: str) -> None:
        assert after.timeline[: len(before.timeline)] == before.timeline, "the timeline only grows"
        assert after.version - before.version in (0, 1)
        new = after.timeline[len(before.timeline) :]
        if before.state == "open" and after.state == "open" and before.step in STATIONS and after.step in STATIONS:
            back = STATIONS.index(after.step) < STATIONS.index(before.step)
            moved = {(entry.element, entry.outcome) for entry in new}
            assert not back or any(outcome == "return" for _, outcome in moved) or moved & BACK, (before.step, after.step, moved)
            forward = STATIONS.index(after.step) - STATIONS.index(before.step)
            assert forward <= (2 if before.step == "accept" else 1) or before.step == "ask", "no station is passed over"
        if before.state != "open" and after.state == "open":
            assert what == "reopen"
        if after.state == "closed" and before.state == "open":
            checks = [entry for entry in after.timeline if entry.element == "check" and entry.round == after.round]
            assert checks[-1].outcome == "pass"
            handlers = {entry.by for entry in after.timeline if entry.element in ("handle", "joint") and entry.since and entry.round == after.round}
            assert checks[-1].by not in handlers


async def replayed(site: Site) -> list[Finished]:
    """The closed cases as the journal tells them: recomputed from the lines of their timelines, entry by entry."""
    cases: dict[str, Change] = {}
    position = 0
    while block := await site.store.read(position):
        for change in block:
            if change.collection in ("case", "closed_case") and change.after is not None:
                cases[change.id] = change
        position = block[-1].position
    found = []
    for change in cases.values():
        record: Any = change.after
        if record.get("state") != "closed":
            continue
        steps = [
            {"step": line["element"], "from": line["since"], "to": line["at"], "department": line.get("department", ""),
             "outcome": line.get("outcome", ""), "round": line.get("round", 1)}
            for line in record["timeline"] if line.get("since") and line["what"] in ("completed", "returned")
        ]  # fmt: skip
        rounds = 1 + sum(line["what"] == "reopened" for line in record["timeline"])
        kept = not any(_broken(clock) for clock in record["clocks"])
        found.append(Finished(record["kind"], record["departments"], kept, rounds, steps))
    return found


def _broken(clock: dict[str, Any]) -> bool:
    return clock.get("decides", True) and not clock.get("cancelled") and bool(clock.get("endedAt")) and clock["endedAt"] > clock["dueAt"]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(acts, min_size=1, max_size=2))
def test_random_walks(walks: list[list[tuple[str, int, int, int]]]) -> None:
    asyncio.run(_walk(walks))


async def _walk(walks: list[list[tuple[str, int, int, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_site(Path(folder)) as site:
            for steps in walks:
                body = await site.open()
                walk = Walk(site, await site.cases.desk.get(body["id"]))
                for step in steps:
                    await walk.act(*step)
                await _agrees(site, walk.case)
            await _exact(site)


async def _agrees(site: Site, case: Case) -> None:
    entity = site.store.get("", case.id)
    assert entity is not None
    status = said(entity, "status")
    row = site.cases.index.get(case.id)
    assert status == case.state and (row is not None) == (case.state == "open")
    assert row is None or (row.version, row.shown["step"], row.due_at) == (case.version, case.step, case.due_at)


async def _exact(site: Site) -> None:
    """Indicators from the faces are those that the journal gives."""
    documents = [document for _, document in await site.store.records("", "closed_case")]
    faces = [entity for entity in (site.store.get("", document["id"]) for document in documents) if entity is not None]
    shown = [finished_of(face) for face in faces if is_closed(face)]
    told = await replayed(site)
    for by in ("department", "kind"):
        assert figures(shown, by) == figures(told, by)  # type: ignore[arg-type]
