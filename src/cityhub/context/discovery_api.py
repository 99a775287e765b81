"""HTTP of discovery: which types and attributes there are.

Source: GS CIM 009 V1.9.1, clauses 5.7.5 to 5.7.10, 5.2.24 to 5.2.28, 6.25 to 6.28.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal
from uuid import uuid4

from cityhub.context.entities import About, EntityOperations, call_of
from cityhub.context.entity_api import PREFIX
from cityhub.model.errors import NotFound
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.view import CORE_MEMBERS
from cityhub.model.ports import Shape, Store
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import (
    ContextSource,
    accepted,
    check_parameters,
    check_tenant,
    document_response,
    flag,
    tenant_of,
    terms_of,
)
from cityhub.web.ngsild_terms import describe_operation
from cityhub.web.views import is_local


class DiscoveryApi:
    """The doors of `/types` and `/attributes`."""

    def __init__(self, operations: EntityOperations, contexts: ContextSource, store: Store) -> None:
        self._operations = operations
        self._contexts = contexts
        self._store = store

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        doors = [
            (f"{PREFIX}/types", self.types, "Retrieve Available Entity Types", "6.25.3.1"),
            (f"{PREFIX}/types/{{type}}", self.type, "Retrieve Available Entity Type Information", "6.26.3.1"),
            (f"{PREFIX}/attributes", self.attributes, "Retrieve Available Attributes", "6.27.3.1"),
            (f"{PREFIX}/attributes/{{attribute}}", self.attribute, "Retrieve Available Attribute Information", "6.28.3.1"),
        ]
        return [
            Route("GET", path, handler, "entity.read", operation, f"GS CIM 009 {clause}", "discovery", describe_operation(operation))
            for path, handler, operation, clause in doors
        ]

    async def types(self, request: Request) -> Response:
        """GET /types."""
        shapes, terms, media, details = await self._shapes(request, frozenset(("details", "local")))
        if details:
            return document_response([type_document(name, own, terms) for name, own in _by_type(shapes).items()], terms, media)
        names = sorted(terms.compact(name) for name in _by_type(shapes))
        return document_response({"id": _id("EntityTypeList"), "type": "EntityTypeList", "typeList": names}, terms, media)

    async def type(self, request: Request) -> Response:
        """GET /types/{type}."""
        shapes, terms, media, _ = await self._shapes(request, frozenset(("local",)), "types", request.parameters["type"])
        name = terms.expand_name(request.parameters["type"])
        own = _by_type(shapes).get(name)
        if own is None:
            raise NotFound(f"There is no entity of type '{terms.compact(name)}'")
        return document_response(type_information(name, own, terms), terms, media)

    async def attributes(self, request: Request) -> Response:
        """GET /attributes."""
        shapes, terms, media, details = await self._shapes(request, frozenset(("details", "local")))
        found = _by_attribute(shapes)
        if details:
            return document_response([attribute_document(name, own, terms) for name, own in found.items()], terms, media)
        names = sorted(terms.compact(name) for name in found)
        return document_response({"id": _id("AttributeList"), "type": "AttributeList", "attributeList": names}, terms, media)

    async def attribute(self, request: Request) -> Response:
        """GET /attributes/{attribute}."""
        term = request.parameters["attribute"]
        shapes, terms, media, _ = await self._shapes(request, frozenset(("local",)), "attributes", term)
        # Members that every entity has are no attributes and cannot be expanded to one.
        own = None if term in CORE_MEMBERS else _by_attribute(shapes).get(name := terms.expand_name(term))
        if own is None:
            raise NotFound(f"No entity has the attribute '{term[:200]}'")
        return document_response(attribute_information(name, own, terms), terms, media)

    async def _shapes(
        self, request: Request, allowed: frozenset[str], kind: Literal["types", "attributes"] = "types", term: str = ""
    ) -> tuple[list[Shape], TermMap, str, bool]:
        query = check_parameters(request, allowed)
        media = accepted(request.headers.get("accept", ""))
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        terms = await terms_of(request, self._contexts)
        call = call_of(request, tenant, terms, is_local(query))
        about: About | None = (kind, terms.expand_name(term)) if term and term not in CORE_MEMBERS else None
        return await self._operations.shapes(call, about), terms, media, flag(query, "details")


def _id(kind: str) -> str:
    return f"urn:ngsi-ld:{kind}:{uuid4()}"


def _by_type(shapes: Iterable[Shape]) -> dict[str, list[Shape]]:
    found: dict[str, list[Shape]] = {}
    for shape in shapes:
        found.setdefault(shape.type, []).append(shape)
    return found


def _by_attribute(shapes: Iterable[Shape]) -> dict[str, list[Shape]]:
    found: dict[str, list[Shape]] = {}
    for shape in shapes:
        if shape.attribute:
            found.setdefault(shape.attribute, []).append(shape)
    return found


def type_document(name: str, shapes: list[Shape], terms: TermMap) -> dict[str, Any]:
    """An EntityType (5.2.25)."""
    attributes = sorted({terms.compact(shape.attribute) for shape in shapes if shape.attribute})
    return {"id": name, "type": "EntityType", "typeName": terms.compact(name), "attributeNames": attributes}


def type_information(name: str, shapes: list[Shape], terms: TermMap) -> dict[str, Any]:
    """An EntityTypeInfo (5.2.26)."""
    details = [
        {"id": attribute, "type": "Attribute", "attributeName": terms.compact(attribute), "attributeTypes": _kinds(own)}
        for attribute, own in _by_attribute(shapes).items()
    ]
    count = sum(shape.count for shape in shapes if not shape.attribute)
    return {
        "id": name, "type": "EntityTypeInfo", "typeName": terms.compact(name), "entityCount": count, "attributeDetails": details,
    }  # fmt: skip


def attribute_document(name: str, shapes: list[Shape], terms: TermMap) -> dict[str, Any]:
    """An Attribute with the types that have it (5.2.28, without counts)."""
    types = sorted({terms.compact(shape.type) for shape in shapes})
    return {"id": name, "type": "Attribute", "attributeName": terms.compact(name), "typeNames": types}


def attribute_information(name: str, shapes: list[Shape], terms: TermMap) -> dict[str, Any]:
    """An Attribute with counts (5.2.28)."""
    count = sum(shape.count for shape in shapes)
    return {**attribute_document(name, shapes, terms), "attributeCount": count, "attributeTypes": _kinds(shapes)}


def _kinds(shapes: Iterable[Shape]) -> list[str]:
    """The attribute types that are known; a context source may have told of an attribute without them."""
    return sorted({shape.kind for shape in shapes if shape.kind})
