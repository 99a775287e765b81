"""No Python of a process is ever compiled or run, wherever it stands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityhub.cases.bpmn.checking import check
from cityhub.cases.process_port import ProcessFiles
from cityhub.model.errors import CityHubError
from tests.unit.cases.bpmn.drawing import NOW, Case, document, flows

_seen: list[str] = []
_watching = [False]


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching[0] and event in ("compile", "exec", "import", "os.system", "subprocess.Popen"):
        _seen.append(f"{event} {arguments!r}")


sys.addaudithook(_hook)


@pytest.fixture
def watched() -> Iterator[list[str]]:
    """What Python compiled or ran meanwhile."""
    _seen.clear()
    _watching[0] = True
    yield _seen
    _watching[0] = False


def attacks(mark: Path) -> list[str]:
    code = f"__import__('os').system('touch {mark}')"
    return [code, f"open('{mark}', 'w')", f"(lambda: {code})()", "[x for x in ().__class__.__base__.__subclasses__()]", f'f"{{{code}}}"']


def _places(code: str) -> dict[str, str]:
    text = code.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    task = '<startEvent id="s"/><endEvent id="e"/>'
    around = flows("s > x", "x > e")
    spiff = 'xmlns:spiffworkflow="http://spiffworkflow.org/bpmn/schema/1.0/core"'
    camunda = 'xmlns:camunda="http://camunda.org/schema/1.0/bpmn"'
    several = "multiInstanceLoopCharacteristics"
    return {
        "condition": document(
            task, '<exclusiveGateway id="x" default="x-e"/>', flows("s > x", "x > e"), f'<sequenceFlow id="f" sourceRef="x" targetRef="e"><conditionExpression>{text}</conditionExpression></sequenceFlow>'
        ),
        "script": document(task, f'<scriptTask id="x" scriptFormat="feel"><script>y = {text}</script></scriptTask>', around),
        "script in Python": document(task, f'<scriptTask id="x" scriptFormat="python"><script>{text}</script></scriptTask>', around),
        "cardinality": document(task, f'<userTask id="x"><{several}><loopCardinality>{text}</loopCardinality></{several}></userTask>', around),
        "completion": document(task, f'<userTask id="x"><{several}><loopCardinality>2</loopCardinality><completionCondition>{text}</completionCondition></{several}></userTask>', around),
        "standard loop": document(task, f'<userTask id="x"><standardLoopCharacteristics loopMaximum="2"><loopCondition>{text}</loopCondition></standardLoopCharacteristics></userTask>', around),
        "timer": document(task, f'<intermediateCatchEvent id="x"><timerEventDefinition><timeDuration>{text}</timeDuration></timerEventDefinition></intermediateCatchEvent>', around),
        "date": document(task, f'<intermediateCatchEvent id="x"><timerEventDefinition><timeDate>{text}</timeDate></timerEventDefinition></intermediateCatchEvent>', around),
        "conditional event": document(task, f'<intermediateCatchEvent id="x"><conditionalEventDefinition><condition>{text}</condition></conditionalEventDefinition></intermediateCatchEvent>', around),
        "association": document(
            task, f'<userTask id="x"><dataInputAssociation><sourceRef>d</sourceRef><targetRef>d</targetRef><transformation>{text}</transformation>'
            f"<assignment><from>{text}</from><to>y</to></assignment></dataInputAssociation></userTask>", around
        ),
        "pre script": document(task, f'<userTask id="x" {spiff}><extensionElements><spiffworkflow:preScript>{text}</spiffworkflow:preScript><spiffworkflow:postScript>{text}</spiffworkflow:postScript></extensionElements></userTask>', around),
        "service": document(task, f'<serviceTask id="x" {spiff} {camunda} camunda:expression="{text}"><extensionElements><spiffworkflow:serviceTaskOperator id="{text}"/></extensionElements></serviceTask>', around),
        "listener": document(task, f'<userTask id="x" {camunda}><extensionElements><camunda:taskListener expression="{text}"/><camunda:inputOutput><camunda:inputParameter name="y"><camunda:script scriptFormat="python">{text}</camunda:script></camunda:inputParameter></camunda:inputOutput></extensionElements></userTask>', around),
        "correlation": document(
            task, '<receiveTask id="x" messageRef="m"/>', around,
            around=f'<message id="m" name="m"/><correlationProperty id="c" name="c"><correlationPropertyRetrievalExpression messageRef="m"><messagePath>{text}</messagePath></correlationPropertyRetrievalExpression></correlationProperty>',
        ),
        "ad hoc": document(task, f'<adHocSubProcess id="x"><userTask id="y"/><completionCondition>{text}</completionCondition></adHocSubProcess>', around),
        "name": document(task, f'<userTask id="x" name="{text}"/>', around),
    }  # fmt: skip


@pytest.mark.parametrize("place", list(_places("")))
def test_no_python_runs(place: str, tmp_path: Path, watched: list[str]) -> None:
    mark = tmp_path / "mark"
    for code in attacks(mark):
        bpmn = _places(code)[place]
        _watching[0] = True
        check(ProcessFiles("p", 1, bpmn))
        try:
            case = Case(bpmn, data={"m": code})
            for element in list(case.waits):
                case.done(element, y=code)
            if case.position.messages:
                case.hear("m", y=code)
            case.wake(NOW)
        except CityHubError:
            pass  # refused: right as well
        _watching[0] = False
    assert not mark.exists()
    # Whoever writes a traceback meanwhile compiles the lines that it shows; no other thread has the marks of these attacks.
    told = [line for line in watched if "subclasses" in line or str(mark) in line or "os.system" in line]
    assert told == []
