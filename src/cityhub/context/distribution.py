"""The entity operations over this hub's own store and all registered context sources.

Without registrations in a tenant, or where the caller wants local data only, they are the plain operations.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 5.6, 5.7, 6.3.17 and 6.3.18.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from cityhub.context.distribution_ask import filters
from cityhub.context.distribution_batch import BatchOrder, DistributedBatches
from cityhub.context.distribution_discovery import DistributedDiscovery
from cityhub.context.distribution_links import DistributedLinks
from cityhub.context.distribution_query import MAX_WINDOW, DistributedQueries
from cityhub.context.distribution_read import DistributedReads
from cityhub.context.distribution_write import DistributedWrites, Order, attribute_path, entity_path, type_text
from cityhub.context.entities import About, AttributesResult, Call, EntityOperations, UpsertMode
from cityhub.context.registered import Registration
from cityhub.context.registration_words import INCLUSIVE
from cityhub.context.registrations import Registrations
from cityhub.context.source_fragments import attribute_document, entity_document, fragment_document
from cityhub.context.source_requests import Ask, SourceRequests, together
from cityhub.model.entity import Attributes, Entity, Instance
from cityhub.model.errors import CityHubError, Conflict, PartlyDone, TooManyResults
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Page, Shape, Store


class DistributedOperations(EntityOperations):
    """Provision and consumption of entities, wherever they are.

    Args:
        store: What is here.
        registrations: The sources.
        requests: Sends to them.
    """

    def __init__(self, store: Store, registrations: Registrations, requests: SourceRequests) -> None:
        super().__init__(store)
        self._registrations = registrations
        self._requests = requests
        self._writes = DistributedWrites(store, registrations, requests)
        self._batches = DistributedBatches(store, self._writes, requests)
        self._reads = DistributedReads(store, registrations, requests)
        self._queries = DistributedQueries(store, registrations, requests)
        self._links = DistributedLinks(registrations, requests, self._reads, self._queries)
        self._discovery = DistributedDiscovery(registrations, requests)

    async def _alone(self, call: Call) -> bool:
        """Whether no source can have a part in the call."""
        if call.local or not self._registrations.any(call.tenant):
            return True
        if call.via:
            await self._requests.learn(self._registrations.all(call.tenant))
        return False

    # -- Single entities -----------------------------------------------------------------------------------------------

    async def create(self, call: Call, entity: Entity) -> None:
        """Create Entity (5.6.1)."""
        plain = super().create
        if await self._alone(call):
            return await plain(call, entity)
        order = Order("createEntity", "POST", lambda terms: "/entities", lambda attrs, terms: entity_document(entity, attrs, terms))
        await self._writes.do(
            call, entity["id"], entity["type"], entity["attrs"], order, lambda rest: plain(call, {**entity, "attrs": rest})
        )

    async def replace(self, call: Call, entity: Entity) -> None:
        """Replace Entity (5.6.18)."""
        plain, id = super().replace, entity["id"]
        if await self._alone(call):
            return await plain(call, entity)
        order = _entity_order("replaceEntity", "PUT", id, lambda attrs, terms: entity_document(entity, attrs, terms))
        types = self._writes.types_of(call, id, entity["type"])
        await self._writes.do(call, id, types, entity["attrs"], order, lambda rest: plain(call, {**entity, "attrs": rest}))

    async def merge(self, call: Call, id: str, fragment: Fragment, observed_at: str | None, language: str | None) -> None:
        """Merge Entity (5.6.17)."""
        plain = super().merge
        if await self._alone(call):
            return await plain(call, id, fragment, observed_at, language)
        params = _options(fragment)
        if observed_at is not None:
            params["observedAt"] = moment.show(observed_at)
        if language is not None:
            params["lang"] = language
        order = _entity_order("mergeEntity", "PATCH", id, lambda attrs, terms: fragment_document(fragment, attrs, terms), params)
        types = self._writes.types_of(call, id, fragment.type)
        await self._writes.do(
            call, id, types, fragment.attrs, order, lambda rest: plain(call, id, _reduced(fragment, rest), observed_at, language)
        )

    async def delete(self, call: Call, id: str) -> None:
        """Delete Entity (5.6.6)."""
        plain = super().delete
        if await self._alone(call):
            return await plain(call, id)
        order = _entity_order("deleteEntity", "DELETE", id)
        await self._writes.do(call, id, self._writes.types_of(call, id), None, order, lambda rest: plain(call, id))

    # -- Attributes ----------------------------------------------------------------------------------------------------

    async def append_attributes(self, call: Call, id: str, fragment: Fragment, overwrite: bool) -> AttributesResult:
        """Append Attributes (5.6.3)."""
        plain = super().append_attributes
        if await self._alone(call):
            return await plain(call, id, fragment, overwrite)
        params = _options(fragment, () if overwrite else ("noOverwrite",))
        order = _attributes_order("appendAttrs", "POST", id, fragment, params)
        types = self._writes.types_of(call, id, fragment.type)
        return await self._writes.do_attributes(
            call, id, types, fragment.attrs, order, lambda rest: plain(call, id, _reduced(fragment, rest), overwrite)
        )

    async def update_attributes(self, call: Call, id: str, fragment: Fragment) -> AttributesResult:
        """Update Attributes (5.6.2)."""
        plain = super().update_attributes
        if await self._alone(call):
            return await plain(call, id, fragment)
        order = _attributes_order("updateEntity", "PATCH", id, fragment, _options(fragment))
        types = self._writes.types_of(call, id, fragment.type)
        return await self._writes.do_attributes(
            call, id, types, fragment.attrs, order, lambda rest: plain(call, id, _reduced(fragment, rest))
        )

    async def update_attribute(self, call: Call, id: str, attribute: str, instances: list[Instance]) -> None:
        """Partial Attribute Update (5.6.4)."""
        plain = super().update_attribute
        if await self._alone(call):
            return await plain(call, id, attribute, instances)
        order = _attribute_order("updateAttrs", "PATCH", id, attribute, instances, call.wrapped)
        await self._attribute(call, id, attribute, instances, order, lambda rest: plain(call, id, attribute, instances))

    async def replace_attribute(self, call: Call, id: str, attribute: str, instances: list[Instance]) -> None:
        """Replace Attribute (5.6.19)."""
        plain = super().replace_attribute
        if await self._alone(call):
            return await plain(call, id, attribute, instances)
        order = _attribute_order("replaceAttrs", "PUT", id, attribute, instances)
        await self._attribute(call, id, attribute, instances, order, lambda rest: plain(call, id, attribute, instances))

    async def set_value(
        self, call: Call, id: str, attribute: str, value: Any, dataset_id: str | None, observed_at: str | None
    ) -> None:
        """Update Attribute value."""
        plain = super().set_value
        if await self._alone(call):
            return await plain(call, id, attribute, value, dataset_id, observed_at)
        params = {} if dataset_id is None else {"datasetId": dataset_id}
        if observed_at is not None:
            params["observedAt"] = moment.show(observed_at)
        path = attribute_path(id, attribute)
        order = Order("replaceAttrs", "PUT", lambda terms: f"{path(terms)}/value", lambda attrs, terms: value, params)
        await self._attribute(call, id, attribute, [], order, lambda rest: plain(call, id, attribute, value, dataset_id, observed_at))

    async def delete_attribute(self, call: Call, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> None:
        """Delete Attribute (5.6.5)."""
        plain = super().delete_attribute
        if await self._alone(call):
            return await plain(call, id, attribute, dataset_id, delete_all)
        params = {} if dataset_id is None else {"datasetId": dataset_id}
        if delete_all:
            params["deleteAll"] = "true"
        order = Order("deleteAttrs", "DELETE", attribute_path(id, attribute), None, params)
        await self._attribute(call, id, attribute, [], order, lambda rest: plain(call, id, attribute, dataset_id, delete_all))

    async def _attribute(
        self, call: Call, id: str, attribute: str, instances: list[Instance], order: Order, local: Callable[[Attributes], Any]
    ) -> None:
        await self._writes.do(call, id, self._writes.types_of(call, id), {attribute: instances}, order, local)

    # -- Batches -------------------------------------------------------------------------------------------------------

    async def batch_create(self, call: Call, entities: Sequence[Entity]) -> list[CityHubError | None]:
        """Batch Entity Creation (5.6.7)."""
        plain = super().batch_create
        if await self._alone(call):
            return await plain(call, entities)
        order = _entities_order("createBatch", "createEntity", "create", "POST", lambda id: "/entities", {})
        results = await self._batches.do(call, entities, order, lambda rest: plain(call, rest))
        return [result if isinstance(result, CityHubError) else None for result in results]

    async def batch_upsert(self, call: Call, entities: Sequence[Entity], mode: UpsertMode) -> list[CityHubError | bool]:
        """Batch Entity Creation or Update (5.6.8)."""
        plain = super().batch_upsert
        if await self._alone(call):
            return await plain(call, entities, mode)
        params = {"options": "update"} if mode == "update" else {}
        # No operation on one entity creates or updates it, so sources that take no such batches take no part.
        order = _entities_order("upsertBatch", "upsertBatch", "upsert", "POST", lambda id: "/entities", params)
        results = await self._batches.do(call, entities, order, lambda rest: plain(call, rest, mode))
        return [result if isinstance(result, CityHubError) else bool(result) for result in results]

    async def batch_update(self, call: Call, fragments: Sequence[Fragment], overwrite: bool) -> list[CityHubError | AttributesResult]:
        """Batch Entity Update (5.6.9)."""
        plain = super().batch_update
        if await self._alone(call):
            return await plain(call, fragments, overwrite)
        params = {} if overwrite else {"options": "noOverwrite"}
        order = _fragments_order("updateBatch", "appendAttrs", "update", "POST", lambda id: entity_path(id, "/attrs/"), params)
        results = await self._batches.do(call, fragments, order, lambda rest: plain(call, rest, overwrite))
        done = AttributesResult([], [])
        return [result if isinstance(result, CityHubError | AttributesResult) else done for result in results]

    async def batch_merge(self, call: Call, fragments: Sequence[Fragment]) -> list[CityHubError | None]:
        """Batch Entity Merge (5.6.20)."""
        plain = super().batch_merge
        if await self._alone(call):
            return await plain(call, fragments)
        order = _fragments_order("mergeBatch", "mergeEntity", "merge", "PATCH", entity_path, {})
        results = await self._batches.do(call, fragments, order, lambda rest: plain(call, rest))
        return [result if isinstance(result, CityHubError) else None for result in results]

    async def batch_delete(self, call: Call, ids: Sequence[str]) -> list[CityHubError | None]:
        """Batch Entity Delete (5.6.10)."""
        plain = super().batch_delete
        if await self._alone(call):
            return await plain(call, ids)
        order: BatchOrder[str] = BatchOrder(
            "deleteBatch", "deleteEntity", "delete", "DELETE", entity_path, lambda id: id, lambda id: [], lambda id: None,
            lambda id, attrs, terms: id, lambda id, attrs: id,
        )  # fmt: skip
        results = await self._batches.do(call, ids, order, lambda rest: plain(call, rest))
        return [result if isinstance(result, CityHubError) else None for result in results]

    async def purge(self, call: Call, wanted: EntityQuery, keep: frozenset[str] | None, drop: frozenset[str] | None) -> int:
        """Purge Entities (5.6.21). Raises PartlyDone when a source failed."""
        here = super().purge
        if await self._alone(call):
            return await here(call, wanted, keep, drop)
        found = [one for one in self._registrations.selected(call.tenant, wanted.selectors) if self._purges(call, one, wanted)]
        purged, errors = await asyncio.gather(
            here(call, wanted, keep, drop), together(self._purge_there(call, one, wanted, keep, drop) for one in found)
        )
        failures = [("", one.id, error) for one, error in zip(found, errors, strict=True) if error is not None]
        if failures:
            raise PartlyDone([], failures)
        return purged

    def _purges(self, call: Call, registration: Registration, wanted: EntityQuery) -> bool:
        meets, _ = registration.meeting(wanted.selectors, wanted.attributes)
        if not meets or registration.mode != INCLUSIVE:
            return meets and registration.mode != "auxiliary"
        return "purgeEntity" in registration.operations and not self._requests.loops(call, registration)

    async def _purge_there(
        self, call: Call, registration: Registration, wanted: EntityQuery, keep: frozenset[str] | None, drop: frozenset[str] | None
    ) -> CityHubError | None:
        refusal = self._requests.refusal(call, registration)
        if refusal is not None:
            return refusal
        if "purgeEntity" not in registration.operations:
            return Conflict(f"Registration '{registration.id}' owns this and does not offer 'purgeEntity'")
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError as error:
            return error
        reply = await self._requests.send(call, Ask(registration, "DELETE", "/entities", terms, _purge_params(wanted, keep, drop, terms)))
        return reply.error

    # -- Consumption ---------------------------------------------------------------------------------------------------

    async def retrieve(self, call: Call, id: str, view: View) -> Entity:
        """Retrieve Entity (5.7.1)."""
        if await self._alone(call):
            return await super().retrieve(call, id, view)
        return await self._reads.retrieve(call, id, view)

    async def completed(self, call: Call, source: Registration, entities: list[Entity]) -> list[Entity]:
        """Entities of which one source told a part, with what is here and at all other sources (5.8.6)."""
        return await self._reads.completed(call, source, entities)

    async def query(
        self, call: Call, wanted: EntityQuery, view: View, offset: int, limit: int, count: bool, order: Callable[[Entity], Any] | None
    ) -> Page:
        """Query Entities (5.7.2)."""
        plain = super().query
        sources = [] if await self._alone(call) else self._queries.sources(call, wanted, view)
        if not sources:
            return await plain(call, wanted, view, offset, limit, count, order)
        return await self._queries.query(
            call, wanted, view, sources, (offset, limit, count), order,
            lambda query, most, counted, key: plain(call, query, view, 0, most, counted, key),
        )  # fmt: skip

    async def identifiers(
        self, call: Call, wanted: EntityQuery, view: View, order: Callable[[Entity], Any] | None, bound: int
    ) -> list[str]:
        """The ids of all entities that match (5.14.4), here and at the sources."""
        sources = [] if await self._alone(call) else self._queries.sources(call, wanted, view)
        if not sources:
            return await super().identifiers(call, wanted, view, order, bound)
        most = min(bound, MAX_WINDOW)
        page = await self.query(call, wanted, view, 0, most, False, order)
        if len(page.entities) == most:
            raise TooManyResults(f"{most} entities or more match, too many to be gathered from several context sources; ask for less")
        return [entity["id"] for entity in page.entities]

    async def linked(self, call: Call, wanted: Mapping[str, frozenset[str]]) -> dict[str, Entity]:
        """The linked entities (4.5.23): those here, and those at sources whose types are known."""
        here = await super().linked(call, wanted)
        outside = {id: types for id, types in wanted.items() if types}
        if not outside or await self._alone(call):
            return here
        return await self._links.united(call, here, outside)

    async def shapes(self, call: Call, about: About | None = None) -> list[Shape]:
        """Which types and attributes there are (5.7.5 to 5.7.10)."""
        here = await super().shapes(call)
        return here if await self._alone(call) else [*here, *await self._discovery.shapes(call, about)]


def _options(fragment: Fragment, options: tuple[str, ...] = ()) -> dict[str, str]:
    given = (*options, "keyValues") if fragment.simplified else options
    return {"options": ",".join(given)} if given else {}


def _entity_order(
    operation: str, method: str, id: str, body: Callable[[Attributes, TermMap], Any] | None = None, params: dict[str, str] | None = None
) -> Order:
    return Order(operation, method, lambda terms: entity_path(id), body, params or {})


def _attributes_order(operation: str, method: str, id: str, fragment: Fragment, params: dict[str, str]) -> Order:
    path = entity_path(id, "/attrs/")
    return Order(operation, method, lambda terms: path, lambda attrs, terms: fragment_document(fragment, attrs, terms), params)


def _attribute_order(
    operation: str, method: str, id: str, attribute: str, instances: list[Instance], wrapped: bool = False
) -> Order:
    def body(attrs: Attributes, terms: TermMap) -> Any:
        document = attribute_document(attribute, instances, terms)
        return {terms.compact(attribute): document} if wrapped else document

    return Order(operation, method, attribute_path(id, attribute), body)


def _reduced(fragment: Fragment, attributes: Attributes) -> Fragment:
    return msgspec.structs.replace(fragment, attrs=attributes)


def _entities_order(
    batch: str, single: str, door: str, method: str, path: Callable[[str], str], params: dict[str, str]
) -> BatchOrder[Entity]:
    return BatchOrder(
        batch, single, door, method, path, lambda entity: str(entity["id"]), lambda entity: list(entity["type"]),
        lambda entity: entity["attrs"], entity_document, lambda entity, attrs: {**entity, "attrs": attrs}, params,
    )  # fmt: skip


def _fragments_order(
    batch: str, single: str, door: str, method: str, path: Callable[[str], str], params: dict[str, str]
) -> BatchOrder[Fragment]:
    return BatchOrder(
        batch, single, door, method, path, lambda one: one.id, lambda one: one.type, lambda one: one.attrs,
        lambda one, attrs, terms: fragment_document(one, attrs, terms, with_id=True), _reduced, params,
    )  # fmt: skip


def _purge_params(wanted: EntityQuery, keep: frozenset[str] | None, drop: frozenset[str] | None, terms: TermMap) -> dict[str, str]:
    """The parameters as they came: which of its entities match, the source knows best."""
    params: dict[str, str] = {}
    for selector in wanted.selectors:
        if selector.types is not None:
            params["type"] = type_text(selector.types, terms)
        if selector.ids is not None:
            params["id"] = ",".join(sorted(selector.ids))
        elif selector.id_pattern is not None:
            params["idPattern"] = selector.id_pattern
    for name, names in (("attrs", wanted.attributes), ("keep", keep), ("drop", drop)):
        if names:
            params[name] = ",".join(sorted(terms.compact(item) for item in names))
    return params | filters(wanted, terms)
