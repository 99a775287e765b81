"""Who may do a task. The handler may not check the own work, nor may anybody who handled a part of it."""

from __future__ import annotations

from typing import Final

from cityhub.cases.desk.record import Case, Entry, Task
from cityhub.cases.desk.rest import CHECK
from cityhub.model.errors import Forbidden
from cityhub.model.ports import People, Person

LOCAL: Final = "local"
"""The user of this machine, who acts for nobody: may do everything but check what they did."""
HANDLED: Final = ("handle", "joint")
"""Elements whose doers may not check, where the process does not say which."""


def check_may_do(people: People, by: str, task: Task, case: Case) -> None:
    """Raises Forbidden, with who may, for somebody who may not do a task."""
    own = handlers_of(case, task)
    if by in own:
        raise Forbidden("Who handled a case may not check it; right would be somebody who had no part in it")
    if by == LOCAL:
        return
    person = people.person(by)
    if person is None or not person.active:
        raise Forbidden(f"'{by[:100]}' is nobody who works here; right would be an active person of GET /api/people")
    if task.assignee:
        if task.assignee != by:
            raise Forbidden("The task is assigned to somebody else; right would be to have it assigned to you first")
    elif not is_candidate(person, task):
        raise Forbidden(f"The task is for {_described(task)}")


def handlers_of(case: Case, task: Task) -> frozenset[str]:
    """Those who may not do a task because they did what it checks, in this round of the case."""
    named = task.properties.get("notBy", ",".join(HANDLED) if task.element == CHECK else "")
    elements = {name.strip() for name in named.split(",") if name.strip()}
    return frozenset(entry.by for entry in case.timeline if _is_work(entry, case) and entry.element in elements)


def _is_work(entry: Entry, case: Case) -> bool:
    return bool(entry.since) and entry.round == case.round


def is_candidate(person: Person, task: Task) -> bool:
    """Whether somebody may take a task that nobody has."""
    return (not task.lane or task.lane in person.roles) and (not task.department or task.department == person.department)


def _described(task: Task) -> str:
    role = f"people with the role '{task.lane}'" if task.lane else "anybody"
    return f"{role} of {task.department}" if task.department else role
