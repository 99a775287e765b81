"""BPMN documents to the model.

Source: OMG BPMN 2.0.2, 15.3 (XML schemas); http://www.omg.org/spec/BPMN/20100524/MODEL.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from cityhub.cases.bpmn.extensions import Extensions
from cityhub.cases.bpmn.model import ACTIVITIES, EVENTS, GATEWAYS, Event, Flow, Loop, Node, ProcessModel, Remark, Scope
from cityhub.cases.dmn.xml import Element, read_xml
from cityhub.model.errors import BadRequestData, TooLarge

NAMESPACE: Final = "http://www.omg.org/spec/BPMN/20100524/MODEL"
MAX_BYTES: Final = 2_000_000
MAX_NODES: Final = 2_000
UNSUPPORTED: Final = {
    "adHocSubProcess": "an ad-hoc subprocess cannot be run; right would be a subprocess with flows, or parallel user tasks",
    "transaction": "a transaction cannot be run; right would be a subprocess with a boundary error event",
    "complexGateway": "a complex gateway cannot be run; right would be inclusive or parallel gateways",
    "choreographyTask": "choreographies cannot be run; right would be a process",
    "subChoreography": "choreographies cannot be run; right would be a process",
    "callChoreography": "choreographies cannot be run; right would be a process",
    "implicitThrowEvent": "an implicit throw event cannot be run; right would be an intermediate throw event",
}
_SILENT: Final = frozenset(
    {
        "documentation", "extensionElements", "laneSet", "sequenceFlow", "dataObject", "dataObjectReference", "dataStoreReference",
        "ioSpecification", "dataInputAssociation", "dataOutputAssociation", "property", "textAnnotation", "association", "group",
        "incoming", "outgoing", "auditing", "monitoring", "categoryValueRef",
        "multiInstanceLoopCharacteristics", "standardLoopCharacteristics",
        "resourceRole", "potentialOwner", "performer", "humanPerformer", "correlationSubscription", "supports", "ioBinding",
    }
)  # fmt: skip
_ID: Final = re.compile(r"[^\W\d][\w.\-]{0,127}")
_KINDS: Final = ACTIVITIES | EVENTS | GATEWAYS
_RUN_EVENTS: Final = {
    "startEvent": {"message", "timer", "signal", "conditional"},
    "endEvent": {"message", "signal", "error", "escalation", "terminate"},
    "intermediateCatchEvent": {"message", "timer", "signal", "link"},
    "intermediateThrowEvent": {"message", "signal", "escalation", "link"},
    "boundaryEvent": {"message", "timer", "signal", "error", "escalation"},
}
_BEGINNINGS: Final = {"message", "timer", "signal", "error", "escalation"}
"""What an event subprocess may begin with."""


def read_process(text: str) -> ProcessModel:
    """The model of a BPMN document.

    Raises:
        BadRequestData: It is no well-formed XML, has a document type, or is no BPMN; the message names the line.
        TooLarge: It is longer than MAX_BYTES or has more than MAX_NODES elements.
    """
    data = text.encode()
    if len(data) > MAX_BYTES:
        raise TooLarge(f"The process has {len(data)} bytes; at most {MAX_BYTES} are read")
    root = read_xml(data)
    if root.name != "definitions" or root.namespace != NAMESPACE:
        raise BadRequestData(f"The document is <{root.name}> of '{root.namespace}'; right would be <definitions> of '{NAMESPACE}'")
    return _Reader(root).read()


class _Reader:
    def __init__(self, root: Element) -> None:
        self._root = root
        self._names = {child.get("id"): child for child in root.children if child.get("id")}
        self._scopes: dict[str, Scope] = {}
        self._remarks: list[Remark] = []
        self._seen: dict[str, int] = {}
        self._count = 0

    def read(self) -> ProcessModel:
        processes = self._root.all("process")
        for process in processes:
            self._scope(process, "")
        for child in self._root.children:
            if child.name in ("choreography", "globalChoreographyTask"):
                self._remarks.append(Remark(False, child.get("id"), "choreographies are not run; they are kept with the document"))
        return ProcessModel(self._scopes, [process.get("id") for process in processes if process.get("id")], self._remarks)

    def _known(self, element: Element) -> str:
        """The id of an element, which must be there and be the only one of its kind."""
        name = element.get("id")
        if not name:
            self._remarks.append(Remark(True, "", f"line {element.line}: <{element.name}> has no id; right would be one that no other has"))
            name = f"line-{element.line}-{len(self._seen)}"
        elif not _ID.fullmatch(name):
            text = f"the id '{name[:80]}' has signs that ids have not; right would be a letter, then letters, digits, '-', '_' and '.'"
            self._remarks.append(Remark(True, name, text))
        elif name in self._seen:
            text = f"the id '{name}' stands in line {self._seen[name]} and in line {element.line}; right would be ids that all differ"
            self._remarks.append(Remark(True, name, text))
        self._seen[name] = element.line
        return name

    def _scope(self, element: Element, parent: str, around: str = "") -> str:
        """Reads a process, or the inside of a subprocess (`parent`), which stands in the lane that it stands in itself (`around`)."""
        name = parent or self._known(element)
        lanes = defaultdict(lambda: around, _lanes(element))
        executable = element.get("isExecutable") == "true"
        scope = Scope(name, element.get("name"), executable, element.line, {}, [], element.get("triggeredByEvent") == "true")
        self._scopes[name] = scope
        for child in element.children:
            if child.namespace != NAMESPACE:
                continue
            if child.name == "sequenceFlow":
                scope.flows.append(self._flow(child, name))
            elif child.name in _KINDS or child.name in UNSUPPORTED:
                node = self._node(child, name, lanes)
                scope.nodes[node.id] = node
                if node.kind == "subProcess":
                    self._scope(child, node.id, node.lane)
            elif child.name not in _SILENT:
                text = f"<{child.name}> is not supported; right would be an element of the list in the documentation"
                self._remarks.append(Remark(True, child.get("id"), text))
        return name

    def _flow(self, element: Element, scope: str) -> Flow:
        condition = element.first("conditionExpression")
        text = condition.text.strip() if condition is not None else ""
        language = condition.get("language") if condition is not None else ""
        ends = element.get("sourceRef"), element.get("targetRef")
        return Flow(self._known(element), *ends, scope, element.line, element.get("name"), text, language)

    def _node(self, element: Element, scope: str, lanes: Mapping[str, str]) -> Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise TooLarge(f"Line {element.line}: a process has at most {MAX_NODES} elements")
        name = self._known(element)
        extensions = Extensions(element)
        decision, file, result = extensions.decision()
        events = [child for child in element.children if child.name.endswith("EventDefinition") and child.namespace == NAMESPACE]
        events_by_ref = element.all("eventDefinitionRef")
        refs = [self._names[ref.text.strip()] for ref in events_by_ref if ref.text.strip() in self._names]
        script = element.first("script")
        own_script = extensions.own("script")
        unsupported = list(self._unsupported(element, [*events, *refs], by_event=self._scopes[scope].by_event))
        loop, why_not = self._loop(element, extensions)
        return Node(
            id=name,
            kind=element.name,
            name=element.get("name"),
            scope=scope,
            line=element.line,
            lane=lanes[name],
            default=element.get("default"),
            event=self._event(element, [*events, *refs]),
            more_events=len(events) + len(refs) > 1,
            attached=element.get("attachedToRef"),
            interrupting=element.get("isInterrupting" if element.name == "startEvent" else "cancelActivity", "true") != "false",
            by_event=element.get("triggeredByEvent") == "true" and element.name == "subProcess",
            loop=loop,
            script=script.text if script is not None else own_script.text if own_script is not None else "",
            language=element.get("scriptFormat"),
            result=result or (own_script.get("result") if own_script is not None else ""),
            decision=decision,
            file=file,
            called=element.get("calledElement").rpartition(":")[2] if element.name == "callActivity" else "",
            form=extensions.form(),
            properties=extensions.properties(),
            unsupported=(*unsupported, *why_not),
            ignored=tuple(extensions.ignored()),
        )

    def _event(self, element: Element, definitions: list[Element]) -> Event | None:
        if element.name in ("sendTask", "receiveTask"):
            return Event("message", self._name_of(element.get("messageRef")) or element.get("name"))
        if not definitions:
            return None
        definition = definitions[0]
        kind = definition.name.removesuffix("EventDefinition")
        if kind == "timer":
            for timer in ("timeDate", "timeDuration", "timeCycle"):
                child = definition.first(timer)
                if child is not None:
                    return Event(kind, element.get("id"), timer.removeprefix("time").lower(), child.text.strip())
            return Event(kind, element.get("id"))
        if kind == "link":
            return Event(kind, definition.get("name") or element.get("name"))
        if kind in ("error", "escalation"):
            target = self._names.get(_local(definition.get(f"{kind}Ref")))
            return Event(kind, (target.get(f"{kind}Code") or target.get("name")) if target is not None else "")
        return Event(kind, self._name_of(definition.get(f"{kind}Ref")) or element.get("name"))

    def _name_of(self, reference: str) -> str:
        target = self._names.get(_local(reference))
        return (target.get("name") or target.get("id")) if target is not None else ""

    def _unsupported(self, element: Element, definitions: list[Element], *, by_event: bool) -> list[str]:
        found: list[str] = []
        if element.name in UNSUPPORTED:
            found.append(UNSUPPORTED[element.name])
        if element.get("isForCompensation") == "true":
            found.append("compensation cannot be run; right would be a path that undoes what was done")
        for definition in definitions:
            kind = definition.name.removesuffix("EventDefinition")
            run = _BEGINNINGS if by_event and element.name == "startEvent" else _RUN_EVENTS.get(element.name, set())
            if kind not in run:
                can = ", ".join(sorted(run))
                found.append(f"a {kind} event cannot be run as {element.name}; right would be one of: {can}")
        if element.first("standardLoopCharacteristics") is not None:
            found.append("a standard loop cannot be run; right would be a gateway that leads back, or a multi-instance activity")
        return found

    def _loop(self, element: Element, extensions: Extensions) -> tuple[Loop | None, list[str]]:
        multi = element.first("multiInstanceLoopCharacteristics")
        if multi is None:
            return None, []
        sequential, until = multi.get("isSequential") == "true", multi.text_of("completionCondition")
        loop = Extensions(multi).loop(sequential, until) or extensions.loop(sequential, until) or _plain_loop(multi, sequential, until)
        if loop is None:
            return None, [
                "it runs several times but says not for what; right would be <hub:loop items=\"FEEL of a list\" item=\"name\"/>"
                " in the extensions of its multi-instance characteristics, or a loopCardinality"
            ]
        return loop, []


def _local(reference: str) -> str:
    return reference.rpartition(":")[2]


def _plain_loop(multi: Element, sequential: bool, until: str) -> Loop | None:
    """What BPMN itself has for it: a number, or a reference to a list."""
    item, output = multi.first("inputDataItem"), multi.first("outputDataItem")
    name = (item.get("name") or item.get("id")) if item is not None else "item"
    result = (output.get("name") or output.get("id")) if output is not None else ""
    items = multi.text_of("loopCardinality") or multi.text_of("loopDataInputRef")
    return Loop(sequential, items, name, multi.text_of("loopDataOutputRef"), result, until) if items else None


def _lanes(process: Element) -> dict[str, str]:
    """The name of the lane of each element; the innermost that has one."""
    found: dict[str, str] = {}
    waiting: list[tuple[Element, str]] = [(child, "") for child in process.all("laneSet")]
    while waiting:
        holder, above = waiting.pop(0)
        for lane in holder.all("lane"):
            name = lane.get("name") or above
            found.update({reference.text.strip(): name for reference in lane.all("flowNodeRef")})
            waiting.extend((child, name) for child in lane.all("childLaneSet"))
    return found


def fields_of(nodes: list[Node]) -> set[str]:
    """The names that forms, scripts' results and lists bring in."""
    found: set[str] = set()
    for node in nodes:
        found.update(str(field["name"]) for field in _fields(node))
        found.add(node.result)
        if node.loop is not None:
            found.update((node.loop.item, node.loop.results))
    return found - {""}


def _fields(node: Node) -> list[dict[str, Any]]:
    return [field for field in node.form if field.get("name")]
