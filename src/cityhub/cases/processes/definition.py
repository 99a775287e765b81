"""A process as the register keeps it: the documents as they were uploaded, letter by letter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from msgspec.structs import replace

from cityhub.cases.bpmn.reading import read_process
from cityhub.cases.process_port import ProcessFiles
from cityhub.model.errors import BadRequestData, CityHubError

MOST_BPMN: Final = 1_000_000
MOST_DECISIONS: Final = 20
MOST_DMN: Final = 1_000_000
"""Bytes of all decisions of a process together."""
MOST_TITLE: Final = 200
RESERVED: Final = frozenset(("check",))
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_FILE: Final = re.compile(r"[\w.\-]{1,100}")


class Process(msgspec.Struct, frozen=True):
    """A process in the register.

    Attributes:
        id: Letters, digits, "-" and "_".
        title: For people; without one the name that the BPMN has.
        bpmn: BPMN 2.0 XML.
        decisions: DMN XML by name.
        version: Counted by the register.
    """

    id: str
    bpmn: str
    title: str = ""
    decisions: dict[str, str] = {}
    version: int = 0

    def files(self) -> ProcessFiles:
        """As the engine takes it."""
        return ProcessFiles(self.id, self.version, self.bpmn, self.decisions)


def process_of(value: Any) -> Process:
    """A process from JSON values. Raises BadRequestData naming the member that is wrong."""
    try:
        process = msgspec.convert(value, Process)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequestData(f"The process is not as it should be: {error}; right would be id, title, bpmn, decisions") from None
    if not _ID.fullmatch(process.id) or process.id in RESERVED:
        raise BadRequestData(f"'id' must be 1 to 100 letters, digits, '-' and '_', and none of {', '.join(sorted(RESERVED))}")
    if len(process.title) > MOST_TITLE:
        raise BadRequestData(f"'title' must have at most {MOST_TITLE} characters")
    if not process.bpmn.strip() or len(process.bpmn.encode()) > MOST_BPMN:
        raise BadRequestData(f"'bpmn' must be BPMN 2.0 XML of at most {MOST_BPMN} bytes")
    if len(process.decisions) > MOST_DECISIONS or sum(len(text.encode()) for text in process.decisions.values()) > MOST_DMN:
        raise BadRequestData(f"'decisions' may have at most {MOST_DECISIONS} files of together {MOST_DMN} bytes")
    for name in process.decisions:
        if not _FILE.fullmatch(name):
            raise BadRequestData(f"'{name[:100]}' is no name of a decision: right would be letters, digits, '-', '_' and '.'")
    return process


def read_definition(body: bytes) -> Process:
    """A process from JSON. Raises BadRequestData."""
    try:
        process = process_of(orjson.loads(body))
        return process if process.title else replace(process, title=_name(process.bpmn))
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The body must be JSON with id, title, bpmn and decisions: {error}") from None


def read_file(path: Path, content: bytes) -> Process:
    """A process from a district's file: its name is the id, and the decisions that it asks lie beside it as `<name>.dmn`.

    Raises:
        BadRequestData: The file is no BPMN in UTF-8, or is too long.
        OSError: A file beside it cannot be read.
    """
    if len(content) > MOST_BPMN:
        raise BadRequestData(f"A process may have at most {MOST_BPMN} bytes")
    bpmn = _text(path.name, content)
    model = read_process(bpmn)
    asked = {node.file for node in model.nodes() if node.kind == "businessRuleTask"}
    beside = {file.stem: file for file in sorted(path.parent.glob("*.dmn"))}
    wanted = beside if "" in asked else {name: file for name, file in beside.items() if name in asked}
    decisions = {name: _text(file.name, file.read_bytes()) for name, file in wanted.items()}
    return process_of({"id": path.stem, "title": _name(bpmn), "bpmn": bpmn, "decisions": decisions})


def _name(bpmn: str) -> str:
    """The name of the process that runs; "" where there is none, or the document cannot be read, which its check says."""
    try:
        model = read_process(bpmn)
    except CityHubError:
        return ""
    return model.scopes[model.main()[0]].name[:MOST_TITLE] if model.main() else ""


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadRequestData(f"'{name}' is not written in UTF-8 (at byte {error.start}); right would be UTF-8") from None
