"""HTTP of single entities and their attributes.

Source: GS CIM 009 V1.9.1, clauses 6.4 to 6.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from cityhub.context.entities import AttributesResult, Call, EntityOperations, call_of
from cityhub.context.entity_maps import EntityMaps
from cityhub.context.linked import linked_entities
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.jsonld import CORE_URL, TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.conformance import CURRENT, amended_attribute, read_version
from cityhub.model.ngsild.flat import render_flat
from cityhub.model.ngsild.geojson import render_feature
from cityhub.model.ngsild.language import parse_languages
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.parse import parse_attribute, parse_entity, parse_fragment
from cityhub.model.ngsild.render import render_attribute, render_entity, render_value
from cityhub.model.ngsild.selector import parse_type_selection
from cityhub.model.ngsild.view import NORMALIZED, View
from cityhub.model.ports import Past, Store
from cityhub.web.conditional import entity_tag, is_unmodified
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import (
    GEO,
    GEO_JSON,
    JSON,
    LD_JSON,
    MERGE_PATCH,
    ContextSource,
    accepted,
    body_and_terms,
    check_parameters,
    check_tenant,
    context_member,
    document_response,
    entity_response,
    flag,
    link_header,
    no_content,
    option_set,
    preferred_version,
    tenant_of,
    terms_of,
)
from cityhub.web.ngsild_terms import describe_operation
from cityhub.web.views import PARAMETERS, is_local, join_level, view_of

PREFIX = "/ngsi-ld/v1"
MAX_RENDERINGS = 4
"""Renderings that are kept with a document: callers may come with any number of @contexts."""
_LOCAL = frozenset(("local",))
_WRITE = frozenset(("local", "options", "format", "type"))
MAP_PARAMETERS = frozenset(("entityMap", "entityMapLifetime"))
_RETRIEVE = PARAMETERS | MAP_PARAMETERS | {"local", "type"}


def read_id(request: Request, name: str = "id") -> str:
    """The entity id in the path. Raises BadRequestData when it is no URI."""
    id = request.parameters[name]
    if not is_uri(id):
        raise BadRequestData(f"The entity id in the path must be a URI, not '{id[:200]}'")
    return id


class EntityApi:
    """The doors of `/entities/{id}` and below."""

    def __init__(
        self, operations: EntityOperations, contexts: ContextSource, store: Store, maps: EntityMaps, past: Past | None = None
    ) -> None:
        self._maps = maps
        self._operations = operations
        self._contexts = contexts
        self._store = store
        self._past = past

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        entities, one = f"{PREFIX}/entities", f"{PREFIX}/entities/{{id}}"
        attributes, attribute = f"{one}/attrs", f"{one}/attrs/{{attribute}}"
        read, write = "entity.read", "entity.write"

        def route(method: str, path: str, handler: Any, permission: str, operation: str, clause: str) -> Route:
            return Route(method, path, handler, permission, operation, f"GS CIM 009 {clause}", "entities", describe_operation(operation))

        return [
            route("POST", entities, self.create, write, "Create Entity", "6.4.3.1"),
            route("PUT", entities, self.without_id, write, "Replace Entity without id", "6.5.3.3"),
            route("PATCH", entities, self.without_id, write, "Merge Entity without id", "6.5.3.4"),
            route("GET", one, self.retrieve, read, "Retrieve Entity", "6.5.3.1"),
            route("DELETE", one, self.delete, write, "Delete Entity", "6.5.3.2"),
            route("PUT", one, self.replace, write, "Replace Entity", "6.5.3.3"),
            route("PATCH", one, self.merge, write, "Merge Entity", "6.5.3.4"),
            route("POST", attributes, self.append_attributes, write, "Append Attributes", "6.6.3.1"),
            route("PATCH", attributes, self.update_attributes, write, "Update Attributes", "6.6.3.2"),
            route("PATCH", attribute, self.update_attribute, write, "Partial Attribute Update", "6.7.3.1"),
            route("DELETE", attribute, self.delete_attribute, write, "Delete Attribute", "6.7.3.2"),
            route("PUT", attribute, self.replace_attribute, write, "Replace Attribute", "6.7.3.3"),
            route("GET", attribute, self.retrieve_attribute, read, "Retrieve Attribute", "6.7.3.4"),
            route("GET", f"{attribute}/value", self.retrieve_value, read, "Retrieve Attribute value", "6.7.4"),
            route("PUT", f"{attribute}/value", self.set_value, write, "Update Attribute value", "6.7.4"),
        ]

    def _call(self, request: Request, terms: TermMap, query: dict[str, str], *, known_tenant: bool = True) -> Call:
        tenant = tenant_of(request)
        if known_tenant and tenant:
            check_tenant(self._store.tenants(), tenant)
        types = parse_type_selection(query["type"], terms) if "type" in query else None
        return call_of(request, tenant, terms, is_local(query), types)

    async def create(self, request: Request) -> Response:
        """POST /entities."""
        query = check_parameters(request, _LOCAL)
        document, terms = await body_and_terms(request, self._contexts)
        entity = parse_entity(document, terms)
        await self._operations.create(self._call(request, terms, query, known_tenant=False), entity)
        return Response(201, headers=[("location", f"{PREFIX}/entities/{quote(entity['id'], safe=':')}")])

    async def without_id(self, request: Request) -> Response:
        """PUT or PATCH /entities/: the id is missing. Raises BadRequestData."""
        raise BadRequestData("The path must end with the id of an entity")

    async def retrieve(self, request: Request) -> Response:
        """GET /entities/{id}; the plain case is answered from the bytes that were made for an earlier caller."""
        query = check_parameters(request, _RETRIEVE)
        media = accepted(request.headers.get("accept", ""), GEO)
        terms = await terms_of(request, self._contexts)
        id = read_id(request)
        view = view_of(query, terms, media)
        entity = await self._operations.retrieve(self._call(request, terms, query), id, view)
        if not query.keys().isdisjoint(MAP_PARAMETERS) or "ngsild-entitymap" in request.headers:
            await self._maps.attach_one(request, query, id)
        if view is NORMALIZED and media == JSON and "prefer" not in request.headers:
            return plain_response(request, entity, terms)
        tag = _tag(request, entity, terms, media)
        if tag and is_unmodified(request.headers.get("if-none-match", '""'), tag):
            return Response(304, headers=[("etag", tag)])
        if tag:
            request.answer_headers.append(("etag", tag))
        linked = await linked_entities(self._operations, self._call(request, terms, query), [entity], view, query)
        if media == GEO_JSON:
            return feature_response(request, render_feature(entity, terms, view, linked), terms)
        if query.get("join") == "flat":
            documents = render_flat([entity], terms, view, linked, join_level(query))
            return entity_response(request, documents if len(documents) > 1 else documents[0], terms, media)
        document = render_entity(entity, terms, view, linked)
        if not document or (view.attrs is not None and view.attrs.isdisjoint(entity["attrs"])):
            request.answer_headers.clear()
            raise NotFound(f"Entity '{id}' has none of the members that were asked for")
        return entity_response(request, document, terms, media)

    async def delete(self, request: Request) -> Response:
        """DELETE /entities/{id}."""
        query = check_parameters(request, frozenset(("local", "type")))
        terms = await terms_of(request, self._contexts)
        await self._operations.delete(self._call(request, terms, query), read_id(request))
        return no_content()

    async def replace(self, request: Request) -> Response:
        """PUT /entities/{id}."""
        query = check_parameters(request, _WRITE)
        id = read_id(request)
        document, terms = await body_and_terms(request, self._contexts)
        simplified = is_simplified(query)
        if isinstance(document, dict) and "id" not in document and "@id" not in document:
            document = {"id": id, **document}
        entity = parse_entity(document, terms, require_type=False, simplified=simplified)
        same_id(entity["id"], id)
        await self._operations.replace(self._call(request, terms, query), entity)
        return no_content()

    async def merge(self, request: Request) -> Response:
        """PATCH /entities/{id}."""
        query = check_parameters(request, _WRITE | {"observedAt", "lang"})
        id = read_id(request)
        document, terms = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        fragment = parse_fragment(document, terms, nulls=True, partial=True, simplified=is_simplified(query))
        same_id(fragment.id, id)
        observed_at = moment.read(query["observedAt"], "observedAt") if "observedAt" in query else None
        language = query.get("lang")
        if language is not None:
            parse_languages(language)
        await self._operations.merge(self._call(request, terms, query), id, fragment, observed_at, language)
        return no_content()

    async def append_attributes(self, request: Request) -> Response:
        """POST /entities/{id}/attrs."""
        query = check_parameters(request, _WRITE)
        id = read_id(request)
        options = option_set(query, frozenset(("noOverwrite", "overwrite", "keyValues", "simplified", "concise", "normalized")))
        document, terms = await body_and_terms(request, self._contexts)
        # An id in the body is not looked at: the path says which entity is meant (5.6.3).
        fragment = parse_fragment(document, terms, nulls=False, simplified=is_simplified(query))
        call = self._call(request, terms, query)
        return update_result(await self._operations.append_attributes(call, id, fragment, "noOverwrite" not in options))

    async def update_attributes(self, request: Request) -> Response:
        """PATCH /entities/{id}/attrs."""
        query = check_parameters(request, _WRITE)
        id = read_id(request)
        document, terms = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        # An id in the body is not looked at: the path says which entity is meant (5.6.2).
        fragment = parse_fragment(document, terms, nulls=True, simplified=is_simplified(query))
        return update_result(await self._operations.update_attributes(self._call(request, terms, query), id, fragment))

    async def update_attribute(self, request: Request) -> Response:
        """PATCH /entities/{id}/attrs/{attribute}."""
        query = check_parameters(request, _WRITE | {"datasetId"})
        id = read_id(request)
        document, terms = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        name = request.parameters["attribute"]
        instances = parse_attribute(name, document, terms, nulls=True, partial=True, simplified=is_simplified(query))
        call = self._call(request, terms, query)
        if isinstance(document, dict) and document.keys() == {name}:
            call = msgspec.structs.replace(call, wrapped=True)
        await self._operations.update_attribute(call, id, terms.expand_name(name), instances)
        return no_content()

    async def replace_attribute(self, request: Request) -> Response:
        """PUT /entities/{id}/attrs/{attribute}."""
        query = check_parameters(request, _WRITE)
        id = read_id(request)
        document, terms = await body_and_terms(request, self._contexts)
        name = request.parameters["attribute"]
        instances = parse_attribute(name, document, terms, simplified=is_simplified(query))
        await self._operations.replace_attribute(self._call(request, terms, query), id, terms.expand_name(name), instances)
        return no_content()

    async def delete_attribute(self, request: Request) -> Response:
        """DELETE /entities/{id}/attrs/{attribute}."""
        query = check_parameters(request, frozenset(("local", "type", "datasetId", "deleteAll")))
        id = read_id(request)
        terms = await terms_of(request, self._contexts)
        name = request.parameters["attribute"]
        dataset_id = query.get("datasetId")
        if dataset_id is not None and dataset_id != "@none" and not is_uri(dataset_id):
            raise BadRequestData(f"'datasetId' must be a URI, not '{dataset_id[:200]}'")
        attribute = "scope" if name == "scope" else terms.expand_name(name)
        call = self._call(request, terms, query)
        delete_all = flag(query, "deleteAll")
        try:
            await self._operations.delete_attribute(call, id, attribute, dataset_id, delete_all)
        except NotFound:
            # An entity that clients gave a history but no current state is known all the same (5.6.5, 5.6.11).
            if self._past is None or await self._store.fetch(call.tenant, id) is not None:
                raise
            if not await self._past.delete_attribute(call.tenant, id, attribute, dataset_id, delete_all):
                raise
        return no_content()

    async def retrieve_attribute(self, request: Request) -> Response:
        """GET /entities/{id}/attrs/{attribute}."""
        view, terms, media, entity, attribute = await self._attribute(request)
        document = render_attribute(entity, attribute, terms, view)
        if not isinstance(document, dict | list):
            return Response(200, orjson.dumps(document), [("link", link_header(terms.link or CORE_URL))], media)
        return attribute_response(request, document, terms, media)

    async def retrieve_value(self, request: Request) -> Response:
        """GET /entities/{id}/attrs/{attribute}/value."""
        view, terms, media, entity, attribute = await self._attribute(request)
        value = render_value(entity, attribute, terms, view)
        return Response(200, orjson.dumps(value), [("link", link_header(terms.link or CORE_URL))], media)

    async def set_value(self, request: Request) -> Response:
        """PUT /entities/{id}/attrs/{attribute}/value."""
        query = check_parameters(request, frozenset(("local", "type", "datasetId", "observedAt")))
        id = read_id(request)
        document, terms = await body_and_terms(request, self._contexts)
        observed_at = moment.read(query["observedAt"], "observedAt") if "observedAt" in query else None
        attribute = terms.expand_name(request.parameters["attribute"])
        call = self._call(request, terms, query)
        await self._operations.set_value(call, id, attribute, document, query.get("datasetId"), observed_at)
        return no_content()

    async def _attribute(self, request: Request) -> tuple[View, TermMap, str, Any, str]:
        query = check_parameters(request, _RETRIEVE)
        media = accepted(request.headers.get("accept", ""))
        terms = await terms_of(request, self._contexts)
        view = view_of(query, terms, media)
        entity = await self._operations.retrieve(self._call(request, terms, query), read_id(request), view)
        return view, terms, media, entity, terms.expand_name(request.parameters["attribute"])


def is_simplified(query: dict[str, str]) -> bool:
    """Whether the body is key-values. Raises InvalidRequest for unknown formats or options."""
    if not query:
        return False
    options = option_set(
        query, frozenset(("noOverwrite", "overwrite", "keyValues", "simplified", "concise", "normalized", "replace", "update"))
    )
    return "keyValues" in options or "simplified" in options or query.get("format") in ("simplified", "keyValues")


def same_id(given: str, id: str) -> None:
    """Raises BadRequestData when the body names another entity than the path."""
    if given and given != id:
        raise BadRequestData(f"The body is about '{given[:200]}', the path about '{id[:200]}'")


def update_result(result: AttributesResult) -> Response:
    """204, or 207 with an UpdateResult (5.2.18) when something was not updated."""
    if not result.not_updated:
        return no_content()
    document = {
        "updated": result.updated,
        "notUpdated": [{"attributeName": name, "reason": reason} for name, reason in result.not_updated],
    }
    return Response(207, orjson.dumps(document), None, JSON)


def rendered(entity: Any, terms: TermMap) -> bytes:
    """The normalized JSON of an entity, kept with the store's document so that it is made once per version and @context."""
    kept = getattr(entity, "rendered", None)
    if kept is None:
        return orjson.dumps(render_entity(entity, terms))
    body = kept.get(terms.key)
    if body is None:
        if len(kept) >= MAX_RENDERINGS:
            kept.clear()
        body = kept[terms.key] = orjson.dumps(render_entity(entity, terms))
    known: bytes = body
    return known


def rendered_all(entities: Iterable[Any], terms: TermMap) -> list[bytes]:
    """The normalized JSON of each entity."""
    key = terms.key
    kept = ((entity, getattr(entity, "rendered", None)) for entity in entities)
    return [(known and known.get(key)) or rendered(entity, terms) for entity, known in kept]


def plain_response(request: Request, entity: Any, terms: TermMap) -> Response:
    """The normalized entity as application/json, with its ETag; 304 when the caller has it."""
    headers = [("link", link_header(terms.link or CORE_URL))]
    if getattr(entity, "rendered", None) is not None:
        tag = entity_tag(entity["modifiedAt"], terms.key)
        headers.append(("etag", tag))
        known = request.headers.get("if-none-match")
        if known is not None and is_unmodified(known, tag):
            return Response(304, headers=headers)
    return Response(200, rendered(entity, terms), headers, JSON)


def attribute_response(request: Request, document: Any, terms: TermMap, media: str) -> Response:
    """An answer with an attribute, in the version of the standard that the request prefers (4.3.6.8)."""
    version = preferred_version(request.headers.get("prefer", ""))
    if version is None:
        return document_response(document, terms, media)
    older = min(read_version(version), CURRENT)
    shown = amended_attribute(document, older)
    applied = ("preference-applied", f"ngsi-ld={older[0]}.{older[1]}")
    return document_response(shown, terms, media, status=200 if shown == document else 203, headers=[applied])


def _tag(request: Request, entity: Any, terms: TermMap, media: str) -> str:
    """The ETag of a representation; "" where other entities, or other sources, are part of it or time alone changes it."""
    if getattr(entity, "rendered", None) is None or "join" in request.query:
        return ""
    return entity_tag(entity["modifiedAt"], terms.key, media, request.query_string, request.headers.get("prefer", ""))


def feature_response(request: Request, document: dict[str, Any], terms: TermMap) -> Response:
    """A GeoJSON answer; `Prefer: body=json` keeps the @context out of the body (6.3.6)."""
    headers = [("link", link_header(terms.link or CORE_URL))]
    if request.headers.get("prefer", "").replace(" ", "").replace('"', "") != "body=json":
        document = {**document, "@context": context_member(terms)}
    else:
        headers.append(("preference-applied", "body=json"))
    return Response(200, orjson.dumps(document), headers, GEO_JSON)

