"""Elements as SpiffWorkflow runs them: its own classes, and ours where it would evaluate Python, ask its own clock, or merge data by guess.

Variables do not travel with SpiffWorkflow's tasks: they stand beside them, in the step (`stepping.Step`), and the tasks stay empty.
"""

from __future__ import annotations

from typing import Any, Final

from SpiffWorkflow.bpmn.specs.defaults import InclusiveGateway as SpiffInclusiveGateway
from SpiffWorkflow.bpmn.specs.defaults import ParallelGateway as SpiffParallelGateway
from SpiffWorkflow.bpmn.specs.event_definitions.timer import CycleTimerEventDefinition, TimerEventDefinition
from SpiffWorkflow.bpmn.specs.mixins.bpmn_spec_mixin import BpmnSpecMixin
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

from cityhub.cases.bpmn.model import Loop
from cityhub.cases.bpmn.stepping import Fault, Step

MAX_INSTANCES: Final = 200
MOST_AT_ONCE: Final = 10
"""So often a repeating timer goes off in one step; what it missed beyond that is passed over."""
MOST_TASKS: Final = 500
"""A case with so many tasks hears no more of repeating timers."""
ACTIVE: Final = TaskState.READY | TaskState.WAITING | TaskState.STARTED
LOCAL: Final = "local"
"""Where a task keeps the variables of one of several."""


class NoPython:
    """What SpiffWorkflow gets as its script engine: it evaluates nothing at all."""

    @property
    def environment(self) -> NoPython:
        return self

    def evaluate(self, *arguments: Any, **_: Any) -> Any:
        """Refused."""
        raise Fault("", "something other than FEEL was to be evaluated; nothing else ever is")

    execute = evaluate
    call_service = evaluate
    validate = evaluate


class Workflow(BpmnWorkflow):
    """A case in SpiffWorkflow. Attribute `step`: what happens now, with the variables."""

    step: Step

    def __init__(self, spec: Any, subprocess_specs: dict[str, Any], step: Step, **how: Any) -> None:
        self.step = step
        super().__init__(spec, subprocess_specs, script_engine=NoPython(), **how)


def step_of(task: Any) -> Step:
    """The step that a task belongs to."""
    return task.workflow.top_workflow.step  # type: ignore[no-any-return]


def locals_of(task: Any) -> dict[str, Any] | None:
    """The variables of the one of several that a task belongs to, the innermost; None outside."""
    while task is not None:
        if LOCAL in task.internal_data:
            return task.internal_data[LOCAL]  # type: ignore[no-any-return]
        above = task.parent
        if above is None and task.workflow.parent_task_id is not None:
            above = task.workflow.top_workflow.get_task_from_id(task.workflow.parent_task_id)
        task = above
    return None


def names_at(task: Any) -> dict[str, Any]:
    """The variables as a task sees them: those of the one of several before those of the case."""
    found: list[dict[str, Any]] = []
    while task is not None:
        local = task.internal_data.get(LOCAL)
        if local is not None:
            found.append(local)
        above = task.parent
        if above is None and task.workflow.parent_task_id is not None:
            above = task.workflow.top_workflow.get_task_from_id(task.workflow.parent_task_id)
        if above is None:
            break
        task = above
    names = dict(task.workflow.top_workflow.step.data) if task is not None else {}
    for local in reversed(found):
        names.update(local)
    return names


def put(task: Any, values: dict[str, Any]) -> None:
    """Sets variables where a task stands."""
    local = locals_of(task)
    (step_of(task).data if local is None else local).update(values)


class Condition:
    """The condition of a flow, by its id."""

    def __init__(self, gateway: str, flow: str) -> None:
        self._gateway = gateway
        self._flow = flow

    def _matches(self, task: Any) -> bool:
        return step_of(task).holds(self._gateway, self._flow, names_at(task))


class ScriptTask(BpmnSpecMixin):
    """A script in FEEL."""

    def _run_hook(self, my_task: Any) -> bool:
        put(my_task, step_of(my_task).script(self.bpmn_id, names_at(my_task)))
        return True


class DecisionTask(BpmnSpecMixin):
    """A business rule task."""

    def _run_hook(self, my_task: Any) -> bool:
        put(my_task, step_of(my_task).decide(self.bpmn_id, names_at(my_task)))
        return True


def meeting(gateway: Any, my_task: Any) -> list[Any]:
    """The tasks of a gateway that meet with one: those of an earlier turn of a loop do not."""
    base = my_task.parent
    while base is not None and base.task_spec is not gateway:
        base = base.parent
    tasks = [task for task in my_task.workflow.tasks.values() if task.task_spec is gateway]
    return tasks if base is None else [task for task in tasks if task.is_descendant_of(base)]


def filled_inputs(gateway: Any, my_task: Any) -> set[str]:
    """The elements before a gateway from which something has come."""
    return {task.parent.task_spec.name for task in meeting(gateway, my_task) if task.parent.state == TaskState.COMPLETED}


class ParallelGateway(SpiffParallelGateway):
    """Waits for each way that leads to it. What passes it twice goes on twice."""

    def _check_threshold_unstructured(self, my_task: Any) -> bool:
        return filled_inputs(self, my_task) >= {before.name for before in self.inputs}

    def _run_hook(self, my_task: Any) -> bool:
        return True


class InclusiveGateway(SpiffInclusiveGateway):
    """Waits as the standard has it, also for what is within subprocesses.

    Source: OMG BPMN 2.0.2, 13.4.3 (inclusive gateway).
    """

    def _check_threshold_unstructured(self, my_task: Any) -> bool:
        filled = filled_inputs(self, my_task)
        for task in my_task.workflow.tasks.values():
            coming = task.has_state(ACTIVE) or (task.state == TaskState.FUTURE and task.parent.state == TaskState.COMPLETED)
            if not coming or task.task_spec is self:
                continue
            arriving = self._arriving(task.task_spec)
            if arriving and not arriving & filled:
                return False
        return True

    def _run_hook(self, my_task: Any) -> bool:
        matches, defaults = self._get_matching_outputs(my_task)
        my_task._sync_children(matches or defaults, TaskState.FUTURE)
        for child in my_task.children:
            child.task_spec._predict(child, mask=TaskState.FUTURE | TaskState.PREDICTED_MASK)
        return True

    def _arriving(self, spec: Any) -> set[str]:
        """The elements before this gateway at which what is at an element may arrive."""
        inputs = {before.name for before in self.inputs}
        seen, waiting = {spec.name}, [spec]
        while waiting:
            for after in waiting.pop().outputs:
                if after.name not in seen and after is not self:
                    seen.add(after.name)
                    waiting.append(after)
        return seen & inputs


class Timer(TimerEventDefinition):
    """A timer that asks the step for the time."""

    def __init__(self, element: str) -> None:
        super().__init__(element, "")

    def _due(self, task: Any) -> str:
        key = f"due {self.name}"
        if key not in task.internal_data:
            task.internal_data[key] = step_of(task).due(self.name, names_at(task))
        return task.internal_data[key]  # type: ignore[no-any-return]

    def has_fired(self, my_task: Any) -> bool:
        """Whether it is time."""
        return self._due(my_task) <= step_of(my_task).now


class Cycle(CycleTimerEventDefinition):
    """A timer that goes off again and again beside an activity."""

    def __init__(self, element: str) -> None:
        super().__init__(element, "")

    def has_fired(self, my_task: Any) -> bool:
        """Whether it has gone off for the last time."""
        return bool(my_task.internal_data.get("over", False))

    def update_task(self, my_task: Any) -> None:
        """Begins the path behind it for each time that it has gone off."""
        key = f"due {self.name}"
        step = step_of(my_task)
        if key not in my_task.internal_data:
            my_task.internal_data["left"], my_task.internal_data[key] = step.cycle(self.name, names_at(my_task))
        fired = 0
        while my_task.internal_data["left"] != 0 and my_task.internal_data[key] <= step.now:
            last = my_task.internal_data[key]
            my_task.internal_data[key] = step.next_in_cycle(self.name, last, names_at(my_task))
            if fired == MOST_AT_ONCE or len(my_task.workflow.tasks) > MOST_TASKS:
                my_task.internal_data[key] = step.passed_over(last, my_task.internal_data[key])
                return
            fired += 1
            step.charge(self.name)
            my_task.internal_data["left"] -= 1
            for output in my_task.task_spec.outputs:
                if not output.name.endswith("|join"):
                    # Beside the activity, not under the event: what is under it is dropped when the activity ends.
                    child = my_task.parent.parent._add_child(output, TaskState.FUTURE)
                    child.triggered = True
                    child.task_spec._predict(child, mask=TaskState.NOT_FINISHED_MASK)
                    child.task_spec._update(child)


class Several(BpmnSpecMixin):
    """An activity that runs several times, in parallel or one after the other."""

    def __init__(self, spec: Any, bpmn_id: str, child: str, loop: Loop, **how: Any) -> None:
        super().__init__(spec, bpmn_id, **how)
        self.child = child
        self.loop = loop

    def _update_hook(self, my_task: Any) -> bool:
        if "count" in my_task.internal_data:
            return False
        super()._update_hook(my_task)
        items = step_of(my_task).items(self.bpmn_id, names_at(my_task), MAX_INSTANCES)
        my_task.internal_data.update(count=len(items), done=0, results=[None] * len(items))
        if not items:
            self._finish(my_task)
            return True
        my_task._set_state(TaskState.STARTED)
        if self.loop.sequential:
            my_task.internal_data["items"] = items
            self._begin(my_task, 0, items[0])
        else:
            for place, item in enumerate(items):
                self._begin(my_task, place, item)
        return False

    def _begin(self, my_task: Any, place: int, item: Any) -> None:
        step_of(my_task).charge(self.bpmn_id)
        child = my_task._add_child(my_task.workflow.spec.task_specs[self.child], TaskState.WAITING)
        child.triggered = True
        child.internal_data[LOCAL] = {self.loop.item: item, "loopCounter": place + 1}
        child.task_spec._update(child)

    def one_is_done(self, workflow: Any, child: Any) -> None:
        """Takes what one of them contributes, and goes on."""
        my_task = child.parent
        state = my_task.internal_data
        local = child.internal_data[LOCAL]
        state["done"] += 1
        names = names_at(child)
        if self.loop.results:
            state["results"][local["loopCounter"] - 1] = step_of(my_task).result(self.bpmn_id, names)
        else:
            put(my_task, {name: value for name, value in local.items() if name not in (self.loop.item, "loopCounter")})
        counters = {"numberOfInstances": state["count"], "numberOfCompletedInstances": state["done"]}
        if state["done"] == state["count"] or step_of(my_task).enough(self.bpmn_id, names | counters):
            for other in my_task.children:
                if other.triggered:
                    other.cancel()
            self._finish(my_task)
            my_task._set_state(TaskState.READY)
        elif self.loop.sequential:
            self._begin(my_task, state["done"], state["items"][state["done"]])

    def _finish(self, my_task: Any) -> None:
        if self.loop.results:
            put(my_task, {self.loop.results: my_task.internal_data["results"]})
