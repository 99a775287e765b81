"""The open cases in memory: what lists show and filters look at. It follows own writes at once and those of other hubs by the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from cityhub.cases.desk.permits import is_candidate
from cityhub.cases.desk.record import CASES, Case, Task, from_document
from cityhub.model.change import Change
from cityhub.model.ports import Person

GRADES: Final = {"red": 0, "orange": 1, "yellow": 2, "blue": 3}
LATEST: Final = "9999"
"""Sorts behind every moment."""
MOST_GONE: Final = 100_000


Whose = tuple[str, str, str]
"""Assignee, lane and department."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """An open case, as far as lists need it.

    Attributes:
        shown: As it stands in a list.
        version: Of the case.
        due_at: The next due moment; "": none.
        urgency: Sorts by due moment, then by grade.
        broken_at: The first moment at which a limit is or was broken; "": none can be.
        mark_at: The next moment at which somebody is to be told of a clock; "".
        wake_at: The next moment that its process waits for; "".
        tasks: That wait.
        text: What `q` looks at, in lower case.
        people: Who has a task of it.
        messages: That its process waits for.
        location: Of a point, longitude and latitude; None: no point.
        words: Title and description, for finding the same again.
        source: Id of what it came from.
    """

    shown: dict[str, Any]
    version: int
    due_at: str
    urgency: str
    broken_at: str
    mark_at: str
    wake_at: str
    tasks: list[Task]
    text: str
    people: frozenset[str]
    messages: list[str]
    location: tuple[float, float] | None
    words: str
    source: str


def row_of(case: Case) -> Row:
    """The row of a case."""
    running = [clock for clock in case.clocks if not clock.paused and not clock.cancelled]
    marks = [clock.marks[clock.told] for clock in running if not clock.ended_at and not clock.least and clock.told < len(clock.marks)]
    broken = [
        clock.started_at if clock.ended_at else clock.due_at
        for clock in running if clock.decides and (clock.broken("") if clock.ended_at else not clock.least)
    ]  # fmt: skip
    people = frozenset(task.assignee for task in case.tasks if task.assignee)
    text = f"{case.number} {case.title} {case.description} {case.place.address}".lower()
    urgency = f"{case.due_at or LATEST} {GRADES[case.grade]}"
    return Row(
        shown_of(case), case.version, case.due_at, urgency, min(broken, default=""), min(marks, default=""), case.wake_at, case.tasks, text,
        people, case.messages, point_of(case), f"{case.title} {case.description}", case.source.ref,
    )  # fmt: skip


def shown_of(case: Case) -> dict[str, Any]:
    """A case as it stands in a list; without what reporters say of themselves."""
    return {
        "id": case.id, "number": case.number, "kind": case.kind, "grade": case.grade, "title": case.title, "state": case.state,
        "step": case.step, "stepNames": [task.name for task in case.tasks], "departments": case.departments,
        "assignees": sorted({task.assignee for task in case.tasks if task.assignee}), "place": msgspec.to_builtins(case.place),
        "source": case.source.kind, "alert": case.source.ref if case.source.kind == "alert" else "",
        "openedAt": case.opened_at, "closedAt": case.closed_at, "dueAt": case.due_at, "round": case.round,
        "supervised": bool(case.supervised), "version": case.version, "changedAt": case.changed_at,
        **({"onTime": case.on_time} if case.on_time is not None else {}),
    }  # fmt: skip


def point_of(case: Case) -> tuple[float, float] | None:
    """Where a case is, if that is a point."""
    location = case.place.location
    if location is None or location.get("type") != "Point":
        return None
    longitude, latitude = location["coordinates"][:2]
    return float(longitude), float(latitude)


class CaseIndex:
    """The open cases of a hub."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._gone: dict[str, int] = {}
        self._heaps: dict[Whose, dict[tuple[str, str], tuple[Row, Task]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, id: str) -> Row | None:
        """The row of an open case."""
        return self._rows.get(id)

    def fill(self, cases: Iterable[Case]) -> None:
        """Takes all open cases as they are kept."""
        for case in cases:
            self.take(case)

    def take(self, case: Case) -> None:
        """Takes a case as it was written; an older version changes nothing."""
        if case.version <= self._newest(case.id):
            return
        if case.state == "open":
            self._gone.pop(case.id, None)
            self._put(case.id, row_of(case))
            return
        self._put(case.id, None)
        self._gone[case.id] = case.version
        if len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def _newest(self, id: str) -> int:
        known = self._rows.get(id)
        return max(known.version if known else 0, self._gone.get(id, 0))

    async def changed(self, change: Change) -> None:
        """Takes over what the journal says of a record of an open or a closed case."""
        if change.after is not None:
            if change.after.get("version", 1) > self._newest(change.id):
                self.take(from_document(change.after))
        elif change.collection == CASES and change.before is not None:
            known = self._rows.get(change.id)
            if known is not None and known.version <= change.before.get("version", 1):
                self._put(change.id, None)

    def _put(self, id: str, row: Row | None) -> None:
        """Replaces the row of a case, and puts its tasks to those whose they are."""
        old = self._rows.pop(id, None)
        for task in old.tasks if old is not None else ():
            self._heaps[whose(task)].pop((id, task.id), None)
        if row is not None:
            self._rows[id] = row
            for task in row.tasks:
                self._heaps.setdefault(whose(task), {})[id, task.id] = row, task

    def tasks(self, wanted: Callable[[Task], bool]) -> list[tuple[Row, Task]]:
        """The tasks that wait and are wanted, the next due first.

        Args:
            wanted: Of any task, by its assignee, lane and department alone.
        """
        found: list[tuple[Row, Task]] = []
        for heap in self._heaps.values():
            some = next(iter(heap.values()), None)
            if some is not None and wanted(some[1]):
                found += heap.values()
        found.sort(key=lambda one: one[0].urgency)
        return found


def whose(task: Task) -> Whose:
    """Who may have a task: tasks with the same are the same people's."""
    return task.assignee, task.lane, task.department


def is_for(person: Person, task: Task) -> bool:
    """Whether a task is somebody's: it is theirs, or nobody's and they may take it."""
    return task.assignee == person.id if task.assignee else is_candidate(person, task)


def is_overdue(row: Row, now: str) -> bool:
    """Whether a limit of a case was broken by a moment (RFC 3339 UTC)."""
    return bool(row.broken_at) and row.broken_at < now
