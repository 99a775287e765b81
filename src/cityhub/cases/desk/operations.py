"""What people do with cases beside their steps: assign, reassign, return, extend, merge, split, reopen, supervise, join, rate, withdraw.

Each operation takes the members of a request that it knows; whatever else stands there is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from cityhub.cases.deadlines.clocks import Event
from cityhub.cases.desk.asked import (
    Assign,
    Comment,
    Extend,
    Join,
    Merge,
    Part,
    Rate,
    Reassign,
    Regrade,
    Return,
    Split,
    Why,
    moment_of,
    read_asked,
)
from cityhub.cases.desk.deed import Deed
from cityhub.cases.desk.desk import CaseDesk
from cityhub.cases.desk.ledger import OVERTAKEN, Overtaken
from cityhub.cases.desk.permits import LOCAL
from cityhub.cases.desk.record import Case, Entry, Rating, Round, Source, Task
from cityhub.cases.desk.rest import HANDLER, ended, noted
from cityhub.model.errors import BadRequestData, Conflict, Forbidden

EXTENSION: Final = "extension"
JOINT: Final = "joint"
GRANTED: Final = "granted"
MOST_PARTS: Final = 10
MOST_EVENT: Final = 64
Operation = Callable[[str, dict[str, Any], Deed], Awaitable[Case]]


class Operations:
    """The operations on cases.

    Args:
        desk: The desk.
    """

    def __init__(self, desk: CaseDesk) -> None:
        self._desk = desk
        self.by_name: Final[dict[str, Operation]] = {
            "assign": self.assign, "reassign": self.reassign, "return": self.give_back, "extend": self.extend, "merge": self.merge,
            "split": self.split, "reopen": self.reopen, "supervise": self.supervise, "join": self.join, "comment": self.comment,
            "rate": self.rate, "withdraw": self.withdraw, "grade": self.regrade,
        }  # fmt: skip

    async def assign(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Gives a task to a person (分配). Raises Conflict, BadRequestData."""
        wanted = read_asked(body, Assign)
        person = self._desk.around.people.person(wanted.person) if wanted.person else None
        if wanted.person and (person is None or not person.active):
            raise BadRequestData(f"'person': '{wanted.person[:100]}' is nobody who works here")

        async def work(case: Case, now: str) -> Case:
            task = self._desk.waiting(_open(case), wanted.task)
            if person is not None and task.department and person.department != task.department:
                raise BadRequestData(f"'person' must belong to {task.department}; 'reassign' gives a task to another department")
            data = {"task": task.id, "from": task.assignee, "to": wanted.person}
            entry = Entry(now, deed.by, "assigned", task.element, note=wanted.note, department=task.department, data=data)
            return noted(_with_task(case, msgspec.structs.replace(task, assignee=wanted.person)), entry)

        return await self._desk.change(id, deed, f"assign {wanted}", work)

    async def reassign(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Gives a task to another department (改派). Raises Conflict."""
        wanted = read_asked(body, Reassign)

        async def work(case: Case, now: str) -> Case:
            task = self._desk.waiting(_open(case), wanted.task)
            new = msgspec.structs.replace(task, department=wanted.department, assignee=wanted.person)
            departments = [wanted.department if one == task.department else one for one in case.departments]
            case = msgspec.structs.replace(_with_task(case, new), departments=list(dict.fromkeys(departments)) or [wanted.department])
            data = {"task": task.id, "from": task.department, "to": wanted.department}
            return noted(case, Entry(now, deed.by, "reassigned", task.element, note=wanted.note, department=wanted.department, data=data))

        return await self._desk.change(id, deed, f"reassign {wanted}", work)

    async def give_back(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Does a task with the outcome "return" (退回). Raises Conflict when none that waits can be returned."""
        wanted = read_asked(body, Return)
        case = await self._desk.get(id)
        if self._is_returned(case, deed):
            return case
        _open(case)
        found = [task for task in case.tasks if "return" in task.outcomes and wanted.task in ("", task.id)]
        if len(found) != 1:
            raise Conflict("Exactly one task that waits must be one that can be returned; name it as 'task'")
        return await self._desk.complete(id, found[0].id, "return", {}, msgspec.structs.replace(deed, note=wanted.note))

    def _is_returned(self, case: Case, deed: Deed) -> bool:
        """Whether this very request has returned a task already."""
        tasks = [entry.data["task"] for entry in case.timeline if entry.what == "returned"]
        return bool(deed.key) and any(deed.known_as(f"{case.id} {task} return") in case.keys for task in tasks)

    async def extend(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Asks for more time (延期); it counts when somebody else has granted it. Raises Conflict, BadRequestData."""
        wanted = read_asked(body, Extend)
        limit = self._desk.around.district.limits.by_id.get(wanted.limit)
        if limit is None or not limit.extendable:
            raise BadRequestData(f"The limit '{wanted.limit[:100]}' cannot be extended")
        if not 0 < wanted.amount <= 1000:
            raise BadRequestData("'amount' must be more than 0 and at most 1,000, in the limit's unit")

        async def work(case: Case, now: str) -> Case:
            if not any(clock.limit == wanted.limit and not clock.ended_at for clock in _open(case).clocks):
                raise Conflict(f"No clock of the limit '{wanted.limit}' runs in this case")
            if any(task.element == EXTENSION and task.data["limit"] == wanted.limit for task in case.tasks):
                raise Conflict("More time for this limit has been asked for already")
            data = {"limit": wanted.limit, "amount": wanted.amount, "askedBy": deed.by}
            supervisor = self._desk.around.district.settings.supervisor
            task = Task(
                _own_id(case, EXTENSION), EXTENSION, "延期审批", now, supervisor, outcomes=[GRANTED, "refused"], own=True,
                data={**data, "note": wanted.note},
            )  # fmt: skip
            entry = Entry(now, deed.by, "extension asked", EXTENSION, note=wanted.note, data=data)
            return noted(msgspec.structs.replace(case, tasks=[*case.tasks, task]), entry)

        return await self._desk.change(id, deed, f"extend {wanted}", work)

    async def finish_own(self, id: str, task: str, outcome: str, deed: Deed) -> Case:
        """Does a task of the desk itself: an approval of more time, a part of a department that joined, what a limit opened.

        Raises Conflict, Forbidden (who asked may not approve), BadRequestData.
        """

        async def work(case: Case, now: str) -> Case:
            waiting = self._desk.waiting(_open(case), task)
            self._desk.check(waiting, outcome, deed, case)
            if waiting.element == EXTENSION:
                if waiting.data["askedBy"] == deed.by and deed.by != LOCAL:
                    raise Forbidden("Who asked for more time may not grant it")
                case = _extended(case, waiting, outcome)
            entry = Entry(
                now, deed.by, "completed", waiting.element, outcome, deed.note, list(deed.files), waiting.department, waiting.opened_at,
                data={"task": waiting.id},
            )  # fmt: skip
            return noted(msgspec.structs.replace(case, tasks=[one for one in case.tasks if one.id != waiting.id]), entry)

        return await self._desk.change(id, deed, f"{task} {outcome}", work)

    async def merge(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Ends a case as the same as another one, which goes on (合并). Raises Conflict when one of them is not open."""
        wanted = read_asked(body, Merge)
        if wanted.into == id:
            raise BadRequestData("'into' must be another case")
        key = deed.known_as(f"{id} merge {wanted}")
        for _ in range(2):
            one, other = await self._desk.get(id), await self._desk.get(wanted.into)
            if one.merged_into == other.id:
                return one
            _open(one)
            _open(other)
            now = self._desk.now()
            gone = ended(noted(one, Entry(now, deed.by, "merged", note=wanted.note, data={"into": other.id})), "merged", now)
            gone = msgspec.structs.replace(gone, merged_into=other.id)
            grown = noted(other, Entry(now, deed.by, "merged with", note=wanted.note, data={"from": one.id, "number": one.number}))
            grown = msgspec.structs.replace(grown, merged_from=[*other.merged_from, one.id])
            try:
                made = await self._desk.write(
                    [(one, self._desk.settle(gone, now, key)), (other, self._desk.settle(grown, now, key))], deed
                )
            except Overtaken:
                continue
            return made[0]
        raise Conflict(OVERTAKEN)

    async def split(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Opens cases for parts of a case (拆分). Raises Conflict, BadRequestData."""
        wanted = read_asked(body, Split)
        if not 0 < len(wanted.parts) <= MOST_PARTS:
            raise BadRequestData(f"'parts' must have 1 to {MOST_PARTS} parts")
        key = deed.known_as(f"{id} split {wanted}")
        for _ in range(2):
            case = await self._desk.get(id)
            if key and key in case.keys:
                return case
            _open(case)
            now = self._desk.now()
            first = len(case.split_into)
            news = [await self._part(case, part, first + place, deed) for place, part in enumerate(wanted.parts, 1)]
            ids = [new.id for new in news]
            grown = noted(case, Entry(now, deed.by, "split", note=wanted.note, data={"into": ids}))
            grown = self._desk.settle(msgspec.structs.replace(grown, split_into=[*case.split_into, *ids]), now, key)
            try:
                made = await self._desk.write([(case, grown), *((None, new) for new in news)], deed)
            except Overtaken:
                continue
            return made[0]
        raise Conflict(OVERTAKEN)

    async def _part(self, case: Case, part: Part, number: int, deed: Deed) -> Case:
        district, now = self._desk.around.district, self._desk.now()
        kind = district.kind(part.kind or case.kind)
        files = self._desk.around.processes.latest(kind.process)
        new = Case(
            f"{case.id}.{number}", "", kind.id, case.grade, part.title, now, files.id, files.version, description=part.description,
            place=case.place, source=Source("system", case.id, "split"), split_from=case.id, rounds=[Round(now)],
            departments=part.departments or kind.departments, events=[Event("opened", now, case.grade)],
        )  # fmt: skip
        return await self._desk.begun(new, deed)

    async def reopen(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Begins another round of a closed case (重开). Raises Conflict for one that is open or was merged."""
        wanted = read_asked(body, Why)

        async def work(case: Case, now: str) -> Case:
            if case.state in ("open", "merged"):
                raise Conflict(f"Only a case that was closed, rejected or withdrawn is reopened; this one is {_state(case)}")
            files = self._desk.around.processes.latest(case.process)
            case = msgspec.structs.replace(
                case, state="open", closed_at="", on_time=None, rounds=[*case.rounds, Round(now)], process_version=files.version,
                events=[*case.events, Event("opened", now, case.grade)], departments=case.departments,
            )  # fmt: skip
            return await self._desk.begun(case, msgspec.structs.replace(deed, note=wanted.note))

        return await self._desk.change(id, deed, "reopen", work)

    async def supervise(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Puts a case under supervision (督办): everybody with a task of it and those who lead them are told."""
        wanted = read_asked(body, Why)

        async def work(case: Case, now: str) -> Case:
            entry = Entry(now, deed.by, "supervised", note=wanted.note)
            return noted(msgspec.structs.replace(_open(case), supervised=[*case.supervised, entry]), entry)

        telling = self._desk.around.telling
        return await self._desk.change(id, deed, f"supervise {wanted}", work, lambda case: telling.supervised(case, wanted.note))

    async def join(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Has further departments take part (联办); the case goes on from its handling when all of them are done."""
        wanted = read_asked(body, Join)
        if not 0 < len(wanted.departments) <= MOST_PARTS:
            raise BadRequestData(f"'departments' must name 1 to {MOST_PARTS} organizations")

        async def work(case: Case, now: str) -> Case:
            if not any(task.element == "handle" for task in _open(case).tasks):
                raise Conflict("Departments join while a case is being handled")
            new = [one for one in dict.fromkeys(wanted.departments) if one not in case.departments]
            tasks = [
                Task(_own_id(case, f"{JOINT}:{place}"), JOINT, "联合处置", now, HANDLER, one, outcomes=["done"], own=True)
                for place, one in enumerate(new)
            ]  # fmt: skip
            case = msgspec.structs.replace(case, tasks=[*case.tasks, *tasks], departments=[*case.departments, *new])
            return noted(case, Entry(now, deed.by, "joined", JOINT, note=wanted.note, data={"departments": new}))

        return await self._desk.change(id, deed, f"join {wanted}", work)

    async def comment(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Adds a line, and with `event` says that something has happened that limits look at. Raises BadRequestData."""
        wanted = read_asked(body, Comment)
        if not wanted.note and not wanted.event and not deed.files:
            raise BadRequestData("A comment needs a 'note', an 'event' or 'files'")
        if len(wanted.event) > MOST_EVENT or "." in wanted.event or wanted.event in ("opened", "closed", "graded"):
            raise BadRequestData(f"'event' must be a milestone of at most {MOST_EVENT} characters; events of steps are not given by hand")

        async def work(case: Case, now: str) -> Case:
            at = moment_of(wanted.at, now)
            if not case.opened_at <= at <= now:
                raise BadRequestData("'at' must lie between the opening of the case and now; what is planned is said when it is opened")
            what = "milestone" if wanted.event else "commented"
            data = {"event": wanted.event, "at": at} if wanted.event else {}
            case = noted(case, Entry(now, deed.by, what, note=wanted.note, files=list(deed.files), data=data))
            return msgspec.structs.replace(case, events=[*case.events, Event(wanted.event, at, case.grade)]) if wanted.event else case

        return await self._desk.change(id, deed, f"comment {wanted}", work)

    async def rate(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Says how well a closed case was handled (评价), once for each round. Raises Conflict, BadRequestData."""
        wanted = read_asked(body, Rate)
        if not 1 <= wanted.score <= 5:
            raise BadRequestData("'score' must be a whole number from 1 to 5")

        async def work(case: Case, now: str) -> Case:
            if case.state != "closed":
                raise Conflict(f"Only a closed case is rated; this one is {_state(case)}")
            if any(rating.round == case.round for rating in case.ratings):
                raise Conflict("This round of the case has been rated already")
            rating = Rating(wanted.score, now, deed.by, wanted.note, case.round)
            case = msgspec.structs.replace(case, ratings=[*case.ratings, rating])
            return noted(case, Entry(now, deed.by, "rated", note=wanted.note, data={"score": wanted.score}))

        return await self._desk.change(id, deed, f"rate {wanted}", work)

    async def withdraw(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Ends a case because there is nothing to do any more (撤销). Raises Conflict."""
        wanted = read_asked(body, Why)

        async def work(case: Case, now: str) -> Case:
            return ended(noted(_open(case), Entry(now, deed.by, "withdrawn", note=wanted.note)), "withdrawn", now)

        return await self._desk.change(id, deed, "withdraw", work)

    async def regrade(self, id: str, body: dict[str, Any], deed: Deed) -> Case:
        """Says how grave the case is from now on; limits of that grade begin to run."""
        wanted = read_asked(body, Regrade)

        async def work(case: Case, now: str) -> Case:
            if _open(case).grade == wanted.grade:
                return case
            entry = Entry(now, deed.by, "graded", note=wanted.note, data={"from": case.grade, "to": wanted.grade})
            events = [*case.events, Event("graded", now, wanted.grade)]
            return noted(msgspec.structs.replace(case, grade=wanted.grade, events=events), entry)

        return await self._desk.change(id, deed, f"grade {wanted}", work)


def _open(case: Case) -> Case:
    if case.state != "open":
        raise Conflict(f"The case is not open any more: it is {_state(case)}")
    return case


def _state(case: Case) -> str:
    return f"merged into {case.merged_into}" if case.merged_into else case.state


def _with_task(case: Case, task: Task) -> Case:
    return msgspec.structs.replace(case, tasks=[task if one.id == task.id else one for one in case.tasks])


def _own_id(case: Case, what: str) -> str:
    return f"{what}:{len(case.timeline)}"


def _extended(case: Case, task: Task, outcome: str) -> Case:
    if outcome != GRANTED:
        return case
    limit, amount = task.data["limit"], task.data["amount"]
    return msgspec.structs.replace(case, extensions={**case.extensions, limit: case.extensions.get(limit, 0.0) + amount})
