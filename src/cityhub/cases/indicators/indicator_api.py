"""The door `/api/indicators/cases`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from cityhub.cases.desk.face import TYPE, iri, said
from cityhub.cases.indicators.measures import DEFINITIONS, By, Finished, figures
from cityhub.model.condition import AllOf, TypeIs, ValueIn
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.ports import Store
from cityhub.model.time import to_text
from cityhub.web.http import Request, Response, Route, json_response

PARAMETERS: Final = ("by", "from", "to")
FIRST: Final = "0001-01-01T00:00:00.000000Z"
LAST: Final = "9999-12-31T23:59:59.999999Z"


class IndicatorApi:
    """The indicators of closed cases.

    Args:
        store: Where the faces of the cases are.
        tenant: Whose cases.
    """

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    def routes(self) -> list[Route]:
        """The door, for the hub."""
        return [Route("GET", "/api/indicators/cases", self._show, "case.read", "Show Indicators of Cases", tag="cases")]

    async def _show(self, request: Request) -> Response:
        query = request.query
        for name in query:
            if name not in PARAMETERS:
                raise InvalidRequest(f"'{name[:50]}' is no parameter here; these are: {', '.join(PARAMETERS)}")
        by = query.get("by", "department")
        if by not in ("department", "kind"):
            raise BadRequestData("'by' must be department or kind")
        start, end = _moment(query, "from", FIRST), _moment(query, "to", LAST)
        wanted: By = "kind" if by == "kind" else "department"
        rows = figures(await self.finished(start, end), wanted)
        definitions = [msgspec.to_builtins(one) for one in DEFINITIONS]
        return json_response({"by": by, "from": start, "to": end, "indicators": rows, "count": len(rows), "definitions": definitions})

    async def finished(self, start: str, end: str) -> list[Finished]:
        """The cases that were closed from a moment on and before another one (RFC 3339 UTC)."""
        condition = AllOf((TypeIs(TYPE), ValueIn(iri("closedAt"), start, end)))
        found = []
        async for block in self._store.scan(self._tenant, condition):
            found += [finished_of(face) for face in block if is_closed(face) and start <= said(face, "closedAt", "") < end]
        return found


def is_closed(face: Entity) -> bool:
    """Whether an entity is the face of a case that was closed, not rejected, withdrawn or merged."""
    return TYPE in face["type"] and said(face, "status", "") == "closed"


def finished_of(face: Entity) -> Finished:
    """What indicators need of a closed case's face."""
    departments = said(face, "department", [])
    return Finished(
        said(face, "caseKind", ""), departments if isinstance(departments, list) else [departments], bool(said(face, "onTime", False)),
        int(said(face, "rounds", 1)), said(face, "steps", []),
    )  # fmt: skip


def _moment(query: dict[str, str], name: str, otherwise: str) -> str:
    text = query.get(name)
    if text is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequestData(f"'{name}' must be a moment such as 2026-11-01T00:00:00+08:00")
    return to_text(moment)
