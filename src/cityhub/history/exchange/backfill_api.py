"""HTTP of backfills: staged files that are to come into the history, each once."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.model import history_events as events
from cityhub.model.errors import AlreadyExists, BadRequestData, CityHubError, InvalidRequest, NotFound
from cityhub.model.ports import HISTORY_EVENTS, Document, Store, Write
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import check_parameters, check_tenant, tenant_of

PATH: Final = "/api/history/backfills"
COLLECTION: Final = "backfills"
"""The collection of records of backfills."""
FOLDER: Final = "backfills"
"""The folder in the data folder where staged files wait."""
_ID: Final = re.compile(r"[0-9a-f]{32}")


class Backfill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A staged file.

    Attributes:
        id: 32 hex digits; the same for the same source, mapping and tenant. The file is `backfills/<id>.parquet`.
        rows: Observations in it.
        source: Name of the file that it was made of.
        read, refused: Rows of that file that were read, and that were refused.
        mapping: How it was made.
    """

    id: str
    rows: int
    source: str = ""
    read: int = 0
    refused: int = 0
    mapping: dict[str, Any] = {}


class BackfillApi:
    """The doors of backfills."""

    def __init__(self, store: Store, data: Path) -> None:
        self._store = store
        self._data = data

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("POST", PATH, self.begin, "history.write", "Take a staged file into the history", tag="history"),
            Route("GET", PATH, self.all, "history.read", "List backfills", tag="history"),
            Route("GET", f"{PATH}/{{id}}", self.one, "history.read", "Read a backfill", tag="history"),
        ]

    async def begin(self, request: Request) -> Response:
        """POST: journals the command and the record of it together; 200 and nothing new when that was done before."""
        check_parameters(request, frozenset())
        backfill = _body(request)
        tenant = tenant_of(request)
        path = staged_path(self._data, backfill.id)
        before = await self._store.fetch(tenant, backfill.id, COLLECTION)
        if before is None and not await asyncio.to_thread(path.is_file):
            raise BadRequestData(
                f"There is no staged file '{FOLDER}/{backfill.id}.parquet' in the data folder; `cityhub backfill` makes it"
            )
        if before is None:
            before = await self._write(tenant, backfill)
            return json_response(self._told(before), 201, [("location", f"{PATH}/{backfill.id}")])
        return json_response(self._told(before))

    async def all(self, request: Request) -> Response:
        """GET: every backfill, the newest first."""
        check_parameters(request, frozenset())
        found = await self._store.records(self._tenant(request), COLLECTION)
        return json_response([self._told(record) for _, record in reversed(found)])

    async def one(self, request: Request) -> Response:
        """GET of one."""
        check_parameters(request, frozenset())
        id = request.parameters["id"]
        record = await self._store.fetch(self._tenant(request), id, COLLECTION)
        if record is None:
            raise NotFound(f"There is no backfill '{id[:200]}'")
        return json_response(self._told(record))

    async def stage(self, tenant: str, id: str, file: Path, rows: int, source: str) -> None:
        """See `cityhub.model.ports.Staging`."""
        target = staged_path(self._data, id)
        if await self._store.fetch(tenant, id, COLLECTION) is not None:
            await asyncio.to_thread(file.unlink)
            return
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(os.replace, file, target)
        await self._write(tenant, Backfill(id, rows, source))

    def is_waiting(self, id: str) -> bool:
        """See `cityhub.model.ports.Staging`."""
        return staged_path(self._data, id).exists()

    async def _write(self, tenant: str, backfill: Backfill) -> Document:
        """The record and the command in one transaction; of two callers at once the second gets what the first wrote."""
        event = events.document_of(events.Backfill(f"{FOLDER}/{backfill.id}.parquet", backfill.rows))
        fresh = False

        def record(before: Document | None, at: str) -> tuple[Document | None, Any]:
            nonlocal fresh
            fresh = before is None
            made = before or {**msgspec.to_builtins(backfill), "at": at}
            return made, made

        def command(before: Document | None, at: str) -> tuple[Document | None, Any]:
            if not fresh:
                raise AlreadyExists(f"The backfill '{backfill.id}' was journalled before")
            return event, None

        results = await self._store.write(tenant, [Write(backfill.id, record, COLLECTION), Write(backfill.id, command, HISTORY_EVENTS)])
        for result in results:
            if isinstance(result, CityHubError) and not isinstance(result, AlreadyExists):
                raise result
        written: Document = results[0]  # type: ignore[assignment]
        return written

    def _told(self, record: Document) -> dict[str, Any]:
        """A record with its state: the history removes a staged file when it has it."""
        is_waiting = staged_path(self._data, str(record["id"])).exists()
        return {**record, "state": "waiting" if is_waiting else "done"}

    def _tenant(self, request: Request) -> str:
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return tenant


def staged_path(data: Path, id: str) -> Path:
    """Where the staged file of a backfill is. Raises BadRequestData for what is no id."""
    if not _ID.fullmatch(id):
        raise BadRequestData(f"'id' must be 32 hex digits, not '{id[:100]}'")
    return data / FOLDER / f"{id}.parquet"


def _body(request: Request) -> Backfill:
    try:
        backfill = msgspec.json.decode(request.body, type=Backfill)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body must describe a staged file: {error}") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body must be JSON: {error}") from None
    if backfill.rows < 1:
        raise BadRequestData(f"'rows' must be 1 or more, not {backfill.rows}")
    return backfill
