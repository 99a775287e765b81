"""Which types and attributes there are at context sources.

Source: GS CIM 009 V1.9.1, clauses 5.7.5 to 5.7.10.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from cityhub.context.entities import About, Call
from cityhub.context.registered import Registration
from cityhub.context.registrations import Registrations
from cityhub.context.source_answer import REVALIDATION_FAILED, Reply, warning_header
from cityhub.context.source_requests import Ask, SourceRequests, together
from cityhub.model.errors import CityHubError
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Shape

DISCOVERING = ("retrieveEntityTypeDetails", "retrieveEntityTypes", "retrieveEntityTypeInfo", "retrieveAttrTypes")


class DistributedDiscovery:
    """Asks sources for their types and attributes."""

    def __init__(self, registrations: Registrations, requests: SourceRequests) -> None:
        self._registrations = registrations
        self._requests = requests

    async def shapes(self, call: Call, about: About | None) -> list[Shape]:
        """The types and attributes of all sources; kinds and counts ("" and 0 otherwise) only of what is asked about."""
        sources = [one for one in self._registrations.all(call.tenant) if self._takes_part(call, one)]
        replies = await together(self._ask(call, one, about) for one in sources)
        call.answer.extend(warning_header([(one, reply.warning) for one, reply in zip(sources, replies, strict=True)]))
        read = _listed if about is None else _type if about[0] == "types" else _attribute
        return [shape for reply in replies if reply.error is None for shape in read(reply.document, reply.terms)]

    def _takes_part(self, call: Call, registration: Registration) -> bool:
        return not registration.operations.isdisjoint(DISCOVERING) and self._requests.refusal(call, registration) is None

    async def _ask(self, call: Call, registration: Registration, about: About | None) -> Reply:
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError as error:
            return Reply(0, None, call.terms, error, REVALIDATION_FAILED)
        if about is None:
            return await self._requests.send(call, Ask(registration, "GET", "/types", terms, {"details": "true"}))
        kind, iri = about
        return await self._requests.send(call, Ask(registration, "GET", f"/{kind}/{quote(terms.compact(iri), safe='')}", terms))


def _listed(document: Any, terms: TermMap) -> list[Shape]:
    """The shapes in a list of types with their attributes (5.2.25)."""
    found: list[Shape] = []
    for item in document if isinstance(document, list) else ():
        for name in _names([item.get("typeName")] if isinstance(item, dict) else None, terms):
            found.append(Shape(name, "", "", 0))
            found += [Shape(name, attribute, "", 0) for attribute in _names(item.get("attributeNames"), terms)]
    return found


def _type(document: Any, terms: TermMap) -> list[Shape]:
    """The shapes in what is told of one type (5.2.26)."""
    item = document if isinstance(document, dict) else {}
    found: list[Shape] = []
    for name in _names([item.get("typeName")], terms):
        found.append(Shape(name, "", "", _count(item.get("entityCount"))))
        details = item.get("attributeDetails")
        for detail in details if isinstance(details, list) else ():
            for attribute in _names([detail.get("attributeName")] if isinstance(detail, dict) else None, terms):
                found += [Shape(name, attribute, kind, 0) for kind in _texts(detail.get("attributeTypes")) or [""]]
    return found


def _attribute(document: Any, terms: TermMap) -> list[Shape]:
    """The shapes in what is told of one attribute (5.2.28)."""
    item = document if isinstance(document, dict) else {}
    count = _count(item.get("attributeCount"))
    found: list[Shape] = []
    for attribute in _names([item.get("attributeName")], terms):
        for name in _names(item.get("typeNames"), terms):
            for kind in _texts(item.get("attributeTypes")) or [""]:
                # The number is that of all types and kinds together.
                found.append(Shape(name, attribute, kind, 0 if found else count))
    return found


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _names(names: Any, terms: TermMap) -> list[str]:
    return [terms.expand(name) for name in _texts(names) if name and name[0] != "@"]
