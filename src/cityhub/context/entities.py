"""The entity operations of the broker on its own store, named as in the standard.

Each writing operation is one transition per entity, run by the store inside its transaction; what the operation means
for the entity's content is in `cityhub.model.ngsild.merge`.

Source: GS CIM 009 V1.9.1, clauses 5.6 and 5.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from cityhub.model.entity import Entity, Instance
from cityhub.model.errors import AlreadyExists, CityHubError, NotFound, PreconditionFailed, TooManyResults
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ngsild import merge
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ngsild.patch import merge_entity
from cityhub.model.ngsild.q import Query
from cityhub.model.ngsild.selector import TypeSelection
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Document, Page, Shape, Store, Write
from cityhub.web.conditional import matching_versions
from cityhub.web.http import Request

PART: Final = 2_000
"""At most so many entities of a batch are written in one transaction."""
UpsertMode = Literal["replace", "update"]
About = tuple[Literal["types", "attributes"], str]
"""A type or an attribute (IRI)."""


class Call(msgspec.Struct, frozen=True):
    """On whose behalf and how an operation runs.

    Attributes:
        tenant: The tenant; "" is the default one.
        terms: The caller's @context, for what is sent on and for messages.
        trace: Trace id of the request.
        local: Whether the caller wants this broker's own data only.
        via: Value of the Via header, by which loops between brokers are found.
        types: The types that the entity must be of for the operation to concern it; None: any.
        headers: The headers of the request, of which some are sent on to other context sources.
        answer: Takes headers of the answer, such as warnings about sources that failed.
        csf: Which registrations take part, by their own properties; None: all.
        wrapped: Whether the body of a partial update names the attribute once more: {name: fragment}.
        split: Whether parts of one entity may be at several sources, so that filters hold for the whole entity only.
        versions: The versions (modifiedAt) of which one must be the entity's for it to be changed; None: any.
    """

    tenant: str = ""
    terms: TermMap = CORE
    trace: str = ""
    local: bool = False
    via: str = ""
    types: TypeSelection | None = None
    headers: dict[str, str] = {}
    answer: list[tuple[str, str]] = []
    csf: Query | None = None
    split: bool = False
    wrapped: bool = False
    versions: frozenset[str] | None = None


def call_of(request: Request, tenant: str, terms: TermMap, local: bool, types: TypeSelection | None = None) -> Call:
    """The call that a request makes. Raises InvalidRequest for a broken If-Match."""
    headers = request.headers
    versions = matching_versions(headers["if-match"]) if "if-match" in headers else None
    via, answer = headers.get("via", ""), request.answer_headers
    return Call(tenant, terms, request.trace, local, via, types, headers, answer, versions=versions)


class AttributesResult(msgspec.Struct, frozen=True):
    """Which attributes (IRIs) an operation changed, and which not, with the reason of each."""

    updated: list[str]
    not_updated: list[tuple[str, str]]


class EntityOperations:
    """Provision and consumption of the entities in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def _one(self, call: Call, id: str, transition: Callable[[Document | None, str], tuple[Document | None, Any]]) -> Any:
        [result] = await self.store.write(call.tenant, [Write(id, _gated(call, id, transition))], call.trace)
        if isinstance(result, CityHubError):
            raise result
        return result

    async def create(self, call: Call, entity: Entity) -> None:
        """Create Entity (5.6.1). Raises AlreadyExists."""
        await self._one(call, entity["id"], creation(entity))

    async def replace(self, call: Call, entity: Entity) -> None:
        """Replace Entity (5.6.18). Raises NotFound."""
        await self._one(call, entity["id"], _existing(entity["id"], lambda now, at: (merge.replace_entity(now, entity, at), None)))

    async def merge(self, call: Call, id: str, fragment: Fragment, observed_at: str | None, language: str | None) -> None:
        """Merge Entity (5.6.17). Raises NotFound."""
        await self._one(
            call, id, _existing(id, lambda now, at: (merge_entity(now, fragment, at, call.terms, observed_at, language), None))
        )

    async def delete(self, call: Call, id: str) -> None:
        """Delete Entity (5.6.6). Raises NotFound."""
        await self._one(call, id, _existing(id, lambda now, at: (None, None)))

    async def append_attributes(self, call: Call, id: str, fragment: Fragment, overwrite: bool) -> AttributesResult:
        """Append Attributes (5.6.3). Raises NotFound."""

        def transition(entity: Entity, at: str) -> tuple[Entity, AttributesResult]:
            after, updated, refused = merge.append_attributes(entity, fragment, at, overwrite)
            return after, AttributesResult(updated, refused)

        result: AttributesResult = await self._one(call, id, _existing(id, transition))
        return result

    async def update_attributes(self, call: Call, id: str, fragment: Fragment) -> AttributesResult:
        """Update Attributes (5.6.2). Raises NotFound."""

        def transition(entity: Entity, at: str) -> tuple[Entity, AttributesResult]:
            after, updated, refused = merge.update_attributes(entity, fragment, at)
            return after, AttributesResult(updated, refused)

        result: AttributesResult = await self._one(call, id, _existing(id, transition))
        return result

    async def update_attribute(self, call: Call, id: str, attribute: str, instances: list[Instance]) -> None:
        """Partial Attribute Update (5.6.4). Raises NotFound for a missing entity, attribute or dataset."""
        name, terms = call.terms.compact(attribute), call.terms
        await self._one(
            call, id, _existing(id, lambda now, at: (merge.partial_update(now, attribute, instances, at, terms, name), None))
        )

    async def replace_attribute(self, call: Call, id: str, attribute: str, instances: list[Instance]) -> None:
        """Replace Attribute (5.6.19). Raises NotFound for a missing entity or attribute."""
        name = call.terms.compact(attribute)
        await self._one(call, id, _existing(id, lambda now, at: (merge.replace_attribute(now, attribute, instances, at, name), None)))

    async def set_value(
        self, call: Call, id: str, attribute: str, value: Any, dataset_id: str | None, observed_at: str | None
    ) -> None:
        """Update Attribute value. Raises NotFound for a missing entity, attribute or dataset."""
        name, terms = call.terms.compact(attribute), call.terms
        await self._one(
            call,
            id,
            _existing(id, lambda now, at: (merge.set_value(now, attribute, value, at, terms, dataset_id, observed_at, name), None)),
        )

    async def delete_attribute(self, call: Call, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> None:
        """Delete Attribute (5.6.5). Raises NotFound for a missing entity, attribute or dataset."""
        name = call.terms.compact(attribute)
        await self._one(
            call, id, _existing(id, lambda now, at: (merge.delete_attribute(now, attribute, dataset_id, delete_all, at, name), None))
        )

    # -- Batches: one result or error per entity, in order -----------------------------------------------------------

    async def batch_create(self, call: Call, entities: Sequence[Entity]) -> list[CityHubError | None]:
        """Batch Entity Creation (5.6.7)."""
        return await self._many(call, [Write(entity["id"], creation(entity)) for entity in entities])

    async def batch_upsert(self, call: Call, entities: Sequence[Entity], mode: UpsertMode) -> list[CityHubError | bool]:
        """Batch Entity Creation or Update (5.6.8); True for each entity that was created."""
        return await self._many(call, [Write(entity["id"], upsertion(entity, mode)) for entity in entities])

    async def batch_update(self, call: Call, fragments: Sequence[Fragment], overwrite: bool) -> list[CityHubError | AttributesResult]:
        """Batch Entity Update (5.6.9)."""

        def transition(fragment: Fragment) -> Callable[[Entity, str], tuple[Entity, AttributesResult]]:
            def apply(entity: Entity, at: str) -> tuple[Entity, AttributesResult]:
                after, updated, refused = merge.append_attributes(entity, fragment, at, overwrite)
                return after, AttributesResult(updated, refused)

            return apply

        return await self._many(call, [Write(one.id, _existing(one.id, transition(one))) for one in fragments])

    async def batch_merge(self, call: Call, fragments: Sequence[Fragment]) -> list[CityHubError | None]:
        """Batch Entity Merge (5.6.20)."""

        def transition(fragment: Fragment) -> Callable[[Entity, str], tuple[Entity, None]]:
            return lambda entity, at: (merge_entity(entity, fragment, at, call.terms), None)

        return await self._many(call, [Write(one.id, _existing(one.id, transition(one))) for one in fragments])

    async def batch_delete(self, call: Call, ids: Sequence[str]) -> list[CityHubError | None]:
        """Batch Entity Delete (5.6.10)."""
        return await self._many(call, [Write(id, _existing(id, lambda now, at: (None, None))) for id in ids])

    async def _many(self, call: Call, writes: list[Write]) -> list[Any]:
        """Writes part by part, so that a great batch neither fills the memory nor keeps others from writing."""
        if len(writes) <= PART:
            return await self.store.write(call.tenant, writes, call.trace)
        results: list[Any] = []
        for start in range(0, len(writes), PART):
            results += await self.store.write(call.tenant, writes[start : start + PART], call.trace)
        return results

    # -- Consumption ---------------------------------------------------------------------------------------------

    async def retrieve(self, call: Call, id: str, view: View) -> Entity:
        """Retrieve Entity (5.7.1): the entity, if its types are among the selected ones. Raises NotFound."""
        entity = await self.store.fetch(call.tenant, id)
        if entity is None or not _concerns(call, entity):
            raise NotFound(f"Entity '{id}' does not exist" + (" with such a type" if call.types else ""))
        return entity

    async def query(
        self, call: Call, wanted: EntityQuery, view: View, offset: int, limit: int, count: bool, order: Callable[[Entity], Any] | None
    ) -> Page:
        """Query Entities (5.7.2): the entities of one page."""
        store, tenant = self.store, call.tenant
        matches = None if is_exact(wanted) else wanted.with_links(lambda id: store.get(tenant, id))
        return await store.find(tenant, wanted.condition, matches, offset, limit, count, order)

    async def linked(self, call: Call, wanted: Mapping[str, frozenset[str]]) -> dict[str, Entity]:
        """The entities with these ids that there are; with each id come the types that links tell of it (4.5.23)."""
        return {id: entity for id in wanted if (entity := await self.store.fetch(call.tenant, id)) is not None}

    async def identifiers(
        self, call: Call, wanted: EntityQuery, view: View, order: Callable[[Entity], Any] | None, bound: int
    ) -> list[str]:
        """The ids of all entities that match (5.14.4), in their order. Raises TooManyResults for more than `bound`."""
        store, tenant = self.store, call.tenant
        matches = wanted.with_links(lambda id: store.get(tenant, id))
        ids: list[str] = []
        if order is not None:
            page = await store.find(tenant, wanted.condition, matches, 0, bound + 1, False, order)
            ids = [entity["id"] for entity in page.entities]
        else:
            async for block in store.scan(tenant, wanted.condition):
                ids.extend(entity["id"] for entity in block if matches(entity))
                if len(ids) > bound:
                    break
        if len(ids) > bound:
            raise TooManyResults(f"More than {bound} entities match, which is the most that one answer can be about; ask for less")
        return ids

    async def shapes(self, call: Call, about: About | None = None) -> list[Shape]:
        """Which types and attributes there are (5.7.5 to 5.7.10); `about` says of which one more than its name is wanted."""
        return await self.store.shapes(call.tenant)

    async def purge(self, call: Call, wanted: EntityQuery, keep: frozenset[str] | None, drop: frozenset[str] | None) -> int:
        """Purge Entities (5.6.21): deletes what matches, or its attributes but those to keep, or those to drop; how many entities."""
        store, tenant = self.store, call.tenant
        matches = wanted.with_links(lambda id: store.get(tenant, id))

        def transition(current: Document | None, now: str) -> tuple[Document | None, None]:
            # Looked at again inside the transaction: the entity may have changed since it was found.
            if current is None or not matches(current):
                return current, None
            if keep is None and drop is None:
                return None, None
            return merge.without_attributes(current, keep, drop, now), None

        purged = 0
        async for block in store.scan(tenant, wanted.condition):
            found = [entity["id"] for entity in block if matches(entity)]
            await store.write(tenant, [Write(id, transition) for id in found], call.trace)
            purged += len(found)
        return purged


def is_exact(wanted: EntityQuery) -> bool:
    """Whether the condition alone says what the query asks for: types or nothing."""
    if wanted.attributes or wanted.q or wanted.geo or wanted.scope:
        return False
    return all(selector.ids is None and selector.id_pattern is None for selector in wanted.selectors)


def _concerns(call: Call, entity: Entity) -> bool:
    return call.types is None or call.types.selects(entity["type"])


def _gated(
    call: Call, id: str, transition: Callable[[Document | None, str], tuple[Document | None, Any]]
) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
    """The transition, for an entity of the types and of a version of the call only."""
    if call.types is None and call.versions is None:
        return transition

    def gated(current: Document | None, now: str) -> tuple[Document | None, Any]:
        if current is not None and not _concerns(call, current):
            raise NotFound(f"Entity '{id}' does not exist with such a type")
        if current is not None and call.versions is not None and current["modifiedAt"] not in call.versions:
            raise PreconditionFailed(f"Entity '{id}' was changed meanwhile: no ETag of 'If-Match' is that of its present version")
        return transition(current, now)

    return gated


def creation(entity: Entity) -> Callable[[Document | None, str], tuple[Document, None]]:
    """The transition that creates an entity, or refuses when it exists."""

    def transition(current: Document | None, now: str) -> tuple[Document, None]:
        if current is not None and current.get("expiresAt", "~") > now:
            raise AlreadyExists(f"Entity '{entity['id']}' exists already")
        return merge.create(entity, now), None

    return transition


def upsertion(entity: Entity, mode: UpsertMode) -> Callable[[Document | None, str], tuple[Document, bool]]:
    """The transition that creates an entity, or replaces or updates the one that exists; True when it was created."""

    def transition(current: Document | None, now: str) -> tuple[Document, bool]:
        if current is None:
            return merge.create(entity, now), True
        if mode == "replace":
            return merge.replace_entity(current, entity, now), False
        fragment = Fragment(entity["attrs"], entity["type"], entity.get("scope"), entity.get("expiresAt"), entity["id"])
        return merge.append_attributes(current, fragment, now, True)[0], False

    return transition


def _existing(
    id: str, transition: Callable[[Entity, str], tuple[Document | None, Any]]
) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
    def checked(current: Document | None, now: str) -> tuple[Document | None, Any]:
        if current is None or current.get("expiresAt", "~") <= now:
            raise NotFound(f"Entity '{id}' does not exist")
        return transition(current, now)

    return checked
