"""Writes to single entities, shared out between this hub and context sources.

Each part is done independently and at the same time; what comes back is a whole success, the one failure there was, or
the list of parts that failed (207).

Source: GS CIM 009 V1.9.1, clauses 5.6.1 to 5.6.6, 5.6.17 to 5.6.19, 6.3.17.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any
from urllib.parse import quote

import msgspec

from cityhub.context.distribution_plan import Plan, Share, plan
from cityhub.context.entities import AttributesResult, Call
from cityhub.context.registration_words import INCLUSIVE
from cityhub.context.registrations import Registrations
from cityhub.context.source_answer import MULTI_STATUS, Reply
from cityhub.context.source_requests import Ask, SourceRequests
from cityhub.model.entity import Attributes
from cityhub.model.errors import CityHubError, Conflict, PartlyDone, SourceFailed
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.selector import TypeSelection
from cityhub.model.ports import Store


class Order(msgspec.Struct, frozen=True):
    """One operation as it is sent to a source.

    Attributes:
        operation: Its name in registrations.
        method: Upper case.
        path: Makes the path under an @context.
        body: Makes the body of some attributes under an @context; None: it has none.
        params: Query parameters.
    """

    operation: str
    method: str
    path: Callable[[TermMap], str]
    body: Callable[[Attributes, TermMap], Any] | None = None
    params: dict[str, str] = {}


class Part(msgspec.Struct, frozen=True):
    """What became of one part.

    Attributes:
        registration: Id of the registration; "" is this hub.
        attributes: The attributes (IRIs) of the part.
        error: Why it failed; None when it did not.
        result: What this hub's own operation returned.
        reply: What the source answered.
    """

    registration: str
    attributes: frozenset[str]
    error: CityHubError | None = None
    result: Any = None
    reply: Reply | None = None


class DistributedWrites:
    """Shares single writes out.

    Args:
        store: Tells which types an entity has here.
        registrations: The sources.
        requests: Sends to them.
    """

    def __init__(self, store: Store, registrations: Registrations, requests: SourceRequests) -> None:
        self._store = store
        self._registrations = registrations
        self._requests = requests

    def types_of(self, call: Call, id: str, given: Collection[str] = ()) -> Collection[str] | None:
        """The types by which registrations of an entity are found; None: not known."""
        entity = self._store.get(call.tenant, id)
        if entity is None:
            return list(given) or None
        return [*entity["type"], *given]

    def plan(
        self, call: Call, operations: Collection[str], id: str, types: Collection[str] | None, attributes: Attributes | None
    ) -> Plan:
        """The shares of an operation. Registrations that would go round in a circle take no part if they are inclusive."""
        found = self._registrations.about(call.tenant, id, types)
        if call.via:
            found = [one for one in found if one.mode != INCLUSIVE or not self._requests.loops(call, one)]
        return plan(found, operations, id, types, attributes)

    async def share(
        self,
        call: Call,
        id: str,
        types: Collection[str] | None,
        attributes: Attributes | None,
        order: Order,
        local: Callable[[Attributes], Awaitable[Any]],
    ) -> list[Part]:
        """What became of each part of an operation; the local part is told which attributes are left for it."""
        shared = self.plan(call, (order.operation,), id, types, attributes)
        jobs = [self.remote(call, share, order) for share in shared.shares]
        # Without attributes of its own the operation is about the whole entity, of which a part may be here.
        here = shared.here if attributes is not None else not shared.claimed or self._store.get(call.tenant, id) is not None
        if here:
            jobs.append(_local(local, shared.rest))
        return list(await asyncio.gather(*jobs))

    async def do(
        self,
        call: Call,
        id: str,
        types: Collection[str] | None,
        attributes: Attributes | None,
        order: Order,
        local: Callable[[Attributes], Awaitable[Any]],
    ) -> None:
        """Does all parts. Raises the failure of the only part, or PartlyDone when one of several failed."""
        parts = await self.share(call, id, types, attributes, order, local)
        failures = [(id, part.registration, part.error) for part in parts if part.error is not None]
        if not failures:
            return
        if len(parts) == 1:
            raise failures[0][2]
        raise PartlyDone([id] if len(failures) < len(parts) else [], failures)

    async def do_attributes(
        self,
        call: Call,
        id: str,
        types: Collection[str] | None,
        attributes: Attributes,
        order: Order,
        local: Callable[[Attributes], Awaitable[AttributesResult]],
    ) -> AttributesResult:
        """Does all parts of an operation on attributes; which of them were updated everywhere, and which not."""
        parts = await self.share(call, id, types, attributes, order, local)
        if len(parts) == 1 and parts[0].error is not None:
            raise parts[0].error
        failed: dict[str, str] = {}
        for part in parts:
            for name, reason in _not_updated(part):
                failed.setdefault(name, reason)
        return AttributesResult([name for name in attributes if name not in failed], list(failed.items()))

    async def remote(self, call: Call, share: Share, order: Order) -> Part:
        """What became of a source's part. Faults are part of it: nothing is raised."""
        registration = share.registration
        names = frozenset(share.attributes)
        refusal: CityHubError | None = self._requests.refusal(call, registration)
        if refusal is None and not share.supported:
            refusal = Conflict(f"Registration '{registration.id}' owns this and does not offer '{order.operation}'")
        if refusal is not None:
            return Part(registration.id, names, refusal)
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError as error:
            return Part(registration.id, names, error)
        body = order.body(share.attributes, terms) if order.body is not None else None
        params = type_parameter(call.types, terms, order.params)
        reply = await self._requests.send(call, Ask(registration, order.method, order.path(terms), terms, params, body))
        error_there = reply.error
        if error_there is None and reply.status == MULTI_STATUS:
            error_there = SourceFailed(f"The source of registration '{registration.id}' did it only in part")
        return Part(registration.id, names, error_there, None, reply)


async def _local(local: Callable[[Attributes], Awaitable[Any]], rest: Attributes) -> Part:
    names = frozenset(rest)
    try:
        return Part("", names, None, await local(rest))
    except CityHubError as error:
        return Part("", names, error)


def _not_updated(part: Part) -> list[tuple[str, str]]:
    """The attributes of a part that were not updated, with the reasons."""
    if isinstance(part.result, AttributesResult):
        return part.result.not_updated
    if part.error is None:
        return []
    reply = part.reply
    if reply is not None and reply.status == MULTI_STATUS and isinstance(reply.document, dict):
        listed = reply.document.get("notUpdated")
        if isinstance(listed, list):
            return [
                (reply.terms.expand_name(item["attributeName"]), str(item.get("reason", "")))
                for item in listed
                if isinstance(item, dict) and isinstance(item.get("attributeName"), str)
            ]
    return [(name, part.error.detail) for name in sorted(part.attributes)]


def entity_path(id: str, below: str = "") -> str:
    """The path of an entity, or of something below it."""
    return f"/entities/{quote(id, safe=':')}{below}"


def attribute_path(id: str, name: str) -> Callable[[TermMap], str]:
    """The path of an attribute (IRI; "scope" is the scope) of an entity under an @context."""
    return lambda terms: entity_path(id, f"/attrs/{quote(name if name == 'scope' else terms.compact(name), safe='')}")


def type_text(selection: TypeSelection, terms: TermMap) -> str:
    """A type selection as text under an @context."""
    if selection.alternatives is None:
        return "*"
    parts = []
    for types in selection.alternatives:
        names = sorted(terms.compact(name) for name in types)
        parts.append(names[0] if len(names) == 1 else f"({';'.join(names)})")
    return ",".join(parts)


def type_parameter(selection: TypeSelection | None, terms: TermMap, params: dict[str, str]) -> dict[str, str]:
    """Parameters with the type selection of a call, if it has one."""
    return params if selection is None else {**params, "type": type_text(selection, terms)}
