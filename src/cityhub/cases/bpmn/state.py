"""The state of a case as plain JSON, small: without the specifications, without what is only foreseen, and without what lies behind
and cannot be asked any more.

    {"n": next id, "data": {variables}, "root": [rows], "subs": [[id of the task that waits for it, rows], ...], "outcome": id of an end}

A row is a task: [id, id of the one before it (0: none), element, state, and where there is some its own data].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from SpiffWorkflow.bpmn.specs.mixins.events.event_types import CatchingEvent
from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from cityhub.cases.bpmn.specs import ACTIVE, Workflow
from cityhub.cases.bpmn.stepping import Fault, Step
from cityhub.cases.bpmn.weaving import Woven
from cityhub.model.errors import Conflict

MAX_DEPTH: Final = 700
"""How many elements may lie between the beginning of a case (or its last point where only one way was open) and where it stands."""
_TRIGGERED: Final = "+"


def workflows_of(top: Any) -> Iterator[Any]:
    """The workflow of a case, and those of its subprocesses."""
    yield top
    yield from list(top.subprocesses.values())


def compact(top: Any) -> None:
    """Forgets what lies behind: everything before the last point where only one way was open, and subprocesses that have ended."""
    for workflow in workflows_of(top):
        active = [task for task in workflow.tasks.values() if task.has_state(ACTIVE)]
        if active:
            _cut(workflow, _last_common(active))
    alive = {task.id for workflow in workflows_of(top) for task in workflow.tasks.values() if task.has_state(ACTIVE)}
    for key in [key for key in top.subprocesses if key not in alive]:
        del top.subprocesses[key]


def _last_common(active: list[Any]) -> Any:
    """The last task that all of those that wait have before them."""
    common: list[Any] | None = None
    for task in active:
        way = []
        step = task.parent
        while step is not None:
            way.append(step)
            step = step.parent
        if len(way) > MAX_DEPTH:
            element = task.task_spec.name.partition("|")[0]
            raise Fault(element, f"the case has gone through more than {MAX_DEPTH} elements within parallel ways")
        way.reverse()
        common = way if common is None else [one for one, other in zip(common, way, strict=False) if one is other]
    return common[-1] if common else None


def _cut(workflow: Any, kept: Any) -> None:
    root = workflow.task_tree
    if kept is None or kept is root or kept.parent is root:
        return
    keep = {root.id}
    waiting = [kept]
    while waiting:
        task = waiting.pop()
        keep.add(task.id)
        waiting.extend(task.children)
    workflow.tasks = {key: task for key, task in workflow.tasks.items() if key in keep}
    root._children = [kept.id]
    kept.parent = root


def save(top: Any, step: Step, numbered: int) -> tuple[dict[str, Any], dict[Any, int]]:
    """The state of a case at rest, and the ids that its tasks have there. `numbered`: the next id that is free."""
    compact(top)
    numbers: dict[Any, int] = {}
    for workflow in workflows_of(top):
        for task in workflow.tasks.values():
            if _kept(task):
                numbers[task.id] = task.id if isinstance(task.id, int) else numbered
                numbered += not isinstance(task.id, int)
    subs = [[numbers[key], _rows(sub, numbers)] for key, sub in top.subprocesses.items()]
    state = {"n": numbered, "data": step.data, "root": _rows(top, numbers), "subs": subs}
    return ({**state, "outcome": step.outcome} if step.outcome else state), numbers


def _kept(task: Any) -> bool:
    """Whether a task cannot be foreseen again."""
    if task.has_state(TaskState.PREDICTED_MASK):
        return False
    return not (task.state == TaskState.FUTURE and task.parent is not None and not task.parent.has_state(TaskState.FINISHED_MASK))


def _rows(workflow: Any, numbers: dict[Any, int]) -> list[list[Any]]:
    rows = []
    for task in workflow.tasks.values():
        if task.id not in numbers:
            continue
        row = [numbers[task.id], numbers.get(task._parent, 0), task.task_spec.name, task.state]
        own = {key: value for key, value in task.internal_data.items() if _says(value)} if task.has_state(ACTIVE) else {}
        if task.triggered:
            own[_TRIGGERED] = 1
        rows.append([*row, own] if own else row)
    return rows


def _says(value: Any) -> bool:
    return value is not None and value is not False and value != []


def restore(woven: Woven, state: dict[str, Any], step: Step) -> Any:
    """The case in SpiffWorkflow. Raises Conflict for a state that is not of this process."""
    try:
        top = Workflow(woven.spec, woven.others, step, deserializing=True)
        _fill(top, state["root"])
        for key, rows in state["subs"]:
            task = top.get_task_from_id(key)
            sub = BpmnSubWorkflow(woven.others[task.task_spec.spec], key, top, deserializing=True)
            top.subprocesses[key] = sub
            sub.completed_event.connect(task.task_spec._on_subworkflow_completed, task)
            _fill(sub, rows)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Conflict(f"The state is not one of this process and version ({error!r})") from error
    for workflow in workflows_of(top):
        for task in list(workflow.tasks.values()):
            if task.has_state(ACTIVE):
                task.task_spec._predict(task, mask=TaskState.NOT_FINISHED_MASK)
    return top


def _fill(workflow: Any, rows: list[list[Any]]) -> None:
    for number, before, element, state, *rest in rows:
        own = dict(rest[0]) if rest else {}
        parent = workflow.tasks[before] if before else None
        task = Task(workflow, workflow.spec.task_specs[element], parent, state, number)
        task.triggered = bool(own.pop(_TRIGGERED, 0))
        task.internal_data = own
        if parent is None:
            workflow.task_tree = task
        if isinstance(task.task_spec, CatchingEvent) and state == TaskState.WAITING:
            workflow.top_workflow.event_manager.add_task(task)
