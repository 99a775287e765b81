"""HTTP of batches: what is valid is done, what is not is named, one by one.

Source: GS CIM 009 V1.9.1, clauses 5.6.7 to 5.6.10, 5.6.20, 6.14 to 6.17, 6.31.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from cityhub.context.entities import AttributesResult, Call, EntityOperations, call_of
from cityhub.context.entity_api import PREFIX, is_simplified
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.parse import Fragment, parse_entity, parse_fragment
from cityhub.model.ports import Store
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import (
    JSON,
    LD_JSON,
    ContextSource,
    body_terms,
    check_parameters,
    check_tenant,
    content_type,
    linked_context,
    no_content,
    option_set,
    read_json,
    tenant_of,
    terms_of,
)
from cityhub.web.ngsild_terms import describe_operation
from cityhub.web.problem import problem_document
from cityhub.web.views import is_local

MAX_BATCH = 100_000
MAX_CONTEXTS = 100
"""So many @contexts of one batch are downloaded at most."""
AT_ONCE = 200
"""So many items of a batch are read before other requests get their turn."""

T = TypeVar("T")
Failure = tuple[str, CityHubError]


class BatchApi:
    """The doors of `/entityOperations/`."""

    def __init__(self, operations: EntityOperations, contexts: ContextSource, store: Store) -> None:
        self._operations = operations
        self._contexts = contexts
        self._store = store

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        doors = [
            ("create", self.create, "Batch Entity Creation", "6.14.3.1"),
            ("upsert", self.upsert, "Batch Entity Upsert", "6.15.3.1"),
            ("update", self.update, "Batch Entity Update", "6.16.3.1"),
            ("delete", self.delete, "Batch Entity Delete", "6.17.3.1"),
            ("merge", self.merge, "Batch Entity Merge", "6.31.3.1"),
        ]
        return [
            Route(
                "POST", f"{PREFIX}/entityOperations/{name}", handler, "entity.write", operation, f"GS CIM 009 {clause}", "batch",
                describe_operation(operation),
            )
            for name, handler, operation, clause in doors
        ]  # fmt: skip

    async def create(self, request: Request) -> Response:
        """POST /entityOperations/create."""
        query = check_parameters(request, frozenset(("local", "options", "format")))
        simplified = is_simplified(query)
        entities, failures, call = await self._read(request, lambda item, terms: parse_entity(item, terms, simplified=simplified), False)
        results = await self._operations.batch_create(call, entities)
        done = [entity["id"] for entity, result in zip(entities, results, strict=True) if result is None]
        failures += _failed([entity["id"] for entity in entities], results)
        if failures:
            return multi_status(done, failures)
        return Response(201, orjson.dumps(done), None, JSON)

    async def upsert(self, request: Request) -> Response:
        """POST /entityOperations/upsert."""
        query = check_parameters(request, frozenset(("local", "options", "format")))
        simplified = is_simplified(query)
        options = option_set(query, frozenset(("replace", "update", "keyValues", "simplified", "concise", "normalized")))
        if {"replace", "update"} <= options:
            raise BadRequestData("'options' may have replace or update, not both")
        entities, failures, call = await self._read(request, lambda item, terms: parse_entity(item, terms, simplified=simplified), False)
        results = await self._operations.batch_upsert(call, entities, "update" if "update" in options else "replace")
        ids = [entity["id"] for entity in entities]
        failures += _failed(ids, results)
        created = list(dict.fromkeys(id for id, result in zip(ids, results, strict=True) if result is True))
        if failures:
            done = dict.fromkeys(id for id, result in zip(ids, results, strict=True) if not isinstance(result, CityHubError))
            return multi_status(list(done), failures)
        return Response(201, orjson.dumps(created), None, JSON) if created else no_content()

    async def update(self, request: Request) -> Response:
        """POST /entityOperations/update."""
        query = check_parameters(request, frozenset(("local", "options", "format")))
        simplified = is_simplified(query)
        overwrite = "noOverwrite" not in query.get("options", "")
        fragments, failures, call = await self._read(
            request, lambda item, terms: _fragment(item, terms, nulls=False, partial=False, simplified=simplified)
        )
        results = await self._operations.batch_update(call, fragments, overwrite)
        for place, result in enumerate(results):
            if isinstance(result, AttributesResult) and result.not_updated:
                names = ", ".join(call.terms.compact(name) for name, _ in result.not_updated)
                results[place] = BadRequestData(f"Not updated, because they exist and must not be overwritten: {names}")
        return _outcome([one.id for one in fragments], results, failures)

    async def merge(self, request: Request) -> Response:
        """POST /entityOperations/merge."""
        query = check_parameters(request, frozenset(("local", "options", "format")))
        simplified = is_simplified(query)
        fragments, failures, call = await self._read(
            request, lambda item, terms: _fragment(item, terms, nulls=True, partial=True, simplified=simplified)
        )
        return _outcome([one.id for one in fragments], await self._operations.batch_merge(call, fragments), failures)

    async def delete(self, request: Request) -> Response:
        """POST /entityOperations/delete."""
        query = check_parameters(request, frozenset(("local",)))
        content_type(request)
        ids = _array(read_json(request))
        call = await self._call(request, query, await terms_of(request, self._contexts), True)
        failures: list[Failure] = [
            (str(id), BadRequestData(f"{id!r:.200} is no entity id: it must be a URI")) for id in ids if not is_uri(id)
        ]
        valid = [id for id in ids if is_uri(id)]
        return _outcome(valid, await self._operations.batch_delete(call, valid), failures)

    async def _call(self, request: Request, query: dict[str, str], terms: TermMap, known_tenant: bool) -> Call:
        tenant = tenant_of(request)
        if known_tenant and tenant:
            check_tenant(self._store.tenants(), tenant)
        return call_of(request, tenant, terms, is_local(query))

    async def _look_ahead(self, items: list[Any], tenant: str) -> None:
        """Gets all @contexts of the items at once, so that the times of those that cannot be had do not add up."""
        named = [item["@context"] for item in items if isinstance(item, dict) and isinstance(item.get("@context"), str | list)]
        distinct = {context if isinstance(context, str) else orjson.dumps(context): context for context in named}
        unknown = [context for context in distinct.values() if self._contexts.known(context) is None]
        if len(unknown) > MAX_CONTEXTS:
            raise BadRequestData(f"The batch names {len(unknown)} different @contexts that are not known yet; {MAX_CONTEXTS} are the most")
        # What fails here is remembered as failed, and fails again at once for each item that needs it.
        await asyncio.gather(*(self._contexts.resolve(context, tenant) for context in unknown), return_exceptions=True)

    async def _read(
        self, request: Request, parse: Callable[[Any, TermMap], T], known_tenant: bool = True
    ) -> tuple[list[T], list[Failure], Call]:
        """The items of the body that are valid, and a failure for each other one."""
        media = content_type(request)
        items = _array(read_json(request))
        if media == LD_JSON and linked_context(request.headers.get("link", "")) is not None:
            raise BadRequestData("With application/ld+json each item has its '@context'; there must be no Link header")
        shared = await terms_of(request, self._contexts) if media == JSON else None
        if shared is None:
            await self._look_ahead(items, tenant_of(request))
        parsed: list[T] = []
        failures: list[Failure] = []
        terms = shared
        for place, item in enumerate(items):
            if place % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)  # a large batch must not hold up all other requests until it is read
            try:
                if shared is None or (isinstance(item, dict) and "@context" in item):
                    context = item.pop("@context", None) if isinstance(item, dict) else None
                    terms = await body_terms(request, self._contexts, media, context)
                assert terms is not None
                parsed.append(parse(item, terms))
            except CityHubError as error:
                id = item.get("id", item.get("@id")) if isinstance(item, dict) else None
                failures.append((id if isinstance(id, str) else "", error))
        call = await self._call(request, request.query, terms or await terms_of(request, self._contexts), known_tenant)
        return parsed, failures, call


def _array(document: Any) -> list[Any]:
    if not isinstance(document, list) or not document:
        raise BadRequestData("The body must be a JSON array with at least one item")
    if None in document:
        raise BadRequestData("An item of the batch is null; each must be a JSON object, or for a deletion a URI")
    if len(document) > MAX_BATCH:
        raise BadRequestData(f"A batch may have at most {MAX_BATCH} items")
    return document


def _fragment(item: Any, terms: TermMap, *, nulls: bool, partial: bool, simplified: bool) -> Fragment:
    fragment = parse_fragment(item, terms, nulls=nulls, partial=partial, simplified=simplified)
    if not fragment.id:
        raise BadRequestData("'id' must be there: the entity that is to be changed")
    return fragment


def _failed(ids: list[str], results: list[Any]) -> list[Failure]:
    return [(id, result) for id, result in zip(ids, results, strict=True) if isinstance(result, CityHubError)]


def _outcome(ids: list[str], results: list[Any], failures: list[Failure]) -> Response:
    failures = failures + _failed(ids, results)
    if not failures:
        return no_content()
    return multi_status([id for id, result in zip(ids, results, strict=True) if not isinstance(result, CityHubError)], failures)


def multi_status(done: list[str], failures: list[Failure]) -> Response:
    """207 with a BatchOperationResult (5.2.16)."""
    errors = [{"entityId": id, "error": problem_document(error)} for id, error in failures]
    return Response(207, orjson.dumps({"success": list(dict.fromkeys(done)), "errors": errors}), None, JSON)
