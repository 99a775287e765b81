"""The port to what runs processes: it works out the next state of a case and keeps nothing itself.

Each call is one step: from a process and the state that it was in, and something that happened, to the state that it rests in.
The caller keeps the state; if it cannot, the step has not happened.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec


class ProcessFiles(msgspec.Struct, frozen=True):
    """A version of a process: its BPMN and the decisions that it asks.

    Attributes:
        id: Of the process: letters, digits, "-" and "_".
        version: Counted by the hub.
        bpmn: BPMN 2.0 XML.
        decisions: DMN XML by the name of the file.
    """

    id: str
    version: int
    bpmn: str
    decisions: dict[str, str] = {}


class ReadyTask(msgspec.Struct, frozen=True):
    """A task that waits for people.

    Attributes:
        id: Of this one, among the tasks of its case; it stays the same for as long as the task waits.
        element: Id of the BPMN element: "dispatch".
        name: As it stands in the diagram.
        lane: Name of its lane: a role, or "".
        form: Its fields as the BPMN has them in an extension: {"name", "title", "type", "required", "values"}.
        properties: Further properties of the element from its extensions.
        item: Of a task that runs once for each of several: the one it is for; None else.
    """

    id: str
    element: str
    name: str
    lane: str = ""
    form: list[dict[str, Any]] = []
    properties: dict[str, str] = {}
    item: Any = None


class Timer(msgspec.Struct, frozen=True):
    """A moment that the process waits for. `due_at`: RFC 3339 UTC."""

    element: str
    due_at: str


class Passed(msgspec.Struct, frozen=True):
    """An element that the process has passed in a step, in order.

    Attributes:
        element: Its id.
        name: Its name.
        kind: "task", "decision", "gateway", "event", ...
        detail: Of a decision its inputs, outputs and the rules that matched; of a gateway the condition that was true.
    """

    element: str
    name: str
    kind: str
    detail: dict[str, Any] = {}


class Position(msgspec.Struct, frozen=True):
    """Where a process rests.

    Attributes:
        state: What must be kept to go on; plain JSON, without the process itself.
        tasks: What waits for people.
        timers: What waits for time.
        messages: Names of the messages that it waits for.
        data: Its variables.
        passed: What it passed in this step.
        ended: Whether it has come to its end.
        outcome: Id of the end event; "".
    """

    state: dict[str, Any]
    tasks: list[ReadyTask]
    timers: list[Timer]
    messages: list[str]
    data: dict[str, Any]
    passed: list[Passed]
    ended: bool = False
    outcome: str = ""


class Finding(msgspec.Struct, frozen=True):
    """What is to be said of a process at its upload.

    Attributes:
        grave: Whether it cannot run so.
        element: Id of the element; "" the whole.
        text: What is wrong and what would be right.
        file: "process" or the name of a decision's file.
    """

    grave: bool
    element: str
    text: str
    file: str = "process"


class Step(msgspec.Struct, frozen=True, tag=True):
    """Something that happens to a process."""


class Begin(Step, frozen=True):
    """It begins with these variables."""

    data: dict[str, Any]


class Complete(Step, frozen=True):
    """A task is done; `data` becomes variables (of a task for one of several: of that one)."""

    task: str
    data: dict[str, Any]


class Wake(Step, frozen=True):
    """Time has passed: timers that are due go off."""


class Receive(Step, frozen=True):
    """A message comes."""

    message: str
    data: dict[str, Any]


class ProcessEngine(Protocol):
    """Runs processes in a process of its own; one that does not come to rest is stopped and refused."""

    async def check(self, files: ProcessFiles) -> list[Finding]:
        """Everything that is to be said of a process and its decisions; nothing grave: it can run."""

    async def step(self, files: ProcessFiles, state: dict[str, Any] | None, step: Begin | Complete | Wake | Receive, now: str) -> Position:
        """The position after a step.

        Args:
            files: The version that the state belongs to.
            state: Of the last position; None at the beginning.
            step: What happens.
            now: RFC 3339 UTC.

        Raises:
            Conflict: The state does not allow the step: such a task does not wait any more.
            Unprocessable: The process fails or does not come to rest; the detail names the element and why.
            StoreUnavailable: It cannot be asked now.
        """

    async def migrate(self, files: ProcessFiles, to: ProcessFiles, state: dict[str, Any], now: str) -> Position:
        """The same case under another version. Raises Unprocessable naming the waiting elements that the other version does not have."""


Grade = Literal["red", "orange", "yellow", "blue"]
"""How grave a case is; as the national warning grades."""


class Evaluated(msgspec.Struct, frozen=True):
    """What a decision came to.

    Attributes:
        value: Its value, plain JSON.
        steps: The decisions on the way: {"decision", "inputs", "value", "matches", "warnings"}, with the rules that held in "matches":
            {"rules": their numbers from 1, "ids", "inputs"}.
        warnings: Why parts came out as null.
    """

    value: Any
    steps: list[dict[str, Any]]
    warnings: list[str]


class DecisionEngine(Protocol):
    """Checks and makes decisions that stand alone; in the process that runs processes."""

    async def check_decisions(self, dmn: str) -> list[Finding]:
        """What is to be said of a decision model: what cannot be evaluated, rules that overlap, gaps, rules that never match."""

    async def evaluate(self, dmn: str, decision: str, inputs: dict[str, Any], now: str) -> Evaluated:
        """What a decision comes to; `decision` is its name or id. Raises BadRequestData, NotFound, Unprocessable, StoreUnavailable."""


class Migrated(msgspec.Struct, frozen=True):
    """What became of cases that were to go over to another version.

    Attributes:
        migrated: Ids of those that run it now.
        refused: {"case", "reason"} of those that stay with their version.
    """

    migrated: list[str]
    refused: list[dict[str, str]]


class Migrations(Protocol):
    """Whoever keeps running cases takes them over to the present version of their process, on purpose."""

    async def migrate_cases(self, to: ProcessFiles, cases: list[str] | None, version: int | None, by: str) -> Migrated:
        """Takes cases over.

        Args:
            to: The version that they run from now on.
            cases: Their ids; None: all that run the process.
            version: Only those that run this version; None: any other.
            by: Who wants it.
        """
