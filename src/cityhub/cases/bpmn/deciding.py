"""The decisions that the tasks of a process ask, found among its DMN files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from cityhub.cases.bpmn.model import Node, ProcessModel
from cityhub.cases.bpmn.stepping import Decisions, FixedClock
from cityhub.cases.dmn import DecisionModel, compile_model, read_definitions
from cityhub.cases.dmn.analysis import analyse
from cityhub.cases.process_port import Evaluated, Finding
from cityhub.model.errors import CityHubError
from cityhub.model.feel import to_json


class Found(msgspec.Struct, frozen=True):
    """The models by file, what tasks ask of them, and findings."""

    models: dict[str, DecisionModel]
    decisions: Decisions
    findings: list[Finding]


def find_decisions(model: ProcessModel, files: dict[str, str]) -> Found:
    """What the business rule tasks of a model ask."""
    findings: list[Finding] = []
    models: dict[str, DecisionModel] = {}
    for name, text in files.items():
        read = _read(name, text, files, findings)
        if read is not None:
            models[name] = read
    for name, made in models.items():
        findings.extend(analysed(name, made))
    of_task: dict[str, tuple[DecisionModel, str, str]] = {}
    for node in model.nodes():
        if node.kind == "businessRuleTask":
            found = _asked(node, models)
            if isinstance(found, str):
                findings.append(Finding(True, node.id, found))
            else:
                of_task[node.id] = (*found, node.result or found[1])
    return Found(models, Decisions(of_task), findings)


def _read(name: str, text: str, files: dict[str, str], findings: list[Finding]) -> DecisionModel | None:
    try:
        definitions = read_definitions(text.encode())
        others = [read_definitions(other.encode()) for key, other in files.items() if key != name] if definitions.imports else []
        made = compile_model(definitions, others)
    except CityHubError as error:
        findings.append(Finding(True, "", error.detail, name))
        return None
    findings.extend(Finding(True, "", problem, name) for problem in made.problems)
    return made


def analysed(name: str, model: DecisionModel) -> list[Finding]:
    """What the tables of a model say beside what cannot be evaluated."""
    return [Finding(said.grave, said.rule or said.decision, said.text, name) for said in analyse(model.definitions)]


def check_decisions(dmn: str) -> list[Finding]:
    """See `cityhub.cases.process_port.DecisionEngine.check_decisions`."""
    findings: list[Finding] = []
    model = _read("decisions", dmn, {"decisions": dmn}, findings)
    return findings + (analysed("decisions", model) if model is not None else [])


def evaluate_decision(dmn: str, decision: str, inputs: dict[str, Any], moment: datetime) -> Evaluated:
    """See `cityhub.cases.process_port.DecisionEngine.evaluate`."""
    model = compile_model(read_definitions(dmn.encode()))
    named = next((one.name for one in model.definitions.decisions if decision in (one.name, one.id)), decision)
    outcome = model.evaluate(named, inputs, FixedClock(moment))
    steps = [
        {
            "decision": step.decision,
            "inputs": to_json(step.inputs),
            "value": to_json(step.value),
            "matches": [{"rules": list(match.rules), "ids": list(match.ids), "inputs": to_json(match.inputs)} for match in step.matches],
            "warnings": list(step.warnings),
        }
        for step in outcome.steps
    ]
    return Evaluated(to_json(outcome.value), steps, list(outcome.warnings))


def _asked(node: Node, models: dict[str, DecisionModel]) -> tuple[DecisionModel, str] | str:
    right = 'right would be <hub:decision ref="..."/> in its extensions, with the name or id of a decision of the files beside it'
    if not node.decision:
        return f"it names no decision; {right}"
    if node.file and node.file not in models:
        return f"there is no readable decision file '{node.file}'; there are: {', '.join(models) or 'none'}"
    searched = {node.file: models[node.file]} if node.file else models
    found = [
        (model, decision.name)
        for model in searched.values()
        for decision in model.definitions.decisions
        if node.decision in (decision.name, decision.id)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        return f"the decision '{node.decision}' is in several files; right would be <hub:decision ref=\"{node.decision}\" file=\"...\"/>"
    known = ", ".join(decision.name for model in searched.values() for decision in model.definitions.decisions) or "none"
    return f"there is no decision '{node.decision}'; there are: {known}; {right}"
