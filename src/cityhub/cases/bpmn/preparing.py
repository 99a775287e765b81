"""Files to a process that can run."""

from __future__ import annotations

from cityhub.cases.bpmn.checking import Checked, check
from cityhub.cases.bpmn.running import Prepared
from cityhub.cases.bpmn.weaving import weave
from cityhub.cases.process_port import ProcessFiles
from cityhub.model.errors import Unprocessable


def prepare(files: ProcessFiles) -> Prepared:
    """A process that can run. Raises Unprocessable with the first grave findings."""
    checked = check(files)
    grave = [finding for finding in checked.findings if finding.grave]
    if grave or checked.model is None:
        said = "; ".join(f"{finding.element}: {finding.text}" if finding.element else finding.text for finding in grave[:5])
        raise Unprocessable(f"The process '{files.id}' version {files.version} cannot run: {said}", element=grave[0].element)
    return prepared_of(checked)


def prepared_of(checked: Checked) -> Prepared:
    """What a process without grave findings becomes."""
    assert checked.model is not None and checked.sayings is not None
    nodes = {node.id: node for node in checked.model.nodes()}
    main = checked.model.main()[0]
    ending = {main, *(node.id for node in checked.model.scopes[main].by_events())}
    return Prepared(checked.model, checked.sayings, checked.decisions, weave(checked.model), nodes, ending)
