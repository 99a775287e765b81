"""The doors under `/open311/v2`: for anybody, bounded, and telling nobody's name.

Source: GeoReport v2 and Service Discovery, wiki.open311.org.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from typing import Any, Final

import msgspec

from cityhub.cases.desk.attachments import Attachments, type_of
from cityhub.cases.desk.deed import Deed, NewCase
from cityhub.cases.desk.desk import CaseDesk
from cityhub.cases.desk.kinds import Kind
from cityhub.cases.desk.record import URN, Case, File, Place, Reporter, Source
from cityhub.cases.open311.answers import answer, refusal, single
from cityhub.cases.open311.pace import Pace
from cityhub.cases.open311.reports import Photo, Report, read_report
from cityhub.cases.open311.requests import request_id, request_of
from cityhub.cases.open311.selection import PARAMETERS, find, resident_case, wanted_of
from cityhub.model.entity import Entity, value_of
from cityhub.model.errors import CityHubError, InvalidRequest, NotFound
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ports import Store
from cityhub.model.time import Clock
from cityhub.web.http import Request, Response, Route
from cityhub.web.problem import status_of

PREFIX: Final = "/open311/v2"
BY: Final = "resident"
MOST_TITLE: Final = 60
SPECIFICATION: Final = "http://wiki.open311.org/GeoReport_v2"
CHANGED: Final = "2026-11-23T00:00:00Z"
"""When the description of the doors changed last."""
Answering = Callable[[Request, str], Awaitable[Response]]


async def _core() -> TermMap:
    return CORE


class Around(msgspec.Struct, frozen=True):
    """What the doors stand among.

    Attributes:
        desk: Opens cases.
        attachments: Keeps photographs.
        store: Has closed cases, and the names of departments.
        clock: The present time.
        pace: How often strangers may report.
        url: Where the hub is reached.
        jurisdiction: The district's code; "": any is taken for it.
        bounds: West, south, east and north of the district; None: unknown.
        tenant: Whose cases.
        terms: The names of the district's @context.
    """

    desk: CaseDesk
    attachments: Attachments
    store: Store
    clock: Clock
    pace: Pace
    url: str
    jurisdiction: str = ""
    bounds: tuple[float, float, float, float] | None = None
    tenant: str = ""
    terms: Callable[[], Awaitable[TermMap]] = _core


class Open311Api:
    """The doors.

    Args:
        around: What they stand among.
    """

    def __init__(self, around: Around) -> None:
        self._around = around

    def routes(self) -> list[Route]:
        """All doors, for the hub; each in two formats."""
        doors: list[tuple[str, str, Answering, str]] = [
            ("GET", "discovery", self._discovery, "Discover Open311 Service"),
            ("GET", "services", self._services, "List Open311 Services"),
            ("GET", "requests", self._requests, "List Open311 Service Requests"),
            ("POST", "requests", self._report, "Report to Open311"),
        ]
        one: list[tuple[str, Answering, str]] = [
            ("services", self._service, "Define Open311 Service"), ("requests", self._request, "Show Open311 Service Request"),
            ("tokens", self._token, "Tell Open311 Service Request of Token"),
        ]  # fmt: skip
        routes = [
            Route(method, f"{PREFIX}/{name}.{format}", _refusing(handler, format), "public", f"{title} as {format.upper()}", tag="open311")
            for method, name, handler, title in doors for format in ("json", "xml")
        ]  # fmt: skip
        return routes + [
            Route("GET", f"{PREFIX}/{name}/{{id}}", _by_ending(handler), "public", title, tag="open311") for name, handler, title in one
        ]

    async def _discovery(self, request: Request, format: str) -> Response:
        url = f"{self._around.url}{PREFIX}"
        endpoint = {
            "specification": SPECIFICATION, "url": url, "changeset": CHANGED, "type": "production",
            "formats": ["application/json", "text/xml"],
        }  # fmt: skip
        document = {
            "changeset": CHANGED, "contact": "The data bureau of the district that runs this hub", "key_service": "No key is needed",
            "endpoints": [endpoint],
        }
        return single(format, "discovery", document, {"endpoints": "endpoint", "formats": "format"})

    async def _services(self, request: Request, format: str) -> Response:
        self._check_jurisdiction(request.query)
        groups = self._around.desk.around.district.groups
        services = [
            {
                "service_code": kind.id, "service_name": kind.title.get("zh", kind.id), "description": kind.note.get("zh", ""),
                "metadata": False, "type": "realtime", "keywords": ",".join(kind.keywords),
                "group": groups.get(kind.group, {}).get("zh", kind.group),
            }
            for kind in self._around.desk.around.district.kinds.values() if kind.open_to_residents
        ]  # fmt: skip
        return answer(format, "services", "service", services)

    async def _service(self, request: Request, format: str) -> Response:
        self._check_jurisdiction(request.query)
        kind = self._kind(request.parameters["id"])
        return single(format, "service_definition", {"service_code": kind.id, "attributes": []}, {})

    async def _requests(self, request: Request, format: str) -> Response:
        unknown = [name for name in request.query if name not in (*PARAMETERS, "api_key", "extensions")]
        if unknown:
            raise InvalidRequest(f"'{unknown[0][:50]}' is no parameter here; these are: {', '.join(PARAMETERS)}")
        self._check_jurisdiction(request.query)
        around = self._around
        cases = await find(wanted_of(request.query, around.clock.now()), around.desk, around.store, around.tenant)
        names = await self._names({id for case in cases for id in case.departments})
        return answer(format, "service_requests", "request", [self._shown(case, names) for case in cases])

    async def _request(self, request: Request, format: str) -> Response:
        self._check_jurisdiction(request.query)
        case = await self._case(request.parameters["id"])
        return answer(format, "service_requests", "request", [self._shown(case, await self._names(case.departments))])

    async def _token(self, request: Request, format: str) -> Response:
        """Requests have their ids at once here, so that a token is the id."""
        case = await self._case(request.parameters["id"])
        known = {"service_request_id": request_id(case.id), "token": request_id(case.id)}
        return answer(format, "service_requests", "request", [known])

    async def _report(self, request: Request, format: str) -> Response:
        around = self._around
        report = read_report(request.body, request.headers.get("content-type", ""), around.bounds)
        kind = self._kind(report.service)
        for photo in report.photos:
            type_of(photo.content, photo.name)  # before anything is kept
        id = _id_of(report, request.peer, around.desk.now()[:10])
        case = await self._known(id)
        if case is None:
            around.pace.check(request.peer)
            deed = Deed(BY, trace=request.trace)
            case = await around.desk.open(_new(report, kind), deed, URN + id)
        await self._attach(case, report.photos, request.trace)
        made = {"service_request_id": request_id(case.id), "service_notice": None, "account_id": None}
        return answer(format, "service_requests", "request", [made])

    async def _attach(self, case: Case, photos: list[Photo], trace: str) -> None:
        for photo in photos:
            digest, type = await self._around.attachments.keep(photo.name.replace("/", "_"), photo.content)
            file = File(photo.name, digest, type, len(photo.content), self._around.desk.now(), BY)
            await self._around.desk.attach(case.id, file, Deed(BY, trace=trace))

    async def _known(self, id: str) -> Case | None:
        try:
            return await self._around.desk.get(URN + id)
        except NotFound:
            return None

    async def _case(self, id: str) -> Case:
        case = await resident_case(self._around.desk, id)
        if case is None:
            raise NotFound("There is no service request with this id")
        return case

    def _kind(self, code: str) -> Kind:
        kind = self._around.desk.around.district.kinds.get(code)
        if kind is None or not kind.open_to_residents:
            raise NotFound(f"There is no service '{code[:100]}'; GET services lists them")
        return kind

    def _check_jurisdiction(self, query: dict[str, str]) -> None:
        asked = query.get("jurisdiction_id", "")
        if asked and self._around.jurisdiction and asked != self._around.jurisdiction:
            raise NotFound(f"The jurisdiction here is '{self._around.jurisdiction}'")

    def _shown(self, case: Case, names: dict[str, str]) -> dict[str, Any]:
        kind = self._around.desk.around.district.kinds.get(case.kind)
        return request_of(case, kind, "、".join(names[id] for id in case.departments if names[id]))

    async def _names(self, organizations: Iterable[str]) -> dict[str, str]:
        """The names of organizations in Chinese, by id; "" where there is none."""
        iri = (await self._around.terms()).expand("name")
        return {id: _name_of(await self._around.store.fetch(self._around.tenant, id), iri) for id in organizations}


def _name_of(entity: Entity | None, iri: str) -> str:
    instances = entity["attrs"].get(iri) if entity is not None else None
    value = value_of(instances[0]) if instances else ""
    return str(value.get("zh", "") if isinstance(value, dict) else value)


def _new(report: Report, kind: Kind) -> NewCase:
    location = {"type": "Point", "coordinates": list(report.location)} if report.location else None
    reporter = Reporter(report.name, report.phone, report.email, report.device)
    title = " ".join(report.description.split())
    return NewCase(
        kind=kind.id, title=title if len(title) <= MOST_TITLE else title[: MOST_TITLE - 1] + "…", description=report.description,
        place=Place(location, address=report.address), source=Source(BY, system="Open311", reporter=reporter),
        data={"media_url": report.media_url} if report.media_url else {},
    )  # fmt: skip


def _id_of(report: Report, peer: str, day: str) -> str:
    """The id of the case of a report: the same report from the same place on the same day is the same case, however often it is sent.

    It is a hash of what only the reporter has sent, so nobody guesses it.
    """
    said = msgspec.json.encode((report.service, report.description, report.location, report.address, report.name, report.phone,
                                report.email, report.device, peer, day))  # fmt: skip
    return sha256(said + b"".join(sha256(photo.content).digest() for photo in report.photos)).hexdigest()[:24]


def _refusing(handler: Answering, format: str) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request, format)
        except CityHubError as error:
            return refusal(format, status_of(error), error.detail)

    return handle


def _by_ending(handler: Answering) -> Callable[[Request], Awaitable[Response]]:
    """A door whose last segment is an id with the format behind a dot."""

    async def handle(request: Request) -> Response:
        id, _, format = request.parameters["id"].rpartition(".")
        if format not in ("json", "xml") or not id:
            return refusal("xml", 404, "The address must end with .json or .xml")
        request.parameters["id"] = id
        return await _refusing(handler, format)(request)

    return handle
