"""The model to the specifications that SpiffWorkflow runs. Its own parser is not used: no text of a document reaches it but ids."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.specs.control import BoundaryEventJoin, BoundaryEventSplit
from SpiffWorkflow.bpmn.specs.defaults import (
    BoundaryEvent,
    CallActivity,
    EndEvent,
    EventBasedGateway,
    ExclusiveGateway,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    ReceiveTask,
    SendTask,
    StartEvent,
    SubWorkflowTask,
    UserTask,
)
from SpiffWorkflow.bpmn.specs.event_definitions.item_aware_event import (
    ErrorEventDefinition,
    EscalationEventDefinition,
    SignalEventDefinition,
)
from SpiffWorkflow.bpmn.specs.event_definitions.message import MessageEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.multiple import MultipleEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.simple import NoneEventDefinition, TerminateEventDefinition

from cityhub.cases.bpmn.model import GATEWAYS, PEOPLE, Event, Flow, Node, ProcessModel, Scope
from cityhub.cases.bpmn.specs import Condition, Cycle, DecisionTask, InclusiveGateway, ParallelGateway, ScriptTask, Several, Timer

_CATCH: Final = {"intermediateCatchEvent": IntermediateCatchEvent, "receiveTask": ReceiveTask}
_THROW: Final = {"intermediateThrowEvent": IntermediateThrowEvent, "sendTask": SendTask, "endEvent": EndEvent}
_GATEWAYS: Final = {"exclusiveGateway": ExclusiveGateway, "parallelGateway": ParallelGateway, "inclusiveGateway": InclusiveGateway}


class Woven(msgspec.Struct, frozen=True):
    """What SpiffWorkflow runs: the main process, and what it comes to, by id."""

    spec: Any
    others: dict[str, Any]


def weave(model: ProcessModel) -> Woven:
    """The specifications of a model without grave findings."""
    names = model.run()
    specs: dict[str, Any] = {}
    for name in names:
        scope = model.scopes[name]
        if scope.by_events():
            specs[name] = _frame(scope, model)
            specs[f"{name}|body"] = _Weaver(scope, f"{name}|body").weave()
        else:
            specs[name] = _Weaver(scope, name).weave()
    return Woven(specs[names[0]], {name: spec for name, spec in specs.items() if name != names[0]})


def _frame(scope: Scope, model: ProcessModel) -> Any:
    """A scope with event subprocesses: all else of it is a subprocess, at whose boundary they wait."""
    spec = BpmnProcessSpec(name=scope.id)
    start = StartEvent(spec, f"{scope.id}|begin", event_definition=NoneEventDefinition())
    body = SubWorkflowTask(spec, f"{scope.id}|frame", subworkflow_spec=f"{scope.id}|body")
    split = BoundaryEventSplit(spec, f"{scope.id}|frame|bound")
    join = BoundaryEventJoin(spec, f"{scope.id}|frame|join", split_task=split.name, cancel=True)
    spec.start.connect(start)
    start.connect(split)
    split.connect(body)
    body.connect(join)
    ways = [(body, f"{scope.id}|frame|end")]
    for node in scope.by_events():
        begin = model.scopes[node.id].starts()[0]
        event = BoundaryEvent(spec, begin.id, event_definition=_event(begin), cancel_activity=begin.interrupting, bpmn_name=begin.name)
        split.connect(event)
        event.connect(join)
        handler = SubWorkflowTask(spec, node.id, subworkflow_spec=node.id, bpmn_name=node.name)
        event.connect(handler)
        ways.append((handler, f"{node.id}|end"))
    for task, name in ways:
        end = EndEvent(spec, name, event_definition=NoneEventDefinition())
        task.connect(end)
        end.connect(spec.end)
    for made in (start, body):
        made.bpmn_id = None
    return spec


class _Weaver:
    def __init__(self, scope: Scope, name: str) -> None:
        self._scope = scope
        self._spec = BpmnProcessSpec(name=name)
        self._made: dict[str, Any] = {}
        self._entries: dict[str, Any] = {}

    def weave(self) -> Any:
        start = self._scope.starts()[0].id
        others = [node for node in self._scope.nodes.values() if node.kind != "startEvent" and not node.by_event]
        nodes = [self._scope.nodes[start], *others]
        for node in nodes:
            self._made[node.id] = self._entries[node.id] = self._task(node)
        self._spec.start.connect(self._made[start])
        if self._scope.by_event:
            self._made[start].bpmn_id = None  # it has passed already, where it waited
        for node in nodes:
            self._bound(node)
        for node in nodes:
            self._merge(node)
        for node in nodes:
            self._leave(node)
        return self._spec

    def _task(self, node: Node) -> Any:
        if node.loop is None:
            plain = self._plain(node, self._name(node))
            plain.bpmn_id = node.id
            return plain
        child = self._plain(node, f"{node.id}|one")
        several = Several(self._spec, self._name(node), child.name, node.loop, bpmn_name=node.name)
        several.bpmn_id = child.bpmn_id = node.id
        child.inputs = [several]
        child.completed_event.connect(several.one_is_done)
        return several

    def _name(self, node: Node) -> str:
        """What SpiffWorkflow knows an element by: its id, unless SpiffWorkflow uses that itself."""
        return f"{node.id}|" if node.id in self._spec.task_specs else node.id

    def _plain(self, node: Node, name: str) -> Any:
        how = {"bpmn_name": node.name}
        if node.kind in PEOPLE:
            return UserTask(self._spec, name, **how)
        if node.kind == "startEvent":
            return StartEvent(self._spec, name, event_definition=NoneEventDefinition(), **how)
        if node.kind == "boundaryEvent":
            return BoundaryEvent(self._spec, name, event_definition=_event(node), cancel_activity=node.interrupting, **how)
        if node.kind in _CATCH and _is_link(node):
            return IntermediateThrowEvent(self._spec, name, event_definition=NoneEventDefinition(), **how)
        if node.kind in _CATCH:
            return _CATCH[node.kind](self._spec, name, event_definition=_event(node), **how)
        if node.kind in _THROW:
            return self._throw(node, name)
        if node.kind == "eventBasedGateway":
            return EventBasedGateway(self._spec, name, event_definition=MultipleEventDefinition(), **how)
        if node.kind in _GATEWAYS:
            return _GATEWAYS[node.kind](self._spec, name, **how)
        if node.kind == "subProcess":
            return SubWorkflowTask(self._spec, name, subworkflow_spec=node.id, **how)
        if node.kind == "callActivity":
            return CallActivity(self._spec, name, subworkflow_spec=node.called, **how)
        return (ScriptTask if node.kind == "scriptTask" else DecisionTask)(self._spec, name, **how)

    def _throw(self, node: Node, name: str) -> Any:
        made = _THROW[node.kind](self._spec, name, event_definition=_event(node), bpmn_name=node.name)
        if node.kind == "endEvent":
            made.connect(self._spec.end)
        return made

    def _bound(self, node: Node) -> None:
        """An activity with boundary events stands between a split and a join, as SpiffWorkflow's own parser has it."""
        events = self._scope.attached(node.id)
        if not events:
            return
        split = BoundaryEventSplit(self._spec, f"{node.id}|bound")
        join = BoundaryEventJoin(self._spec, f"{node.id}|join", split_task=split.name, cancel=True)
        for task in (self._made[node.id], *(self._made[event.id] for event in events)):
            split.connect(task)
            task.connect(join)
        self._entries[node.id] = split

    def _merge(self, node: Node) -> None:
        """Where ways meet before something that is no gateway, a gateway is put: each loop has one, and forecasts end there."""
        if node.kind in GATEWAYS or len(self._scope.entering(node.id)) + len(self._linked(node)) < 2:
            return
        merge = ExclusiveGateway(self._spec, f"{node.id}|merge")
        merge.connect(self._entries[node.id])
        self._entries[node.id] = merge

    def _linked(self, node: Node) -> list[Node]:
        """The throwing links of a catching one."""
        if node.kind != "intermediateCatchEvent" or not _is_link(node):
            return []
        others = self._scope.nodes.values()
        return [other for other in others if other.kind == "intermediateThrowEvent" and other.event == node.event]

    def _leave(self, node: Node) -> None:
        if node.kind == "endEvent":
            return
        flows = self._scope.leaving(node.id)
        task = self._made[node.id]
        if _is_link(node) and node.kind == "intermediateThrowEvent":
            for other in self._scope.nodes.values():
                if node in self._linked(other):
                    task.connect(self._entries[other.id])
            return
        if not flows:
            self._end(node, task)
        elif (len(flows) == 1 and not flows[0].condition) or node.kind in ("parallelGateway", "eventBasedGateway"):
            for flow in flows:
                task.connect(self._entries[flow.target])
        else:
            self._choose(node, task, flows)

    def _end(self, node: Node, task: Any) -> None:
        end = EndEvent(self._spec, f"{node.id}|end", event_definition=NoneEventDefinition())
        task.connect(end)
        end.connect(self._spec.end)

    def _choose(self, node: Node, task: Any, flows: list[Flow]) -> None:
        """Flows that are chosen; those of an element that is no gateway are as behind an inclusive one (those without a condition are
        always taken)."""
        if node.kind not in GATEWAYS:
            always = [flow for flow in flows if not flow.condition and flow.id != node.default]
            chosen = [flow for flow in flows if flow not in always]
            if len(always) + bool(chosen) > 1:
                split = ParallelGateway(self._spec, f"{node.id}|split")
                task.connect(split)
                task = split
            for flow in always:
                task.connect(self._entries[flow.target])
            if not chosen:
                return
            flows = chosen
            choice = InclusiveGateway(self._spec, f"{node.id}|choice")
            task.connect(choice)
            task = choice
            if not any(flow.id == node.default for flow in flows):
                end = EndEvent(self._spec, f"{node.id}|none", event_definition=NoneEventDefinition())
                end.connect(self._spec.end)
                task.connect(end)
        for flow in flows:
            target = self._entries[flow.target]
            if flow.condition and flow.id != node.default:
                task.connect_if(Condition(node.id, flow.id), target)
            else:
                task.connect(target)


def _is_link(node: Node) -> bool:
    return node.event is not None and node.event.kind == "link"


def _event(node: Node) -> Any:
    event: Event | None = node.event
    if event is None or event.kind == "link":
        return NoneEventDefinition()
    if event.kind == "timer":
        return (Cycle if event.timer == "cycle" else Timer)(node.id)
    if event.kind == "error":
        return ErrorEventDefinition(event.name or "error", event.name or None)
    if event.kind == "escalation":
        return EscalationEventDefinition(event.name or "escalation", event.name or None)
    if event.kind == "terminate":
        return TerminateEventDefinition()
    return (SignalEventDefinition if event.kind == "signal" else MessageEventDefinition)(event.name)
