"""Finding and reading the histories of entities: the consumption operations of the temporal interface.

Source: GS CIM 009 V1.9.1, clauses 4.11, 5.7.3 and 5.7.4.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from cityhub.history.temporal_view import TemporalView
from cityhub.model.entity import Attributes
from cityhub.model.errors import NotFound, TooManyResults
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.temporal_aggregate import aggregated_body
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ngsild.temporal_page import cut
from cityhub.model.ngsild.temporal_render import Body, instances_body, pairs_body, render_evolution, time_of
from cityhub.model.ngsild.temporal_scope import Validity
from cityhub.model.ports import Evolution, History, Window

MAX_READ: Final = 200_000
"""Most instances of one attribute that a filter or an aggregation looks at."""
_NO_SCOPE: Final = frozenset((SCOPE,))


class Evolutions(msgspec.Struct, frozen=True):
    """Histories as documents, the Content-Range when they are not whole, and how many entities match in all when that was asked."""

    documents: list[dict[str, Any]]
    content_range: str | None = None
    count: int | None = None


class Consumption:
    """Retrieves and queries histories."""

    def __init__(self, history: History, page_size: int) -> None:
        self._history = history
        self._page_size = page_size

    async def retrieve(self, tenant: str, id: str, shown: TemporalView, terms: TermMap) -> Evolutions:
        """Retrieve Temporal Evolution of an Entity (5.7.3). Raises NotFound for the entity, or when nothing of it can be shown."""
        evolution = await self._history.entity(tenant, id)
        if evolution is None:
            raise NotFound(f"There is no history of entity '{id}'")
        [attrs] = await self._read(tenant, [id], shown)
        if shown.view.attrs is not None and shown.view.attrs.isdisjoint(attrs):
            raise NotFound(f"The history of entity '{id}' has none of the attributes that were asked for")
        found = self._documents([(evolution, attrs)], shown, terms)
        if not found.documents[0]:
            raise NotFound(f"The history of entity '{id}' has none of the members that were asked for")
        return found

    async def query(
        self,
        tenant: str,
        wanted: EntityQuery,
        shown: TemporalView,
        terms: TermMap,
        page: tuple[int, int],
        *,
        count: bool,
        descending: bool | None,
    ) -> Evolutions:
        """Query Temporal Evolution of Entities (5.7.4).

        Args:
            tenant: The tenant.
            wanted: Filters; those by value, place and scope see only what lies in the span of time.
            shown: What is shown.
            terms: The @context.
            page: How many entities at most, and how many are left out before them.
            count: Whether all that match are counted.
            descending: Order by id; None: the order in which the entities came into the history.
        """
        limit, offset = page
        found: list[Evolution] = []
        total = 0
        async for evolution in self._matching(tenant, wanted, shown):
            total += 1
            if descending is not None or offset < total <= offset + limit:
                found.append(evolution)
            elif not count and total > offset + limit:
                break
        if descending is not None:
            found = sorted(found, key=lambda one: one.id, reverse=descending)[offset : offset + limit]
        attrs = await self._read(tenant, [one.id for one in found], shown)
        if wanted.scope is not None:
            validities = await self._validities(tenant, [one.id for one in found], wanted, shown)
            attrs = [validity.restrict(one, shown.query) for validity, one in zip(validities, attrs, strict=True)]
        answer = self._documents(list(zip(found, attrs, strict=True)), shown, terms)
        documents = [document for document in answer.documents if document]
        return Evolutions(documents, answer.content_range, total if count else None)

    # -- Which entities ------------------------------------------------------------------------------------------

    async def _matching(self, tenant: str, wanted: EntityQuery, shown: TemporalView) -> AsyncIterator[Evolution]:
        by_content = wanted.q is not None or wanted.geo is not None or wanted.scope is not None
        limit = MAX_READ if by_content else 1
        attributes = wanted.attributes if wanted.attributes and not by_content else None
        window = _window(shown, attributes, limit)
        content = EntityQuery(wanted.selectors, wanted.attributes, wanted.q, wanted.geo)
        whose = EntityQuery(wanted.selectors)
        async for block in self._history.scan(tenant, wanted.condition):
            evolutions = [one for one in block if whose.matches({"id": one.id, "type": one.types, "attrs": {}})]
            ids = [one.id for one in evolutions]
            found = await self._history.read(tenant, ids, window)
            if wanted.scope is not None:
                validities = await self._validities(tenant, ids, wanted, shown)
                found = [validity.restrict(attrs, shown.query) for validity, attrs in zip(validities, found, strict=True)]
            for evolution, attrs in zip(evolutions, found, strict=True):
                if attrs.keys() - _NO_SCOPE and content.matches(_as_entity(evolution, attrs)):
                    yield evolution

    async def _validities(self, tenant: str, ids: list[str], wanted: EntityQuery, shown: TemporalView) -> list[Validity]:
        assert wanted.scope is not None
        scope = wanted.scope
        given = await self._history.read(tenant, ids, Window(attributes=_NO_SCOPE))
        gone = await self._history.read(tenant, ids, Window(property="deletedAt", attributes=_NO_SCOPE))
        return [
            Validity([*one.get(SCOPE, []), *other.get(SCOPE, [])], scope, shown.query)
            for one, other in zip(given, gone, strict=True)
        ]

    # -- What of them --------------------------------------------------------------------------------------------

    async def _read(self, tenant: str, ids: list[str], shown: TemporalView) -> list[Attributes]:
        if shown.form == "aggregatedValues":
            found = await self._history.read(tenant, ids, _window(shown, shown.attributes, MAX_READ))
            for attrs in found:
                attrs.pop(SCOPE, None)
                if any(len(instances) >= MAX_READ for instances in attrs.values()):
                    raise TooManyResults(f"An aggregation takes at most {MAX_READ - 1} instances of an attribute; ask for less time")
            return found
        last_n = shown.query.last_n
        window = _window(shown, shown.attributes, last_n or self._page_size + 1)
        if last_n is not None:
            # More than a page is never shown, so more need not be read.
            window = msgspec.structs.replace(window, latest=True, limit=min(last_n, self._page_size + 1))
        return await self._history.read(tenant, ids, window)

    def _documents(self, found: list[tuple[Evolution, Attributes]], shown: TemporalView, terms: TermMap) -> Evolutions:
        attrs = [one for _, one in found]
        content_range = None
        if shown.form != "aggregatedValues":
            page = cut(attrs, shown.query, self._page_size)
            attrs, content_range = page.attrs, page.content_range
        documents = [
            render_evolution(evolution, one, terms, shown.view, _body(evolution, one, shown, terms))
            for (evolution, _), one in zip(found, attrs, strict=True)
        ]
        return Evolutions(documents, content_range)


def _body(evolution: Evolution, attrs: Attributes, shown: TemporalView, terms: TermMap) -> Body:
    time = shown.query.time_property
    if shown.form == "temporalValues":
        return pairs_body(terms, shown.view, time)
    if shown.query.aggregation is not None and shown.form == "aggregatedValues":
        origin = min((time_of(instances[0], time) for instances in attrs.values() if instances), default=None)
        return aggregated_body(shown.query.aggregation, shown.query, origin)
    return instances_body(evolution, terms, shown.view)


def _window(shown: TemporalView, attributes: frozenset[str] | None, limit: int | None) -> Window:
    query = shown.query
    bounded = query.relation is not None
    return Window(query.time_property, query.start, query.end, bounded, attributes, shown.view.dataset_ids, limit=limit)


def _as_entity(evolution: Evolution, attrs: Attributes) -> dict[str, Any]:
    """What the filters see: an entity whose attributes have every instance in the span of time."""
    members = {name: instances for name, instances in attrs.items() if name != SCOPE}
    return {
        "id": evolution.id, "type": evolution.types, "attrs": members,
        "createdAt": evolution.created_at, "modifiedAt": evolution.modified_at,
    }  # fmt: skip
