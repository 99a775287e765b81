"""HTTP of purging: deleting entities, or some of their attributes, by query.

Source: GS CIM 009 V1.9.1, clauses 5.6.21 and 6.4.3.3.
"""

from __future__ import annotations

from typing import Final

from cityhub.context.entities import EntityOperations, call_of
from cityhub.context.entity_api import PREFIX
from cityhub.context.entity_maps import HEADER, EntityMaps
from cityhub.context.query_api import FILTERS
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import query_from_parameters
from cityhub.model.ports import Store
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import ContextSource, check_parameters, check_tenant, no_content, tenant_of, terms_of
from cityhub.web.ngsild_terms import describe_operation
from cityhub.web.views import is_local

ALLOWED: Final = FILTERS | {"keep", "drop", "local"}


class PurgeApi:
    """The door that purges."""

    def __init__(self, operations: EntityOperations, contexts: ContextSource, store: Store, maps: EntityMaps) -> None:
        self._maps = maps
        self._operations = operations
        self._contexts = contexts
        self._store = store

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        operation, path = "Purge Entities", f"{PREFIX}/entities"
        describe = describe_operation(operation)
        return [Route("DELETE", path, self.purge, "entity.write", operation, "GS CIM 009 6.4.3.3", "entities", describe)]

    async def purge(self, request: Request) -> Response:
        """DELETE /entities."""
        query = check_parameters(request, ALLOWED)
        terms = await terms_of(request, self._contexts)
        wanted = query_from_parameters(query, terms)
        local = is_local(query) or request.tenant is not None
        wanted.require_narrow(local=local)
        wanted.require_links(0)
        if "keep" in query and "drop" in query:
            raise BadRequestData("Give 'keep' or 'drop', not both: the attributes that stay, or those that go")
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        map = self._maps.of_request(request)
        if map is not None:
            request.answer_headers.append((HEADER, map.location))
            among = wanted.among(map.ids)
            if among is None:
                return no_content()
            wanted = among
        call = call_of(request, tenant, terms, local)
        await self._operations.purge(call, wanted, _attributes(query, "keep", terms), _attributes(query, "drop", terms))
        return no_content()


def _attributes(query: dict[str, str], name: str, terms: TermMap) -> frozenset[str] | None:
    text = query.get(name)
    if text is None:
        return None
    return frozenset(terms.expand_name(part.strip()) for part in text.split(","))
