"""HTTP of the SensorThings service under /sta/v1.1.

Reading needs the permission `observation.read`, everything else `observation.write`: the door shows the present and the past of what is
measured together, so neither `entity.read` nor `history.read` alone would be enough.

Source: OGC 18-088, 9 and 10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from cityhub.ingest.sensorthings.address import Address, read_address
from cityhub.ingest.sensorthings.answers import answering, json_answer
from cityhub.ingest.sensorthings.batch import answer_batch
from cityhub.ingest.sensorthings.bodies import read_object
from cityhub.ingest.sensorthings.changing import Changing
from cityhub.ingest.sensorthings.data_array import read_data_arrays
from cityhub.ingest.sensorthings.deleting import Deleting
from cityhub.ingest.sensorthings.json_patch import MEDIA_TYPE, patched
from cityhub.ingest.sensorthings.kinds import COLLECTIONS, KINDS
from cityhub.ingest.sensorthings.making import Making
from cityhub.ingest.sensorthings.measured import MeasuredAttributes
from cityhub.ingest.sensorthings.query import Query, read_query
from cityhub.ingest.sensorthings.rendering import Rendering
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.scope import property_of
from cityhub.ingest.sensorthings.search import Search
from cityhub.model.errors import CityHubError, MethodNotAllowed, NotFound
from cityhub.model.ports import Analysis, History, Intake, Store
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import check_tenant, tenant_of

ROOT: Final = "/sta/v1.1"
_SPEC: Final = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
CONFORMANCE: Final = tuple(
    _SPEC + name
    for name in (
        "datamodel", "resource-path/resource-path-to-entities", "request-data", "create-update-delete/create-entity",
        "create-update-delete/link-to-existing-entities", "create-update-delete/deep-insert",
        "create-update-delete/deep-insert-status-code", "create-update-delete/update-entity", "create-update-delete/update-entity-put",
        "create-update-delete/update-entity-jsonpatch", "create-update-delete/delete-entity",
        "create-update-delete/historical-location-auto-creation", "data-array/data-array",
    )
)  # fmt: skip
"""The requirements classes that are held; what is not there is not named."""
MQTT_CONFORMANCE: Final = tuple(
    _SPEC + name for name in ("create-observations-via-mqtt/observations-creation", "receive-updates-via-mqtt/receive-updates")
)
"""Those of the MQTT extension, while a feed of protocol "sensorthings" runs."""


class SensorThingsApi:
    """The doors.

    Args:
        store: The present state.
        history: What was true.
        analysis: SQL over it.
        intake: Where new entities and observations come in.
        clock: Where the time comes from.
        base: Address of the hub, as clients reach it.
        broker: Where SensorThings are served by MQTT, "host:port"; "" when they are not.
    """

    def __init__(
        self, store: Store, history: History, analysis: Analysis, intake: Intake, clock: Clock, base: str,
        broker: Callable[[], str],
    ) -> None:
        self._store = store
        self._history = history
        self._analysis = analysis
        self._intake = intake
        self._clock = clock
        self._root = base.rstrip("/") + ROOT
        self._broker = broker
        self._attributes = MeasuredAttributes(store, clock)

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        below = f"{ROOT}/{{path:path}}"
        doors: list[tuple[str, str, Any, str, str]] = [
            ("GET", ROOT, self.landing, "SensorThings: Retrieve the Service Root", "9.2.1"),
            ("GET", below, self.read, "SensorThings: Retrieve Entities", "9.2"),
            ("POST", below, self.post, "SensorThings: Create Entities", "10.2"),
            ("PATCH", below, self.patch, "SensorThings: Update an Entity", "10.3"),
            ("PUT", below, self.put, "SensorThings: Replace an Entity", "10.3"),
            ("DELETE", below, self.delete, "SensorThings: Delete an Entity", "10.4"),
        ]
        return [
            Route(
                method, path, answering(handler), "observation.read" if method == "GET" else "observation.write", operation,
                f"OGC 18-088 {clause}", "sensorthings",
            ) for method, path, handler, operation, clause in doors
        ]  # fmt: skip

    def _search(self, request: Request, *, create: bool = False) -> Search:
        tenant = tenant_of(request)
        if not create:  # a write to a tenant makes it known
            check_tenant(self._store.tenants(), tenant)
        return Search(self._store, self._analysis, self._attributes, tenant)

    async def landing(self, request: Request) -> Response:
        """GET /sta/v1.1."""
        value = [{"name": name, "url": f"{self._root}/{name}"} for name in COLLECTIONS]
        broker = self._broker()
        if not broker:
            return json_answer({"value": value, "serverSettings": {"conformance": CONFORMANCE}})
        ends = {name: {"endpoints": [f"mqtt://{broker}"]} for name in MQTT_CONFORMANCE}
        return json_answer({"value": value, "serverSettings": {"conformance": [*CONFORMANCE, *MQTT_CONFORMANCE], **ends}})

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
        return json_answer(await rendering.page(found, query, path))

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

    # -- Writing -----------------------------------------------------------------------------------------------------

    async def post(self, request: Request) -> Response:
        """POST of an entity, with what is nested in it; of observations as dataArray; of several requests as one."""
        path = request.parameters["path"].strip("/")
        if path == "CreateObservations":
            return await self._create_observations(request)
        if path == "$batch":
            return await answer_batch(request, self._answer)
        address = read_address(path)
        if address.is_one or address.form or address.member:
            raise MethodNotAllowed("POST goes to a collection, such as Things or Things('id')/Datastreams", allow="GET, PATCH, PUT, DELETE")
        search = self._search(request, create=True)
        given: dict[str, str] = {}
        if len(address.steps) > 1:
            parent = await search.one(await search.at(Address(address.steps[:-1])))
            given[KINDS[parent.kind].links[address.steps[-1].name].inverse] = parent.id
        making = Making(search, self._clock)
        row = await making.make(address.kind, read_object(request.json(), "The body"), given)
        await self._take(request, making)
        rendering = Rendering(search, self._root)
        location = [("location", rendering.link_to(row))]
        if "return=minimal" in request.headers.get("prefer", ""):
            return Response(201, headers=location)
        return json_answer(await rendering.entity(row, Query()), 201, location)

    async def _take(self, request: Request, making: Making) -> None:
        """Writes what was made, in one transaction. Raises what the hub refuses."""
        for result in await self._intake.take(tenant_of(request), making.updates, trace=request.trace):
            if isinstance(result, CityHubError):
                raise result

    async def _create_observations(self, request: Request) -> Response:
        search = self._search(request, create=True)
        making = Making(search, self._clock)
        rows = await read_data_arrays(request.json(), making)
        await self._take(request, making)
        rendering = Rendering(search, self._root)
        return json_answer([rendering.link_to(row) if isinstance(row, Row) else row for row in rows], 201)

    async def patch(self, request: Request) -> Response:
        """PATCH of an entity."""
        return await self._change(request, whole=False)

    async def put(self, request: Request) -> Response:
        """PUT of an entity."""
        return await self._change(request, whole=True)

    async def _change(self, request: Request, *, whole: bool) -> Response:
        search, row = await self._named(request)
        if MEDIA_TYPE in request.headers.get("content-type", "") and not whole:
            after = patched(row.properties, request.json())
            body = {name: value for name, value in after.items() if row.properties.get(name) != value}
            body |= {name: None for name in row.properties if name not in after}
        else:
            body = read_object(request.json(), "The body")
        await self._changing(request, search).change(row, body, whole=whole)
        fresh = self._search(request)
        now = await fresh.get(row.kind, row.id)
        if now is None:
            raise NotFound(f"The {row.kind} '{row.id[:200]}' has been deleted meanwhile")
        return json_answer(await Rendering(fresh, self._root).entity(now, Query()))

    async def delete(self, request: Request) -> Response:
        """DELETE of an entity."""
        search, row = await self._named(request)
        changing = self._changing(request, search)
        await Deleting(self._store, self._history, search, changing, tenant_of(request), request.trace).delete(row)
        return Response(200)

    async def _named(self, request: Request) -> tuple[Search, Row]:
        """The entity that a path names."""
        address = read_address(request.parameters["path"])
        if not address.is_one or address.form or address.member:
            raise MethodNotAllowed(f"{request.method} goes to one entity, such as Things('id')", allow="GET, POST")
        search = self._search(request)
        return search, await search.one(await search.at(address))

    def _changing(self, request: Request, search: Search) -> Changing:
        return Changing(self._store, self._history, search, self._clock, tenant_of(request), request.trace)

    async def _answer(self, request: Request) -> Response:
        """The answer to one request of a batch."""
        handlers = {"GET": self.read, "POST": self.post, "PATCH": self.patch, "PUT": self.put, "DELETE": self.delete}
        handler = handlers.get(request.method)
        if handler is None:
            raise MethodNotAllowed(f"'{request.method[:20]}' is no method of a batch; there are {', '.join(handlers)}", allow="POST")
        return await answering(handler)(request)


def _bare(value: Any) -> Response:
    if isinstance(value, str):
        return Response(200, value.encode(), None, "text/plain;charset=UTF-8")
    plain = "text/plain;charset=UTF-8" if isinstance(value, int | float) else "application/json;charset=UTF-8"
    return Response(200, orjson.dumps(value), None, plain)
