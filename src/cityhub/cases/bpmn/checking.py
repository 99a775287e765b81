"""Everything that is to be said of a process at its upload."""

from __future__ import annotations

import msgspec

from cityhub.cases.bpmn.deciding import find_decisions
from cityhub.cases.bpmn.model import ProcessModel
from cityhub.cases.bpmn.reading import read_process
from cityhub.cases.bpmn.saying import Sayings, compile_sayings
from cityhub.cases.bpmn.stepping import Decisions
from cityhub.cases.bpmn.structure import structure
from cityhub.cases.process_port import Finding, ProcessFiles
from cityhub.model.errors import CityHubError


class Checked(msgspec.Struct, frozen=True):
    """A process with what is to be said of it; without a model when it cannot even be read."""

    findings: list[Finding]
    model: ProcessModel | None = None
    sayings: Sayings | None = None
    decisions: Decisions = Decisions({})


def check(files: ProcessFiles) -> Checked:
    """The findings of a process, and what was made of it on the way."""
    try:
        model = read_process(files.bpmn)
    except CityHubError as error:
        return Checked([Finding(True, "", error.detail)])
    sayings = compile_sayings(model)
    found = find_decisions(model, files.decisions)
    findings = [Finding(remark.grave, remark.element, remark.text) for remark in model.remarks]
    findings += [Finding(True, problem.element, problem.text) for problem in sayings.problems]
    findings += structure(model)
    findings += found.findings
    return Checked(_of_what_runs(findings, model), model, sayings, found.decisions)


def _of_what_runs(findings: list[Finding], model: ProcessModel) -> list[Finding]:
    """The grave first; nothing is grave about a process that is only drawn beside the one that runs."""
    run = model.run()
    idle: set[str] = set()
    for scope in model.scopes.values():
        if scope.id not in run and run:
            idle.update([scope.id, *scope.nodes, *(flow.id for flow in scope.flows)])
    eased = [Finding(False, one.element, one.text, one.file) if one.element in idle and one.file == "process" else one for one in findings]
    return sorted(eased, key=lambda one: not one.grave)
