"""What is refused at upload: each time with the element, and what would be right."""

from __future__ import annotations

import pytest

from cityhub.cases.bpmn.checking import check
from cityhub.cases.bpmn.structure import circle_of
from cityhub.cases.process_port import Finding, ProcessFiles
from tests.unit.cases.bpmn.drawing import document, flows

PLAIN = '<startEvent id="s"/><userTask id="a"/><endEvent id="e"/>'
DMN = """<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" name="d" namespace="urn:d" id="d">
<inputData id="i" name="level"><variable name="level"/></inputData>
<decision id="grade" name="等级"><variable name="等级"/><informationRequirement><requiredInput href="#i"/></informationRequirement>
<literalExpression><text>if level > 4 then "red" else "blue"</text></literalExpression></decision></definitions>"""


def findings(bpmn: str, decisions: dict[str, str] | None = None) -> list[Finding]:
    return check(ProcessFiles("p", 1, bpmn, decisions or {})).findings


def with_element(element: str, *ways: str, around: str = "") -> str:
    return document(PLAIN, element, flows("s > a", "a > x", "x > e", *ways), around=around)


def test_a_plain_process_has_nothing_to_be_said_of() -> None:
    assert findings(document(PLAIN, flows("s > a", "a > e"))) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<definitions", "no well-formed XML"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>', "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type"),
        ("<x/>", "right would be <definitions>"),
        ("", "no well-formed XML"),
        ("<definitions>" + "<a>" * 500, "within each other"),
        ("x" * 2_000_001, "at most"),
    ],
)
def test_what_is_no_process_is_not_even_read(text: str, says: str) -> None:
    (finding,) = findings(text)
    assert finding.grave and says in finding.text


@pytest.mark.parametrize(
    ("bpmn", "element", "says"),
    [
        (document(PLAIN, flows("s > a", "a > e")).replace("isExecutable", "isClosed"), "p", 'right would be isExecutable="true"'),
        (document('<userTask id="a"/>'), "p", "no start event"),
        (document(PLAIN, '<startEvent id="s2"/>', flows("s > a", "s2 > a", "a > e")), "s2", "several start events"),
        (document(PLAIN, flows("s > a", "a > nobody")), "a-nobody", "targetRef 'nobody' is not in"),
        (document(PLAIN, '<userTask id="a"/>', flows("s > a", "a > e")), "a", "stands in line"),
        (document(PLAIN, '<userTask id="b"/>', flows("s > a", "a > e", "b > e")), "b", "never reached"),
        (document(PLAIN, '<userTask id="b"/>', flows("s > a", "a > b", "b > a")), "a", "no way leads from it to an end"),
        (with_element('<serviceTask id="x"/>'), "x", "no service is called"),
        (with_element('<adHocSubProcess id="x"/>'), "x", "ad-hoc"),
        (with_element('<transaction id="x"/>'), "x", "transaction"),
        (with_element('<complexGateway id="x"/>'), "x", "complex gateway"),
        (with_element('<callActivity id="x" calledElement="other"/>'), "x", "it calls 'other', which is not in this document"),
        (with_element('<callActivity id="x" calledElement="p"/>'), "p", "in a circle"),
        (with_element('<businessRuleTask id="x"/>'), "x", "it names no decision"),
        (with_element('<businessRuleTask id="x" hub:decisionRef="no"/>'), "x", "there is no decision 'no'; there are: 等级"),
        (with_element('<scriptTask id="x" scriptFormat="python"><script>x = 1</script></scriptTask>'), "x", "written in 'python'"),
        (with_element('<scriptTask id="x"><script>x = 1</script></scriptTask>'), "x", "scriptFormat"),
        (with_element('<scriptTask id="x" scriptFormat="feel"><script>import os</script></scriptTask>'), "x", "line 1 of its script is no assignment"),
        (with_element('<scriptTask id="x" scriptFormat="feel"><script>a = 1\nb = 1 +</script></scriptTask>'), "x", "from line 2: FEEL, line 1, column"),
        (with_element('<exclusiveGateway id="x"/>', "x > a: y"), "x-e", "has no condition"),
        (with_element('<exclusiveGateway id="x"/>', "x > a: y"), "x", "no default flow"),
        (with_element('<exclusiveGateway id="x" default="x-e"/>', "x > a: y >"), "x-a", "FEEL, line 1, column 4"),
        (with_element('<exclusiveGateway id="x" default="x-e"/>', "x > a: ${y}"), "x-a", "right would be the expression alone"),
        (with_element('<userTask id="x"><standardLoopCharacteristics/></userTask>'), "x", "standard loop"),
        (with_element('<userTask id="x"><multiInstanceLoopCharacteristics/></userTask>'), "x", "says not for what"),
        (with_element('<intermediateCatchEvent id="x"><timerEventDefinition/></intermediateCatchEvent>'), "x", "no time"),
        (with_element('<intermediateCatchEvent id="x"><conditionalEventDefinition/></intermediateCatchEvent>'), "x", "conditional event"),
        (with_element('<intermediateThrowEvent id="x"><compensateEventDefinition/></intermediateThrowEvent>'), "x", "compensate event"),
        (with_element('<userTask id="x"/>').replace('id="x"', 'id="x y"'), "x y", "signs that ids have not"),
        (
            document(
                '<startEvent id="s"/><scriptTask id="x" scriptFormat="feel"><script>n = 1</script></scriptTask><parallelGateway id="g"/><endEvent id="e"/>',
                flows("s > x", "x > g", "g > x", "g > e"),
            ),
            "g",
            "comes back to itself without a wait or a choice: g -> x -> g",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_its_element(bpmn: str, element: str, says: str) -> None:
    found = [finding for finding in findings(bpmn, {"d.dmn": DMN}) if finding.grave]
    assert any(finding.element == element and says in finding.text for finding in found), found


def test_decisions_that_cannot_be_read_name_their_file() -> None:
    bpmn = with_element('<businessRuleTask id="x" hub:decisionRef="grade"/>')
    assert findings(bpmn, {"d.dmn": DMN}) == []
    (broken,) = findings(bpmn, {"d.dmn": DMN.replace("else", "or")})
    assert broken.file == "d.dmn" and broken.grave and "FEEL" in broken.text
    unread, unasked = findings(bpmn, {"d.dmn": "<x/>"})
    assert unread.file == "d.dmn" and unread.grave and unasked.element == "x"


def test_what_others_would_run_has_no_effect_and_says_so() -> None:
    code = (
        '<userTask id="x" xmlns:spiffworkflow="http://spiffworkflow.org/bpmn/schema/1.0/core" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"'
        ' camunda:delegateExpression="${x}"><extensionElements>'
        "<spiffworkflow:preScript>x</spiffworkflow:preScript></extensionElements></userTask>"
    )
    found = findings(with_element(code))
    assert [(finding.grave, finding.element) for finding in found] == [(False, "x"), (False, "x")]
    assert "'preScript' has no effect" in found[0].text and "'delegateExpression'" in found[1].text


def test_circles() -> None:
    assert circle_of({"a": ["b"], "b": ["c", "d"], "c": [], "d": ["b"]}) == ["b", "d", "b"]
    assert circle_of({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}) == []
