"""Lists of cases and tasks: open ones from memory, the others from the store."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec

from cityhub.cases.desk.face import TYPE, iri, said
from cityhub.cases.desk.index import GRADES, CaseIndex, Row, is_for, is_overdue, shown_of
from cityhub.cases.desk.ledger import Ledger
from cityhub.cases.desk.record import Task, whole
from cityhub.model.condition import AllOf, Condition, TypeIs, ValueIn
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import People, Person, Store

STATES: Final = ("open", "closed", "rejected", "withdrawn", "merged")
ORDERS: Final[dict[str, tuple[Callable[[Row], Any], bool]]] = {
    "due": (attrgetter("urgency"), False),
    "grade": (lambda row: (GRADES[row.shown["grade"]], row.urgency), False),
    "opened": (lambda row: row.shown["openedAt"], False),
    "-opened": (lambda row: row.shown["openedAt"], True),
    "-changed": (lambda row: row.shown["changedAt"], True),
}
FILTERS: Final = ("state", "kind", "grade", "department", "person", "q", "overdue", "supervised", "order")
MOST_Q: Final = 100


class Wanted(msgspec.Struct, frozen=True):
    """Which cases a list has.

    Attributes:
        state: One of `STATES`.
        kind: Id, or the beginning of ids with "*" behind it; "": any.
        grade: "": any.
        department: Id of an organization that handles it; "": any.
        person: Id of somebody for whom a task of it waits; "": any.
        q: Text in number, title, description or address.
        overdue: Whether a limit is broken; None: either.
        supervised: Whether it is under supervision; None: either.
        order: One of `ORDERS`.
    """

    state: str = "open"
    kind: str = ""
    grade: str = ""
    department: str = ""
    person: str = ""
    q: str = ""
    overdue: bool | None = None
    supervised: bool | None = None
    order: str = "due"


def wanted_of(query: dict[str, str]) -> Wanted:
    """Which cases a request asks for. Raises BadRequestData."""
    state, order, grade = query.get("state", "open"), query.get("order", "due"), query.get("grade", "")
    if state not in STATES:
        raise BadRequestData(f"'state' must be one of {', '.join(STATES)}")
    if order not in ORDERS:
        raise BadRequestData(f"'order' must be one of {', '.join(ORDERS)}")
    if grade and grade not in GRADES:
        raise BadRequestData(f"'grade' must be one of {', '.join(GRADES)}")
    if len(query.get("q", "")) > MOST_Q:
        raise BadRequestData(f"'q' may have {MOST_Q} characters")
    return Wanted(
        state, query.get("kind", ""), grade, query.get("department", ""), query.get("person", ""), query.get("q", "").lower(),
        truth_of(query, "overdue"), truth_of(query, "supervised"), order,
    )  # fmt: skip


def truth_of(query: dict[str, str], name: str) -> bool | None:
    """A parameter that is true or false; None: it is not there. Raises BadRequestData."""
    text = query.get(name)
    if text not in (None, "true", "false"):
        raise BadRequestData(f"'{name}' must be true or false")
    return None if text is None else text == "true"


class CaseLists:
    """The lists.

    Args:
        index: The open cases.
        ledger: All cases.
        store: Where their faces are.
        people: For whom tasks are.
        tenant: Whose cases.
    """

    def __init__(self, index: CaseIndex, ledger: Ledger, store: Store, people: People, tenant: str) -> None:
        self._index = index
        self._ledger = ledger
        self._store = store
        self._people = people
        self._tenant = tenant

    async def cases(self, wanted: Wanted, limit: int, offset: int, now: str) -> tuple[list[dict[str, Any]], int]:
        """Cases as they stand in a list, and how many there are in all."""
        return self._open(wanted, limit, offset, now) if wanted.state == "open" else await self._others(wanted, limit, offset)

    def _open(self, wanted: Wanted, limit: int, offset: int, now: str) -> tuple[list[dict[str, Any]], int]:
        tests = self._tests(wanted, now)
        rows = list(self._index) if not wanted.person else self._rows_of(self._mine(wanted.person))
        for test in tests:
            rows = list(filter(test, rows))
        key, reverse = ORDERS[wanted.order]
        rows.sort(key=key, reverse=reverse)
        return [shown(row, now) for row in rows[offset : offset + limit]], len(rows)

    def _tests(self, wanted: Wanted, now: str) -> list[Callable[[Row], bool]]:
        tests: list[Callable[[Row], bool]] = []
        if wanted.kind:
            tests.append(lambda row: fits(row.shown["kind"], wanted.kind))
        if wanted.grade:
            tests.append(lambda row: row.shown["grade"] == wanted.grade)
        if wanted.department:
            tests.append(lambda row: wanted.department in row.shown["departments"])
        if wanted.overdue is not None:
            tests.append(lambda row: is_overdue(row, now) == wanted.overdue)
        if wanted.supervised is not None:
            tests.append(lambda row: row.shown["supervised"] == wanted.supervised)
        if wanted.q:
            tests.append(lambda row: wanted.q in row.text)
        return tests

    def _rows_of(self, mine: Callable[[Task], bool]) -> list[Row]:
        return list({row.shown["id"]: row for row, _ in self._index.tasks(mine)}.values())

    def _mine(self, id: str) -> Callable[[Task], bool]:
        person: Person | None = self._people.person(id)
        return (lambda task: task.assignee == id) if person is None else (lambda task: is_for(person, task))

    async def _others(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        if wanted.person or wanted.overdue is not None:
            raise BadRequestData("'person' and 'overdue' are about open cases: no task of another one waits")
        conditions: list[Condition] = [TypeIs(TYPE), ValueIn(iri("status"), wanted.state, wanted.state)]
        page = await self._store.find(
            self._tenant, AllOf(tuple(conditions)), lambda face: _matches(face, wanted), offset, limit, count=True,
            order=lambda face: _backwards(str(said(face, "closedAt"))),
        )  # fmt: skip
        cases = [await self._ledger.get(face["id"]) for face in page.entities]
        return [{**shown_of(case), "overdue": False} for case in cases], page.count or 0

    def tasks(
        self, person: str, department: str, overdue: bool | None, limit: int, offset: int, now: str
    ) -> tuple[list[dict[str, Any]], int]:
        """The tasks that wait for somebody, or for a department, and how many there are in all; the next due first."""
        mine = self._mine(person) if person else None

        def is_wanted(task: Task) -> bool:
            return (mine is None or mine(task)) and (not department or task.department == department)

        found = self._index.tasks(is_wanted)
        if overdue is not None:
            found = [(row, task) for row, task in found if is_overdue(row, now) == overdue]
        page = [{**whole(task), "case": shown(row, now)} for row, task in found[offset : offset + limit]]
        return page, len(found)


def shown(row: Row, now: str) -> dict[str, Any]:
    """An open case as it stands in a list at a moment."""
    return {**row.shown, "overdue": is_overdue(row, now)}


def fits(kind: str, wanted: str) -> bool:
    """Whether a kind is the one that is wanted, or one of those that begin so."""
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted


def _backwards(text: str) -> tuple[int, ...]:
    return tuple(-ord(sign) for sign in text)


def _matches(face: Entity, wanted: Wanted) -> bool:
    departments = said(face, "department")
    return (
        said(face, "status") == wanted.state
        and (not wanted.kind or fits(str(said(face, "caseKind")), wanted.kind))
        and (not wanted.grade or said(face, "grade") == wanted.grade)
        and (not wanted.department or wanted.department in (departments if isinstance(departments, list) else [departments]))
        and (wanted.supervised is None or said(face, "supervised") == wanted.supervised)
        and (not wanted.q or wanted.q in str(said(face, "caseNumber")).lower())
    )
