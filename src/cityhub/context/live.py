"""What a client of the live stream wants to hear, in the words of Query Entities."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256

from cityhub.context.query_api import FILTERS
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import query_from_parameters
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ports import Store
from cityhub.web.events import Selection
from cityhub.web.http import Request
from cityhub.web.negotiation import ContextSource, check_parameters, check_tenant, linked_context, tenant_of
from cityhub.web.views import PARAMETERS, view_of

ALLOWED = (FILTERS | PARAMETERS | {"after"}) - {"join", "joinLevel", "containedBy"}


def live_selection(
    contexts: ContextSource, store: Store, default_terms: Callable[[], Awaitable[TermMap]]
) -> Callable[[Request], Awaitable[Selection]]:
    """A function that reads a request for the live stream.

    Args:
        contexts: Where term maps come from.
        store: Asked for its tenants.
        default_terms: The @context of requests that name none, as a browser's event source cannot name one.
    """

    async def select(request: Request) -> Selection:
        query = check_parameters(request, ALLOWED)
        link = request.headers.get("link")
        url = linked_context(link) if link else None
        tenant = tenant_of(request)
        check_tenant(store.tenants(), tenant)
        terms = await default_terms() if url is None else contexts.known(url) or await contexts.resolve(url, tenant)
        wanted = query_from_parameters(query, terms)
        view = view_of({"options": "concise", **query}, terms, "application/json")
        form = sha256(repr([terms.key, sorted((name, query[name]) for name in query.keys() & PARAMETERS)]).encode()).hexdigest()
        key = sha256(repr([form, sorted((name, query[name]) for name in query.keys() & FILTERS)]).encode()).hexdigest()
        return Selection(key, form, wanted.matches, lambda entity: render_entity(entity, terms, view), tenant)

    return select
