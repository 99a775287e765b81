"""HTTP of the SensorThings service under /sta/v1.1.

Reading needs the permission `observation.read`, everything else `observation.write`: the door shows the present and the past of what is
measured together, so neither `entity.read` nor `history.read` alone would be enough.

Source: OGC 18-088, 9 and 10.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from cityhub.ingest.sensorthings.address import Address, read_address
from cityhub.ingest.sensorthings.answers import answering, json_answer
from cityhub.ingest.sensorthings.kinds import COLLECTIONS
from cityhub.ingest.sensorthings.query import Query, read_query
from cityhub.ingest.sensorthings.rendering import Rendering
from cityhub.ingest.sensorthings.search import Search, property_of
from cityhub.model.errors import NotFound
from cityhub.model.ports import Analysis, Store
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import check_tenant, tenant_of

ROOT: Final = "/sta/v1.1"
_SPEC: Final = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
CONFORMANCE: Final = tuple(
    _SPEC + name for name in ("datamodel", "resource-path/resource-path-to-entities", "request-data")
)  # fmt: skip
"""The requirements classes that are held; what is not there is not named."""


class SensorThingsApi:
    """The doors.

    Args:
        store: The present state.
        analysis: SQL over what was true.
        clock: Where the time comes from.
        base: Address of the hub, as clients reach it.
    """

    def __init__(self, store: Store, analysis: Analysis, clock: Clock, base: str) -> None:
        self._store = store
        self._analysis = analysis
        self._clock = clock
        self._root = base.rstrip("/") + ROOT

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        doors: list[tuple[str, str, Any, str, str]] = [
            ("GET", ROOT, self.landing, "SensorThings: Retrieve the Service Root", "9.2.1"),
            ("GET", f"{ROOT}/{{path:path}}", self.read, "SensorThings: Retrieve Entities", "9.2"),
        ]
        return [
            Route(
                method, path, answering(handler), "observation.read" if method == "GET" else "observation.write", operation,
                f"OGC 18-088 {clause}", "sensorthings",
            ) for method, path, handler, operation, clause in doors
        ]  # fmt: skip

    def _search(self, request: Request) -> Search:
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return Search(self._store, self._analysis, tenant)

    async def landing(self, request: Request) -> Response:
        """GET /sta/v1.1."""
        value = [{"name": name, "url": f"{self._root}/{name}"} for name in COLLECTIONS]
        return json_answer({"value": value, "serverSettings": {"conformance": CONFORMANCE}})

    async def read(self, request: Request) -> Response:
        """GET of entities, one of them, links to them, or a property."""
        address = read_address(request.parameters["path"])
        query = read_query(address.kind, request.query, to_text(self._clock.now()))
        search = self._search(request)
        rendering = Rendering(search, self._root)
        if address.is_one:
            return await self._one(address, query, search, rendering)
        scope = await search.at(address)
        found = await search.find(scope, query)
        if address.form == "$ref":
            return json_answer({"value": [{"@iot.selfLink": rendering.link_to(row)} for row in found.rows]})
        path = request.path.removeprefix(ROOT + "/").rstrip("/")
        return json_answer(await rendering.page(found, query, path, request.query))

    async def _one(self, address: Address, query: Query, search: Search, rendering: Rendering) -> Response:
        row = await search.one(await search.at(address))
        if address.form == "$ref":
            return json_answer({"@iot.selfLink": rendering.link_to(row)})
        if not address.member:
            return json_answer(await rendering.entity(row, query))
        if address.member[0] not in row.properties and address.member[0] not in ("id", "@iot.id"):
            return Response(204)
        value = property_of(row, address.member)
        if value is None and len(address.member) > 1:
            raise NotFound(f"There is no '{'/'.join(address.member)[:100]}' in this {row.kind}")
        if value is None:
            return Response(204)
        return _bare(value) if address.form == "$value" else json_answer({address.member[-1]: value})


def _bare(value: Any) -> Response:
    if isinstance(value, str):
        return Response(200, value.encode(), None, "text/plain;charset=UTF-8")
    plain = "text/plain;charset=UTF-8" if isinstance(value, int | float) else "application/json;charset=UTF-8"
    return Response(200, orjson.dumps(value), None, plain)
