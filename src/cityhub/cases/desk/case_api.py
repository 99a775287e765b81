"""The doors under `/api/cases` and `/api/tasks`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from cityhub.cases.desk.attachments import Attachments
from cityhub.cases.desk.deed import Deed, NewCase
from cityhub.cases.desk.desk import CaseDesk
from cityhub.cases.desk.duplicates import duplicates_of
from cityhub.cases.desk.index import row_of
from cityhub.cases.desk.lists import FILTERS, CaseLists, truth_of, wanted_of
from cityhub.cases.desk.operations import Operations
from cityhub.cases.desk.record import Case, File, Reporter, whole
from cityhub.model.errors import BadRequestData, InvalidRequest, NotFound
from cityhub.model.ngsild.geometry import read_geometry
from cityhub.model.time import to_text
from cityhub.registers.questions import object_of, page_of, text_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/cases"
READ: Final = "case.read"
WRITE: Final = "case.write"
MOST_NOTE: Final = 4_000
MOST_KEY: Final = 200
MOST_TITLE: Final = 200
MOST_TEXT: Final = 10_000
MOST_DATA: Final = 20_000
MOST_FILES: Final = 20


class CaseApi:
    """The doors of cases.

    Args:
        desk: Opens them and takes them on.
        operations: What else is done to them.
        lists: How they are listed.
        attachments: Their files.
    """

    def __init__(self, desk: CaseDesk, operations: Operations, lists: CaseLists, attachments: Attachments) -> None:
        self._desk = desk
        self._operations = operations
        self._lists = lists
        self._attachments = attachments

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str, *, takes_bytes: bool = False) -> Route:
            return Route(method, path, handler, permission, operation, tag="cases", takes_bytes=takes_bytes)

        return [
            door("GET", PREFIX, self._list, READ, "List Cases"),
            door("POST", PREFIX, self._open, WRITE, "Open Case"),
            door("GET", f"{PREFIX}/kinds", self._kinds, READ, "List Kinds of Cases"),
            door("GET", one, self._show, READ, "Show Case"),
            door("GET", f"{one}/duplicates", self._duplicates, READ, "List Likely Duplicates of Case"),
            door("POST", f"{one}/tasks/{{task}}", self._complete, WRITE, "Do Task of Case"),
            door("POST", f"{one}/attachments", self._attach, WRITE, "Add Attachment to Case", takes_bytes=True),
            door("GET", f"{one}/attachments/{{name}}", self._attachment, READ, "Get Attachment of Case"),
            door("POST", f"{one}/{{operation}}", self._operate, WRITE, "Operate on Case"),
            door("GET", "/api/tasks", self._tasks, READ, "List Tasks"),
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, *FILTERS)
        cases, count = await self._lists.cases(wanted_of(request.query), limit, offset, self._desk.now())
        return json_response({"cases": cases, "count": count})

    async def _tasks(self, request: Request) -> Response:
        limit, offset = page_of(request, "person", "department", "overdue")
        query = request.query
        person, department = query.get("person", ""), query.get("department", "")
        tasks, count = self._lists.tasks(person, department, truth_of(query, "overdue"), limit, offset, self._desk.now())
        return json_response({"tasks": tasks, "count": count})

    async def _kinds(self, request: Request) -> Response:
        district = self._desk.around.district
        kinds = [msgspec.to_builtins(kind) for kind in district.kinds.values()]
        limits = [msgspec.to_builtins(limit) for limit in district.limits.all]
        return json_response({"kinds": kinds, "groups": district.groups, "limits": limits, "count": len(kinds)})

    async def _show(self, request: Request) -> Response:
        return self._answer(await self._desk.get(request.parameters["id"]), request)

    def _answer(self, case: Case, request: Request, status: int = 200) -> Response:
        headers = [("location", f"{PREFIX}/{case.id}")] if status == 201 else []
        return json_response(self._described(case, request.principal.id), status, headers)

    def _described(self, case: Case, by: str) -> dict[str, Any]:
        """A case as it is shown: the process's state stays inside, and who is no part of it sees a reporter's contacts masked."""
        reporter = case.source.reporter if may_see_reporter(case, by) else masked(case.source.reporter)
        document = whole(msgspec.structs.replace(case, source=msgspec.structs.replace(case.source, reporter=reporter)))
        for inside in ("position", "keys", "events", "pauses", "messages"):
            del document[inside]
        kind = self._desk.around.district.kinds.get(case.kind)
        now = self._desk.now()
        clocks = [{**whole(clock), "broken": clock.broken(now), **self._limit(clock.limit)} for clock in case.clocks]
        return {
            **document, "clocks": clocks, "dueAt": case.due_at, "overdue": case.state == "open" and case.overdue(now), "round": case.round,
            "kindTitle": kind.title if kind else {},
        }  # fmt: skip

    def _limit(self, id: str) -> dict[str, Any]:
        limit = self._desk.around.district.limits.by_id.get(id)
        return {"title": limit.title, "article": limit.article} if limit else {}

    async def _open(self, request: Request) -> Response:
        body = object_of(request)
        files = body.pop("files", None)
        if files:
            raise BadRequestData(f"Files are given to a case that is open: POST {PREFIX}/<id>/attachments?name=photo.jpg")
        new = read_new(body)
        case = await self._desk.open(new, deed_of(request, body={}))
        return self._answer(case, request, 201)

    async def _complete(self, request: Request) -> Response:
        body = object_of(request, ("outcome", "data", "note", "files"))
        id, task, outcome = request.parameters["id"], request.parameters["task"], text_of(body, "outcome", most=100) or "done"
        data, deed = data_of(body), deed_of(request, body)
        waiting = (await self._desk.get(id)).task(task)
        if waiting is not None and waiting.own:
            return self._answer(await self._operations.finish_own(id, task, outcome, deed), request)
        return self._answer(await self._desk.complete(id, task, outcome, data, deed), request)

    async def _operate(self, request: Request) -> Response:
        operation = self._operations.by_name.get(request.parameters["operation"])
        if operation is None:
            raise NotFound(f"There is no such operation on a case; these are: {', '.join(self._operations.by_name)}")
        body = object_of(request)
        deed = deed_of(request, {"note": body.get("note", ""), "files": body.pop("files", [])})
        return self._answer(await operation(request.parameters["id"], body, deed), request)

    async def _duplicates(self, request: Request) -> Response:
        case = await self._desk.get(request.parameters["id"])
        kind = self._desk.around.district.kinds.get(case.kind)
        found = duplicates_of(row_of(case), kind, self._desk.around.index) if kind is not None else []
        return json_response({"duplicates": found, "count": len(found)})

    async def _attach(self, request: Request) -> Response:
        case = await self._desk.get(request.parameters["id"])
        name = request.query.get("name", "")
        digest, type = await self._attachments.keep(name, request.body)
        deed = deed_of(request, {})
        file = File(name, digest, type, len(request.body), self._desk.now(), deed.by)
        await self._desk.attach(case.id, file, deed)
        return json_response(whole(file), 201, [("location", f"{PREFIX}/{case.id}/attachments/{digest}")])

    async def _attachment(self, request: Request) -> Response:
        case, name = await self._desk.get(request.parameters["id"]), request.parameters["name"]
        file = next((file for file in case.files if name in (file.hash, file.name)), None)
        if file is None:
            raise NotFound(f"The case has no attachment '{name[:200]}'")
        return await self._attachments.answer(file.hash, file.type, file.name)


def deed_of(request: Request, body: dict[str, Any]) -> Deed:
    """Who asks, why, and by which key the request is known again. Raises InvalidRequest, BadRequestData."""
    key = request.headers.get("idempotency-key", "")
    if len(key) > MOST_KEY:
        raise InvalidRequest(f"'Idempotency-Key' may have {MOST_KEY} characters")
    files = body.get("files") or []
    if not isinstance(files, list) or len(files) > MOST_FILES or not all(isinstance(file, str) for file in files):
        raise BadRequestData(f"'files' must be a list of at most {MOST_FILES} hashes")
    return Deed(request.principal.id, text_of(body, "note", most=MOST_NOTE), tuple(files), key, request.trace)


def data_of(body: dict[str, Any]) -> dict[str, Any]:
    """The member `data`. Raises BadRequestData."""
    data = body.get("data") or {}
    if not isinstance(data, dict) or len(msgspec.json.encode(data)) > MOST_DATA:
        raise BadRequestData(f"'data' must be an object of at most {MOST_DATA} bytes")
    return data


def read_new(body: dict[str, Any]) -> NewCase:
    """A case that somebody wants opened. Raises BadRequestData."""
    try:
        new = msgspec.convert(body, NewCase)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body is no new case: {error}") from None
    if not new.title.strip() or len(new.title) > MOST_TITLE or len(new.description) > MOST_TEXT:
        raise BadRequestData(f"'title' must have 1 to {MOST_TITLE} characters, 'description' at most {MOST_TEXT}")
    data_of({"data": new.data})
    if new.place.location is not None:
        read_geometry(new.place.location, "place.location")
    return msgspec.structs.replace(new, milestones={name: _moment(name, text) for name, text in new.milestones.items()})


def _moment(name: str, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
    except ValueError:
        raise BadRequestData(f"'milestones.{name[:50]}' must be a moment such as 2026-11-23T14:05:00+08:00") from None
    return to_text(moment)


def may_see_reporter(case: Case, by: str) -> bool:
    """Whether somebody sees how to reach who reported a case: who has a task of it or took part in it."""
    return by == "local" or any(task.assignee == by for task in case.tasks) or any(entry.by == by for entry in case.timeline)


def masked(reporter: Reporter | None) -> Reporter | None:
    """Who reported, without how to reach them.

    >>> masked(Reporter("王小明", "13812345678")).phone
    '138****5678'
    """
    if reporter is None:
        return None
    phone = f"{reporter.phone[:3]}****{reporter.phone[-4:]}" if len(reporter.phone) >= 8 else "****" if reporter.phone else ""
    return Reporter(f"{reporter.name[:1]}**" if reporter.name else "", phone, "****" if reporter.email else "")
