"""Who is told of what happens to cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cityhub.cases.deadlines.clocks import Clock
from cityhub.cases.desk.kinds import DistrictCases, Level
from cityhub.cases.desk.record import Case, Task
from cityhub.model.ports import Notice, Notices, Write

TASK = "case-task"
DEADLINE = "case-deadline"
SUPERVISED = "case-supervised"
"""Ids of the templates."""
GRAVE = frozenset({"red", "orange"})


class Telling:
    """Makes the notices of cases.

    Args:
        notices: Takes them; None: nobody is told.
        district: Levels and roles.
    """

    def __init__(self, notices: Notices | None, district: DistrictCases) -> None:
        self._notices = notices
        self._district = district

    def _write(self, notice: Notice) -> Iterator[Write]:
        if self._notices is not None and (notice.people or notice.departments):
            yield self._notices.write(notice)

    def new_tasks(self, before: Case | None, after: Case) -> list[Write]:
        """Tells those for whom tasks wait now that did not wait for them before."""
        known = {(task.id, task.assignee, task.department) for task in before.tasks} if before else set()
        fresh = [task for task in after.tasks if (task.id, task.assignee, task.department) not in known and self._is_told(after, task)]
        return [write for task in fresh for write in self._write(self._of_task(after, task))]

    def _is_told(self, case: Case, task: Task) -> bool:
        """Whether a new task is told of: one that nobody has yet stands in the list of all who may take it."""
        told = self._district.settings.tell_unassigned
        return bool(task.assignee) or told == "all" or (told == "grave" and case.grade in GRAVE)

    def _of_task(self, case: Case, task: Task) -> Notice:
        key = f"{case.id}#task:{task.id}:{task.assignee or task.department}"
        people, departments = _hearers(task)
        return Notice(key, case.id, TASK, {**_values(case), "task": task.name}, people, [], departments, False, link_of(case))

    def level(self, case: Case, clock: Clock, number: int) -> list[Write]:
        """Tells of a clock that has come to a level (counted from 1)."""
        level = self._district.settings.levels[number - 1]
        people, departments = self._hearers_of(case, level)
        limit = self._district.limits.by_id.get(clock.limit)
        values = {
            **_values(case), "limit": limit.title if limit else {"zh": clock.limit, "en": clock.limit}, "dueAt": clock.due_at,
            "level": level.title, "share": level.share, "rule": clock.rule,
        }  # fmt: skip
        key = f"{case.id}#{clock.id}:{clock.due_at}:{number}"
        return list(self._write(Notice(key, case.id, DEADLINE, values, people, [], departments, level.share >= 1, link_of(case))))

    def supervised(self, case: Case, note: str) -> list[Write]:
        """Tells everybody who has a task of a case, and who leads them, that it is supervised."""
        people, departments = self._hearers_of(case, Level(1.0, ["assignee", "leader"]))
        key = f"{case.id}#supervised:{len(case.supervised)}"
        values = {**_values(case), "note": note}
        return list(self._write(Notice(key, case.id, SUPERVISED, values, people, [], departments, True, link_of(case))))

    def _hearers_of(self, case: Case, level: Level) -> tuple[list[str], list[tuple[str, str]]]:
        settings = self._district.settings
        people: list[str] = []
        departments: list[tuple[str, str]] = []
        for task in case.tasks:
            mine, theirs = _hearers(task)
            if "assignee" in level.to:
                people += mine
                departments += theirs
            if "department" in level.to and task.department:
                departments.append((task.department, task.lane))
        if "leader" in level.to:
            departments += [(department, settings.leader) for department in _departments(case)]
        if "supervisor" in level.to:
            departments.append((settings.supervising, settings.supervisor))
        return sorted(set(people)), sorted(set(departments))


def _hearers(task: Task) -> tuple[list[str], list[tuple[str, str]]]:
    if task.assignee:
        return [task.assignee], []
    return [], [(task.department, task.lane)] if task.department or task.lane else []


def _departments(case: Case) -> list[str]:
    waiting = [task.department for task in case.tasks if task.department]
    return waiting or case.departments[:1]


def _values(case: Case) -> dict[str, Any]:
    return {
        "case": case.id, "number": case.number, "title": case.title, "kind": case.kind, "grade": case.grade, "dueAt": case.due_at,
        "step": case.step,
    }  # fmt: skip


def link_of(case: Case) -> str:
    """Where the operations centre shows a case."""
    return f"/cases/{case.id}"
