"""Timers, messages, signals, errors and escalations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cityhub.model.errors import Conflict, Unprocessable
from cityhub.model.time import to_text
from tests.unit.cases.bpmn.drawing import NOW, Case, document, flows

MESSAGES = '<message id="m1" name="回执"/><message id="m2" name="撤回"/><signal id="s1" name="解除"/><error id="e1" errorCode="无权"/><escalation id="x1" escalationCode="督办"/>'


def timer(kind: str, text: str) -> str:
    return f"<timerEventDefinition><time{kind}>{text}</time{kind}></timerEventDefinition>"


def waiting(*events: str, more: str = "", ways: tuple[str, ...] = ()) -> str:
    return document('<startEvent id="s"/><userTask id="a"/><endEvent id="e"/>', *events, more, flows("s > a", "a > e", *ways), around=MESSAGES)


def boundary(id: str, definition: str, interrupting: bool = True) -> str:
    return f'<boundaryEvent id="{id}" attachedToRef="a" cancelActivity="{str(interrupting).lower()}">{definition}</boundaryEvent>'


@pytest.mark.parametrize(
    ("kind", "text", "due"),
    [
        ("Duration", "PT2H", NOW + timedelta(hours=2)),
        ("Duration", "P1DT30M", NOW + timedelta(days=1, minutes=30)),
        ("Duration", 'duration("PT" + string(hours) + "H")', NOW + timedelta(hours=3)),
        ("Duration", "=limit", NOW + timedelta(minutes=5)),
        ("Date", "2026-11-24T08:00:00+08:00", NOW + timedelta(hours=16)),
        ("Date", 'date and time(at) + duration("PT1H")', NOW + timedelta(hours=2)),
        ("Date", "2026-11-24", NOW + timedelta(hours=16)),
    ],
)
def test_an_intermediate_timer_goes_off_at_its_time_and_not_before(kind: str, text: str, due: object) -> None:
    case = Case(
        document(
            f'<startEvent id="s"/><intermediateCatchEvent id="t">{timer(kind, text)}</intermediateCatchEvent><userTask id="a"/><endEvent id="e"/>',
            flows("s > t", "t > a", "a > e"),
        ),
        data={"hours": 3, "limit": "PT5M", "at": "2026-11-23T09:00:00Z"},
    )
    (pending,) = case.position.timers
    assert (pending.element, pending.due_at) == ("t", to_text(due))  # type: ignore[arg-type]
    case.wake(due - timedelta(seconds=1))  # type: ignore[operator]
    assert case.waits == [] and not case.position.ended
    case.wake(due)  # type: ignore[arg-type]
    assert case.waits == ["a"] and case.position.timers == []


def test_a_timer_of_nothing_says_so() -> None:
    with pytest.raises(Unprocessable, match="'t': its timer has no time"):
        Case(
            document(
                f'<startEvent id="s"/><intermediateCatchEvent id="t">{timer("Duration", "nobody")}</intermediateCatchEvent><endEvent id="e"/>',
                flows("s > t", "t > e"),
            )
        )


def test_a_boundary_timer_ends_its_task() -> None:
    case = Case(waiting(boundary("late", timer("Duration", "PT1H")), more='<userTask id="b"/>', ways=("late > b", "b > e")))
    assert case.waits == ["a"]
    case.wake(NOW + timedelta(hours=1))
    assert case.waits == ["b"] and case.position.timers == [] and case.passed() == ["late"]
    case.done("b")
    assert case.position.ended


def test_a_boundary_timer_beside_its_task_leaves_it() -> None:
    case = Case(waiting(boundary("late", timer("Duration", "PT1H"), False), more='<userTask id="b"/>', ways=("late > b", "b > e")))
    first = case.position.tasks[0].id
    case.wake(NOW + timedelta(hours=1))
    assert sorted(case.waits) == ["a", "b"] and first in [task.id for task in case.position.tasks]
    case.done("a")
    assert case.waits == ["b"] and not case.position.ended
    case.done("b")
    assert case.position.ended


def test_a_task_that_is_done_takes_its_timers_with_it() -> None:
    case = Case(waiting(boundary("late", timer("Duration", "PT1H")), more='<userTask id="b"/>', ways=("late > b", "b > e")))
    case.done("a")
    assert case.position.ended and case.position.timers == []


def test_a_cycle_goes_off_as_often_as_it_says_and_what_it_began_outlives_the_task() -> None:
    case = Case(waiting(boundary("remind", timer("Cycle", "R3/PT10M"), False), more='<userTask id="b"/>', ways=("remind > b", "b > e")))
    case.wake(NOW + timedelta(minutes=10))
    assert sorted(case.waits) == ["a", "b"]
    case.wake(NOW + timedelta(minutes=60))
    assert sorted(case.waits) == ["a", "b", "b", "b"] and case.position.timers == []
    case.done("a")
    assert case.waits == ["b", "b", "b"]
    for _ in range(3):
        case.done("b")
    assert case.position.ended


def test_what_an_endless_cycle_missed_is_passed_over() -> None:
    case = Case(waiting(boundary("remind", timer("Cycle", "R/PT10M"), False), more='<userTask id="b"/>', ways=("remind > b", "b > e")))
    case.wake(NOW + timedelta(days=400, minutes=5))
    assert case.waits.count("b") == 10
    assert case.position.timers[0].due_at == to_text(NOW + timedelta(days=400, minutes=10))
    for turn in range(1, 80):
        case.wake(NOW + timedelta(days=400, minutes=100 * turn + 5))
    assert 100 < case.waits.count("b") <= 510
    case.done("a")
    assert case.position.timers == [] and "a" not in case.waits


def test_a_message_is_waited_for_and_brings_variables() -> None:
    case = Case(
        document(
            '<startEvent id="s"/><receiveTask id="r" messageRef="m1"/><endEvent id="e"/>', flows("s > r", "r > e"), around=MESSAGES
        )
    )
    assert case.position.messages == ["回执"]
    with pytest.raises(Conflict, match="it waits for: 回执"):
        case.hear("撤回")
    case.hear("回执", 站=3)
    assert case.position.ended and case.position.data == {"站": 3}


def test_a_message_at_the_boundary() -> None:
    definition = '<messageEventDefinition messageRef="m2"/>'
    case = Case(waiting(boundary("back", definition), more='<endEvent id="out"/>', ways=("back > out",)))
    case.hear("撤回", why="重复")
    assert case.position.ended and case.position.outcome == "out" and case.position.data == {"why": "重复"}


def test_of_several_events_behind_a_gateway_one_happens() -> None:
    bpmn = document(
        '<startEvent id="s"/><eventBasedGateway id="g"/>'
        '<intermediateCatchEvent id="m"><messageEventDefinition messageRef="m1"/></intermediateCatchEvent>'
        f'<intermediateCatchEvent id="t1">{timer("Duration", "PT1H")}</intermediateCatchEvent>'
        f'<intermediateCatchEvent id="t2">{timer("Duration", "PT2H")}</intermediateCatchEvent>'
        '<endEvent id="em"/><endEvent id="e1"/><endEvent id="e2"/>',
        flows("s > g", "g > m", "g > t1", "g > t2", "m > em", "t1 > e1", "t2 > e2"),
        around=MESSAGES,
    )
    case = Case(bpmn)
    assert [pending.element for pending in case.position.timers] == ["t1", "t2"] and case.position.messages == ["回执"]
    case.hear("回执")
    assert case.position.outcome == "em"
    case = Case(bpmn)
    case.wake(NOW + timedelta(hours=1))
    assert case.position.outcome == "e1" and case.passed() == ["g", "t1", "e1"]


def subprocess(inner: str, ways: str) -> str:
    return f'<subProcess id="a">{inner}{ways}</subProcess>'


def test_an_error_in_a_subprocess_is_caught_at_its_boundary() -> None:
    case = Case(
        document(
            '<startEvent id="s"/>',
            subprocess(
                '<startEvent id="is"/><userTask id="i"/><exclusiveGateway id="ig" default="ig-ie"/><endEvent id="ie"/>'
                '<endEvent id="bad"><errorEventDefinition errorRef="e1"/></endEvent>',
                flows("is > i", "i > ig", "ig > bad: ok = false", "ig > ie"),
            ),
            boundary("err", '<errorEventDefinition errorRef="e1"/>'),
            '<userTask id="h"/><endEvent id="e"/>',
            flows("s > a", "a > e", "err > h", "h > e"),
            around=MESSAGES,
        )
    )
    assert case.waits == ["i"]
    case.done("i", ok=False)
    assert case.waits == ["h"] and case.position.data == {"ok": False}
    case.done("h")
    assert case.position.ended


def test_an_error_that_nobody_catches_ends_its_way() -> None:
    case = Case(
        document('<startEvent id="s"/><endEvent id="bad"><errorEventDefinition errorRef="e1"/></endEvent>', flows("s > bad"), around=MESSAGES)
    )
    assert case.position.ended and case.position.outcome == "bad"


def test_an_escalation_leaves_the_subprocess() -> None:
    case = Case(
        document(
            '<startEvent id="s"/>',
            subprocess(
                '<startEvent id="is"/><intermediateThrowEvent id="up"><escalationEventDefinition escalationRef="x1"/></intermediateThrowEvent>'
                '<userTask id="i"/><endEvent id="ie"/>',
                flows("is > up", "up > i", "i > ie"),
            ),
            boundary("esc", '<escalationEventDefinition escalationRef="x1"/>', False),
            '<userTask id="h"/><endEvent id="e"/>',
            flows("s > a", "a > e", "esc > h", "h > e"),
            around=MESSAGES,
        )
    )
    assert sorted(case.waits) == ["h", "i"]
    case.done("h")
    case.done("i")
    assert case.position.ended


def test_a_signal_reaches_another_way_of_the_same_case() -> None:
    case = Case(
        document(
            '<startEvent id="s"/><parallelGateway id="f"/><userTask id="a"/>'
            '<intermediateThrowEvent id="tell"><signalEventDefinition signalRef="s1"/></intermediateThrowEvent>'
            '<intermediateCatchEvent id="hear"><signalEventDefinition signalRef="s1"/></intermediateCatchEvent>'
            '<parallelGateway id="j"/><endEvent id="e"/>',
            flows("s > f", "f > a", "f > hear", "a > tell", "tell > j", "hear > j", "j > e"),
            around=MESSAGES,
        )
    )
    assert case.position.messages == ["解除"]
    case.done("a")
    assert case.position.ended


def test_terminate_ends_everything() -> None:
    case = Case(
        document(
            '<startEvent id="s"/><parallelGateway id="f"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>'
            '<endEvent id="all"><terminateEventDefinition/></endEvent>',
            flows("s > f", "f > a", "f > b", "a > all", "b > e"),
        )
    )
    case.done("a")
    assert case.position.ended and case.position.tasks == [] and case.position.outcome == "all"
