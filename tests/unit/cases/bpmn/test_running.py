"""Processes as they run: gateways, loops, boundary events, messages, lists, subprocesses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cityhub.cases.bpmn.running import take_step
from cityhub.cases.bpmn.stepping import Place
from cityhub.cases.process_port import Complete
from cityhub.model.errors import Conflict, Unprocessable
from tests.unit.cases.bpmn.drawing import NOW, Case, document, flows

LINE = document(
    '<startEvent id="s"/><userTask id="a" name="受理"/><exclusiveGateway id="g" default="g-e"/><endEvent id="e"/>',
    flows("s > a", "a > g", 'g > a: outcome = "退回"', "g > e"),
)


def test_a_task_that_waits_keeps_its_id_and_ends_once() -> None:
    case = Case(LINE)
    first = case.position.tasks[0].id
    case.wake(NOW + timedelta(hours=1))
    assert case.position.tasks[0].id == first
    case.done("a", outcome="退回")
    assert case.waits == ["a"] and case.position.tasks[0].id != first
    case.done("a", outcome="通过")
    assert case.position.ended and case.position.outcome == "e" and case.position.tasks == []
    assert case.passed() == ["a", "g", "e"]


def test_the_same_step_again_gives_the_same_position() -> None:
    case, other = Case(LINE), Case(LINE)
    case.done("a", outcome="退回")
    other.done("a", outcome="退回")
    assert case.position == other.position


def test_a_task_that_is_done_cannot_be_done_again() -> None:
    case = Case(LINE)
    task = case.position.tasks[0].id
    case.done("a", outcome="退回")
    with pytest.raises(Conflict, match="does not wait"):
        take_step(case.prepared, case.state, Complete(task, {}), NOW, Place())


def test_a_gateway_without_a_true_condition_takes_the_default_and_null_is_not_true() -> None:
    case = Case(LINE)
    case.done("a")
    assert case.position.ended


def test_states_do_not_grow_with_returns() -> None:
    case = Case(LINE)
    sizes = set()
    for _ in range(300):
        case.done("a", outcome="退回")
        assert case.state is not None
        sizes.add(len(case.state["root"]))
    assert max(sizes) <= 4


def test_parallel_ways_meet() -> None:
    case = Case(
        document(
            '<startEvent id="s"/><parallelGateway id="f"/><userTask id="a"/><userTask id="b"/><parallelGateway id="j"/><userTask id="c"/><endEvent id="e"/>',
            flows("s > f", "f > a", "f > b", "a > j", "b > j", "j > c", "c > e"),
        )
    )
    assert sorted(case.waits) == ["a", "b"]
    case.done("a", x=[1, 2, 3])
    assert case.waits == ["b"]
    case.done("b", y=1)
    assert case.waits == ["c"] and case.position.data == {"x": [1, 2, 3], "y": 1}


def test_endless_loops_are_stopped_and_name_the_element() -> None:
    bpmn = document(
        '<startEvent id="s"/><scriptTask id="x" scriptFormat="feel"><script>n = 1</script></scriptTask>'
        '<exclusiveGateway id="g" default="g-x"/><endEvent id="e"/>',
        flows("s > x", "x > g", "g > e: n > 1", "g > x"),
    )
    with pytest.raises(Unprocessable, match="does not come to rest") as caught:
        Case(bpmn)
    assert caught.value.members["element"] in ("x", "g")
