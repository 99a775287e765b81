"""The doors under `/api/alerts`."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from cityhub.model.alert import CAP_SEVERITY, GRADES, read_alert
from cityhub.model.entity import Entity
from cityhub.model.errors import InvalidRequest, NotFound
from cityhub.model.ports import Store
from cityhub.registers.questions import object_of, page_of, text_of
from cityhub.rules.alerts.deeds import MOST_NOTE, AlertDeeds, Deed, Operation
from cityhub.rules.alerts.index import AlertIndex, Entry, Wanted, shown
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import tenant_of

PREFIX: Final = "/api/alerts"
READ: Final = "alert.read"
WRITE: Final = "alert.write"
STATES: Final = ("open", "acknowledged", "suppressed", "closed")
OPERATIONS: Final[tuple[tuple[Operation, str], ...]] = (
    ("acknowledge", "Acknowledge Alert"), ("false", "Mark Alert as False"), ("close", "Close Alert"), ("comment", "Comment on Alert"),
)  # fmt: skip


class Following(Protocol):
    """What followed from an alert."""

    async def again(self, tenant: str, id: str) -> None:
        """Does once more what follows from an alert; what was done already changes nothing."""

    async def of(self, tenant: str, alert: Entity) -> dict[str, Any]:
        """What followed: by what was asked for ("notices", "case", "warning")."""


class AlertApi:
    """The doors of alerts.

    Args:
        store: Where they are.
        index: Finds them.
        deeds: Changes them.
        following: What follows from them.
    """

    def __init__(self, store: Store, index: AlertIndex, deeds: AlertDeeds, following: Following) -> None:
        self._store = store
        self._index = index
        self._deeds = deeds
        self._following = following

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/{{id}}"
        doors = [
            Route("GET", PREFIX, self._list, READ, "List Alerts", tag="alerts"),
            Route("GET", one, self._show, READ, "Show Alert", tag="alerts"),
            Route("POST", f"{one}/retry", self._retry, WRITE, "Do Again What Follows from Alert", tag="alerts"),
        ]
        return doors + [
            Route("POST", f"{one}/{operation}", self._door(operation), WRITE, title, tag="alerts") for operation, title in OPERATIONS
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, "status", "severity", "rule", "subject", "open", "q")
        found, count = self._index.find(_wanted(request), limit, offset)
        alerts = [await self._of_list(entry) for entry in found]
        return json_response({"alerts": [one for one in alerts if one is not None], "count": count})

    async def _of_list(self, entry: Entry) -> dict[str, Any] | None:
        if entry.shown is not None:
            return entry.shown
        entity = await self._store.fetch(*entry.key)
        alert = read_alert(entity) if entity is not None else None
        return shown(alert) if alert is not None else None

    async def _show(self, request: Request) -> Response:
        tenant, id = tenant_of(request), request.parameters["id"]
        entity = await self._store.fetch(tenant, id)
        return json_response(await self._answer(tenant, id, entity))

    async def _answer(self, tenant: str, id: str, entity: Entity | None) -> dict[str, Any]:
        alert = read_alert(entity) if entity is not None else None
        if entity is None or alert is None:
            raise NotFound(f"There is no alert '{id[:200]}'")
        document: dict[str, Any] = msgspec.to_builtins(alert)
        return {
            **document, "capSeverity": CAP_SEVERITY[alert.grade], "deeds": await self._deeds.of(tenant, id),
            **await self._following.of(tenant, entity),
        }  # fmt: skip

    def _door(self, operation: Operation) -> Any:
        async def handler(request: Request) -> Response:
            tenant, id = tenant_of(request), request.parameters["id"]
            body = object_of(request, ("note",)) if request.body else {}
            note = text_of(body, "note", needed=operation == "comment", most=MOST_NOTE)
            deed = Deed(operation, request.principal.id, note)
            entity = await self._deeds.do(tenant, id, operation, deed, request.trace)
            return json_response(await self._answer(tenant, id, entity))

        return handler

    async def _retry(self, request: Request) -> Response:
        tenant, id = tenant_of(request), request.parameters["id"]
        await self._following.again(tenant, id)
        return json_response(await self._answer(tenant, id, await self._store.fetch(tenant, id)))


def _wanted(request: Request) -> Wanted:
    query = request.query
    return Wanted(
        tenant_of(request), _some(request, "status", STATES), _some(request, "severity", GRADES), query.get("rule", ""),
        query.get("subject", ""), _truth(query.get("open", "")), query.get("q", "")[:200].strip().lower(),
    )  # fmt: skip


def _some(request: Request, name: str, known: tuple[str, ...]) -> frozenset[str]:
    wanted = frozenset(filter(None, request.query.get(name, "").split(",")))
    if not wanted <= frozenset(known):
        raise InvalidRequest(f"'{name}' must be one or more of {', '.join(known)}, with ',' between them")
    return wanted


def _truth(text: str) -> bool | None:
    if text not in ("", "true", "false"):
        raise InvalidRequest("'open' must be true or false")
    return None if not text else text == "true"
