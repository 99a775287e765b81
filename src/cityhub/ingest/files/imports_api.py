"""The doors under `/api/imports`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.ingest.files.found import Looked
from cityhub.ingest.files.frames import Progress
from cityhub.ingest.files.job import ENDED, Job
from cityhub.ingest.files.jobs import Jobs, seed_of
from cityhub.ingest.files.looks import Looks
from cityhub.ingest.files.plan import Plan, Reading, checked, key_of
from cityhub.ingest.files.uploads import Upload, Uploads, read_range
from cityhub.model.errors import BadRequestData, Conflict, InvalidRequest, NotFound
from cityhub.model.jsonld import TermMap
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import check_parameters, tenant_of

PREFIX: Final = "/api/imports"
READ: Final = "import.read"
WRITE: Final = "import.write"
PART_BYTES: Final = 8_000_000
"""The size of parts that is advised."""
WAIT_S: Final = 2.0
"""So long a preview is waited for; whoever asks is told to ask again."""
BLOCK: Final = 1 << 18
_READING: Final = ("table", "encoding", "delimiter", "header", "crs")


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An import that is asked for: the id of a file, a plan, whether nothing is to be written, and how many first rows are to be tried."""

    file: str
    plan: Plan
    dry_run: bool = False
    rows: int | None = None


class ImportApi:
    """The doors of imports.

    Args:
        uploads: The files.
        looks: Their previews.
        jobs: The imports.
        terms: The @context of a URL, that of the district for "".
        part_bytes: Largest body that the hub reads.
    """

    def __init__(
        self, uploads: Uploads, looks: Looks, jobs: Jobs, terms: Callable[[str, str], Awaitable[TermMap]], part_bytes: int
    ) -> None:  # fmt: skip
        self._uploads, self._looks, self._jobs, self._terms = uploads, looks, jobs, terms
        self._part_bytes = min(PART_BYTES, part_bytes)

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        file, job = f"{PREFIX}/files/{{id}}", f"{PREFIX}/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str, takes_bytes: bool = False) -> Route:
            return Route(method, path, handler, permission, operation, tag="imports", takes_bytes=takes_bytes)

        return [
            door("GET", f"{PREFIX}/files", self._files, READ, "List Files"),
            door("POST", f"{PREFIX}/files", self._upload, WRITE, "Send File", True),
            door("GET", file, self._file, READ, "Preview File"),
            door("DELETE", file, self._drop, WRITE, "Remove File"),
            door("PUT", f"{file}/content", self._part, WRITE, "Send Part of File", True),
            door("GET", PREFIX, self._list, READ, "List Imports"),
            door("POST", PREFIX, self._begin, WRITE, "Import File"),
            door("GET", job, self._one, READ, "Follow Import"),
            door("GET", f"{job}/refused", self._refused, READ, "List Refused Rows"),
            door("POST", f"{job}/cancel", self._cancel, WRITE, "Cancel Import"),
            door("POST", f"{job}/resume", self._resume, WRITE, "Resume Import"),
        ]

    async def _upload(self, request: Request) -> Response:
        """The whole file as the body; or none and ?size=, after which its parts come."""
        check_parameters(request, frozenset(("name", "size")))
        name = request.query.get("name", "")
        size = _size(request.query.get("size"), len(request.body))
        if request.body and size != len(request.body):
            length = len(request.body)
            raise BadRequestData(f"The body has {length} bytes and 'size' says {size}: send all of it, or no body and then its parts")
        upload = await self._uploads.begin(tenant_of(request), name, size, request.principal.id)
        if request.body:
            await self._uploads.put(upload, 0, request.body)
        return json_response(await self._told(upload, Reading(), WAIT_S), 201, [("location", f"{PREFIX}/files/{upload.id}")])

    async def _part(self, request: Request) -> Response:
        """A part with its Content-Range. Answers how much has come: an upload that was cut off asks for the file, then goes on there."""
        check_parameters(request, frozenset())
        upload = await self._found(request)
        begin = read_range(request.headers.get("content-range", ""), len(request.body), upload.size)
        received = await self._uploads.put(upload, begin, request.body)
        return json_response({"id": upload.id, "size": upload.size, "received": received})

    async def _files(self, request: Request) -> Response:
        check_parameters(request, frozenset())
        files = await self._uploads.all(tenant_of(request))
        return json_response({"total": len(files), "files": [self._head(upload) for upload in files]})

    async def _file(self, request: Request) -> Response:
        """The file and what is in it, read as the parameters say."""
        check_parameters(request, frozenset((*_READING, "wait")))
        wait_s = _seconds(request.query.get("wait"))
        return json_response(await self._told(await self._found(request), _reading(request), wait_s))

    async def _drop(self, request: Request) -> Response:
        check_parameters(request, frozenset())
        upload = await self._found(request)
        if any(job.file == upload.id and job.state not in ENDED for job in self._jobs.all(upload.tenant)):
            raise Conflict("The file is being imported: cancel that first")
        await self._uploads.drop(upload)
        self._looks.forget(self._uploads.folder(upload.id))
        return Response(204)

    async def _begin(self, request: Request) -> Response:
        check_parameters(request, frozenset())
        wanted = _wanted(request.body)
        tenant = tenant_of(request)
        upload = await self._uploads.find(tenant, wanted.file)
        looked = await self._looks.look(self._uploads.folder(upload.id), wanted.plan.reading, WAIT_S) if self._is_whole(upload) else None
        if looked is None:
            raise Conflict("The file has not come whole, or is still being looked into: ask for its preview first")
        plan = _resolved(wanted.plan, looked)
        names = await self._names(plan, tenant)
        seed = seed_of(tenant, looked.digest, [plan, names])
        job = Job("", tenant, upload.id, upload.name, key_of(wanted.plan.reading), plan, names, seed, "", request.principal.id)
        if wanted.rows is not None and (wanted.rows < 1 or not wanted.dry_run):
            raise BadRequestData("'rows' must be 1 or more, and is for a dry run")
        progress = Progress(total=looked.rows if wanted.rows is None else min(wanted.rows, looked.rows))
        made = await self._jobs.create(msgspec.structs.replace(job, is_dry=wanted.dry_run, most_rows=wanted.rows, progress=progress))
        return json_response(self._jobs.tell(made), 201, [("location", f"{PREFIX}/{made.id}")])

    async def _list(self, request: Request) -> Response:
        check_parameters(request, frozenset())
        jobs = self._jobs.all(tenant_of(request))
        brief = [{**self._jobs.tell(job), "problems": [], "sample": []} for job in jobs]
        return json_response({"total": len(brief), "imports": brief})

    async def _one(self, request: Request) -> Response:
        check_parameters(request, frozenset())
        job = self._jobs.find(tenant_of(request), request.parameters["id"])
        return json_response({**self._jobs.tell(job), "plan": msgspec.to_builtins(job.plan)})

    async def _refused(self, request: Request) -> Response:
        """CSV of what was refused: row, column, reason, content."""
        check_parameters(request, frozenset())
        job = self._jobs.find(tenant_of(request), request.parameters["id"])
        path = self._jobs.refused(job)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("Nothing is known yet of refused rows of this import")
        headers = [("content-disposition", f'attachment; filename="refused-{job.id[:8]}.csv"')]
        return Response(200, headers=headers, media_type="text/csv; charset=utf-8", chunks=_content(path))

    async def _cancel(self, request: Request) -> Response:
        check_parameters(request, frozenset())
        return json_response(self._jobs.tell(await self._jobs.cancel(self._jobs.find(tenant_of(request), request.parameters["id"]))))

    async def _resume(self, request: Request) -> Response:
        check_parameters(request, frozenset())
        job = self._jobs.find(tenant_of(request), request.parameters["id"])
        await self._uploads.find(job.tenant, job.file)
        return json_response(self._jobs.tell(await self._jobs.resume(job)))

    async def _found(self, request: Request) -> Upload:
        return await self._uploads.find(tenant_of(request), request.parameters["id"])

    def _is_whole(self, upload: Upload) -> bool:
        return self._uploads.received(upload) == upload.size

    def _head(self, upload: Upload) -> dict[str, Any]:
        received = self._uploads.received(upload)
        return {
            "id": upload.id, "name": upload.name, "size": upload.size, "received": received, "created": upload.created, "by": upload.by,
            "partBytes": self._part_bytes, "state": "ready" if received == upload.size else "uploading",
        }  # fmt: skip

    async def _told(self, upload: Upload, reading: Reading, wait_s: float) -> dict[str, Any]:
        """A file with its preview; "state" is "uploading", "reading" (ask again), "failed" (the reason says why) or "ready"."""
        head = self._head(upload)
        if head["state"] != "ready":
            return head
        try:
            looked = await self._looks.look(self._uploads.folder(upload.id), reading, wait_s)
        except BadRequestData as error:
            return {**head, "state": "failed", "reason": error.detail}
        return {**head, "state": "reading"} if looked is None else {**head, "preview": preview_of(looked)}

    async def _names(self, plan: Plan, tenant: str) -> dict[str, str]:
        """The IRIs of a plan's names. Raises BadRequestData for one that is not legal."""
        terms = await self._terms(plan.context, tenant)
        names = {"quality", *(mapping.type for mapping in plan.entities)}
        names.update(name for mapping in plan.entities for name in mapping.attributes)
        return {name: terms.expand_name(name) for name in sorted(names)}


def preview_of(looked: Looked) -> dict[str, Any]:
    """What was found in a file, as the doors tell of it."""
    return {
        "kind": looked.kind, "tables": looked.tables, "reading": msgspec.to_builtins(looked.reading), "rows": looked.rows,
        "firstRow": looked.first, "unreadable": looked.unreadable, "crs": looked.crs,
        "problems": [dict(zip(("row", "column", "reason", "content"), fault, strict=True)) for fault in looked.faults],
        "columns": msgspec.to_builtins(looked.profile.columns), "first": looked.profile.first, "judgedBy": looked.profile.looked,
        "plan": msgspec.to_builtins(looked.plan),
    }  # fmt: skip


def _resolved(plan: Plan, looked: Looked) -> Plan:
    """The plan with all columns that it does not speak of as the preview has them. Raises BadRequestData for a column that is not there."""
    columns = {column.name: column.column for column in looked.profile.columns}
    strange = sorted(set(plan.columns) - set(columns))
    if strange:
        raise BadRequestData(f"There is no column '{strange[0][:100]}'; there are {', '.join(list(columns)[:100])}")
    return checked(msgspec.structs.replace(plan, columns={**columns, **plan.columns}))


def _wanted(body: bytes) -> Wanted:
    try:
        return msgspec.json.decode(body, type=Wanted)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The import is not as it should be: {error}") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body must be JSON: {error}") from None


def _reading(request: Request) -> Reading:
    given = {name: request.query[name] for name in _READING if request.query.get(name)}
    try:
        return msgspec.convert(given, Reading, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The parameters are not as they should be: {error}") from None


def _size(text: str | None, length: int) -> int:
    if text is None:
        return length
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadRequestData(f"'size' must be a number of bytes, not '{text[:50]}'")
    return int(text)


def _seconds(text: str | None) -> float:
    if text is None:
        return WAIT_S
    if not (text.isascii() and text.isdigit() and int(text) <= 30):
        raise BadRequestData(f"'wait' must be a number of seconds from 0 to 30, not '{text[:50]}'")
    return float(text)


async def _content(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while block := await asyncio.to_thread(file.read, BLOCK):
            yield block
