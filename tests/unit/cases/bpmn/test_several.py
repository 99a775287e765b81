"""Activities that run several times, subprocesses and calls, ways that are chosen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cityhub.model.errors import Unprocessable
from tests.unit.cases.bpmn.drawing import NOW, Case, document, flows


def several(inner: str = "", sequential: bool = False, until: str = "", loop: str = 'items="towns" item="town" results="answers" result="answer"') -> str:
    condition = f"<completionCondition>{until}</completionCondition>" if until else ""
    return (
        f'<multiInstanceLoopCharacteristics isSequential="{str(sequential).lower()}">'
        f"<extensionElements><hub:loop {loop}/></extensionElements>{condition}</multiInstanceLoopCharacteristics>{inner}"
    )


def one_task(loop: str) -> str:
    return document(f'<startEvent id="s"/><userTask id="a">{loop}</userTask><userTask id="z"/><endEvent id="e"/>', flows("s > a", "a > z", "z > e"))


TOWNS = ["濯水", "舟白", "冯家"]


def test_one_task_for_each_in_parallel() -> None:
    case = Case(one_task(several()), data={"towns": TOWNS})
    assert [task.item for task in case.position.tasks] == TOWNS
    assert case.position.data == {"towns": TOWNS}
    for place, answer in ((2, "c"), (0, "a"), (0, "b")):
        task = case.position.tasks[place]
        case.done_by_id(task.id, answer=answer)
    assert case.waits == ["z"] and case.position.data == {"towns": TOWNS, "answers": ["a", "b", "c"]}


def test_one_after_the_other() -> None:
    case = Case(one_task(several(sequential=True)), data={"towns": TOWNS})
    for place, town in enumerate(TOWNS):
        assert [task.item for task in case.position.tasks] == [town]
        case.done("a", answer=place)
    assert case.waits == ["z"] and case.position.data["answers"] == [0, 1, 2]


def test_without_results_what_the_single_ones_set_is_set_outside() -> None:
    case = Case(one_task(several(loop='items="towns" item="town"')), data={"towns": TOWNS[:1]})
    case.done("a", level=4)
    assert case.position.data == {"towns": TOWNS[:1], "level": 4}


@pytest.mark.parametrize("sequential", [False, True])
def test_nothing_to_go_through_is_passed(sequential: bool) -> None:
    case = Case(one_task(several(sequential=sequential)), data={"towns": []})
    assert case.waits == ["z"] and case.position.data["answers"] == []


@pytest.mark.parametrize("sequential", [False, True])
def test_enough_is_enough(sequential: bool) -> None:
    case = Case(one_task(several(sequential=sequential, until='answer = "yes"')), data={"towns": TOWNS})
    case.done("a", answer="yes")
    assert case.waits == ["z"] and case.position.data["answers"] == ["yes", None, None]


def test_a_number_of_times() -> None:
    loop = "<multiInstanceLoopCharacteristics><loopCardinality>n + 1</loopCardinality></multiInstanceLoopCharacteristics>"
    assert [task.item for task in Case(one_task(loop), data={"n": 2}).position.tasks] == [1, 2, 3]


@pytest.mark.parametrize("items", [None, "text", 100_000, list(range(1000))])
def test_what_is_no_list_or_too_long_says_so(items: object) -> None:
    with pytest.raises(Unprocessable, match="'a'"):
        Case(one_task(several()), data={"towns": items})


def test_a_timer_at_several_ends_all_of_them() -> None:
    bpmn = document(
        f'<startEvent id="s"/><userTask id="a">{several()}</userTask><userTask id="z"/><endEvent id="e"/><userTask id="late"/>',
        '<boundaryEvent id="t" attachedToRef="a"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></boundaryEvent>',
        flows("s > a", "a > z", "z > e", "t > late", "late > e"),
    )
    case = Case(bpmn, data={"towns": TOWNS})
    case.done("a", answer=1)
    case.wake(NOW + timedelta(hours=1))
    assert case.waits == ["late"]
    case.done("late")
    assert case.position.ended


def test_a_subprocess_for_each_has_variables_of_its_own() -> None:
    inner = (
        '<startEvent id="is"/><scriptTask id="x" scriptFormat="feel"><script>label = town + "镇"</script></scriptTask>'
        '<userTask id="i"/><scriptTask id="y" scriptFormat="feel"><script>answer = label + string(level)</script></scriptTask><endEvent id="ie"/>'
        + flows("is > x", "x > i", "i > y", "y > ie")
    )
    bpmn = document(
        f'<startEvent id="s"/><subProcess id="a">{several(inner)}</subProcess><userTask id="z"/><endEvent id="e"/>',
        flows("s > a", "a > z", "z > e"),
    )
    case = Case(bpmn, data={"towns": TOWNS[:2]})
    assert [(task.element, task.item) for task in case.position.tasks] == [("i", "濯水"), ("i", "舟白")]
    case.done("i", level=1)
    case.done("i", level=2)
    assert case.waits == ["z"] and case.position.data["answers"] == ["濯水镇1", "舟白镇2"] and "label" not in case.position.data


def test_a_subprocess_and_a_called_process_share_the_variables() -> None:
    bpmn = document(
        '<startEvent id="s"/><subProcess id="a"><startEvent id="is"/><userTask id="i"/><endEvent id="ie"/>',
        flows("is > i", "i > ie"),
        '</subProcess><callActivity id="c" calledElement="q"/><endEvent id="e"/>',
        flows("s > a", "a > c", "c > e"),
        rest='<process id="q"><startEvent id="qs"/><userTask id="qi"/><endEvent id="qe"/>' + flows("qs > qi", "qi > qe") + "</process>",
    )
    case = Case(bpmn)
    case.done("i", x=1)
    assert case.waits == ["qi"]
    case.done("qi", y=2)
    assert case.position.ended and case.position.data == {"x": 1, "y": 2} and case.position.outcome == "e"


def test_lanes_are_roles_also_within_a_subprocess() -> None:
    lanes = (
        '<laneSet><lane name="dispatcher"><flowNodeRef>s</flowNodeRef><flowNodeRef>a</flowNodeRef></lane><lane name="handler"><childLaneSet>'
        '<lane name="town"><flowNodeRef>z</flowNodeRef></lane><lane><flowNodeRef>sub</flowNodeRef></lane></childLaneSet></lane></laneSet>'
    )
    inner = '<startEvent id="is"/><userTask id="i"/><endEvent id="ie"/>' + flows("is > i", "i > ie")
    case = Case(document(
        lanes, f'<startEvent id="s"/><userTask id="a"/><subProcess id="sub">{inner}</subProcess><userTask id="z"/><endEvent id="e"/>',
        flows("s > a", "a > sub", "sub > z", "z > e"),
    ))  # fmt: skip
    roles = []
    while not case.position.ended:
        roles += [(task.element, task.lane) for task in case.position.tasks]
        case.done(case.waits[0])
    assert roles == [("a", "dispatcher"), ("i", "handler"), ("z", "town")]


INCLUSIVE = document(
    '<startEvent id="s"/><inclusiveGateway id="g" default="g-c"/><userTask id="a"/><userTask id="b"/><userTask id="c"/>'
    '<inclusiveGateway id="j"/><userTask id="z"/><endEvent id="e"/>',
    flows("s > g", "g > a: x > 1", "g > b: x > 2", "g > c", "a > j", "b > j", "c > j", "j > z", "z > e"),
)


@pytest.mark.parametrize(("x", "tasks"), [(0, ["c"]), (2, ["a"]), (3, ["a", "b"])])
def test_an_inclusive_gateway_waits_for_those_that_it_began(x: int, tasks: list[str]) -> None:
    case = Case(INCLUSIVE, data={"x": x})
    assert sorted(case.waits) == tasks
    for task in tasks:
        assert "z" not in case.waits
        case.done(task)
    assert case.waits == ["z"]
    case.done("z")
    assert case.position.ended


def test_an_inclusive_gateway_waits_for_what_is_within_a_subprocess() -> None:
    bpmn = document(
        '<startEvent id="s"/><inclusiveGateway id="g" default="g-z"/><userTask id="a"/>'
        '<subProcess id="b"><startEvent id="is"/><userTask id="i"/><endEvent id="ie"/>',
        flows("is > i", "i > ie"),
        '</subProcess><userTask id="k"/><inclusiveGateway id="j"/><userTask id="z"/><endEvent id="e"/>',
        flows("s > g", "g > a: true", "g > b: x > 1", "g > z", "a > j", "b > k", "k > j", "j > z", "z > e"),
    )
    case = Case(bpmn, data={"x": 2})
    assert sorted(case.waits) == ["a", "i"]
    case.done("a")
    assert case.waits == ["i"]
    case.done("i")
    assert case.waits == ["k"]
    case.done("k")
    assert case.waits == ["z"]


def test_several_flows_from_a_task_are_taken_as_their_conditions_say() -> None:
    bpmn = document(
        '<startEvent id="s"/><userTask id="t"/><userTask id="a"/><userTask id="b"/><userTask id="c"/><endEvent id="e"/>',
        flows("s > t", "t > a", "t > b: x > 1", "t > c: x > 2", "a > e", "b > e", "c > e"),
    )
    case = Case(bpmn)
    case.done("t", x=2)
    assert sorted(case.waits) == ["a", "b"]
    case = Case(bpmn)
    case.done("t", x=0)
    assert case.waits == ["a"]
    case.done("a")
    assert case.position.ended


def test_links_lead_on() -> None:
    bpmn = document(
        '<startEvent id="s"/><intermediateThrowEvent id="out"><linkEventDefinition name="A"/></intermediateThrowEvent>'
        '<intermediateCatchEvent id="in"><linkEventDefinition name="A"/></intermediateCatchEvent><userTask id="z"/><endEvent id="e"/>',
        flows("s > out", "in > z", "z > e"),
    )
    assert Case(bpmn).waits == ["z"]


def test_loops_within_parallel_ways_meet_in_the_end() -> None:
    bpmn = document(
        '<startEvent id="s"/><parallelGateway id="f"/><userTask id="a"/><exclusiveGateway id="g" default="g-j"/><userTask id="b"/>'
        '<parallelGateway id="j"/><userTask id="z"/><endEvent id="e"/>',
        flows("s > f", "f > a", "f > b", "a > g", "g > a: again", "g > j", "b > j", "j > z", "z > e"),
    )
    case = Case(bpmn)
    for _ in range(20):
        case.done("a", again=True)
    assert sorted(case.waits) == ["a", "b"]
    case.done("b")
    case.done("a", again=False)
    assert case.waits == ["z"]


def test_parallel_ways_within_a_loop_meet_each_time() -> None:
    bpmn = document(
        '<startEvent id="s"/><parallelGateway id="f"/><userTask id="a"/><userTask id="b"/><parallelGateway id="j"/>'
        '<exclusiveGateway id="g" default="g-e"/><endEvent id="e"/><task id="m"/>',
        flows("s > m", "m > f", "f > a", "f > b", "a > j", "b > j", "j > g", "g > m: again", "g > e"),
    )
    case = Case(bpmn)
    for turn in range(5):
        case.done("m")
        assert sorted(case.waits) == ["a", "b"]
        case.done("a", again=turn < 4)
        assert case.waits == ["b"]
        case.done("b")
    assert case.position.ended
