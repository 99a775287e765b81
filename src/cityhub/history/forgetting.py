"""Legal deletion: a person or thing leaves the context and the history at once, and no file of the history has it afterwards.

    curl -d '{"id": "urn:ngsi-ld:Person:1"}' -H 'Content-Type: application/json' localhost:8000/api/history/forget

What remains elsewhere (journal, backups) is in docs/operations.md.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from cityhub.history.questions import RowCounts, Rows
from cityhub.model import history_events as events
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import HISTORY_EVENTS, Document, Store, Write
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.logging import current_trace
from cityhub.web.negotiation import check_parameters, check_tenant, read_json, tenant_of

PATH: Final = "/api/history/forget"
WORK_S: Final = 3600.0
"""How long the files may take to be rewritten; the hub's own bound of a request ends the wait before, not the work."""


class Historian(Protocol):
    """Whoever asks the historian; an answer has seen all that the journal has."""

    async def call(self, name: str, body: Any, *, timeout_s: float = ...) -> bytes: ...


class ForgetApi:
    """The door."""

    def __init__(self, historian: Historian, store: Store) -> None:
        self._historian = historian
        self._store = store

    def routes(self) -> list[Route]:
        """The door, for the hub."""
        return [Route("POST", PATH, self.forget, "history.forget", "Forget an entity, its past and its present", tag="history")]

    async def forget(self, request: Request) -> Response:
        """POST {"id": "urn:..."}: what went. It may be repeated, and must be when it did not come to its end.

        The entity and its history are deleted in one transaction of the journal; then the historian rewrites its files.
        """
        check_parameters(request, frozenset())
        id = _id_in(read_json(request))
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        counted = await self._historian.call("rows", Rows(tenant, id))
        rows = msgspec.msgpack.decode(counted, type=RowCounts)
        existed = await self._delete(tenant, id)
        files = msgspec.msgpack.decode(await self._historian.call("forget", None, timeout_s=WORK_S), type=int)
        told = {"id": id, "entity": existed, "observations": rows.observations, "versions": rows.versions, "files": files}
        return json_response(told)

    async def _delete(self, tenant: str, id: str) -> bool:
        """Journals that the entity is no more, and that it never was; whether it was there."""
        event = events.document_of(events.DeleteEntity(id))

        def gone(before: Document | None, at: str) -> tuple[Document | None, bool]:
            return None, before is not None

        def erased(before: Document | None, at: str) -> tuple[Document | None, bool]:
            return event, True

        writes = [Write(id, gone), Write(id, erased, HISTORY_EVENTS)]  # in this order: the deletion is a part of the history
        results = await self._store.write(tenant, writes, current_trace.get())
        for result in results:
            if isinstance(result, CityHubError):
                raise result
        return bool(results[0])


def _id_in(body: Any) -> str:
    if not isinstance(body, dict) or set(body) != {"id"} or not isinstance(body["id"], str):
        raise BadRequestData('The body must be {"id": "urn:..."} and nothing else')
    id: str = body["id"]
    if not is_uri(id):
        raise BadRequestData(f"'id' must be a URI, not '{id[:200]}'")
    return id
