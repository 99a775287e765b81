"""Consumption of the temporal evolution of entities over this hub's own history and all sources that have some of it.

It stands around the doors of the history: without sources, or with local data only, they answer alone. Else what they say of this hub
is asked for as whole instances, united with what the sources say, and then shown as the caller wants it.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 5.7.3, 5.7.4 and 6.3.17.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

import msgspec
import orjson

from cityhub.context.distribution_ask import filter_members, filters, groups_for
from cityhub.context.entities import Call, call_of
from cityhub.context.registered import Registration
from cityhub.context.registrations import Registrations
from cityhub.context.source_answer import REVALIDATION_FAILED, Reply, warning_header
from cityhub.context.source_requests import Ask, SourceRequests, together
from cityhub.context.temporal_merge import Part, chosen, reached, read_part, united, within
from cityhub.model.entity import Attributes
from cityhub.model.errors import BadRequestData, CityHubError, NotFound, SourceFailed, TooManyResults
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_document, query_from_parameters
from cityhub.model.ngsild.q import parse_q
from cityhub.model.ngsild.temporal import TemporalQuery
from cityhub.model.ngsild.temporal_aggregate import aggregated_body
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ngsild.temporal_page import cut
from cityhub.model.ngsild.temporal_render import Body, instances_body, pairs_body, render_evolution, time_of
from cityhub.model.ngsild.temporal_scope import Validity
from cityhub.model.ngsild.view import CORE_MEMBERS, View
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Handler, Request, Response
from cityhub.web.negotiation import (
    JSON,
    ContextSource,
    accepted,
    body_and_terms,
    document_response,
    flag,
    page_headers,
    tenant_of,
    terms_of,
    window,
)
from cityhub.web.views import as_parameters, is_local

MAX_WINDOW: Final = 1_000
"""So many entities are gathered from each place at most."""
MAX_PAGES: Final = 100
"""So many pages of one place are read for an aggregation at most."""
SHAPING: Final = frozenset(("options", "format", "pick", "omit", "lang", "aggrMethods", "aggrPeriodDuration"))
"""Parameters that say how an answer looks; places are asked for everything, the caller's look is made here."""
_FILTERS: Final = frozenset((
    "q", "georel", "geometry", "coordinates", "geoproperty", "scopeQ", "attrs", "expandValues", "jsonKeys", "geoQ",
))  # fmt: skip
_TIME: Final = ("timerel", "timeAt", "endTimeAt", "timeproperty", "lastN")
_PAGE: Final = ("limit", "offset", "count")
_SHOWN: Final = {"options": "sysAttrs"}


class Shown(Protocol):
    """What a temporal answer shows; the history room has it."""

    @property
    def form(self) -> str: ...
    @property
    def view(self) -> View: ...
    @property
    def query(self) -> TemporalQuery: ...
    @property
    def attributes(self) -> frozenset[str] | None: ...


class Shaping(Protocol):
    """Reads from a request what a temporal answer shows."""

    def of_parameters(self, query: dict[str, str], terms: TermMap, *, required: bool) -> Shown:
        """Of URL parameters. Raises BadRequestData or InvalidRequest."""

    def of_document(self, document: dict[str, Any], query: dict[str, str], members: dict[str, str], terms: TermMap) -> Shown:
        """Of a Query document. Raises BadRequestData or InvalidRequest."""


class Gathered(msgspec.Struct):
    """What one place said: parts of entities, up to when they are whole (None: they are), how many match, and a warning."""

    registration: Registration | None
    parts: list[Part] = []
    bound: str | None = None
    total: int = 0
    warning: int = 0
    error: CityHubError | None = None


Fetch = Callable[[dict[str, str]], Awaitable[Gathered]]
"""Asks one place with these parameters of time."""


class DistributedHistories:
    """Retrieves and queries histories, wherever they are.

    Args:
        registrations: The sources.
        requests: Sends to them.
        contexts: Where term maps come from.
        clock: Where the time comes from.
        shaping: Reads what answers show.
        page_size: Most instances in one answer.
    """

    def __init__(
        self, registrations: Registrations, requests: SourceRequests, contexts: ContextSource, clock: Clock, shaping: Shaping,
        page_size: int,
    ) -> None:  # fmt: skip
        self._registrations = registrations
        self._requests = requests
        self._contexts = contexts
        self._clock = clock
        self._shaping = shaping
        self._page_size = page_size

    def _now(self) -> str:
        return to_text(self._clock.now())

    # -- Retrieve --------------------------------------------------------------------------------------------------------

    async def retrieve(self, request: Request, here: Handler) -> Response:
        """Retrieve Temporal Evolution of an Entity (5.7.3)."""
        query, id = request.query, request.parameters["id"]
        if self._is_alone(request):
            return await here(request)
        terms = await terms_of(request, self._contexts)
        shown = self._shaping.of_parameters(query, terms, required=False)
        call = await self._call(request, terms)
        asked = self._owners(call, id, shown)
        if not asked:
            return await here(request)
        media = accepted(request.headers.get("accept", ""))
        mine = await self._whole(shown, lambda times: self._here(request, here, {**_kept(query), **times, **_SHOWN}, terms))
        if mine.error is not None and not isinstance(mine.error, NotFound):
            raise mine.error
        there = await together(self._whole(shown, self._fetch_one(call, one, names, id, shown)) for one, names in asked)
        call.answer.extend(warning_header([(one.registration, one.warning) for one in there if one.registration is not None]))
        whole = united([part for found in (mine, *there) for part in found.parts if part.evolution.id == id], shown.query)
        if whole is None:
            failed = there[0].error
            if len(there) == 1 and asked[0][0].mode in ("exclusive", "redirect") and isinstance(failed, SourceFailed):
                raise failed
            raise mine.error or NotFound(f"There is no history of entity '{id}'")
        documents, content_range = self._rendered([whole], [mine, *there], shown, terms)
        if not documents[0]:
            raise NotFound(f"The history of entity '{id}' has none of the members that were asked for")
        return _response(documents[0], content_range, terms, media, [])

    def _owners(self, call: Call, id: str, shown: Shown) -> list[tuple[Registration, frozenset[str] | None]]:
        wanted = _names(shown)
        found = []
        for one in self._registrations.about(call.tenant, id, None):
            covers, names = one.covering(id, None, wanted)
            if covers and "retrieveTemporal" in one.operations and self._requests.refusal(call, one) is None:
                found.append((one, _common(names, wanted)))
        return found

    def _fetch_one(self, call: Call, registration: Registration, names: frozenset[str] | None, id: str, shown: Shown) -> Fetch:
        async def fetch(times: dict[str, str]) -> Gathered:
            path = f"/temporal/entities/{quote(id, safe=':')}"
            return await self._ask(call, registration, names, "GET", path, {**times, **_datasets(shown)})

        return fetch

    # -- Query -----------------------------------------------------------------------------------------------------------

    async def query(self, request: Request, here: Handler) -> Response:
        """Query Temporal Evolution of Entities (5.7.4), by GET."""
        query = request.query
        split = flag(query, "splitEntities")
        if self._is_alone(request):
            return await here(_with_query(request, _without(query, {"splitEntities"})) if "splitEntities" in query else request)
        terms = await terms_of(request, self._contexts)
        wanted = query_from_parameters(query, terms)
        shown = self._shaping.of_parameters(query, terms, required=True)
        csf = parse_q(query["csf"], terms, where="csf") if "csf" in query else None
        call = msgspec.structs.replace(await self._call(request, terms), csf=csf, split=split)
        plain = _without(_kept(query), {"splitEntities", *_PAGE, *(_FILTERS if split else ())})

        def mine(window: dict[str, str], times: dict[str, str]) -> Awaitable[Gathered]:
            return self._here(request, here, {**plain, **times, **window, **_SHOWN}, terms)

        alone = _with_query(request, _without(query, {"splitEntities"}))
        return await self._answer(request, call, wanted, shown, query.get("orderBy"), lambda: here(alone), mine)

    async def query_by_post(self, request: Request, here: Handler) -> Response:
        """Query Temporal Evolution of Entities (5.7.4), by POST."""
        query = request.query
        split = flag(query, "splitEntities")
        alone = _with_query(request, _without(query, {"splitEntities"})) if "splitEntities" in query else request
        if self._is_alone(request):
            return await here(alone)
        document, terms = await body_and_terms(request, self._contexts)
        if not isinstance(document, dict) or document.get("type", document.get("@type")) != "Query":
            return await here(alone)
        wanted = query_from_document(document, terms)
        shown = self._shaping.of_document(document, query, {**as_parameters(document), **query}, terms)
        csf = parse_q(document["csf"], terms, where="csf") if isinstance(document.get("csf"), str) else None
        call = msgspec.structs.replace(await self._call(request, terms), csf=csf, split=split or document.get("splitEntities") is True)
        ordering = document.get("ordering")
        drop = {"pick", "omit", "lang", "aggrParams", "splitEntities", *(_FILTERS if call.split else ())}
        plain = {name: value for name, value in document.items() if name not in drop}

        def mine(window: dict[str, str], times: dict[str, str]) -> Awaitable[Gathered]:
            temporal = {**{name: value for name, value in document["temporalQ"].items() if name not in ("aggrMethods",)}, **times}
            if "lastN" in temporal:
                temporal["lastN"] = int(temporal["lastN"])
            if shown.query.aggregation is not None:
                temporal.pop("lastN", None)
            params = {**window, **_SHOWN, **({"local": query["local"]} if "local" in query else {})}
            return self._here(request, here, params, terms, {**plain, "temporalQ": temporal})

        order_by = ordering.get("orderBy") if isinstance(ordering, dict) else None
        return await self._answer(request, call, wanted, shown, order_by, lambda: here(alone), mine)

    async def _answer(
        self, request: Request, call: Call, wanted: EntityQuery, shown: Shown, order_by: Any, alone: Callable[[], Awaitable[Response]],
        mine: Callable[[dict[str, str], dict[str, str]], Awaitable[Gathered]],
    ) -> Response:  # fmt: skip
        asked = [] if wanted.every_type else self._sources(call, wanted, shown)
        if not asked:
            return await alone()
        wanted.require_narrow(local=False)
        if order_by is not None:
            raise BadRequestData("An order is not possible over several context sources; set local to true")
        media = accepted(request.headers.get("accept", ""))
        limit, offset = window(request.query)
        if offset + limit > MAX_WINDOW:
            raise TooManyResults(f"Over several context sources only the first {MAX_WINDOW} histories can be paged; narrow the query")
        count = flag(request.query, "count")
        need = MAX_WINDOW if call.split else max(1, offset + limit)
        page = {"limit": str(need), "count": "true"}
        local = await self._whole(shown, lambda times: mine(page, times))
        if local.error is not None:
            raise local.error
        sources = (self._whole(shown, self._fetch_many(call, one, names, wanted, shown, need)) for one, names in asked)
        there = await together(sources)
        call.answer.extend(warning_header([(one.registration, one.warning) for one in there if one.registration is not None]))
        by_id: dict[str, list[Part]] = {}
        for found in (local, *there):
            for part in found.parts:
                by_id.setdefault(part.evolution.id, []).append(part)
        wholes = [whole for parts in by_id.values() if (whole := united(parts, shown.query)) is not None]
        total = local.total + sum(found.total for found in there) - (sum(map(len, by_id.values())) - len(by_id))
        if call.split:
            wholes = [whole for one in wholes if (whole := _matching(one, wanted, shown)) is not None]
            total = len(wholes)
        documents, content_range = self._rendered(wholes[offset : offset + limit], [local, *there], shown, call.terms)
        documents = [document for document in documents if document]
        headers = page_headers(request, media, len(documents), total if count else None, limit, offset)
        return _response(documents, content_range, call.terms, media, headers)

    def _sources(self, call: Call, wanted: EntityQuery, shown: Shown) -> list[tuple[Registration, frozenset[str] | None]]:
        matches = call.csf.over_documents() if call.csf is not None else None
        names = wanted.attributes or _names(shown)
        found = []
        for one in self._registrations.selected(call.tenant, wanted.selectors):
            meets, registered = one.meeting(wanted.selectors, names)
            offers = "queryTemporal" in one.operations and (matches is None or matches(one.record))
            if meets and offers and self._requests.refusal(call, one) is None:
                found.append((one, _common(registered, names)))
        return found

    def _fetch_many(
        self, call: Call, registration: Registration, names: frozenset[str] | None, wanted: EntityQuery, shown: Shown, need: int
    ) -> Fetch:
        async def fetch(times: dict[str, str]) -> Gathered:
            narrowed = EntityQuery(wanted.selectors) if call.split else wanted
            try:
                terms = await self._requests.terms_for(call, registration)
            except CityHubError as error:
                return Gathered(registration, warning=REVALIDATION_FAILED, error=error)
            groups = groups_for(registration, narrowed, terms)
            window = {"limit": str(need), "count": "true", **_datasets(shown), **({"splitEntities": "true"} if call.split else {})}
            if len(groups) == 1:
                params = {**groups[0].parameters(), **filters(narrowed, terms), **times, **window}
                return await self._ask(call, registration, names, "GET", "/temporal/entities", params)
            temporal = {**times, **({"lastN": int(times["lastN"])} if "lastN" in times else {})}
            selectors = [group.selector() for group in groups]
            body = {"type": "Query", "entities": selectors, **filter_members(narrowed, terms), "temporalQ": temporal}
            return await self._ask(call, registration, names, "POST", "/temporal/entityOperations/query", window, body)

        return fetch

    # -- One place -------------------------------------------------------------------------------------------------------

    def _is_alone(self, request: Request) -> bool:
        return is_local(request.query) or request.tenant is not None or not self._registrations.any(tenant_of(request))

    async def _call(self, request: Request, terms: TermMap) -> Call:
        call = call_of(request, tenant_of(request), terms, False)
        if call.via:
            await self._requests.learn(self._registrations.all(call.tenant))
        return call

    async def _here(self, request: Request, here: Handler, query: dict[str, str], terms: TermMap, document: Any = None) -> Gathered:
        """What this hub's own history says."""
        inner = _with_query(request, query, None if document is None else orjson.dumps(document), inner_use=True)
        found = Gathered(None)
        try:
            response = await here(inner)
        except CityHubError as error:
            found.error = error
            return found
        headers = {name.lower(): value for name, value in response.headers}
        answer = orjson.loads(response.body)
        documents = answer if isinstance(answer, list) else [answer]
        parts = [read_part(one, terms, self._now(), None) for one in documents]
        found.parts = [part for part in parts if part is not None]
        found.bound = reached(headers.get("content-range"))
        found.total = int(headers.get("ngsild-results-count", len(found.parts)))
        return found

    async def _ask(
        self, call: Call, registration: Registration, names: frozenset[str] | None, method: str, path: str, params: dict[str, str],
        body: dict[str, Any] | None = None,
    ) -> Gathered:  # fmt: skip
        """What a source says. Faults are part of it: nothing is raised."""
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError as error:
            return Gathered(registration, warning=REVALIDATION_FAILED, error=error)
        listed = sorted(terms.compact(name) for name in names) if names else []
        if listed and body is not None:
            body = {**body, "attrs": listed}
        elif listed:
            params = {**params, "attrs": ",".join(listed)}
        reply = await self._requests.send(call, Ask(registration, method, path, terms, {**params, **_SHOWN}, body))
        return self._read(reply, registration)

    def _read(self, reply: Reply, registration: Registration) -> Gathered:
        found = Gathered(registration, warning=reply.warning, error=reply.error)
        if reply.error is not None or reply.document is None:
            return found
        documents = reply.document if isinstance(reply.document, list) else [reply.document]
        try:
            parts = [read_part(one, reply.terms, self._now(), registration) for one in documents]
            found.bound = reached(reply.headers.get("content-range"))
        except CityHubError as error:
            return Gathered(registration, warning=REVALIDATION_FAILED, error=error)
        found.parts = [part for part in parts if part is not None]
        total = reply.headers.get("ngsild-results-count", "")
        found.total = int(total) if total.isdigit() and len(total) < 15 else len(found.parts)
        return found

    async def _whole(self, shown: Shown, fetch: Fetch) -> Gathered:
        """What a place says; for an aggregation page after page, as figures cannot be united."""
        times = _times(shown.query)
        found = await fetch(times)
        if shown.query.aggregation is None:
            return found
        for _ in range(MAX_PAGES):
            if found.bound is None or found.error is not None:
                return found
            bound = found.bound
            times = _times_from(shown.query, bound)
            more = await fetch(times)
            if more.bound == bound:
                more = await fetch(_times_from(shown.query, _following(bound)))
            by_id = {part.evolution.id: part for part in found.parts}
            for part in more.parts:
                old = by_id.get(part.evolution.id)
                whole = united([one for one in (old, part) if one is not None], shown.query)
                by_id[part.evolution.id] = part if whole is None else msgspec.structs.replace(whole, rank=part.rank)
            found = msgspec.structs.replace(more, parts=list(by_id.values()), total=max(found.total, more.total))
        raise TooManyResults(f"An aggregation over context sources reads at most {MAX_PAGES} pages of each; narrow the span of time")

    # -- The answer ------------------------------------------------------------------------------------------------------

    def _rendered(
        self, wholes: list[Part], places: list[Gathered], shown: Shown, terms: TermMap
    ) -> tuple[list[dict[str, Any]], str | None]:
        """The documents, and the Content-Range when they are not whole."""
        query, view = shown.query, shown.view
        attrs = [chosen(one.attrs, query, view.dataset_ids) for one in wholes]
        if query.aggregation is not None and shown.form == "aggregatedValues":
            return [_aggregated(one, found, shown, terms) for one, found in zip(wholes, attrs, strict=True)], None
        bounds = [place.bound for place in places if place.bound is not None]
        content_range = None
        if bounds:
            latest = query.last_n is not None
            bound = max(bounds) if latest else min(bounds)
            attrs = [within(one, query, bound) for one in attrs]
            times = [time_of(one, query.time_property) for found in attrs for name, some in found.items() if name != SCOPE for one in some]
            begin = (query.end if latest else query.start) or (max if latest else min)(times, default=bound)
            content_range = f"date-time {moment.show(begin)}-{moment.show(bound)}/{query.last_n or '*'}"
        page = cut(attrs, query, self._page_size)
        documents = [
            render_evolution(one.evolution, found, terms, view, _body(one, shown, terms))
            for one, found in zip(wholes, page.attrs, strict=True)
        ]
        return documents, page.content_range or content_range


def _body(one: Part, shown: Shown, terms: TermMap) -> Body:
    if shown.form == "temporalValues":
        return pairs_body(terms, shown.view, shown.query.time_property)
    return instances_body(one.evolution, terms, shown.view)


def _aggregated(one: Part, attrs: Attributes, shown: Shown, terms: TermMap) -> dict[str, Any]:
    assert shown.query.aggregation is not None
    kept = {name: instances for name, instances in attrs.items() if name != SCOPE}
    origin = min((time_of(instances[0], shown.query.time_property) for instances in kept.values()), default=None)
    return render_evolution(one.evolution, kept, terms, shown.view, aggregated_body(shown.query.aggregation, shown.query, origin))


def _matching(one: Part, wanted: EntityQuery, shown: Shown) -> Part | None:
    """A history put together of its parts, if it passes the filters; with a scope asked for, of the times when it had that."""
    evolution, attrs = one.evolution, one.attrs
    if wanted.scope is not None:
        attrs = Validity(attrs.get(SCOPE, []), wanted.scope, shown.query).restrict(attrs, shown.query)
    content = EntityQuery(wanted.selectors, wanted.attributes, wanted.q, wanted.geo)
    seen = {
        "id": evolution.id, "type": evolution.types, "createdAt": evolution.created_at, "modifiedAt": evolution.modified_at,
        "attrs": {name: instances for name, instances in attrs.items() if name != SCOPE},
    }  # fmt: skip
    return msgspec.structs.replace(one, attrs=attrs) if seen["attrs"] and content.matches(seen) else None


def _names(shown: Shown) -> frozenset[str] | None:
    """The attributes (IRIs) that can be shown; None: all, or none but members that are no attributes."""
    if shown.attributes is None:
        return None
    return (shown.attributes - CORE_MEMBERS) or None


def _common(registered: frozenset[str] | None, wanted: frozenset[str] | None) -> frozenset[str] | None:
    if registered is None or not wanted:
        return wanted if registered is None else registered
    return registered & wanted


def _datasets(shown: Shown) -> dict[str, str]:
    ids = shown.view.dataset_ids
    return {} if ids is None else {"datasetId": ",".join(sorted(ids))}


def _times(query: TemporalQuery) -> dict[str, str]:
    """The parameters of a temporal query; an aggregation needs every instance."""
    out: dict[str, str] = {}
    if query.relation is not None and query.time_at is not None:
        out = {"timerel": query.relation, "timeAt": moment.show(query.time_at)}
    if query.end_time_at is not None:
        out["endTimeAt"] = moment.show(query.end_time_at)
    out["timeproperty"] = query.time_property
    if query.last_n is not None and query.aggregation is None:
        out["lastN"] = str(query.last_n)
    return out


def _times_from(query: TemporalQuery, start: str) -> dict[str, str]:
    """The parameters of the rest of a span of time."""
    out = {"timerel": "after", "timeAt": moment.show(start), "timeproperty": query.time_property}
    if query.end is not None:
        out |= {"timerel": "between", "endTimeAt": moment.show(query.end)}
    return out


def _following(time: str) -> str:
    """The moment a microsecond later."""
    return to_text(datetime.fromisoformat(time) + timedelta(microseconds=1))


def _kept(query: dict[str, str]) -> dict[str, str]:
    """The parameters without those of look and time, which are set anew."""
    return _without(query, {*SHAPING, *_TIME, "entityMap", "entityMapLifetime"})


def _without(query: dict[str, str], names: set[str] | frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name not in names}


def _with_query(request: Request, query: dict[str, str], body: bytes | None = None, *, inner_use: bool = False) -> Request:
    """The same request with other parameters, and another body if one is given; `inner_use`: its answer is plain JSON and read here."""
    inner = Request(request.method, request.path, urlencode(query, quote_via=quote), dict(request.headers), request.body)
    inner.parameters, inner.principal, inner.trace = request.parameters, request.principal, request.trace
    inner.peer, inner.tenant = request.peer, request.tenant
    if inner_use:
        inner.headers["accept"] = JSON
        for name in ("prefer", "ngsild-entitymap"):
            inner.headers.pop(name, None)
    else:
        inner.answer_headers = request.answer_headers
    if body is not None:
        inner.body = body
    return inner


def _response(body: Any, content_range: str | None, terms: TermMap, media: str, headers: list[tuple[str, str]]) -> Response:
    if content_range is None:
        return document_response(body, terms, media, headers=headers)
    return document_response(body, terms, media, status=206, headers=[*headers, ("content-range", content_range)])
