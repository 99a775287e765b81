"""The record of a case: all that is known of it, for those who work on it.

Its public face is an entity of type Case (`cityhub.cases.desk.face`), written in the same transaction. What reporters say of themselves
stands in the record alone. The timeline only grows.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, Literal

import msgspec

from cityhub.cases.deadlines.clocks import Clock, Event, Pause
from cityhub.cases.process_port import Grade
from cityhub.model.ports import Document

CASES: Final = "case"
"""The collection of the cases that are open."""
CLOSED: Final = "closed_case"
"""The collection of those that are not."""
COUNTERS: Final = "case_counter"
"""The collection of the last number given out in each year."""
URN: Final = "urn:ngsi-ld:Case:"
State = Literal["open", "closed", "rejected", "withdrawn", "merged"]
Origin = Literal["alert", "resident", "staff", "system"]
MOST_KEYS: Final = 100
"""Of so many requests a case knows that they were done."""


class Reporter(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Who reported something, as far as they said. Personal data."""

    name: str = ""
    phone: str = ""
    email: str = ""
    device: str = ""


class Source(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Where a case came from.

    Attributes:
        kind: An alert, a resident, a member of staff or another system.
        ref: Id of the alert or of the request in the other system.
        system: Its name.
    """

    kind: Origin = "staff"
    ref: str = ""
    system: str = ""
    reporter: Reporter | None = None


class Place(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Where it is. `location`: GeoJSON geometry; `township`: id of the entity."""

    location: dict[str, Any] | None = None
    township: str = ""
    address: str = ""


class Task(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Something that somebody must do now.

    Attributes:
        id: Among the tasks of its case.
        element: Id of the process's element, or "extension", "joint", "follow-up" of those of the desk itself.
        name: As it stands in the diagram.
        lane: The role that it is for.
        department: Id of the organization that it is for; "": any.
        assignee: Id of the person who has it; "": nobody yet.
        opened_at: RFC 3339 UTC.
        outcomes: What may come of it.
        form: Further fields, see `cityhub.cases.process_port.ReadyTask`.
        properties: Of the process's element.
        own: Whether it is the desk's own and not the process's.
        data: What it is about.
    """

    id: str
    element: str
    name: str
    opened_at: str
    lane: str = ""
    department: str = ""
    assignee: str = ""
    outcomes: list[str] = []
    form: list[dict[str, Any]] = []
    properties: dict[str, str] = {}
    own: bool = False
    data: dict[str, Any] = {}


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One line of the timeline.

    Attributes:
        at: RFC 3339 UTC.
        by: Id of the person, "local", or the part of the hub that did it.
        what: "opened", "completed", "returned", "assigned", "reassigned", ...
        element: The step.
        outcome: What came of it.
        note: Why, in words.
        files: Ids of attachments.
        department: Whose task it was.
        since: When the task had been opened.
        round: 1, and one more after each reopening.
        data: Further facts.
    """

    at: str
    by: str
    what: str
    element: str = ""
    outcome: str = ""
    note: str = ""
    files: list[str] = []
    department: str = ""
    since: str = ""
    round: int = 1
    data: dict[str, Any] = {}


class Rating(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What the reporter thinks of how it was handled: 1 to 5."""

    score: int
    at: str
    by: str
    note: str = ""
    round: int = 1


class File(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An attachment: its name for people, its SHA-256, its media type and its size in bytes."""

    name: str
    hash: str
    type: str
    size: int
    at: str
    by: str


class Round(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """From an opening to a closing."""

    opened_at: str
    closed_at: str = ""
    outcome: str = ""


class Case(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A case.

    Attributes:
        id: URI.
        number: As offices count them.
        version: Counts the changes.
        kind: Id in the district's list of kinds.
        opened_at: RFC 3339 UTC.
        process: Id of the process.
        process_version: The version that it runs.
        position: The process's state, for the engine alone.
        step: Id of the first element that waits.
        departments: Ids of the organizations that handle it, the first one in charge.
        alerts: Ids of further alerts that it has taken beside the one that opened it.
        events: What clocks follow from.
        variables: Of the process.
        messages: That the process waits for.
        wake_at: The next moment that the process waits for; "".
        extensions: Further time that was granted, by limit.
        keys: Of requests that were done.
        on_time: Whether every limit was kept; None while it is open.
    """

    id: str
    number: str
    kind: str
    grade: Grade
    title: str
    opened_at: str
    process: str
    process_version: int
    version: int = 1
    description: str = ""
    place: Place = Place()
    source: Source = Source()
    state: State = "open"
    step: str = ""
    position: dict[str, Any] | None = None
    variables: dict[str, Any] = {}
    messages: list[str] = []
    wake_at: str = ""
    tasks: list[Task] = []
    departments: list[str] = []
    timeline: list[Entry] = []
    events: list[Event] = []
    pauses: list[Pause] = []
    clocks: list[Clock] = []
    extensions: dict[str, float] = {}
    alerts: list[str] = []
    merged_into: str = ""
    merged_from: list[str] = []
    split_from: str = ""
    split_into: list[str] = []
    rounds: list[Round] = []
    supervised: list[Entry] = []
    ratings: list[Rating] = []
    files: list[File] = []
    keys: list[str] = []
    closed_at: str = ""
    on_time: bool | None = None
    changed_at: str = ""

    @property
    def round(self) -> int:
        """1, and one more after each reopening."""
        return max(1, len(self.rounds))

    @property
    def due_at(self) -> str:
        """When the next clock that runs must end, RFC 3339 UTC; "": none runs."""
        return min((clock.due_at for clock in self.clocks if _runs(clock)), default="")

    def overdue(self, now: str) -> bool:
        """Whether a limit was broken by a moment (RFC 3339 UTC)."""
        return any(clock.decides and clock.broken(now) for clock in self.clocks)

    def task(self, id: str) -> Task | None:
        """The task with an id, if it waits."""
        return next((task for task in self.tasks if task.id == id), None)


def _runs(clock: Clock) -> bool:
    return not clock.ended_at and not clock.cancelled and not clock.paused and not clock.least


def to_document(case: Case) -> Document:
    """As it is kept."""
    document: Document = msgspec.to_builtins(case)
    return document


def from_document(document: Document) -> Case:
    """As it was kept."""
    return msgspec.convert(document, Case)


def whole(value: Any) -> Any:
    """A record or a part of it with all its members, also those that have their usual values: as doors show it."""
    if isinstance(value, msgspec.Struct):
        return {name: whole(getattr(value, field)) for field, name in _names(type(value))}
    return [whole(one) for one in value] if isinstance(value, list) else value


@cache
def _names(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    return [(field.name, field.encode_name) for field in msgspec.structs.fields(kind)]
