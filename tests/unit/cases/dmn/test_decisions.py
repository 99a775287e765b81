"""Decision models: requirements, tables, knowledge, services, types, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cityhub.cases.dmn import DecisionModel, compile_model, read_definitions
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.feel.functions.conversion import same

DMN = "https://www.omg.org/spec/DMN/20230324/MODEL/"


def document(body: str, attributes: str = 'namespace="urn:test"') -> bytes:
    return f'<definitions xmlns="{DMN}" name="test" {attributes}>{body}</definitions>'.encode()


def model(body: str) -> DecisionModel:
    return compile_model(read_definitions(document(body)))


def text(expression: str) -> str:
    escaped = expression.replace("&", "&amp;").replace("<", "&lt;")
    return f"<literalExpression><text>{escaped}</text></literalExpression>"


def decision(name: str, box: str, needs: str = "", kind: str = "") -> str:
    return f'<decision id="{name}" name="{name}"><variable name="{name}" typeRef="{kind}"/>{needs}{box}</decision>'


def needs(*names: str, kind: str = "requiredInput") -> str:
    tag = "knowledgeRequirement" if kind == "requiredKnowledge" else "informationRequirement"
    return "".join(f'<{tag}><{kind} href="#{name}"/></{tag}>' for name in names)


def given(name: str, kind: str = "") -> str:
    return f'<inputData id="{name}" name="{name}"><variable name="{name}" typeRef="{kind}"/></inputData>'


def table(policy: str, rows: list[tuple[str, str]], values: str = "", default: str = "", kind: str = "") -> str:
    rules = "".join(
        f'<rule id="r{number}"><inputEntry><text>{test.replace("<", "&lt;")}</text></inputEntry><outputEntry><text>{value}</text></outputEntry>'
        f"<annotationEntry><text>note {number}</text></annotationEntry></rule>"
        for number, (test, value) in enumerate(rows, 1)
    )
    allowed = f"<outputValues><text>{values}</text></outputValues>" if values else ""
    otherwise = f"<defaultOutputEntry><text>{default}</text></defaultOutputEntry>" if default else ""
    return (
        f'<decisionTable hitPolicy="{policy}"><input><inputExpression typeRef="number"><text>level</text></inputExpression></input>'
        f'<output typeRef="{kind}">{allowed}{otherwise}</output>{rules}</decisionTable>'
    ).replace('hitPolicy="COLLECT ', 'hitPolicy="COLLECT" aggregation="')


ROWS = [("> 4", '"IV"'), ("> 5", '"III"'), ("> 6", '"II"')]
PRIORITIES = '"II", "III", "IV"'


@pytest.mark.parametrize(
    ("policy", "rows", "level", "value"),
    [
        ("UNIQUE", [("[0..4)", '"none"'), (">= 4", '"IV"')], 4.2, "IV"),
        ("UNIQUE", ROWS, 5.5, None),
        ("FIRST", ROWS, 6.5, "IV"),
        ("ANY", [("> 4", "1"), ("> 5", "1")], 6, 1),
        ("ANY", [("> 4", "1"), ("> 5", "2")], 6, None),
        ("PRIORITY", ROWS, 5.5, "III"),
        ("OUTPUT ORDER", ROWS, 6.5, ["II", "III", "IV"]),
        ("RULE ORDER", ROWS, 6.5, ["IV", "III", "II"]),
        ("COLLECT", ROWS, 5.5, ["IV", "III"]),
        ("COLLECT SUM", [("> 4", "1.5"), ("> 5", "2")], 6, Decimal("3.5")),
        ("COLLECT MAX", [("> 4", "1.5"), ("> 5", "2")], 6, 2),
        ("COLLECT MIN", [("> 4", "1.5"), ("> 5", "2")], 6, Decimal("1.5")),
        ("COLLECT COUNT", [("> 4", "1.5"), ("> 5", "2")], 6, 2),
        ("FIRST", ROWS, 1, None),
        ("COLLECT", ROWS, 1, []),
        ("FIRST", ROWS, "six", None),
    ],
)
def test_hit_policies(policy: str, rows: list[tuple[str, str]], level: Any, value: Any) -> None:
    values = PRIORITIES if rows is ROWS else ""
    made = model(given("level", "Any") + decision("grade", table(policy, rows, values), needs("level")))
    assert made.problems == ()
    assert same(made.evaluate("grade", {"level": level}).value, value)


def test_the_report_tells_which_rules_held() -> None:
    made = model(given("level") + decision("grade", table("COLLECT", ROWS), needs("level")) + decision("n", text("count(grade)"), needs("grade", kind="requiredDecision")))
    outcome = made.evaluate("n", {"level": 5.5})
    assert outcome.value == 2
    first, second = outcome.steps
    assert (first.decision, first.inputs, first.value) == ("grade", {"level": 5.5}, ["IV", "III"])
    assert first.matches[0].rules == (1, 2)
    assert first.matches[0].ids == ("r1", "r2")
    assert first.matches[0].annotations == (("note 1",), ("note 2",))
    assert first.matches[0].inputs == {"level": 5.5}
    assert (second.decision, second.inputs) == ("n", {"grade": ["IV", "III"]})


def test_a_default_stands_in_where_no_rule_holds() -> None:
    made = model(given("level") + decision("grade", table("UNIQUE", ROWS, default='"none"'), needs("level")))
    assert made.evaluate("grade", {"level": 1}).value == "none"


KNOWLEDGE = (
    '<businessKnowledgeModel id="area" name="area"><encapsulatedLogic><formalParameter name="a" typeRef="number"/>'
    f'<formalParameter name="b" typeRef="number"/>{text("a * b")}</encapsulatedLogic></businessKnowledgeModel>'
)


def test_knowledge_is_called_by_place_by_name_and_in_an_invocation() -> None:
    call = f'<invocation>{text("area")}<binding><parameter name="b"/>{text("5")}</binding><binding><parameter name="a"/>{text("2")}</binding></invocation>'
    need = needs("area", kind="requiredKnowledge")
    made = model(KNOWLEDGE + decision("x", text("area(2, 3) + area(b: 4, a: 1)"), need) + decision("y", call, need) + decision("z", text('area("2", 3)'), need))
    assert made.evaluate("x", {}).value == 10
    assert made.evaluate("y", {}).value == 10
    outcome = made.evaluate("z", {})
    assert outcome.value is None
    assert outcome.warnings == ("the argument 'a' is to be a number",)
    assert made.invoke("area", {"a": 3, "b": 3}).value == 9


def test_a_service_takes_decisions_as_arguments() -> None:
    body = (
        given("rain")
        + decision("level", text("1"))
        + decision("alarm", text("level + rain > 10"), needs("level", kind="requiredDecision") + needs("rain"))
        + '<decisionService id="s" name="s"><outputDecision href="#alarm"/><inputDecision href="#level"/><inputData href="#rain"/></decisionService>'
        + decision("asked", text("s(rain: 5, level: 6)"), needs("s", kind="requiredKnowledge"))
    )
    made = model(body)
    assert made.evaluate("alarm", {"rain": 5}).value is False
    assert made.evaluate("asked", {}).value is True
    assert made.invoke("s", {"rain": 1, "level": 2}).value is False


BOXES = {
    "<context><contextEntry><variable name='a b'/>{1}</contextEntry><contextEntry><variable name='c'/>{a b + 1}</contextEntry></context>": {"a b": 1, "c": 2},
    "<context><contextEntry><variable name='a'/>{1}</contextEntry><contextEntry>{a + 1}</contextEntry></context>": 2,
    "<list>{1}{2}</list>": [1, 2],
    "<relation><column name='x'/><column name='y'/><row>{1}{2}</row><row>{3}{4}</row></relation>": [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
    "<conditional><if>{false}</if><then>{1}</then><else>{2}</else></conditional>": 2,
    "<filter><in>{[1, 2, 3]}</in><match>{item > 1}</match></filter>": [2, 3],
    "<for iteratorVariable='i'><in>{[1, 2]}</in><return>{i * 10}</return></for>": [10, 20],
    "<some iteratorVariable='i'><in>{[1, 2]}</in><satisfies>{i > 1}</satisfies></some>": True,
    "<every iteratorVariable='i'><in>{[1, 2]}</in><satisfies>{i > 1}</satisfies></every>": False,
}


@pytest.mark.parametrize("box", BOXES)
def test_boxed_expressions(box: str) -> None:
    import re

    made = model(decision("d", re.sub(r"\{(.*?)\}", lambda found: text(found[1]), box)))
    assert made.problems == ()
    assert made.evaluate("d", {}).value == BOXES[box]


TYPES = """
<itemDefinition name="tGrade"><typeRef>string</typeRef><allowedValues><text>"I", "II"</text></allowedValues></itemDefinition>
<itemDefinition name="tGauge"><itemComponent name="站名"><typeRef>string</typeRef></itemComponent><itemComponent name="level"><typeRef>number</typeRef>
<allowedValues><text>[0..20]</text></allowedValues></itemComponent></itemDefinition>
<itemDefinition name="tGauges" isCollection="true"><typeRef>tGauge</typeRef></itemDefinition>
"""


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("tGrade", "I", True),
        ("tGrade", "V", False),
        ("tGrade", ["I"], "I"),
        ("tGauge", {"站名": "濯水", "level": 3}, True),
        ("tGauge", {"站名": "濯水", "level": 30}, False),
        ("tGauge", {"站名": "濯水"}, False),
        ("tGauges", [{"站名": "濯水", "level": 3}], True),
        ("tGauges", [{"站名": 1, "level": 3}], False),
        ("number", "3", False),
        ("date and time", "2026-11-23", False),
    ],
)
def test_inputs_are_brought_to_their_type(kind: str, value: Any, kept: Any) -> None:
    outcome = model(TYPES + given("x", kind) + decision("d", text("x"), needs("x"))).evaluate("d", {"x": value})
    assert outcome.value == (value if kept is True else None if kept is False else kept)
    assert bool(outcome.warnings) is (kept is False)


def test_imports() -> None:
    library = read_definitions(document(TYPES + KNOWLEDGE + given("rain"), 'namespace="urn:library"'))
    body = (
        f'<import name="lib" namespace="urn:library" importType="{DMN}"/>'
        '<inputData id="g" name="g"><variable name="g" typeRef="lib.tGrade"/></inputData>'
        + decision(
            "d",
            text("[lib.area(2, 3), lib.rain, g]"),
            '<informationRequirement><requiredInput href="urn:library#rain"/></informationRequirement>'
            + needs("g")
            + '<knowledgeRequirement><requiredKnowledge href="urn:library#area"/></knowledgeRequirement>',
        )
    )
    made = compile_model(read_definitions(document(body)), [library])
    assert made.problems == ()
    assert made.evaluate("d", {"urn:library#rain": 7, "g": "II"}).value == [6, 7, "II"]
    with pytest.raises(BadRequestData, match="urn:library"):
        compile_model(read_definitions(document(body)))


def test_what_is_wrong_within_is_told_with_its_line() -> None:
    made = model(decision("d", "\n\n<literalExpression><text>1 +</text></literalExpression>") + decision("e", text("2"), kind="tNone"))
    assert made.problems == ("'e': there is no type 'tNone'", "line 3: FEEL, line 1, column 4: the expression ends; right would be a value, a name or '('")
    assert made.evaluate("d", {}).value is None
    assert made.evaluate("e", {}).value == 2


def test_java_is_never_run() -> None:
    made = model(decision("d", f'<functionDefinition kind="Java"><formalParameter name="x"/><context><contextEntry><variable name="class"/>{text(chr(34) + "java.lang.Math" + chr(34))}</contextEntry></context></functionDefinition>'))
    assert "kind Java are never run" in made.problems[0]


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<a><b></a>", "Line 1, column"),
        (b"", "no element found"),
        (b"<definitions/>", "DMN 1.3, 1.4 or 1.5"),
        (b"<a>" * 300, "within each other"),
        (document(decision("d", '<decisionTable hitPolicy="BEST"><output/></decisionTable>')), "UNIQUE, FIRST"),
        (document(decision("d", "<decisionTable><output/><rule><inputEntry/><outputEntry/></rule></decisionTable>")), "right would be 0 and 1"),
        (document(decision("d", "<conditional><if/></conditional>")), "no expression"),
    ],
)
def test_documents_that_are_refused(xml: bytes, reason: str) -> None:
    with pytest.raises(Exception, match=reason) as caught:
        read_definitions(xml)
    assert type(caught.value).__module__ == "cityhub.model.errors"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (decision("a", text("b"), needs("b", kind="requiredDecision")) + decision("b", text("a"), needs("a", kind="requiredDecision")), "circle: a -> b -> a"),
        (decision("a", text("1"), needs("nothing")), "'a' needs '#nothing'"),
        (decision("a", text("1")) + decision("a", text("2")), "twice"),
    ],
)
def test_models_that_are_refused(body: str, reason: str) -> None:
    with pytest.raises(BadRequestData, match=reason):
        model(body)


def test_endless_knowledge_ends() -> None:
    endless = f'<businessKnowledgeModel id="f" name="f"><encapsulatedLogic><formalParameter name="n"/>{text("f(n + 1)")}</encapsulatedLogic>{needs("f", kind="requiredKnowledge")}</businessKnowledgeModel>'
    outcome = model(endless + decision("d", text("f(1)"), needs("f", kind="requiredKnowledge"))).evaluate("d", {})
    assert outcome.value is None
    assert "functions call each other" in outcome.warnings[0]


def test_what_is_allowed_is_found_out_in_few_steps() -> None:
    slow = '<itemDefinition name="t"><typeRef>number</typeRef><allowedValues><text>some i in 1..90000 satisfies ? = i</text></allowedValues></itemDefinition>'
    made = model(slow + given("x", "t") + decision("d", text("x"), needs("x")))
    assert made.evaluate("d", {"x": 5}).value == 5
    assert made.evaluate("d", {"x": 80000}).value is None


def test_a_decision_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="it has: a"):
        model(decision("a", text("1"))).evaluate("b", {})
