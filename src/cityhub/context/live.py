"""What a client of the live stream wants: its query, read as Query Entities reads it, and the form of its events."""

from __future__ import annotations

from typing import Any, Final

from cityhub.context.negotiation import JSON, ContextSource, check_parameters, check_tenant, linked_context, tenant_of
from cityhub.context.views import view_of
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ngsild.entity_query import query_from_parameters
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ports import Store
from cityhub.web.http import Request
from cityhub.web.stream import Select, Selection

FILTERS: Final = ("attrs", "coordinates", "geometry", "geoproperty", "georel", "id", "idPattern", "q", "scopeQ", "type")
FORM: Final = ("context", "format", "lang", "omit", "options", "pick")
PARAMETERS: Final = frozenset((*FILTERS, *FORM, "after"))


def live_selector(contexts: ContextSource, store: Store, default_context: str = "") -> Select:
    """The reader of the live stream's queries.

    The @context is that of the `context` parameter (a browser's EventSource sends no Link header), else of the Link
    header, else `default_context`, else the core @context. Entities are concise unless `format` or `options` say otherwise.
    """

    async def select(request: Request) -> Selection:
        query = check_parameters(request, PARAMETERS)
        tenant = tenant_of(request)
        check_tenant(store.tenants(), tenant)
        link = request.headers.get("link")
        url = query.get("context") or (linked_context(link) if link else None) or default_context
        terms: TermMap = CORE if not url else contexts.known(url) or await contexts.resolve(url, tenant)
        wanted = query_from_parameters(query, terms)
        if wanted.q is not None and wanted.q.depth:
            raise BadRequestData("'q' must not follow relationships here: a live query looks at the changed entity alone")
        shape: dict[str, str] = {name: query[name] for name in FORM if name in query and name != "context"}
        if "format" not in shape and "options" not in shape:
            shape["format"] = "concise"
        view = view_of(shape, terms, JSON)
        form = repr((url, sorted(shape.items())))
        asked = sorted((name, query[name]) for name in FILTERS if name in query)

        def render(entity: Entity) -> dict[str, Any]:
            return render_entity(entity, terms, view)

        return Selection(repr((asked, form)), form, wanted.matches, render, tenant)

    return select
