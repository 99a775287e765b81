"""Provision of the temporal evolution of entities, shared out between this hub's own history and context sources.

It stands around the doors of the history: what belongs to exclusive and redirect sources goes there alone, inclusive ones get copies,
and the doors here are asked with what is left.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 5.6.11 to 5.6.16 and 6.3.17.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote

import orjson

from cityhub.context.distribution_temporal import DistributedHistories, Shaping
from cityhub.context.distribution_write import DistributedWrites, Order, Part
from cityhub.context.entities import Call, call_of
from cityhub.context.registrations import Registrations
from cityhub.context.source_fragments import attribute_document
from cityhub.context.source_requests import SourceRequests
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import CityHubError, NotFound, PartlyDone
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.parse import parse_attribute
from cityhub.model.ngsild.render_member import one_or_all
from cityhub.model.ngsild.temporal_document import SCOPE, parse_temporal_entity
from cityhub.model.ports import Document, Store
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Handler, Request, Response, Route, with_handler
from cityhub.web.negotiation import JSON, LD_JSON, MERGE_PATCH, ContextSource, body_and_terms, flag, no_content, tenant_of, terms_of
from cityhub.web.views import is_local

PATH: Final = "/ngsi-ld/v1/temporal/entities"
_MEMBERS: Final = frozenset(("id", "type", "@id", "@type", "@context", "expiresAt", "createdAt", "modifiedAt", "deletedAt"))

Local = Callable[[Attributes], Coroutine[Any, Any, Response]]
Distributed = Callable[[Request, Handler], Coroutine[Any, Any, Response]]


class DistributedTemporal:
    """The doors of the history with context sources behind them.

    Args:
        store: Tells which types an entity has here.
        registrations: The sources.
        requests: Sends to them.
        contexts: Where term maps come from.
        clock: Where the time comes from.
        shaping: Reads what answers show.
        page_size: Most instances in one answer.
    """

    def __init__(
        self, store: Store, registrations: Registrations, requests: SourceRequests, contexts: ContextSource, clock: Clock,
        shaping: Shaping, page_size: int,
    ) -> None:  # fmt: skip
        self._registrations = registrations
        self._requests = requests
        self._contexts = contexts
        self._clock = clock
        self._writes = DistributedWrites(store, registrations, requests)
        reads = DistributedHistories(registrations, requests, contexts, clock, shaping, page_size)
        attribute, instance = f"{PATH}/{{id}}/attrs/{{attribute}}", f"{PATH}/{{id}}/attrs/{{attribute}}/{{instance}}"
        self._doors: dict[tuple[str, str], Distributed] = {
            ("GET", f"{PATH}/{{id}}"): reads.retrieve,
            ("GET", PATH): reads.query,
            ("POST", "/ngsi-ld/v1/temporal/entityOperations/query"): reads.query_by_post,
            ("POST", PATH): self._shared(self.upsert),
            ("DELETE", f"{PATH}/{{id}}"): self._shared(self.delete),
            ("POST", f"{PATH}/{{id}}/attrs"): self._shared(self.append),
            ("DELETE", attribute): self._shared(self.delete_attribute),
            ("PATCH", instance): self._shared(self.modify),
            ("DELETE", instance): self._shared(self.delete_instance),
        }

    def around(self, routes: list[Route]) -> list[Route]:
        """The same routes; those of the history ask sources as well."""
        return [self._wrapped(route) for route in routes]

    def _wrapped(self, route: Route) -> Route:
        door = self._doors.get((route.method, route.path))
        if door is None:
            return route
        here = route.handler
        return with_handler(route, lambda request: door(request, here))

    def _shared(self, door: Distributed) -> Distributed:
        """A writing door that is passed by where no source can have a part."""

        async def shared(request: Request, here: Handler) -> Response:
            if is_local(request.query) or request.tenant is not None or not self._registrations.any(tenant_of(request)):
                return await here(request)
            return await door(request, here)

        return shared

    # -- Operations ------------------------------------------------------------------------------------------------------

    async def upsert(self, request: Request, here: Handler) -> Response:
        """Create or Update Temporal Evolution of an Entity (5.6.11)."""
        document, terms = await body_and_terms(request, self._contexts)
        entity = parse_temporal_entity(document, terms, self._now())

        def body(attrs: Attributes, there: TermMap) -> Document:
            return {"id": entity.id, "type": one_or_all([there.compact(kind) for kind in entity.types]), **_members(attrs, there)}

        order = Order("upsertTemporal", "POST", lambda there: "/temporal/entities", body)
        call = await self._call(request, terms)
        parts = await self._share(call, entity.id, entity.types, entity.attrs, order, _rest(request, here, document, terms))
        created = [part for part in parts if part.reply is not None and part.reply.status == 201]
        default = Response(201, headers=[("location", f"{PATH}/{quote(entity.id, safe=':')}")]) if created else no_content()
        return _outcome(entity.id, parts, default)

    async def append(self, request: Request, here: Handler) -> Response:
        """Add Attributes to Temporal Evolution of an Entity (5.6.12)."""
        document, terms = await body_and_terms(request, self._contexts)
        entity = parse_temporal_entity(document, terms, self._now(), fragment=True)
        id = request.parameters["id"]
        if not is_uri(id):
            return await here(request)
        order = Order("appendAttrsTemporal", "POST", lambda there: _path(id, "/attrs"), _members)
        call = await self._call(request, terms)
        types = self._writes.types_of(call, id, entity.types)
        parts = await self._share(call, id, types, entity.attrs, order, _rest(request, here, document, terms))
        return _outcome(id, parts, no_content())

    async def delete(self, request: Request, here: Handler) -> Response:
        """Delete Temporal Evolution of an Entity (5.6.16)."""
        id = request.parameters["id"]
        order = Order("deleteTemporal", "DELETE", lambda there: _path(id))
        call = await self._call(request, await terms_of(request, self._contexts))
        parts = await self._share(call, id, self._writes.types_of(call, id), None, order, lambda rest: _run(here, request))
        return _outcome(id, parts, no_content())

    async def delete_attribute(self, request: Request, here: Handler) -> Response:
        """Delete Attribute from Temporal Evolution of an Entity (5.6.13)."""
        query = request.query
        params = {"datasetId": query["datasetId"]} if "datasetId" in query else {}
        if flag(query, "deleteAll"):
            params["deleteAll"] = "true"
        terms = await terms_of(request, self._contexts)
        return await self._attribute(request, here, "deleteAttrsTemporal", "DELETE", terms, params=params)

    async def modify(self, request: Request, here: Handler) -> Response:
        """Modify Attribute Instance in Temporal Evolution of an Entity (5.6.14)."""
        document, terms = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        name = request.parameters["attribute"]
        fragment = document[name] if isinstance(document, dict) and list(document) == [name] else document
        if isinstance(fragment, list) and len(fragment) == 1:
            fragment = fragment[0]
        instances = parse_attribute(name, fragment, terms, nulls=True, partial=True) if name else []
        return await self._attribute(request, here, "updateAttrInstanceTemporal", "PATCH", terms, instances)

    async def delete_instance(self, request: Request, here: Handler) -> Response:
        """Delete Attribute Instance from Temporal Evolution of an Entity (5.6.15)."""
        return await self._attribute(request, here, "deleteAttrInstanceTemporal", "DELETE", await terms_of(request, self._contexts))

    async def _attribute(
        self, request: Request, here: Handler, operation: str, method: str, terms: TermMap, instances: list[Instance] | None = None, *,
        params: dict[str, str] | None = None,
    ) -> Response:  # fmt: skip
        """An operation on one attribute, or on one instance of it."""
        id, name, instance = request.parameters["id"], request.parameters["attribute"], request.parameters.get("instance", "")
        if not is_uri(id) or not name:
            return await here(request)
        attribute = name if name == SCOPE else terms.expand_name(name)
        below = f"/{quote(instance, safe=':')}" if instance else ""

        def path(there: TermMap) -> str:
            shown = attribute if attribute == SCOPE else there.compact(attribute)
            return _path(id, f"/attrs/{quote(shown, safe='')}{below}")

        def body(attrs: Attributes, there: TermMap) -> Any:
            return attribute_document(attribute, attrs[attribute], there)

        order = Order(operation, method, path, body if instances is not None else None, params or {})
        call = await self._call(request, terms)
        types = self._writes.types_of(call, id)
        parts = await self._share(call, id, types, {attribute: instances or []}, order, lambda rest: _run(here, request))
        return _outcome(id, parts, no_content())

    # -- Sharing out -----------------------------------------------------------------------------------------------------

    def _now(self) -> str:
        return to_text(self._clock.now())

    async def _call(self, request: Request, terms: TermMap) -> Call:
        call = call_of(request, tenant_of(request), terms, False)
        if call.via:
            await self._requests.learn(self._registrations.all(call.tenant))
        return call

    async def _share(
        self, call: Call, id: str, types: Any, attributes: Attributes | None, order: Order, local: Local
    ) -> list[Part]:
        """What became of each part. Of an entity as a whole this hub is always asked, as it may have a past here."""
        shared = self._writes.plan(call, (order.operation,), id, types, attributes)
        jobs = [self._writes.remote(call, share, order) for share in shared.shares]
        if attributes is None or shared.here:
            jobs.append(_local(local, shared.rest))
        return list(await asyncio.gather(*jobs))


def _members(attrs: Attributes, terms: TermMap) -> Document:
    """Attributes as members of a temporal document: lists of instances."""
    out: Document = {}
    for name, instances in attrs.items():
        if name == SCOPE:
            out[SCOPE] = [_scope(instance) for instance in instances]
        else:
            shown = attribute_document(name, instances, terms)
            out[terms.compact(name)] = shown if isinstance(shown, list) else [shown]
    return out


def _scope(instance: Instance) -> Document:
    value = {"type": "Property", "value": instance["value"]}
    return value | {name: moment.show(instance[name]) for name in ("observedAt", "deletedAt") if name in instance}


def _rest(request: Request, here: Handler, document: Document, terms: TermMap) -> Local:
    """Asks this hub's door with those members of the body that are left for it."""

    async def local(rest: Attributes) -> Response:
        left = {
            name: value for name, value in document.items()
            if name in _MEMBERS or (SCOPE if name == SCOPE else terms.expand_name(name)) in rest
        }  # fmt: skip
        inner = Request(request.method, request.path, request.query_string, dict(request.headers), b"")
        inner.parameters, inner.principal, inner.trace = request.parameters, request.principal, request.trace
        inner.peer, inner.answer_headers = request.peer, request.answer_headers
        given = request.json()
        inner.body = orjson.dumps({**left, "@context": given["@context"]} if "@context" in given else left)
        return await here(inner)

    return local


async def _run(here: Handler, request: Request) -> Response:
    return await here(request)


async def _local(local: Local, rest: Attributes) -> Part:
    try:
        return Part("", frozenset(rest), None, await local(rest))
    except CityHubError as error:
        return Part("", frozenset(rest), error)


def _outcome(id: str, parts: list[Part], default: Response) -> Response:
    """The answer of all parts: where one succeeded, others need not know the entity. Raises the only failure, or PartlyDone."""
    done = [part for part in parts if part.error is None]
    failed = [part for part in parts if part.error is not None and not (done and isinstance(part.error, NotFound))]
    if failed:
        real = [part for part in failed if not isinstance(part.error, NotFound)] or failed
        if not done and real[0].error is not None and (len(real) == 1 or isinstance(real[0].error, NotFound)):
            raise real[0].error
        failures = [(id, part.registration, part.error) for part in real if part.error is not None]
        raise PartlyDone([id] if done else [], failures)
    here = [part.result for part in done if isinstance(part.result, Response)]
    return here[0] if here and default.status != 201 else default


def _path(id: str, below: str = "") -> str:
    return f"/temporal/entities/{quote(id, safe=':')}{below}"
