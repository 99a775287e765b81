"""Steps of cases: from a state and something that happens to the next place of rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec
from SpiffWorkflow.bpmn.specs.event_definitions.item_aware_event import SignalEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.message import MessageEventDefinition
from SpiffWorkflow.bpmn.util.event import BpmnEvent
from SpiffWorkflow.exceptions import WorkflowException
from SpiffWorkflow.util.task import TaskState

from cityhub.cases.bpmn.model import TASKS, Node, ProcessModel
from cityhub.cases.bpmn.saying import Sayings
from cityhub.cases.bpmn.specs import Several, Workflow, locals_of, put
from cityhub.cases.bpmn.state import compact, restore, save, workflows_of
from cityhub.cases.bpmn.stepping import MAX_DATA, Decisions, Fault, Place, Step
from cityhub.cases.bpmn.weaving import Woven
from cityhub.cases.process_port import Begin, Complete, Passed, Position, ReadyTask, Receive, Timer, Wake
from cityhub.model.errors import Conflict, Unprocessable

MANY_TASKS: Final = 300
"""A case of so many tasks is made smaller in the middle of a step."""
log = logging.getLogger(__name__)
_LOGS: Final = ("spiff.task", "spiff.workflow", "spiff.data")
_KINDS: Final = {"businessRuleTask": "decision", "scriptTask": "script", "sendTask": "message"}


class Prepared(msgspec.Struct, frozen=True):
    """A process that can run: its model, what it says, its decisions, its specifications, its elements by id, and the scopes whose ends
    are outcomes of the case: the main process and its event subprocesses."""

    model: ProcessModel
    sayings: Sayings
    decisions: Decisions
    woven: Woven
    nodes: dict[str, Node]
    ending: set[str]


def quiet() -> None:
    """SpiffWorkflow writes a line for each change, and collects all tasks for it, unless it is told not to."""
    for name in _LOGS:
        logging.getLogger(name).setLevel(logging.WARNING)


def take_step(
    prepared: Prepared, state: dict[str, Any] | None, what: Begin | Complete | Wake | Receive, now: datetime, place: Place
) -> Position:
    """The position after a step; see `cityhub.cases.process_port.ProcessEngine.step`."""
    data = dict(what.data) if isinstance(what, Begin) else dict((state or {}).get("data", {}))
    step = Step(prepared.sayings, prepared.decisions, data, now, place)
    return _guarded(lambda: _stepped(prepared, state, what, step), place)


def _guarded(work: Callable[[], Position], place: Place) -> Position:
    try:
        return work()
    except Fault as fault:
        where = f" at '{fault.element}'" if fault.element else ""
        raise Unprocessable(f"The process cannot go on{where}: {fault.text}", element=fault.element) from fault
    except WorkflowException as error:
        element = str(getattr(error.task_spec, "name", "")).partition("|")[0]
        raise Unprocessable(f"The process cannot go on at '{element}': {error}", element=element) from error
    except (MemoryError, Unprocessable, Conflict):
        raise
    except RecursionError as error:
        raise Unprocessable("The process cannot go on: its ways go too deep; right would be shorter ways", element="") from error


    except Exception as error:  # of SpiffWorkflow, about a process that it cannot run: the case stays where it was
        log.exception("a step of a case failed", extra={"element": place.element})
        text = f"The process cannot go on at '{place.element}' ({type(error).__name__}: {error})"
        raise Unprocessable(text, element=place.element) from error


def _stepped(prepared: Prepared, state: dict[str, Any] | None, what: Begin | Complete | Wake | Receive, step: Step) -> Position:
    numbered = 1
    if isinstance(what, Begin):
        if state is not None:
            raise Conflict("The case has begun already; right would be no state at its beginning")
        top = Workflow(prepared.woven.spec, prepared.woven.others, step)
    else:
        if state is None:
            raise Conflict("The case has not begun; right would be Begin first")
        numbered = state.get("n", 1)
        step.outcome = state.get("outcome", "")
        top = restore(prepared.woven, state, step)
    runner = _Runner(prepared, top, step)
    if isinstance(what, Complete):
        runner.complete(what)
    elif isinstance(what, Receive):
        runner.receive(what)
    top.refresh_timers()
    runner.rest()
    return runner.position(numbered)


class _Runner:
    def __init__(self, prepared: Prepared, top: Any, step: Step) -> None:
        self._prepared = prepared
        self._top = top
        self._step = step
        self._nodes = prepared.nodes

    def complete(self, what: Complete) -> None:
        """A task of people is done."""
        task = next((task for task in self._waiting_people() if str(task.id) == what.task), None)
        if task is None:
            there = ", ".join(f"{task.id} ({task.task_spec.bpmn_id})" for task in self._waiting_people()) or "none"
            raise Conflict(f"The task '{what.task}' does not wait; those that wait: {there}")
        put(task, what.data)
        self._run(task)

    def receive(self, what: Receive) -> None:
        """A message or signal comes."""
        for kind in (MessageEventDefinition, SignalEventDefinition):
            event = BpmnEvent(kind(what.message))
            waiting = [task for task in self._top.event_manager.tasks.values() if task.task_spec.catches(task, event)]
            if waiting:
                for task in waiting:
                    put(task, what.data)
                self._top.event_manager.catch(event, internal=False)
                return
        raise Conflict(f"The case does not wait for the message '{what.message}'; it waits for: {', '.join(self._messages()) or 'none'}")

    def rest(self) -> None:
        """Runs all that needs nobody, until nothing is left."""
        while True:
            ran = 0
            for workflow in sorted(workflows_of(self._top), key=lambda one: one.depth, reverse=True):
                ran += self._round(workflow)
                if workflow is not self._top and workflow.parent_task_id in self._top.subprocesses:
                    task = self._top.get_task_from_id(workflow.parent_task_id)
                    if task.state == TaskState.STARTED:
                        task.task_spec._update(task)
            self._top.refresh_timers()
            if not ran and not any(self._automatic(workflow) for workflow in workflows_of(self._top)):
                return
            if sum(len(workflow.tasks) for workflow in workflows_of(self._top)) > MANY_TASKS:
                compact(self._top)

    def _round(self, workflow: Any) -> int:
        ready = self._automatic(workflow)
        for task in ready:
            if task.state == TaskState.READY and task.id in workflow.tasks:  # an earlier one may have ended it
                self._run(task)
        return len(ready)

    @staticmethod
    def _automatic(workflow: Any) -> list[Any]:
        return [task for task in workflow.tasks.values() if task.state == TaskState.READY and not task.task_spec.manual]

    def _run(self, task: Any) -> None:
        spec = task.task_spec
        element = spec.name.partition("|")[0]
        self._step.charge(element)
        task.run()
        node = self._nodes.get(spec.bpmn_id) if spec.bpmn_id and spec.bpmn_id in self._nodes else None
        if node is not None and not isinstance(spec, Several):
            self._note(task, node)

    def _note(self, task: Any, node: Node) -> None:
        kind = _KINDS.get(node.kind, "task" if node.kind in TASKS else "gateway" if node.kind.endswith("Gateway") else "event")
        if node.kind in ("subProcess", "callActivity"):
            kind = "subprocess"
        detail = dict(self._step.details.pop(node.id, {}))
        if node.event is not None and node.event.kind not in ("timer", "link"):
            detail[node.event.kind] = node.event.name
        if kind == "gateway":
            detail["to"] = [child.task_spec.name.partition("|")[0] for child in task.children]
        if node.kind == "endEvent" and node.scope in self._prepared.ending:
            self._step.outcome = node.id
        self._step.passed.append(Passed(node.id, node.name, kind, detail))

    def _waiting_people(self) -> list[Any]:
        workflows = workflows_of(self._top)
        return [task for one in workflows for task in one.tasks.values() if task.state == TaskState.READY and task.task_spec.manual]

    def _events(self) -> list[Any]:
        return [task for task in self._top.event_manager.tasks.values() if task.state == TaskState.WAITING]

    def _messages(self) -> list[str]:
        found: list[str] = []
        for task in self._events():
            definition = task.task_spec.event_definition
            for one in getattr(definition, "event_definitions", [definition]):
                if isinstance(one, MessageEventDefinition | SignalEventDefinition):
                    found.append(one.name)
        return list(dict.fromkeys(found))

    def _timers(self) -> list[Timer]:
        found = []
        for task in self._events():
            for key, value in task.internal_data.items():
                if key.startswith("due ") and task.internal_data.get("left", 1) != 0:
                    found.append(Timer(key.removeprefix("due "), value))
        return sorted(found, key=lambda timer: timer.due_at)

    def position(self, numbered: int) -> Position:
        """Where the case rests."""
        ended = bool(self._top.completed)
        if not ended and not self._waiting_people() and not self._events():
            raise Fault(self._stuck(), "it waits for ways on which nothing comes any more; right would be an exclusive gateway")
        state, numbers = save(self._top, self._step, numbered)
        size = len(msgspec.json.encode(self._step.data))
        if size > MAX_DATA:
            raise Fault("", f"its variables have {size} bytes; right would be at most {MAX_DATA}: the ids of what is large, kept elsewhere")
        return Position(
            state=state,
            tasks=[] if ended else [self.ready(task, numbers[task.id]) for task in self._waiting_people()],
            timers=[] if ended else self._timers(),
            messages=[] if ended else self._messages(),
            data=self._step.data,
            passed=self._step.passed,
            ended=ended,
            outcome=self._step.outcome if ended else "",
        )

    def _stuck(self) -> str:
        waiting = [task for one in workflows_of(self._top) for task in one.tasks.values() if task.state == TaskState.WAITING]
        return next((task.task_spec.bpmn_id for task in waiting if task.task_spec.bpmn_id), "")

    def ready(self, task: Any, number: int) -> ReadyTask:
        """A task as people see it."""
        node = self._nodes[task.task_spec.bpmn_id]
        local = locals_of(task)
        item = local.get(self._item_of(task)) if local is not None else None
        return ReadyTask(str(number), node.id, node.name or node.id, node.lane, node.form, node.properties, item)

    def _item_of(self, task: Any) -> str:
        while task is not None:
            above = task.parent
            if above is None and task.workflow.parent_task_id is not None:
                above = self._top.get_task_from_id(task.workflow.parent_task_id)
            if above is not None and isinstance(above.task_spec, Several):
                return above.task_spec.loop.item
            task = above
        return ""


def waiting_elements(prepared: Prepared, state: dict[str, Any], now: datetime) -> set[str]:
    """The ids of the elements at which a case waits."""
    step = Step(prepared.sayings, prepared.decisions, {}, now)
    top = restore(prepared.woven, state, step)
    active = (TaskState.READY, TaskState.WAITING, TaskState.STARTED)
    tasks = [task for one in workflows_of(top) for task in one.tasks.values() if task.state in active]
    return {task.task_spec.bpmn_id for task in tasks if task.task_spec.bpmn_id} & set(prepared.nodes)
