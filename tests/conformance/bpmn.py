"""The reference models of the BPMN Model Interchange Working Group (`bpmn-miwg/bpmn-miwg-test-suite`) against this hub's processes.

Models are read from a copy of it, nothing of it is kept here. The folder is the copy's root, or its `Reference`. A model passes when it is
given out as it was uploaded, and either runs from its beginning to its end or is refused with the element and the reason. Most models are
drawings that say of themselves that they are not executable: each of their processes is tried a second time as if it were.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.cases.bpmn.checking import check
from cityhub.cases.bpmn.preparing import prepare
from cityhub.cases.bpmn.reading import read_process
from cityhub.cases.bpmn.running import quiet, take_step
from cityhub.cases.bpmn.stepping import Place
from cityhub.cases.process_port import Begin, Complete, Finding, Position, ProcessFiles, Receive, Wake
from cityhub.cases.processes.definition import Process, process_of
from cityhub.model.errors import CityHubError
from tests.conformance.outcome import Outcome

MOST_STEPS: Final = 300
START: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
_PROCESS: Final = re.compile(r"<((?:\w+:)?process)\b([^>]*)>")


def run(suite: Path, arguments: list[str]) -> Outcome:
    """Tries each model, and prints a line for it and one for each of its processes; arguments name models (`A.1.0`)."""
    folder = suite / "Reference" if (suite / "Reference").is_dir() else suite
    models = [path for path in sorted(folder.glob("*.bpmn")) if not arguments or path.stem in arguments]
    if not models:
        raise SystemExit(f"SUITE is '{suite}'; right would be a folder with the reference models *.bpmn")
    quiet()
    passed = sum(_model(path) for path in models)
    return Outcome(passed, len(models) - passed, len(models))


def _model(path: Path) -> bool:
    content = path.read_bytes()
    same = _round_trip(content)
    good, said = _tried(content.decode())
    print(f"{path.stem}: round trip {'equal' if same else 'CHANGED'}; as it is: {said}")
    for process in read_process(content.decode()).processes:
        runs, told = _tried(_executable(content.decode(), process))
        good = good and runs
        print(f"    {process} as executable: {told}")
    return same and good


def _round_trip(content: bytes) -> bool:
    """Whether a document is given out as it came: by the door's JSON into the register's record and back."""
    sent = msgspec.json.encode({"id": "model", "bpmn": content.decode()})
    record = msgspec.json.encode(process_of(msgspec.json.decode(sent)))
    return msgspec.json.decode(record, type=Process).bpmn.encode() == content


def _executable(text: str, process: str) -> str:
    """A document of which one process is executable, and no other."""

    def mark(match: re.Match[str]) -> str:
        rest = re.sub(r'\s+isExecutable="[^"]*"', "", match[2])
        chosen = re.search(rf'\bid="{re.escape(process)}"', rest) is not None
        end = "/" if rest.endswith("/") else ""
        return f'<{match[1]}{rest.removesuffix("/")} isExecutable="{str(chosen).lower()}"{end}>'

    return _PROCESS.sub(mark, text)


def _tried(text: str) -> tuple[bool, str]:
    """Whether a model runs or is refused as it should be, and what is to be said of it."""
    files = ProcessFiles("model", 1, text)
    grave = [finding for finding in check(files).findings if finding.grave]
    if grave:
        clear = all(finding.text and (finding.element or finding.file != "process") for finding in grave)
        return clear, f"refused ({len(grave)}): {_said(grave[0])}"
    try:
        return _walked(files)
    except CityHubError as error:
        return bool(error.members.get("element")), f"stopped: {error.detail}"


def _said(finding: Finding) -> str:
    return f"'{finding.element}': {finding.text}" if finding.element else finding.text


def _walked(files: ProcessFiles) -> tuple[bool, str]:
    """Walks through a process: each task is done, each message comes, each timer goes off."""
    prepared = prepare(files)
    now = START
    position: Position = take_step(prepared, None, Begin({}), now, Place())
    steps = 1
    seen = [one.element for one in position.passed]
    while not position.ended and steps < MOST_STEPS:
        step: Any
        if position.tasks:
            step = Complete(position.tasks[0].id, {})
        elif position.messages:
            step = Receive(position.messages[0], {})
        else:
            now = max(now, datetime.fromisoformat(position.timers[0].due_at)) + timedelta(seconds=1)
            step = Wake()
        position = take_step(prepared, msgspec.json.decode(msgspec.json.encode(position.state)), step, now, Place())
        seen += [one.element for one in position.passed]
        steps += 1
    end = f"ends at '{position.outcome}'" if position.ended else "goes on"
    return position.ended, f"runs: {steps} steps, {len(set(seen))} elements passed, {end}"
