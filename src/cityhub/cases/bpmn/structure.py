"""What the shape of a process says before it runs: what is missing, what is never reached, what never ends.

Source: OMG BPMN 2.0.2, chapter 13 (execution semantics).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cityhub.cases.bpmn.model import GATEWAYS, WAITING, Node, ProcessModel, Scope
from cityhub.cases.process_port import Finding

_AFTER_EVENT_GATEWAY: Final = frozenset({"intermediateCatchEvent", "receiveTask"})


def structure(model: ProcessModel) -> list[Finding]:
    """The findings about the shape of a process."""
    findings = list(_main(model))
    run = model.run()
    for scope in model.scopes.values():
        if scope.id in run:
            findings.extend(_scope(scope, model))
        elif scope.id in model.processes:
            text = f"the process '{scope.name or scope.id}' is not run: it is not executable, or nothing calls it"
            findings.append(Finding(False, scope.id, text))
    findings.extend(_calls(model))
    return findings


def _main(model: ProcessModel) -> Iterator[Finding]:
    main = model.main()
    if not model.processes:
        yield Finding(True, "", "the document has no process; right would be one <process isExecutable=\"true\">")
    elif not main:
        named = ", ".join(f"'{name}'" for name in model.processes)
        yield Finding(True, model.processes[0], f"no process is executable; right would be isExecutable=\"true\" at one of {named}")
    elif len(main) > 1:
        named = ", ".join(f"'{name}'" for name in main)
        text = f"several processes could begin: {named}; right would be isExecutable=\"true\" at one, the others called by it"
        yield Finding(True, main[1], text)


def _calls(model: ProcessModel) -> Iterator[Finding]:
    for node in model.nodes():
        if node.kind == "callActivity" and node.called not in model.processes:
            known = ", ".join(model.processes)
            yield Finding(True, node.id, f"it calls '{node.called}', which is not in this document; right would be one of: {known}")
    circle = _circle(model)
    if circle:
        text = f"processes call each other in a circle: {' -> '.join(circle)}; right would be a gateway that leads back"
        yield Finding(True, circle[0], text)


def _circle(model: ProcessModel) -> list[str]:
    def within(scope: Scope) -> list[str]:
        inner = [node.id if node.kind == "subProcess" else node.called for node in scope.nodes.values()]
        return [name for name in inner if name in model.scopes]

    return circle_of({scope.id: within(scope) for scope in model.scopes.values()})


def circle_of(after: dict[str, list[str]]) -> list[str]:
    """A way in a graph that comes back to where it began; empty without one."""
    done: set[str] = set()
    for start in after:
        way: list[str] = []
        on_way: set[str] = set()
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            name, left = waiting.pop()
            if left:
                on_way.discard(way.pop())
                done.add(name)
            elif name in on_way:
                return [*way[way.index(name) :], name]
            elif name not in done:
                way.append(name)
                on_way.add(name)
                waiting.append((name, True))
                waiting.extend((target, False) for target in after[name])
    return []


def _scope(scope: Scope, model: ProcessModel) -> Iterator[Finding]:
    yield from _starts(scope)
    yield from _flows(scope)
    for node in scope.nodes.values():
        yield from _node(node, scope)
    if scope.starts():
        yield from _ways(scope)


def _starts(scope: Scope) -> Iterator[Finding]:
    starts = scope.starts()
    if scope.by_event:
        if len(starts) != 1 or starts[0].event is None:
            text = "an event subprocess begins with one start event that has a trigger; right would be a timer, a message, ..."
            yield Finding(True, scope.id, text)
        return
    plain = [node for node in starts if node.event is None]
    if not starts:
        yield Finding(True, scope.id, f"'{scope.name or scope.id}' has no start event; right would be one")
    elif len(plain) > 1:
        named = ", ".join(f"'{node.id}'" for node in plain)
        text = f"there are several start events without a trigger: {named}; right would be one, and a gateway behind it"
        yield Finding(True, plain[1].id, text)
    elif len(starts) > 1 and not plain:
        text = "there are several start events, all with triggers; right would be one without, with which cases begin"
        yield Finding(True, starts[1].id, text)
    for node in starts[1:]:
        yield Finding(False, node.id, f"cases begin at '{starts[0].id}'; what stands behind this start event alone is never reached")
    if len(starts) == 1 and starts[0].event is not None:
        text = f"its {starts[0].event.kind} is not waited for: a case that is opened begins here"
        yield Finding(False, starts[0].id, text)


def _flows(scope: Scope) -> Iterator[Finding]:
    for flow in scope.flows:
        for end, place in ((flow.source, "sourceRef"), (flow.target, "targetRef")):
            if end not in scope.nodes:
                text = f"its {place} '{end}' is not in '{scope.name or scope.id}'; right would be the id of an element there"
                yield Finding(True, flow.id, text)
        source, target = scope.nodes.get(flow.source), scope.nodes.get(flow.target)
        if source is not None and source.kind == "endEvent":
            yield Finding(True, flow.id, "nothing can leave an end event; right would be an intermediate event")
        if target is not None and target.kind in ("startEvent", "boundaryEvent"):
            text = f"nothing can lead to a {target.kind}; right would be an activity, a gateway or an intermediate event"
            yield Finding(True, flow.id, text)


def _node(node: Node, scope: Scope) -> Iterator[Finding]:
    for text in node.unsupported:
        yield Finding(True, node.id, text)
    for name in node.ignored:
        yield Finding(False, node.id, f"'{name}' has no effect here: no code of a process is run; it is kept with the document")
    if node.kind == "serviceTask":
        text = "a service task cannot be run: no service is called from a process; right would be a user task, a decision, or a send task"
        yield Finding(True, node.id, text)
    if node.by_event and (scope.entering(node.id) or scope.leaving(node.id) or node.loop is not None or scope.attached(node.id)):
        yield Finding(True, node.id, "an event subprocess stands alone; right would be one without flows, loop and boundary events")
    if node.more_events:
        yield Finding(True, node.id, "an event with several definitions cannot be run; right would be one event for each")
    if node.kind == "boundaryEvent" and node.attached not in scope.nodes:
        yield Finding(True, node.id, f"it is attached to '{node.attached}', which is not there; right would be an activity beside it")
    if node.kind == "boundaryEvent" and node.event is None:
        text = "a boundary event without a definition never happens; right would be a timer, message, signal, error or escalation"
        yield Finding(True, node.id, text)
    begins = node.kind == "startEvent" and not scope.by_event
    if node.event is not None and node.event.kind in ("message", "signal", "link") and not node.event.name and not begins:
        yield Finding(True, node.id, f"its {node.event.kind} has no name; right would be a name")
    beside = node.kind == "boundaryEvent" or (node.kind == "startEvent" and scope.by_event)
    if node.event is not None and node.event.timer == "cycle" and (not beside or node.interrupting):
        text = "a cycle can only stand at a boundary event that does not interrupt; right would be a duration"
        yield Finding(node.kind != "startEvent" or scope.by_event, node.id, text)
    if node.kind in GATEWAYS:
        yield from _gateway(node, scope)
    yield from _links(node, scope)


def _links(node: Node, scope: Scope) -> Iterator[Finding]:
    if node.event is None or node.event.kind != "link":
        return
    other = "intermediateCatchEvent" if node.kind == "intermediateThrowEvent" else "intermediateThrowEvent"
    if not any(one.kind == other and one.event == node.event for one in scope.nodes.values()):
        yield Finding(True, node.id, f"no {other} has the link '{node.event.name}'; right would be one of the same name beside it")


def _gateway(node: Node, scope: Scope) -> Iterator[Finding]:
    leaving = scope.leaving(node.id)
    if node.default and node.default not in [flow.id for flow in leaving]:
        yield Finding(True, node.id, f"its default flow '{node.default}' does not leave it; right would be one that does")
    if node.kind in ("parallelGateway", "eventBasedGateway"):
        for flow in leaving:
            if flow.condition:
                yield Finding(False, flow.id, f"its condition has no effect behind a {node.kind}; right would be an inclusive gateway")
    if node.kind in ("exclusiveGateway", "inclusiveGateway") and (len(leaving) > 1 or any(flow.condition for flow in leaving)):
        for flow in leaving:
            if not flow.condition and flow.id != node.default:
                text = f"the flow to '{flow.target}' behind '{node.id}' has no condition; right would be one in FEEL, or the default"
                yield Finding(True, flow.id, text)
        if not node.default:
            yield Finding(True, node.id, "the gateway has no default flow; right would be one, for when no condition is true")
    if node.kind == "eventBasedGateway":
        if len(leaving) < 2:
            yield Finding(True, node.id, "an event gateway needs two ways at least; right would be a timer or message on each")
        for flow in leaving:
            after = scope.nodes.get(flow.target)
            if after is not None and (after.kind not in _AFTER_EVENT_GATEWAY or len(scope.entering(after.id)) > 1):
                text = "behind an event gateway stands what happens first; right would be catching events or receive tasks of its own"
                yield Finding(True, after.id, text)


def _ways(scope: Scope) -> Iterator[Finding]:
    after = {node: list(_next(scope, node)) for node in scope.nodes}
    reached = _reach(after, [scope.starts()[0].id, *(node.id for node in scope.by_events())])
    for node in scope.nodes.values():
        if node.id not in reached and node.kind != "startEvent" and not node.unsupported:
            yield Finding(True, node.id, "it is never reached; right would be a flow that leads to it, or to leave it out")
    before: dict[str, list[str]] = {node: [] for node in scope.nodes}
    for source, targets in after.items():
        for target in targets:
            before[target].append(source)
    ends = [node for node in scope.nodes if not after[node]]
    ending = _reach(before, ends)
    for name in scope.nodes:
        if name in reached and name not in ending:
            yield Finding(True, name, "no way leads from it to an end; right would be an end event behind it")
    passing = {name for name in reached if _passes(scope.nodes[name], scope)}
    circle = circle_of({name: [target for target in after[name] if target in passing] for name in sorted(passing)})
    if circle:
        way = " -> ".join(circle)
        text = f"it comes back to itself without a wait or a choice: {way}; right would be a user task, an event or a gateway in it"
        yield Finding(True, circle[0], text)


def _next(scope: Scope, name: str) -> Iterator[str]:
    node = scope.nodes[name]
    for flow in scope.leaving(name):
        if flow.target in scope.nodes:
            yield flow.target
    for event in scope.attached(name):
        yield event.id
    if node.kind == "intermediateThrowEvent" and node.event is not None and node.event.kind == "link":
        for other in scope.nodes.values():
            if other.kind == "intermediateCatchEvent" and other.event == node.event:
                yield other.id


def _reach(after: dict[str, list[str]], start: list[str]) -> set[str]:
    seen, waiting = set(start), list(start)
    while waiting:
        for name in after[waiting.pop()]:
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


def _passes(node: Node, scope: Scope) -> bool:
    if node.kind in WAITING and not (node.event is not None and node.event.kind == "link"):
        return False
    if node.kind in ("subProcess", "callActivity"):
        return False
    return not (node.kind in ("exclusiveGateway", "inclusiveGateway") and len(scope.leaving(node.id)) > 1)
