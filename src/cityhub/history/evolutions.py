"""Finding and reading the histories of entities: the consumption operations of the temporal interface.

Source: GS CIM 009 V1.9.1, clauses 4.11, 5.7.3 and 5.7.4.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import msgspec
import orjson

from cityhub.history.conditions import ranges
from cityhub.history.temporal_view import TemporalView
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import NotFound, TooManyResults
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.temporal_aggregate import aggregated_body
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ngsild.temporal_page import cut, prune
from cityhub.model.ngsild.temporal_render import Body, instances_body, pairs_body, render_evolution, time_of
from cityhub.model.ngsild.temporal_scope import Validity
from cityhub.model.ports import Evolution, Figures, History, Window

MAX_READ: Final = 100_000
"""Most instances of one attribute that a filter or an aggregation looks at."""
MAX_IDS: Final = 50_000
"""Most entities of one entity map."""
BLOCK: Final = 200
"""Entities whose instances are looked at together by a filter."""
NEAR: Final = 10
"""Instances of one attribute that are read where only those that may fit are."""
FEW: Final = 200
"""Instances of one attribute that are read of many entities at once; where there are more, the entity is read by itself."""


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
        evolutions = await self._history.entities(tenant, [id])
        if not evolutions:
            raise NotFound(f"There is no history of entity '{id}'")
        if shown.view.attrs is not None:
            [attrs] = await self._history.read(tenant, [id], self._window(shown, shown.view.attrs, 1))
            if not attrs:
                raise NotFound(f"The history of entity '{id}' has none of the attributes that were asked for")
        found = await self._documents(tenant, evolutions, None, shown, terms)
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
        async with aclosing(self._matching(tenant, wanted, shown)) as matching:
            async for evolution in matching:
                total += 1
                if descending is not None or offset < total <= offset + limit:
                    found.append(evolution)
                elif not count and total > offset + limit:
                    break
        if descending is not None:
            found = sorted(found, key=lambda one: one.id, reverse=descending)[offset : offset + limit]
        if shown.view.sys_attrs:  # when they were modified says what lies outside of the span as well
            found = await self._history.entities(tenant, [one.id for one in found])
        answer = await self._documents(tenant, found, wanted, shown, terms)
        documents = [document for document in answer.documents if document]
        return Evolutions(documents, answer.content_range, total if count else None)

    async def identifiers(self, tenant: str, wanted: EntityQuery, shown: TemporalView) -> list[str]:
        """The ids of all entities that a temporal query finds (5.14.5). Raises TooManyResults for more than MAX_IDS."""
        ids: list[str] = []
        async for evolution in self._matching(tenant, wanted, shown):
            ids.append(evolution.id)
            if len(ids) > MAX_IDS:
                raise TooManyResults(f"More than {MAX_IDS} entities match; ask for less")
        return ids

    # -- Which entities ------------------------------------------------------------------------------------------

    async def _matching(self, tenant: str, wanted: EntityQuery, shown: TemporalView) -> AsyncGenerator[Evolution, None]:
        """The entities that pass the filters and have an instance in the span of time, in the order of creation."""
        plain = wanted.q is None and wanted.geo is None and wanted.scope is None
        content = EntityQuery(wanted.selectors, wanted.attributes, wanted.q, wanted.geo)
        whose = EntityQuery(wanted.selectors)
        window = self._window(shown, wanted.attributes or None if plain else None, None)
        async with aclosing(self._history.scan(tenant, wanted.condition, window, whole=wanted.q is not None)) as blocks:
            async for block in blocks:
                evolutions = [one for one in block if whose.matches({"id": one.id, "type": one.types, "attrs": {}})]
                if plain:
                    for evolution in evolutions:
                        yield evolution
                    continue
                for at in range(0, len(evolutions), BLOCK):
                    async for evolution, attrs in self._in_span(tenant, evolutions[at : at + BLOCK], wanted, shown):
                        # A filter may hold for what is not there ("!speed"); the scan says that something else of the entity is.
                        if content.matches(_as_entity(evolution, attrs)) and (
                            attrs or wanted.scope is None or await self._anything(tenant, evolution, wanted, shown)
                        ):
                            yield evolution

    async def _in_span(
        self, tenant: str, evolutions: list[Evolution], wanted: EntityQuery, shown: TemporalView
    ) -> AsyncIterator[tuple[Evolution, Attributes]]:
        """What the filters look at, entity by entity, without the scope."""
        names = wanted.attributes or None
        if wanted.q is not None or wanted.geo is not None:
            names = wanted.attributes | (wanted.q.attributes if wanted.q else frozenset())
            if wanted.geo is not None:
                names |= {wanted.geo.attribute}
        ids = [one.id for one in evolutions]
        near = ranges(wanted.q) if wanted.q is not None and wanted.geo is None and wanted.scope is None else ()
        window = self._window(shown, names, NEAR if near else FEW)
        found = await self._history.read(tenant, ids, msgspec.structs.replace(window, near=near))
        validities = await self._validities(tenant, ids, wanted, shown)
        for place, evolution in enumerate(evolutions):
            attrs = found[place]
            # Where those that may fit were read first, the others are needed only if they do not fit.
            is_short = not wanted.matches(_as_entity(evolution, attrs)) if near else any(len(of_one) >= FEW for of_one in attrs.values())
            if is_short:
                [attrs] = await self._history.read(tenant, [evolution.id], self._window(shown, names, MAX_READ))
            attrs = _restricted(attrs, validities, evolution.id, shown)
            attrs.pop(SCOPE, None)
            yield evolution, attrs

    async def _anything(self, tenant: str, evolution: Evolution, wanted: EntityQuery, shown: TemporalView) -> bool:
        """Whether an entity has an instance of any attribute in the times when it had the scopes that are asked for."""
        [attrs] = await self._history.read(tenant, [evolution.id], self._window(shown, None, MAX_READ))
        validities = await self._validities(tenant, [evolution.id], wanted, shown)
        return bool(_restricted(attrs, validities, evolution.id, shown).keys() - {SCOPE})

    async def _validities(self, tenant: str, ids: list[str], wanted: EntityQuery, shown: TemporalView) -> dict[str, Validity] | None:
        """When each entity had the scopes that are asked for; None when none are."""
        if wanted.scope is None:
            return None
        scopes = frozenset((SCOPE,))
        given = await self._history.read(tenant, ids, Window(attributes=scopes))
        gone = await self._history.read(tenant, ids, Window(property="deletedAt", attributes=scopes))
        return {
            id: Validity([*one.get(SCOPE, []), *other.get(SCOPE, [])], wanted.scope, shown.query)
            for id, one, other in zip(ids, given, gone, strict=True)
        }

    # -- What of them --------------------------------------------------------------------------------------------

    async def _documents(
        self, tenant: str, found: list[Evolution], wanted: EntityQuery | None, shown: TemporalView, terms: TermMap
    ) -> Evolutions:
        if not found:
            return Evolutions([])
        ids, window = [one.id for one in found], self._window(shown, shown.attributes, None)
        validities = await self._validities(tenant, ids, wanted, shown) if wanted is not None else None
        if shown.query.aggregation is not None and shown.form == "aggregatedValues":
            reader = _Series(self._history, tenant, window)
            if validities is not None:
                return Evolutions([await _aggregated(reader, one, validities, shown, terms) for one in found])
            figures = await self._history.aggregate(tenant, ids, window, shown.query.aggregation)
            return Evolutions([await _with_figures(reader, *one, shown, terms) for one in zip(found, figures, strict=True)])
        if validities is None:
            last_n = shown.query.last_n
            paged = msgspec.structs.replace(window, latest=last_n is not None, limit=last_n)
            attrs = await self._history.read(tenant, ids, paged, page=self._page_size)
        else:
            attrs = []
            for one in found:
                attrs.append(await self._scoped(tenant, one, validities, shown))
                prune(attrs, shown.query, self._page_size)
        page = cut(attrs, shown.query, self._page_size)
        documents = [
            render_evolution(evolution, one, terms, shown.view, _body(evolution, shown, terms))
            for evolution, one in zip(found, page.attrs, strict=True)
        ]
        return Evolutions(documents, page.content_range)

    async def _scoped(self, tenant: str, evolution: Evolution, validities: dict[str, Validity], shown: TemporalView) -> Attributes:
        """The instances of the times when the entity had the scopes that are asked for; of them the last ones are chosen."""
        reader = _Series(self._history, tenant, self._window(shown, shown.attributes, None))
        attrs = {name: await reader.all_of(evolution.id, name) for name in await reader.first(evolution.id)}
        attrs = _restricted(attrs, validities, evolution.id, shown)
        last_n = shown.query.last_n
        return attrs if last_n is None else {name: instances[-last_n:] for name, instances in attrs.items()}

    def _window(self, shown: TemporalView, attributes: frozenset[str] | None, limit: int | None) -> Window:
        query = shown.query
        bounded = query.relation is not None
        return Window(query.time_property, query.start, query.end, bounded, attributes, shown.view.dataset_ids, limit=limit)


class _Series:
    """Reads whole series of one tenant, one after the other, so that only the instances of one are in memory."""

    def __init__(self, history: History, tenant: str, window: Window) -> None:
        self._history = history
        self._tenant = tenant
        self._window = window

    async def first(self, id: str) -> Attributes:
        """The earliest instance of each attribute that has one in the window."""
        [attrs] = await self._history.read(self._tenant, [id], msgspec.structs.replace(self._window, limit=1))
        return attrs

    async def all_of(self, id: str, name: str) -> list[Instance]:
        """All instances of one attribute. Raises TooManyResults when there are `MAX_READ` or more."""
        window = msgspec.structs.replace(self._window, attributes=frozenset((name,)), limit=MAX_READ)
        [attrs] = await self._history.read(self._tenant, [id], window)
        instances = attrs.get(name, [])
        if len(instances) >= MAX_READ:
            raise TooManyResults(f"The answer needs fewer than {MAX_READ} instances of each attribute; ask for a shorter span of time")
        return instances


async def _with_figures(
    reader: _Series, evolution: Evolution, figures: Figures, shown: TemporalView, terms: TermMap
) -> dict[str, Any]:
    """The document of figures; those that the history did not work out are worked out here."""
    assert shown.query.aggregation is not None
    body = aggregated_body(shown.query.aggregation, shown.query, figures.origin)
    members: dict[str, Any] = {}
    for name, ready in figures.attributes.items():
        members[name] = body(name, await reader.all_of(evolution.id, name)) if ready is None else orjson.Fragment(ready)
    return render_evolution(evolution, {name: [] for name in members}, terms, shown.view, lambda name, _: members[name])


async def _aggregated(
    reader: _Series, evolution: Evolution, validities: dict[str, Validity], shown: TemporalView, terms: TermMap
) -> dict[str, Any]:
    assert shown.query.aggregation is not None
    first = await reader.first(evolution.id)
    first.pop(SCOPE, None)
    origin = min((time_of(instances[0], shown.query.time_property) for instances in first.values()), default=None)
    body = aggregated_body(shown.query.aggregation, shown.query, origin)
    members: dict[str, Any] = {}
    for name in first:
        kept = _restricted({name: await reader.all_of(evolution.id, name)}, validities, evolution.id, shown).get(name)
        if kept:
            members[name] = body(name, kept)
    return render_evolution(evolution, {name: [] for name in members}, terms, shown.view, lambda name, _: members[name])


def _restricted(attrs: Attributes, validities: dict[str, Validity] | None, id: str, shown: TemporalView) -> Attributes:
    """Without what lies outside of the times when the entity had the scopes that are asked for."""
    return attrs if validities is None else validities[id].restrict(attrs, shown.query)


def _body(evolution: Evolution, shown: TemporalView, terms: TermMap) -> Body:
    if shown.form == "temporalValues":
        return pairs_body(terms, shown.view, shown.query.time_property)
    return instances_body(evolution, terms, shown.view)


def _as_entity(evolution: Evolution, attrs: Attributes) -> dict[str, Any]:
    """What the filters see: an entity whose attributes have every instance in the span of time."""
    return {
        "id": evolution.id, "type": evolution.types, "attrs": attrs,
        "createdAt": evolution.created_at, "modifiedAt": evolution.modified_at,
    }  # fmt: skip
