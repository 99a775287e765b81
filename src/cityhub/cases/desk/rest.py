"""What a case becomes where its process rests: tasks, events, pauses and, at the end, its closing. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.cases.deadlines.clocks import Event, Facts, Pause, opened_by, run_clocks
from cityhub.cases.desk.kinds import DistrictCases
from cityhub.cases.desk.record import MOST_KEYS, Case, Entry, Round, State, Task
from cityhub.cases.process_port import Position, ReadyTask
from cityhub.model.errors import Conflict, Unprocessable

CHECK: Final = "check"
"""Id of the element that checks what was done, in every process whose cases need it."""
PASSED: Final = "pass"
HANDLER: Final = "handler"
"""The lane of those who handle: its tasks go to the department in charge."""
FOLLOW_UP: Final = "follow-up"
PARTS: Final = (FOLLOW_UP, "joint")
"""Tasks of the desk's own without which a case is not done."""
ENDS: Final[dict[str, State]] = {"rejected": "rejected", "withdrawn": "withdrawn"}
"""States by the id of the end event; any other end closes the case."""


def rested(case: Case, position: Position, at: str, district: DistrictCases) -> Case:
    """The case after a step of its process.

    Raises:
        Unprocessable: The process would close it without the check that its kind asks for.
        Conflict: It would close it while parts of it wait.
    """
    known = {task.id: task for task in case.tasks if not task.own}
    own = [task for task in case.tasks if task.own]
    tasks = [known.get(ready.id) or _task(ready, case, at) for ready in position.tasks]
    case = msgspec.structs.replace(
        case, position=position.state, variables=position.data, messages=position.messages,
        wake_at=min((timer.due_at for timer in position.timers), default=""), tasks=[*tasks, *own],
        step=tasks[0].element if tasks else "", events=[*case.events, *_moves(list(known.values()), tasks, case.grade, at)],
        pauses=_pauses(case.pauses, tasks, at),
    )  # fmt: skip
    return _ended(case, position.outcome, at, district) if position.ended else case


def _task(ready: ReadyTask, case: Case, at: str) -> Task:
    department = ready.item if isinstance(ready.item, str) else ""
    if not department and ready.lane == HANDLER and case.departments:
        department = case.departments[0]
    outcomes, form = [], []
    for field in ready.form:
        if field.get("name") == "outcome":
            outcomes = [_value_of(value) for value in field.get("values") or []]
        else:
            form.append(field)
    return Task(ready.id, ready.element, ready.name, at, ready.lane, department, "", outcomes, form, ready.properties)


def _value_of(value: Any) -> str:
    return str(value["value"] if isinstance(value, dict) else value)


def _moves(before: list[Task], after: list[Task], grade: str, at: str) -> list[Event]:
    """The steps that were left and entered; one that begins anew is left and entered."""
    old, new = _by_element(before), _by_element(after)
    left = [name for name, ids in old.items() if not ids & new.get(name, set())]
    entered = [name for name, ids in new.items() if not ids & old.get(name, set())]
    return [*(Event(f"{name}.left", at, grade) for name in left), *(Event(f"{name}.entered", at, grade) for name in entered)]


def _by_element(tasks: list[Task]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for task in tasks:
        found.setdefault(task.element, set()).add(task.id)
    return found


def _pauses(pauses: list[Pause], tasks: list[Task], at: str) -> list[Pause]:
    """The pauses, when the process waits for somebody outside exactly while all its tasks say so."""
    waits = bool(tasks) and all(task.properties.get("pauses") == "true" for task in tasks)
    running = bool(pauses) and not pauses[-1].end
    if waits and not running:
        return [*pauses, Pause(at)]
    return [*pauses[:-1], Pause(pauses[-1].start, at)] if running and not waits else pauses


def _ended(case: Case, outcome: str, at: str, district: DistrictCases) -> Case:
    state = ENDS.get(outcome, "closed")
    kind = district.kinds.get(case.kind)
    if state == "closed" and (kind is None or kind.checked) and not is_checked(case):
        raise Unprocessable(f"A case of kind '{case.kind}' is closed only after a check has passed; its process has none on this way")
    waiting = [task.name for task in case.tasks if task.own and task.element in PARTS]
    if state == "closed" and waiting:
        raise Conflict(f"A case is closed when all of its parts are done; these wait: {', '.join(waiting)}")
    return ended(case, state, at)


def is_checked(case: Case) -> bool:
    """Whether the last check of this round has passed."""
    checks = [entry for entry in case.timeline if entry.element == CHECK and entry.round == case.round and entry.since]
    return bool(checks) and checks[-1].outcome == PASSED


def ended(case: Case, state: State, at: str) -> Case:
    """The case when it has come to an end."""
    last = msgspec.structs.replace(case.rounds[-1], closed_at=at, outcome=state) if case.rounds else Round(case.opened_at, at, state)
    return msgspec.structs.replace(
        case, state=state, tasks=[], step="", position=None, messages=[], wake_at="", closed_at=at, rounds=[*case.rounds[:-1], last],
        events=[*case.events, Event("closed", at, case.grade)], pauses=_pauses(case.pauses, [], at),
    )  # fmt: skip


def noted(case: Case, *entries: Entry) -> Case:
    """The case with further lines in its timeline."""
    return msgspec.structs.replace(case, timeline=[*case.timeline, *(msgspec.structs.replace(one, round=case.round) for one in entries)])


def settled(case: Case, district: DistrictCases, at: str, key: str = "") -> Case:
    """The case with what follows from its events: clocks, tasks that a limit opens, and whether it was in time."""
    facts = facts_of(case, district)
    case = _with_follow_ups(case, facts, district, at)
    told = {clock.id: clock for clock in case.clocks}
    clocks = []
    for clock in run_clocks(district.limits, district.hours, facts):
        old = told.get(clock.id)
        same = old is not None and old.due_at == clock.due_at
        count = old.told if old is not None and same else sum(mark < at for mark in clock.marks)
        clocks.append(msgspec.structs.replace(clock, told=count))
    case = msgspec.structs.replace(
        case, clocks=clocks, changed_at=at, keys=[*case.keys, key][-MOST_KEYS:] if key else case.keys,
        on_time=None if case.state == "open" else not any(clock.decides and clock.broken(at) for clock in clocks),
    )  # fmt: skip
    return case


def facts_of(case: Case, district: DistrictCases) -> Facts:
    """What the clocks of a case follow from."""
    events = sorted(case.events, key=lambda event: event.at)
    shares = [level.share for level in district.settings.levels]
    return Facts(case.kind, events, case.pauses, case.variables, case.extensions, case.state != "open", shares)


def _with_follow_ups(case: Case, facts: Facts, district: DistrictCases, at: str) -> Case:
    """Opens the tasks that limits open, each once."""
    if case.state != "open":
        return case
    for limit in opened_by(district.limits, district.hours, facts):
        id = f"{FOLLOW_UP}:{limit.id}"
        if any(entry.data.get("task") == id for entry in case.timeline):
            continue
        name = limit.opens.get("zh") or limit.title.get("zh", limit.id)
        task = Task(id, FOLLOW_UP, name, at, HANDLER, limit.opens.get("department", ""), own=True, outcomes=["done"])
        case = msgspec.structs.replace(case, tasks=[*case.tasks, task])
        case = noted(case, Entry(at, "limits", "follow-up opened", FOLLOW_UP, note=limit.rule, data={"task": id, "limit": limit.id}))
    return case
