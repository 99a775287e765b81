"""The desk: opens cases and takes them from step to step.

A step reads the record, asks the engine what it becomes, and writes record, face and notices in one transaction that nobody else was
faster than. What was not written has not happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from secrets import token_hex
from typing import Any, Final, Protocol

import msgspec

from cityhub.cases.deadlines.clocks import Event
from cityhub.cases.desk.deed import Deed, NewCase
from cityhub.cases.desk.index import CaseIndex
from cityhub.cases.desk.kinds import DistrictCases
from cityhub.cases.desk.ledger import OVERTAKEN, Ledger, Overtaken
from cityhub.cases.desk.permits import check_may_do
from cityhub.cases.desk.record import URN, Case, Entry, File, Round, Task
from cityhub.cases.desk.rest import noted, rested, settled
from cityhub.cases.desk.telling import Telling
from cityhub.cases.process_port import Begin, Complete, ProcessEngine, ProcessFiles, Receive, Wake
from cityhub.model.errors import AlreadyExists, BadRequestData, Conflict, NotFound
from cityhub.model.ports import People, Write
from cityhub.model.time import Clock, to_text

TRIES: Final = 2
"""A step that was overtaken is tried once again."""
MOST_ENTRIES: Final = 5_000
"""Lines of one timeline: a case that goes round for ever must end somewhere."""
MOST_FILES: Final = 200
MOST_DEPARTMENTS: Final = 20
Change = tuple[Case | None, Case]
Work = Callable[[Case, str], Awaitable[Case]]


class Processes(Protocol):
    """The processes of the hub, each in its versions."""

    def latest(self, id: str) -> ProcessFiles:
        """The present version of a process. Raises NotFound."""

    async def version(self, id: str, version: int) -> ProcessFiles:
        """A version of it, also of one that was deleted since. Raises NotFound."""


class Around(msgspec.Struct, frozen=True):
    """What the desk works with.

    Attributes:
        ledger: Where cases are kept.
        index: The open ones in memory.
        engine: Works out the steps.
        processes: What they run.
        district: Kinds, limits, working hours.
        people: Who may do what.
        telling: Who is told.
        clock: The present time.
    """

    ledger: Ledger
    index: CaseIndex
    engine: ProcessEngine
    processes: Processes
    district: DistrictCases
    people: People
    telling: Telling
    clock: Clock


class CaseDesk:
    """Opens cases and takes them from step to step.

    Args:
        around: What it works with.
    """

    def __init__(self, around: Around) -> None:
        self.around: Final = around

    def now(self) -> str:
        """The present time, RFC 3339 UTC."""
        return to_text(self.around.clock.now())

    async def get(self, id: str) -> Case:
        """A case, open or closed. Raises NotFound."""
        return await self.around.ledger.get(id)

    async def open(self, new: NewCase, deed: Deed, id: str = "") -> Case:
        """Opens a case.

        Args:
            new: The case.
            deed: Who opens it. With a key, the same request again gives the same case.
            id: Id of the case (URI): one with this id that is there already is given back as it is; "": one is made.

        Raises:
            BadRequestData: There is no such kind.
            NotFound: There is no such process.
            Unprocessable: The process does not begin with such data.
            StoreUnavailable: It could not be written.
        """
        id = id or URN + (deed.known_as("open") or _fresh())
        try:
            return await self.around.ledger.get(id)
        except NotFound:
            pass
        case = await self.begun(self._described(new, id), deed)
        try:
            [made] = await self.write([(None, case)], deed)
        except AlreadyExists:  # the same request came twice at once
            return await self.around.ledger.get(id)
        return made

    def _described(self, new: NewCase, id: str) -> Case:
        district, now = self.around.district, self.now()
        kind = district.kind(new.kind)
        grade = new.grade or district.grade(kind, new.data)
        files = self.around.processes.latest(new.process or kind.process)
        return Case(
            id, "", new.kind, grade, new.title, now, files.id, files.version, description=new.description, place=new.place,
            source=new.source, departments=new.departments or kind.departments, variables=new.data, rounds=[Round(now)],
            events=[Event("opened", now, grade), *(Event(name, at, grade) for name, at in new.milestones.items())],
        )  # fmt: skip

    async def begun(self, case: Case, deed: Deed) -> Case:
        """A case at the first rest of its process; nothing is written yet."""
        now = self.now()
        files = await self.around.processes.version(case.process, case.process_version)
        data = {
            **case.variables, "kind": case.kind, "grade": case.grade, "departments": case.departments, "round": case.round,
            "source": case.source.kind,
        }  # fmt: skip
        position = await self.around.engine.step(files, None, Begin(data), now)
        what = "opened" if case.round == 1 else "reopened"
        data = {"kind": case.kind, "grade": case.grade}
        case = noted(case, Entry(now, deed.by, what, "report", note=deed.note, files=list(deed.files), data=data))
        return self.settle(rested(case, position, now, self.around.district), now)

    def settle(self, case: Case, now: str, key: str = "") -> Case:
        """The case with its clocks as they are now."""
        return settled(case, self.around.district, now, key)

    async def write(self, changes: Sequence[Change], deed: Deed, more: Sequence[Write] = ()) -> list[Case]:
        """Writes cases together, with notices to those for whom new tasks wait. Raises Overtaken, AlreadyExists, StoreUnavailable."""
        around = self.around
        for before, after in changes:
            if len(after.timeline) > MOST_ENTRIES and (before is None or before.state == after.state == "open"):
                raise Conflict(f"A case has at most {MOST_ENTRIES} lines in its timeline; close it and open another one")
        notices = [write for before, after in changes for write in around.telling.new_tasks(before, after)]
        made = await around.ledger.write(changes, [*notices, *more], deed.trace)
        for case in made:
            around.index.take(case)
        return made

    async def change(self, id: str, deed: Deed, what: str, work: Work, more: Callable[[Case], Sequence[Write]] = lambda case: ()) -> Case:
        """Changes a case by `work`, once more on the newer case if somebody else was faster.

        A request whose key is known gives the case as it is. Raises NotFound, Conflict, and what `work` raises.
        """
        key = deed.known_as(f"{id} {what}")
        for _ in range(TRIES):
            before = await self.around.ledger.get(id)
            if key and key in before.keys:
                return before
            now = self.now()
            after = await work(before, now)
            if after is before:
                return before
            try:
                [made] = await self.write([(before, self.settle(after, now, key))], deed, more(after))
            except Overtaken:
                continue
            return made
        raise Conflict(OVERTAKEN)

    async def complete(self, id: str, task: str, outcome: str, data: dict[str, Any], deed: Deed) -> Case:
        """Does a task of the process.

        Args:
            id: Of the case.
            task: Of the task.
            outcome: What came of it: one of the task's outcomes.
            data: Variables for the process.
            deed: Who.

        Raises:
            NotFound: There is no such case.
            Conflict: The task does not wait any more.
            Forbidden: The caller may not do it.
            BadRequestData: It has no such outcome.
            Unprocessable: The process cannot go on so.
        """

        async def work(case: Case, now: str) -> Case:
            waiting = self.waiting(case, task)
            self.check(waiting, outcome, deed, case)
            return await self.stepped(case, waiting, outcome, data, deed, now)

        return await self.change(id, deed, f"{task} {outcome}", work)

    def waiting(self, case: Case, task: str) -> Task:
        """A task that waits. Raises Conflict."""
        found = case.task(task)
        if found is None:
            raise Conflict("The task does not wait any more: somebody else has done it, or the case has gone on; look at it again")
        return found

    def check(self, task: Task, outcome: str, deed: Deed, case: Case) -> None:
        """Raises Forbidden or BadRequestData for who may not do it, or for an outcome that it does not have."""
        check_may_do(self.around.people, deed.by, task, case)
        if outcome not in (task.outcomes or ["done"]):
            raise BadRequestData(f"'outcome' must be one of {', '.join(task.outcomes or ['done'])}")
        known = {file.hash for file in case.files}
        if any(file not in known for file in deed.files):
            raise BadRequestData("'files' must be hashes of attachments that the case has; give them to it first")

    async def stepped(self, case: Case, task: Task, outcome: str, data: dict[str, Any], deed: Deed, now: str) -> Case:
        """The case after a task of its process."""
        _check_open_parts(case, task)
        _check_form(case, task, outcome, data)
        files = await self.around.processes.version(case.process, case.process_version)
        given = {**_departments(case), **data, "outcome": outcome}
        position = await self.around.engine.step(files, case.position, Complete(task.id, given), now)
        what = "returned" if outcome == "return" else "completed"
        entry = Entry(
            now, deed.by, what, task.element, outcome, deed.note, list(deed.files), task.department, task.opened_at,
            data={"task": task.id, **({"given": data} if data else {}), **_decisions(position.passed)},
        )  # fmt: skip
        case = noted(case, entry)
        if _are_texts(data.get("departments")):
            case = msgspec.structs.replace(case, departments=data["departments"])
        case = msgspec.structs.replace(case, events=[*case.events, Event(f"{task.element}.{outcome}", now, case.grade)])
        return rested(case, position, now, self.around.district)

    async def attach(self, id: str, file: File, deed: Deed) -> Case:
        """Adds a file that is kept to a case; one that it has already changes nothing. Raises NotFound, Conflict."""

        async def work(case: Case, now: str) -> Case:
            if any(one.hash == file.hash for one in case.files):
                return case
            if len(case.files) >= MOST_FILES:
                raise Conflict(f"A case has at most {MOST_FILES} attachments")
            entry = Entry(now, deed.by, "attached", note=deed.note, files=[file.hash], data={"name": file.name})
            return noted(msgspec.structs.replace(case, files=[*case.files, file]), entry)

        return await self.change(id, deed, f"attach {file.hash}", work)

    async def receive(self, id: str, message: str, data: dict[str, Any], deed: Deed) -> Case:
        """Gives a message to the process of a case; one that does not wait for it only notes it. Raises NotFound, Conflict."""

        async def work(case: Case, now: str) -> Case:
            if case.state != "open":
                return case
            noted_case = noted(case, Entry(now, deed.by, message, note=deed.note, data=data))
            if message not in case.messages:
                return noted_case
            files = await self.around.processes.version(case.process, case.process_version)
            position = await self.around.engine.step(files, case.position, Receive(message, data), now)
            return rested(noted_case, position, now, self.around.district)

        return await self.change(id, deed, message, work)

    async def note(self, id: str, what: str, data: dict[str, Any], deed: Deed) -> Case:
        """Writes a line into the timeline of a case that is open. Raises NotFound, Conflict."""

        async def work(case: Case, now: str) -> Case:
            return noted(case, Entry(now, deed.by, what, note=deed.note, data=data)) if case.state == "open" else case

        return await self.change(id, deed, what, work)

    async def wake(self, id: str) -> Case:
        """Lets the timers of a case's process that are due go off. Raises NotFound, Conflict."""

        async def work(case: Case, now: str) -> Case:
            if case.state != "open" or not case.wake_at or case.wake_at > now:
                return case
            files = await self.around.processes.version(case.process, case.process_version)
            position = await self.around.engine.step(files, case.position, Wake(), now)
            passed = [one.name or one.element for one in position.passed]
            return rested(noted(case, Entry(now, "clock", "woken", data={"passed": passed})), position, now, self.around.district)

        return await self.change(id, Deed("clock"), "wake", work)


def _check_open_parts(case: Case, task: Task) -> None:
    """A step of the process waits for the departments that were asked to join the one before, and for what a limit opened."""
    parts = [part.department or part.name for part in case.tasks if part.own and part.element == "joint"]
    if parts and task.element != "handle" and not task.own:
        raise Conflict(f"The case cannot go on before those who were asked to join are done: {', '.join(parts)}")


def _check_form(case: Case, task: Task, outcome: str, data: dict[str, Any]) -> None:
    """A step sets the variables of its form and no others; what it must have is there when it goes forward."""
    fields = {field["name"]: field for field in task.form}
    for name in data:
        if name not in fields:
            raise BadRequestData(f"'{name[:50]}' is no field of this task; these are: {', '.join(fields) or 'none'}")
    for name, field in fields.items():
        if field.get("required") and outcome != "return" and not data.get(name, case.variables.get(name)):
            raise BadRequestData(f"'data' needs '{name}' ({field.get('title') or name}), which must not be empty")
        if field.get("type") == "organizations" and name in data and not _are_texts(data[name]):
            raise BadRequestData(f"'{name}' must be a list of ids of organizations, each once, at most {MOST_DEPARTMENTS}")


def _departments(case: Case) -> dict[str, Any]:
    """The departments for the process, where others got a task or joined since it was told of them."""
    known = case.variables.get("departments")
    return {"departments": case.departments} if known is not None and known != case.departments else {}


def _are_texts(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) <= MOST_DEPARTMENTS and all(isinstance(one, str) and one for one in value)
        and len(set(value)) == len(value)
    )  # fmt: skip


def _decisions(passed: Sequence[Any]) -> dict[str, Any]:
    """What decisions and gateways said in a step, for the timeline."""
    found = [{"element": one.element, "name": one.name, **one.detail} for one in passed if one.kind == "decision" and one.detail]
    return {"decisions": found} if found else {}


def _fresh() -> str:
    return token_hex(12)  # nobody guesses one case's id from another's: ids stand in messages to residents
