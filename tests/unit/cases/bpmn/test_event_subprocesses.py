"""Event subprocesses: they wait beside all else of their process, and interrupt it or not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cityhub.cases.bpmn.checking import check
from cityhub.cases.process_port import ProcessFiles
from cityhub.model.errors import Unprocessable
from tests.unit.cases.bpmn.drawing import NOW, Case, document, flows
from tests.unit.cases.bpmn.test_events import MESSAGES, timer
from tests.unit.cases.bpmn.test_migrating import moved


def process(start: str, interrupting: bool, more: str = "", ways: tuple[str, ...] = ("a > b", "b > e")) -> str:
    inner = (
        f'<startEvent id="begin" isInterrupting="{str(interrupting).lower()}">{start}</startEvent><userTask id="h"/><endEvent id="he"/>'
        + flows("begin > h", "h > he")
    )
    return document(
        '<startEvent id="s"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>', more, flows("s > a", *ways),
        f'<subProcess id="ev" triggeredByEvent="true">{inner}</subProcess>', around=MESSAGES,
    )  # fmt: skip


BACK = '<messageEventDefinition messageRef="m2"/>'


def test_without_its_event_it_never_begins() -> None:
    case = Case(process(BACK, True))
    assert case.waits == ["a"] and case.position.messages == ["撤回"] and case.passed() == ["s"]
    case.done("a")
    case.done("b")
    assert case.position.ended and case.position.outcome == "e"


def test_it_interrupts_all_else() -> None:
    case = Case(process(BACK, True))
    case.done("a")
    case.hear("撤回", why="重复")
    assert case.waits == ["h"] and case.position.messages == [] and case.position.data == {"why": "重复"}
    assert case.passed() == ["begin"]
    case.done("h")
    assert case.position.ended and case.position.outcome == "he"


def test_it_stands_beside_all_else_and_may_happen_again() -> None:
    case = Case(process(timer("Cycle", "R2/PT1H"), False))
    case.wake(NOW + timedelta(hours=1))
    assert sorted(case.waits) == ["a", "h"]
    case.done("a")
    case.wake(NOW + timedelta(hours=2))
    assert sorted(case.waits) == ["b", "h", "h"]
    case.done("b")
    assert case.waits == ["h", "h"]
    case.done("h")
    case.done("h")
    assert case.position.ended


def test_it_catches_errors_from_anywhere_within() -> None:
    bad = '<endEvent id="bad"><errorEventDefinition errorRef="e1"/></endEvent><exclusiveGateway id="g" default="g-e"/>'
    case = Case(process('<errorEventDefinition errorRef="e1"/>', True, bad, ("a > b", "b > g", "g > bad: ok = false", "g > e")))
    case.done("a")
    case.done("b", ok=False)
    assert case.waits == ["h"]
    case.done("h")
    assert case.position.outcome == "he"


def test_within_a_subprocess_it_ends_that_alone() -> None:
    inner = (
        '<startEvent id="is"/><userTask id="i"/><endEvent id="ie"/>' + flows("is > i", "i > ie")
        + f'<subProcess id="ev" triggeredByEvent="true"><startEvent id="begin">{timer("Duration", "PT1H")}</startEvent><userTask id="h"/>'
        '<endEvent id="he"/>' + flows("begin > h", "h > he") + "</subProcess>"
    )  # fmt: skip
    case = Case(document(
        f'<startEvent id="s"/><subProcess id="sub">{inner}</subProcess><userTask id="z"/><endEvent id="e"/>', flows("s > sub", "sub > z", "z > e"),
    ))  # fmt: skip
    assert case.waits == ["i"]
    case.wake(NOW + timedelta(hours=1))
    assert case.waits == ["h"]
    case.done("h")
    assert case.waits == ["z"]
    case.done("z")
    assert case.position.outcome == "e"


def test_a_case_goes_over_to_a_version_with_the_same_one_only() -> None:
    case = Case(process(BACK, True))
    case.done("a")
    moved(case, process(BACK, True).replace('id="a"', 'id="first"').replace("s-a", "s-first").replace('"a"', '"first"'))
    assert case.waits == ["b"]
    plain = document('<startEvent id="s"/><userTask id="a"/><userTask id="b"/><endEvent id="e"/>', flows("s > a", "a > b", "b > e"))
    with pytest.raises(Unprocessable):
        moved(case, plain)
    with pytest.raises(Unprocessable):
        moved(Case(plain), process(BACK, True))


@pytest.mark.parametrize("start", ["", "<conditionalEventDefinition/>", '<messageEventDefinition/>'])
def test_what_an_event_subprocess_cannot_begin_with(start: str) -> None:
    assert any(finding.grave and finding.element in ("ev", "begin") for finding in check(ProcessFiles("p", 1, process(start, True))).findings)
