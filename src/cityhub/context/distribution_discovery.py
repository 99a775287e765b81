"""Which types and attributes there are at context sources.

Source: GS CIM 009 V1.9.1, clauses 5.7.5 to 5.7.10.
"""

from __future__ import annotations

from typing import Any

from cityhub.context.entities import Call
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

    async def shapes(self, call: Call) -> list[Shape]:
        """The types of all sources with their attributes; kinds and counts are not told and are "" and 0."""
        sources = [
            one
            for one in self._registrations.all(call.tenant)
            if not one.operations.isdisjoint(DISCOVERING) and self._requests.refusal(call, one) is None
        ]
        replies = await together(self._ask(call, one) for one in sources)
        call.answer.extend(warning_header([(one, reply.warning) for one, reply in zip(sources, replies, strict=True)]))
        return list(dict.fromkeys(shape for reply in replies for shape in _shapes(reply)))

    async def _ask(self, call: Call, registration: Registration) -> Reply:
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError as error:
            return Reply(0, None, call.terms, error, REVALIDATION_FAILED)
        return await self._requests.send(call, Ask(registration, "GET", "/types", terms, {"details": "true"}))


def _shapes(reply: Reply) -> list[Shape]:
    if reply.error is not None or not isinstance(reply.document, list):
        return []
    found: list[Shape] = []
    for item in reply.document:
        if isinstance(item, dict) and isinstance(item.get("typeName"), str):
            name = reply.terms.expand(item["typeName"])
            found.append(Shape(name, "", "", 0))
            found += [Shape(name, attribute, "", 0) for attribute in _names(item.get("attributeNames"), reply.terms)]
    return found


def _names(names: Any, terms: TermMap) -> list[str]:
    return [terms.expand(name) for name in names if isinstance(name, str)] if isinstance(names, list) else []
