"""Running cases under another version of their process."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cityhub.cases.bpmn.migrating import migrate
from cityhub.cases.bpmn.preparing import prepare
from cityhub.cases.bpmn.stepping import Place
from cityhub.cases.process_port import ProcessFiles
from cityhub.model.errors import Unprocessable
from tests.unit.cases.bpmn.drawing import NOW, Case, document, flows

LATE = '<boundaryEvent id="late" attachedToRef="b" cancelActivity="false"><timerEventDefinition><timeDuration>{time}</timeDuration></timerEventDefinition></boundaryEvent><userTask id="nag"/>'
OLD = document(
    '<startEvent id="s"/><userTask id="a"/><userTask id="b"/>', LATE.format(time="PT1H"), '<endEvent id="e"/>',
    flows("s > a", "a > b", "b > e", "late > nag", "nag > e"),
)  # fmt: skip
NEW = document(
    '<startEvent id="s"/><userTask id="first" name="先核实"/><exclusiveGateway id="g" default="g-b"/><userTask id="b" name="处置"/>',
    LATE.format(time="PT4H"), '<userTask id="c"/><endEvent id="e"/>',
    flows("s > first", "first > g", "g > first: again", "g > b", "b > c", "c > e", "late > nag", "nag > e"),
)  # fmt: skip


def moved(case: Case, bpmn: str) -> Case:
    """The case under another version."""
    new = prepare(ProcessFiles("p", 2, bpmn))
    assert case.state is not None
    case.position = migrate(case.prepared, new, case.state, case.now, Place())
    case.prepared, case.state = new, json.loads(json.dumps(case.position.state))
    return case


def test_a_case_goes_on_where_it_waits() -> None:
    case = Case(OLD, data={"x": 1})
    case.done("a")
    before = case.position
    moved(case, NEW)
    assert [task.id for task in case.position.tasks] == [task.id for task in before.tasks]
    assert case.position.tasks[0].name == "处置" and case.position.data == {"x": 1}
    assert case.position.timers == before.timers, "a timer that runs keeps its moment"
    case.wake(NOW + timedelta(hours=1))
    assert sorted(case.waits) == ["b", "nag"]
    case.done("b")
    case.done("c")
    case.done("nag")
    assert case.position.ended


def test_a_case_that_waits_where_the_other_version_has_nothing_stays() -> None:
    case = Case(OLD)
    with pytest.raises(Unprocessable, match="waits at 'a', which the other version does not have") as caught:
        moved(case, NEW)
    assert caught.value.members["elements"] == ["a"]
    case.done("a")
    assert case.waits == ["b"]


@pytest.mark.parametrize(
    "other",
    [
        NEW.replace('<userTask id="b"', '<receiveTask id="b"'),
        NEW.replace('<boundaryEvent id="late"', '<boundaryEvent id="later"').replace('"late', '"later'),
    ],
)
def test_an_element_of_another_kind_or_name_is_not_the_same(other: str) -> None:
    case = Case(OLD)
    case.done("a")
    with pytest.raises(Unprocessable):
        moved(case, other)


def test_a_boundary_event_that_is_new_begins_when_the_case_goes_over() -> None:
    plain = document('<startEvent id="s"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>', flows("s > a", "a > b", "b > e"))
    case = Case(plain)
    case.done("a")
    first = case.position.tasks[0].id
    case.now = NOW + timedelta(minutes=10)
    moved(case, NEW)
    assert [(timer.element, timer.due_at[:16]) for timer in case.position.timers] == [("late", "2026-11-23T12:10")]
    assert [task.id for task in case.position.tasks] == [first]
    case.wake(NOW + timedelta(hours=5))
    assert sorted(case.waits) == ["b", "nag"]
    case.done("b")
    case.done("nag")
    case.done("c")
    assert case.position.ended


def test_parallel_ways_and_subprocesses_go_over() -> None:
    def version(extra: str, *ways: str) -> str:
        return document(
            '<startEvent id="s"/><parallelGateway id="f"/><userTask id="a"/><subProcess id="sub"><startEvent id="is"/><userTask id="i"/><endEvent id="ie"/>',
            flows("is > i", "i > ie"), f'</subProcess><parallelGateway id="j"/>{extra}<endEvent id="e"/>',
            flows("s > f", "f > a", "f > sub", "a > j", "sub > j", *ways),
        )  # fmt: skip

    case = Case(version("", "j > e"))
    case.done("a")
    moved(case, version('<userTask id="z"/>', "j > z", "z > e"))
    case.done("i")
    assert case.waits == ["z"]
    case.done("z")
    assert case.position.ended


def test_there_and_back() -> None:
    case = Case(OLD)
    case.done("a")
    state = case.state
    moved(moved(case, NEW), OLD)
    assert case.state is not None and state is not None
    assert case.state["data"] == state["data"] and [row[2] for row in case.state["root"] if row[2] == "b"] == ["b"]
