"""A process as data: its elements, what they say, and how they are connected.

Source: OMG BPMN 2.0.2, chapters 7, 10 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

HUB_NAMESPACE: Final = "https://cityhub.dev/bpmn/1"
"""Of CityHub's own extension elements, see docs/processes.md."""
PEOPLE: Final = frozenset({"userTask", "manualTask", "task"})
"""Elements that wait for people."""
TASKS: Final = PEOPLE | {"scriptTask", "businessRuleTask", "sendTask", "receiveTask", "serviceTask"}
SCOPES: Final = frozenset({"subProcess", "callActivity"})
ACTIVITIES: Final = TASKS | SCOPES
GATEWAYS: Final = frozenset({"exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway"})
EVENTS: Final = frozenset({"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"})
WAITING: Final = PEOPLE | {"receiveTask", "intermediateCatchEvent", "eventBasedGateway"}
"""Elements at which a process comes to rest."""


class Event(msgspec.Struct, frozen=True):
    """What an event is about.

    Attributes:
        kind: "timer", "message", "signal", "error", "escalation", "terminate", "link", or what the document calls it.
        name: Of the message, signal or link; the code of an error or escalation; "" any.
        timer: Of a timer "date", "duration" or "cycle".
        text: Of a timer, what stands there.
    """

    kind: str
    name: str = ""
    timer: str = ""
    text: str = ""


class Loop(msgspec.Struct, frozen=True):
    """That an activity runs several times: once for each item of a list, or a number of times.

    Attributes:
        sequential: One after the other.
        items: FEEL of the list, or of the number.
        item: Name of the variable that has the item.
        results: Name of the variable that gets the list of results; "": what the single ones set is set outside.
        result: FEEL of what one of them contributes; "" is the variable `result`.
        until: FEEL: ends it before all are done; "".
    """

    sequential: bool
    items: str
    item: str
    results: str = ""
    result: str = ""
    until: str = ""


class Node(msgspec.Struct, frozen=True):
    """An element of a process.

    Attributes:
        id: Its id.
        kind: As BPMN calls it: "userTask".
        name: As it stands in the diagram.
        scope: Id of the process or subprocess that it stands in.
        line: Of the document.
        lane: Name of its lane.
        default: Id of the default flow.
        event: Of an event, and of send and receive tasks.
        more_events: Whether it has further definitions, which is not supported.
        attached: Of a boundary event, the activity.
        interrupting: Of a boundary event, whether it ends the activity; of an event subprocess's start, whether it ends all else.
        by_event: Of a subprocess: it begins when its start event happens.
        loop: Whether it runs several times.
        script: Text of a script.
        language: Of the script.
        result: Name of the variable that a script or decision sets.
        decision: Of a business rule task: the decision's name or id; `file` may name the model.
        file: The DMN file, "" when only one has the decision.
        called: Id of the process that is called.
        form: Its fields.
        properties: Its properties.
        unsupported: What it has that cannot be run, each with what would be right.
        ignored: What it has that has no effect.
    """

    id: str
    kind: str
    name: str
    scope: str
    line: int
    lane: str = ""
    default: str = ""
    event: Event | None = None
    more_events: bool = False
    attached: str = ""
    interrupting: bool = True
    by_event: bool = False
    loop: Loop | None = None
    script: str = ""
    language: str = ""
    result: str = ""
    decision: str = ""
    file: str = ""
    called: str = ""
    form: list[dict[str, Any]] = []
    properties: dict[str, str] = {}
    unsupported: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Flow(msgspec.Struct, frozen=True):
    """A sequence flow; `condition` is FEEL, "" without one, `language` what its expression says of itself."""

    id: str
    source: str
    target: str
    scope: str
    line: int
    name: str = ""
    condition: str = ""
    language: str = ""


class Scope(msgspec.Struct, frozen=True, dict=True):
    """A process or a subprocess: its elements and flows in the order of the document. `by_event`: of an event subprocess."""

    id: str
    name: str
    executable: bool
    line: int
    nodes: dict[str, Node]
    flows: list[Flow]
    by_event: bool = False

    def starts(self) -> list[Node]:
        """Its start events; the one that a case begins with stands first."""
        events = [node for node in self.nodes.values() if node.kind == "startEvent"]
        return sorted(events, key=lambda node: node.event is not None)

    def by_events(self) -> list[Node]:
        """Its event subprocesses."""
        return [node for node in self.nodes.values() if node.by_event]

    def leaving(self, node: str) -> list[Flow]:
        """The flows that leave an element."""
        return self._leaving.get(node, [])

    def entering(self, node: str) -> list[Flow]:
        """The flows that enter an element."""
        return self._entering.get(node, [])

    def attached(self, node: str) -> list[Node]:
        """The boundary events of an activity."""
        return self._attached.get(node, [])

    @cached_property
    def _leaving(self) -> dict[str, list[Flow]]:
        return _by(self.flows, lambda flow: flow.source)

    @cached_property
    def _entering(self) -> dict[str, list[Flow]]:
        return _by(self.flows, lambda flow: flow.target)

    @cached_property
    def _attached(self) -> dict[str, list[Node]]:
        return _by([node for node in self.nodes.values() if node.kind == "boundaryEvent"], lambda node: node.attached)


def _by(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


class Remark(msgspec.Struct, frozen=True):
    """Something that was seen while reading, see `cityhub.cases.process_port.Finding`."""

    grave: bool
    element: str
    text: str


class ProcessModel(msgspec.Struct, frozen=True):
    """What a BPMN document says.

    Attributes:
        scopes: Processes and subprocesses by id, in the order of the document.
        processes: Ids of those that are processes.
        remarks: What was seen while reading.
    """

    scopes: dict[str, Scope]
    processes: list[str]
    remarks: list[Remark]

    def main(self) -> list[str]:
        """The processes that a case may begin with: executable, and not called by others. Right is one."""
        called = {node.called for scope in self.scopes.values() for node in scope.nodes.values() if node.called}
        executable = [name for name in self.processes if self.scopes[name].executable]
        return [name for name in executable if name not in called] or executable

    def nodes(self) -> list[Node]:
        """All elements of all scopes."""
        return [node for scope in self.scopes.values() for node in scope.nodes.values()]

    def run(self) -> list[str]:
        """The scopes that a case may come to: the main process, its subprocesses, and what these call."""
        waiting = self.main()[:1]
        found: list[str] = []
        while waiting:
            name = waiting.pop(0)
            if name in found or name not in self.scopes:
                continue
            found.append(name)
            for node in self.scopes[name].nodes.values():
                if node.kind == "subProcess":
                    waiting.append(node.id)
                elif node.called:
                    waiting.append(node.called)
        return found
