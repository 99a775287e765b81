"""Random processes that are well built come to their end, whatever order people work in; their states stay plain and small."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest

from cityhub.cases.bpmn.checking import check
from cityhub.cases.process_port import ProcessFiles
from tests.unit.cases.bpmn.drawing import Case, document, flows

BLOCKS = ("task", "script", "xor", "and", "or", "loop", "sub", "several", "timer", "late", "remind", "message", "called")


class Builder:
    """Puts blocks together: each has one way in and one way out."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0
        self.processes: list[str] = []

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def sequence(self, depth: int) -> tuple[list[str], list[str], str, str]:
        """Elements, flows, first and last element."""
        parts = [self.block(depth) for _ in range(self.random.randrange(1, 4))]
        elements = [element for part in parts for element in part[0]]
        ways = [way for part in parts for way in part[1]]
        ways += [f"{one[3]} > {other[2]}" for one, other in pairwise(parts)]
        return elements, ways, parts[0][2], parts[-1][3]

    def block(self, depth: int) -> tuple[list[str], list[str], str, str]:
        kind = self.random.choice(BLOCKS if depth > 0 else BLOCKS[:2])
        id = self.name(kind)
        if kind == "task":
            return [f'<userTask id="{id}"/>'], [], id, id
        if kind == "script":
            return [f'<scriptTask id="{id}" scriptFormat="feel"><script>n = n + 1</script></scriptTask>'], [], id, id
        if kind in ("xor", "and", "or"):
            return self.split(kind, id, depth)
        if kind == "loop":
            elements, ways, first, last = self.sequence(depth - 1)
            back = f"turns_{id}"
            more = [
                f'<exclusiveGateway id="{id}m"/><exclusiveGateway id="{id}" default="{id}-{id}x"/><task id="{id}x"/>',
                f'<scriptTask id="{id}s" scriptFormat="feel"><script>{back} = if {back} = null then 1 else {back} + 1</script></scriptTask>',
            ]
            ways += [f"{id}m > {first}", f"{last} > {id}s", f"{id}s > {id}", f"{id} > {id}m: modulo({back}, 3) > 0", f"{id} > {id}x"]
            return elements + more, ways, f"{id}m", f"{id}x"
        if kind in ("sub", "several", "called"):
            return self.within(kind, id, depth)
        if kind == "timer":
            wait = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>"
            return [f'<intermediateCatchEvent id="{id}">{wait}</intermediateCatchEvent>'], [], id, id
        if kind == "message":
            return [f'<receiveTask id="{id}" name="m{id}"/>'], [], id, id
        return self.bounded(kind, id)

    def split(self, kind: str, id: str, depth: int) -> tuple[list[str], list[str], str, str]:
        gateway = {"xor": "exclusive", "and": "parallel", "or": "inclusive"}[kind] + "Gateway"
        branches = [self.sequence(depth - 1) for _ in range(self.random.randrange(2, 4))]
        default = "" if kind == "and" else f' default="{id}-{branches[0][2]}"'
        elements = [f'<{gateway} id="{id}"{default}/><{gateway} id="{id}j"/>', *(one for branch in branches for one in branch[0])]
        ways = [way for branch in branches for way in branch[1]]
        for place, (_, _, first, last) in enumerate(branches):
            condition = "" if kind == "and" or place == 0 else f": modulo(n, {place + 1}) = 0"
            ways += [f"{id} > {first}{condition}", f"{last} > {id}j"]
        return elements, ways, id, f"{id}j"

    def within(self, kind: str, id: str, depth: int) -> tuple[list[str], list[str], str, str]:
        elements, ways, first, last = self.sequence(depth - 1)
        inner = "\n".join([f'<startEvent id="{id}s"/><endEvent id="{id}e"/>', *elements]) + flows(f"{id}s > {first}", *ways, f"{last} > {id}e")
        if kind == "called":
            self.processes.append(f'<process id="{id}p">{inner}</process>')
            return [f'<callActivity id="{id}" calledElement="{id}p"/>'], [], id, id
        loop = ""
        if kind == "several":
            sequential = self.random.choice(("true", "false"))
            loop = f'<multiInstanceLoopCharacteristics isSequential="{sequential}"><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>'
        return [f'<subProcess id="{id}">{loop}{inner}</subProcess>'], [], id, id

    def bounded(self, kind: str, id: str) -> tuple[list[str], list[str], str, str]:
        interrupting = kind == "late"
        time = "<timeDuration>PT1H</timeDuration>" if interrupting else "<timeCycle>R2/PT30M</timeCycle>"
        event = (
            f'<boundaryEvent id="{id}b" attachedToRef="{id}" cancelActivity="{str(interrupting).lower()}">'
            f"<timerEventDefinition>{time}</timerEventDefinition></boundaryEvent>"
        )
        elements = [f'<userTask id="{id}"/>{event}<userTask id="{id}h"/>']
        if interrupting:
            return [*elements, f'<exclusiveGateway id="{id}x"/>'], [f"{id}b > {id}h", f"{id} > {id}x", f"{id}h > {id}x"], id, f"{id}x"
        return elements, [f"{id}b > {id}h"], id, id


def built(seed: int) -> str:
    builder = Builder(Random(seed))
    elements, ways, first, last = builder.sequence(3)
    return document('<startEvent id="s"/><endEvent id="e"/>', *elements, flows(f"s > {first}", *ways, f"{last} > e"), rest="".join(builder.processes))


@pytest.mark.parametrize("seed", range(40))
def test_a_random_process_ends(seed: int) -> None:
    bpmn = built(seed)
    assert [finding for finding in check(ProcessFiles("p", 1, bpmn)).findings if finding.grave] == []
    random = Random(seed)
    case = Case(bpmn, data={"n": seed})
    steps = 0
    while not case.position.ended:
        steps += 1
        assert steps < 3_000
        kept = {task.id: task.element for task in case.position.tasks}
        choices = ["task"] * bool(case.position.tasks) * 4 + ["timer"] * bool(case.position.timers) + ["message"] * bool(case.position.messages)
        choice = random.choice(choices)
        if choice == "task":
            task = random.choice(case.position.tasks)
            case.done_by_id(task.id, n=random.randrange(10))
            assert task.id not in {other.id for other in case.position.tasks}
        elif choice == "timer":
            case.wake(case.now + timedelta(minutes=random.choice((20, 70))))
        else:
            case.hear(random.choice(case.position.messages))
        for other in case.position.tasks:
            assert kept.get(other.id, other.element) == other.element, "an id stays with its task"
        assert len(json.dumps(case.state)) < 60_000
    assert case.position.outcome == "e"
