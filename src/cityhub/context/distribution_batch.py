"""Batches shared out between this hub and context sources: one request per source where it takes batches.

Source: GS CIM 009 V1.9.1, clauses 5.6.7 to 5.6.10 and 5.6.20.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from cityhub.context.distribution_write import DistributedWrites
from cityhub.context.entities import Call
from cityhub.context.registered import Registration
from cityhub.context.source_answer import MULTI_STATUS, Reply
from cityhub.context.source_requests import Ask, SourceRequests, together
from cityhub.model.entity import Attributes
from cityhub.model.errors import CityHubError, Conflict, SourceFailed
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Store

AT_ONCE: Final = 16
"""So many single requests are under way to a source that takes no batches."""

T = TypeVar("T")


class BatchOrder(msgspec.Struct, Generic[T], frozen=True):
    """One batch operation, as it is sent to sources and as it is done here.

    Attributes:
        batch: Its name in registrations.
        single: The operation on one entity that stands in for it.
        door: The last part of its path.
        method: Method of the single operation.
        path: Path of the single operation on an entity.
        id_of: The id of an item.
        types_of: The types that an item names.
        attributes_of: The attributes of an item; None when it is about entities as a whole.
        document: An item with some of its attributes, for a source.
        reduced: An item with some of its attributes, for this hub.
        params: Query parameters.
    """

    batch: str
    single: str
    door: str
    method: str
    path: Callable[[str], str]
    id_of: Callable[[T], str]
    types_of: Callable[[T], list[str]]
    attributes_of: Callable[[T], Attributes | None]
    document: Callable[[T, Attributes, TermMap], Any]
    reduced: Callable[[T, Attributes], T]
    params: dict[str, str] = {}


class _Load(msgspec.Struct):
    """What one source gets: places in the batch with the attributes of each."""

    registration: Registration
    items: list[tuple[int, Attributes]]


class DistributedBatches:
    """Shares batches out."""

    def __init__(self, store: Store, writes: DistributedWrites, requests: SourceRequests) -> None:
        self._store = store
        self._writes = writes
        self._requests = requests

    async def do(
        self, call: Call, items: Sequence[T], order: BatchOrder[T], local: Callable[[list[T]], Awaitable[list[Any]]]
    ) -> list[Any]:
        """One result or error per item, in order; of several results True wins, of several errors the first."""
        loads: dict[str, _Load] = {}
        here: list[int] = []
        reduced: list[T] = []
        outcomes: list[list[Any]] = [[] for _ in items]
        for place, item in enumerate(items):
            kept = self._share(call, place, item, order, loads, outcomes)
            if kept is not None:
                here.append(place)
                reduced.append(kept)
        results, remote = await asyncio.gather(
            _here(local, reduced), together(self._send(call, items, load, order) for load in loads.values())
        )
        for place, result in zip(here, results, strict=True):
            outcomes[place].append(result)
        for answers in remote:
            for place, result in answers:
                outcomes[place].append(result)
        return [_outcome(results) for results in outcomes]

    def _share(
        self, call: Call, place: int, item: T, order: BatchOrder[T], loads: dict[str, _Load], outcomes: list[list[Any]]
    ) -> T | None:
        """The part of an item that is for this hub; the others are put with their sources."""
        id, attributes = order.id_of(item), order.attributes_of(item)
        types = self._writes.types_of(call, id, order.types_of(item))
        shared = self._writes.plan(call, (order.batch, order.single), id, types, attributes)
        for share in shared.shares:
            registration = share.registration
            refusal: CityHubError | None = self._requests.refusal(call, registration)
            if refusal is None and not share.supported:
                refusal = Conflict(f"Registration '{registration.id}' owns this and does not offer '{order.batch}'")
            if refusal is not None:
                outcomes[place].append(refusal)
            else:
                loads.setdefault(registration.id, _Load(registration, [])).items.append((place, share.attributes))
        if attributes is None:
            here = not shared.claimed or self._store.get(call.tenant, id) is not None
            return item if here else None
        if not shared.here:
            return None
        return item if len(shared.rest) == len(attributes) else order.reduced(item, shared.rest)

    async def _send(self, call: Call, items: Sequence[T], load: _Load, order: BatchOrder[T]) -> list[tuple[int, Any]]:
        registration = load.registration
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError as error:
            return [(place, error) for place, _ in load.items]
        documents = [order.document(items[place], attributes, terms) for place, attributes in load.items]
        if order.batch in registration.operations:
            ask = Ask(registration, "POST", f"/entityOperations/{order.door}", terms, order.params, documents)
            results = _batch_results(await self._requests.send(call, ask), [order.id_of(items[place]) for place, _ in load.items])
            return [(place, result) for (place, _), result in zip(load.items, results, strict=True)]
        gate = asyncio.Semaphore(AT_ONCE)

        async def single(place: int, document: Any) -> tuple[int, Any]:
            body = None if order.method == "DELETE" else document
            ask = Ask(registration, order.method, order.path(order.id_of(items[place])), terms, order.params, body)
            async with gate:
                reply = await self._requests.send(call, ask)
            return place, _single_result(reply)

        return await together(single(place, document) for (place, _), document in zip(load.items, documents, strict=True))


async def _here(local: Callable[[list[T]], Awaitable[list[Any]]], items: list[T]) -> list[Any]:
    return await local(items) if items else []


def _single_result(reply: Reply) -> Any:
    if reply.error is None and reply.status == MULTI_STATUS:
        return SourceFailed("The source did it only in part")
    return reply.error if reply.error is not None else reply.status == 201


def _batch_results(reply: Reply, ids: list[str]) -> list[Any]:
    """One result or error per id: True where an entity was created."""
    if reply.error is not None:
        return [reply.error] * len(ids)
    document = reply.document
    if reply.status != MULTI_STATUS:
        created = set(document) if isinstance(document, list) and all(isinstance(id, str) for id in document) else None
        return [reply.status == 201 if created is None else id in created for id in ids]
    failed: dict[str, CityHubError] = {}
    errors = document.get("errors") if isinstance(document, dict) else None
    for item in errors if isinstance(errors, list) else ():
        if isinstance(item, dict) and isinstance(item.get("entityId"), str):
            reason = item.get("error")
            detail = reason.get("detail") or reason.get("title") if isinstance(reason, dict) else reason
            failed[item["entityId"]] = SourceFailed(f"The source could not do it: {str(detail)[:500]}")
    if not failed:
        return [SourceFailed("The source did it only in part")] * len(ids)
    return [failed.get(id, False) for id in ids]


def _outcome(results: list[Any]) -> Any:
    for result in results:
        if isinstance(result, CityHubError):
            return result
    return True if any(result is True for result in results) else (results[0] if results else None)
