"""Retrieval of one entity from this hub and all sources that may have a part of it.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 5.7.1 and 6.3.17.
"""

from __future__ import annotations

from typing import Any

from cityhub.context.distribution_merge import limited, merged, read_remotes
from cityhub.context.distribution_write import entity_path, type_parameter
from cityhub.context.entities import Call
from cityhub.context.registered import Registration
from cityhub.context.registration_words import EXCLUSIVE, REDIRECT
from cityhub.context.registrations import Registrations
from cityhub.context.source_answer import REVALIDATION_FAILED, Reply, warning_header
from cityhub.context.source_requests import Ask, SourceRequests, together
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, NotFound, SourceFailed
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Store

RETRIEVING = ("retrieveEntity", "queryEntity", "queryBatch")
SHOWN = {"options": "sysAttrs"}
"""Sources are asked for times, by which the newer of two instances is told."""


class DistributedReads:
    """Retrieves entities.

    Args:
        store: What is here.
        registrations: The sources.
        requests: Sends to them.
    """

    def __init__(self, store: Store, registrations: Registrations, requests: SourceRequests) -> None:
        self._store = store
        self._registrations = registrations
        self._requests = requests

    async def retrieve(self, call: Call, id: str, view: View) -> Entity:
        """The entity, merged from its parts. Raises NotFound, or SourceFailed when its only owner failed."""
        local = await self._store.fetch(call.tenant, id)
        asked = self._sources(call, id, local, view)
        replies = await together(self._one(call, registration, id, attributes) for registration, attributes in asked)
        parts: list[tuple[Registration, Entity]] = []
        warnings: list[tuple[Registration, int]] = []
        for (registration, _), reply in zip(asked, replies, strict=True):
            entity, warning = _part(reply, registration, id)
            warnings.append((registration, warning))
            if entity is not None:
                parts.append((registration, entity))
        call.answer.extend(warning_header(warnings))
        entity = merged(local, parts)
        if entity is None and len(asked) == 1 and asked[0][0].mode in (EXCLUSIVE, REDIRECT) and isinstance(replies[0].error, SourceFailed):
            raise replies[0].error
        if entity is None or (call.types is not None and not call.types.selects(entity["type"])):
            raise NotFound(f"Entity '{id}' does not exist" + (" with such a type" if call.types else ""))
        return entity

    async def completed(self, call: Call, source: Registration, entities: list[Entity]) -> list[Entity]:
        """Entities of which one source told a part, with what is here and at all other sources."""
        return [entity for entity in await together(self._completed(call, source, one) for one in entities) if entity is not None]

    async def _completed(self, call: Call, source: Registration, told: Entity) -> Entity | None:
        id = told["id"]
        local = await self._store.fetch(call.tenant, id)
        known = local if local is not None else told
        asked = [(one, names) for one, names in self._sources(call, id, known, View()) if one.id != source.id]
        replies = await together(self._one(call, one, id, names) for one, names in asked)
        found = ((one, _part(reply, one, id)[0]) for (one, _), reply in zip(asked, replies, strict=True))
        parts = [(one, entity) for one, entity in found if entity is not None]
        return merged(local, [(source, told), *parts])

    def _sources(self, call: Call, id: str, local: Entity | None, view: View) -> list[tuple[Registration, frozenset[str] | None]]:
        """Who is to be asked, and for which attributes: None for all."""
        found: list[tuple[Registration, frozenset[str] | None]] = []
        for registration in self._registrations.about(call.tenant, id, None):
            if registration.operations.isdisjoint(RETRIEVING) or self._requests.refusal(call, registration) is not None:
                continue
            covers, names = registration.covering(id, None, view.attrs)
            if covers and (local is None or _may_be_of(registration, local)):
                found.append((registration, _narrowed(names, view.attrs)))
        return found

    async def _one(self, call: Call, registration: Registration, id: str, attributes: frozenset[str] | None) -> Reply:
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError as error:
            return Reply(0, None, call.terms, error, REVALIDATION_FAILED)
        return await self._requests.send(call, self._ask(call, registration, id, attributes, terms))

    def _ask(self, call: Call, registration: Registration, id: str, attributes: frozenset[str] | None, terms: TermMap) -> Ask:
        names = sorted(terms.compact(name) for name in attributes) if attributes is not None else []
        narrowed = {"attrs": ",".join(names)} if names else {}
        if "retrieveEntity" in registration.operations:
            params = type_parameter(call.types, terms, {**narrowed, **SHOWN})
            return Ask(registration, "GET", entity_path(id), terms, params)
        kind = _registered_type(registration, id, terms)
        if "queryEntity" in registration.operations:
            types = {"type": kind} if kind else {}
            return Ask(registration, "GET", "/entities", terms, {"id": id, **types, **narrowed, **SHOWN})
        selector = {"id": id, "type": kind or "*"}
        body: dict[str, Any] = {"type": "Query", "entities": [selector]}
        if names:
            body["attrs"] = names
        return Ask(registration, "POST", "/entityOperations/query", terms, SHOWN, body)


def _may_be_of(registration: Registration, local: Entity) -> bool:
    """Whether what the source has is not surely another entity's.

    The types of the part that is here need not be all: a source may know the entity under another type. A group that is
    known by its types alone is only asked when the entity has them.
    """
    for item in registration.information:
        if not item.entities:
            return True
        for one in item.entities:
            if one.id == local["id"] or one.has(local["id"], local["type"]):
                return True
    return False


def _narrowed(names: frozenset[str] | None, wanted: frozenset[str] | None) -> frozenset[str] | None:
    if names is None or wanted is None:
        return wanted if names is None else names
    return names & wanted


def _registered_type(registration: Registration, id: str, terms: TermMap) -> str:
    for item in registration.information:
        for one in item.entities:
            if one.has(id, None):
                names = [terms.compact(name) for name in one.types]
                return names[0] if len(names) == 1 else f"({';'.join(names)})"
    return ""


def _part(reply: Reply, registration: Registration, id: str) -> tuple[Entity | None, int]:
    """The part of the entity in a reply, and the code of a warning."""
    if reply.error is not None or reply.document is None:
        return None, reply.warning
    try:
        for entity in read_remotes(reply.document, reply.terms):
            if entity["id"] == id:
                return limited(entity, registration), 0
    except CityHubError:
        return None, REVALIDATION_FAILED
    return None, 0
