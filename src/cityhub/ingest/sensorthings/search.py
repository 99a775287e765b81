"""Finds entities of SensorThings: by id, over links, by query.

Everything is read anew from the store and the history; what one request has read already it does not read twice.

Source: OGC 18-088, 9.2 and 9.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.address import Address
from cityhub.ingest.sensorthings.conditions import condition_of, is_narrow, kind_condition
from cityhub.ingest.sensorthings.derive import observed_property, rows_of
from cityhub.ingest.sensorthings.evaluate import Many, evaluate, holds
from cityhub.ingest.sensorthings.expression import Expression, Path, conjuncts, paths_in
from cityhub.ingest.sensorthings.ids import Stream, measured, observation_place, owner
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.measured import MeasuredAttributes
from cityhub.ingest.sensorthings.observed import Observed, Selection, is_exact, sql_order
from cityhub.ingest.sensorthings.query import Query, links_of
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.scope import Found, Scope, below, is_plain, property_of
from cityhub.ingest.sensorthings.sorting import in_order
from cityhub.model.condition import AllOf, AnyOf, Condition, HasAttribute, IdIn, TypeIs, ValueIn
from cityhub.model.entity import Entity
from cityhub.model.errors import NotFound, TooComplexQuery
from cityhub.model.ports import Analysis, Store

MAX_SORTED: Final = 100_000
"""Most entities that are sorted for one question."""
MAX_FOLLOWED: Final = 1_000
"""Most entities that a link in an expression leads to from one entity."""
AT_ONCE: Final = 1_000
"""So many entities that an index leads to are taken at once."""


class Search:
    """What one request reads."""

    def __init__(self, store: Store, analysis: Analysis, attributes: MeasuredAttributes, tenant: str) -> None:
        self._store = store
        self._attributes = attributes
        self._tenant = tenant
        self.observed = Observed(analysis, tenant)
        self._entities: dict[str, Entity | None] = {}
        self._rows: dict[tuple[str, str], Row | None] = {}

    async def entity(self, id: str) -> Entity | None:
        """An NGSI-LD entity."""
        if id not in self._entities:
            self._entities[id] = await self._store.fetch(self._tenant, id)
        return self._entities[id]

    async def get(self, kind: str, id: str) -> Row | None:
        """One entity by its id; None when there is none."""
        if (kind, id) not in self._rows:
            self._rows[kind, id] = await self._got(kind, id)
        return self._rows[kind, id]

    async def _got(self, kind: str, id: str) -> Row | None:
        if kind == "Observation":
            return await self._observation(id)
        entity = await self.entity(owner(id))
        if entity is not None:
            for row in rows_of(kind, entity):
                if row.id == id:
                    return row
        if kind == "ObservedProperty" and id in await self._attributes.of(self._tenant):
            return observed_property(id)
        return None

    async def _observation(self, id: str) -> Row | None:
        place = observation_place(id)
        datastream = await self.get("Datastream", place[0]) if place else None
        if datastream is None or datastream.stream is None:
            return None
        for is_moved in (False, True):
            async for rows in self.observed.rows(Selection((datastream.stream,), id=id, is_moved=is_moved), Query(), 10):
                if rows:
                    return rows[0]
        return None

    # -- Over links --------------------------------------------------------------------------------------------------

    def related(self, row: Row, name: str) -> Scope:
        """Where a link of an entity leads."""
        link = KINDS[row.kind].links[name]
        if name in row.links:
            if name == "ObservedProperty" and not row.is_own:  # it is measured here, so nobody else has to be looked at
                for id in row.links[name]:
                    self._rows[name, id] = observed_property(id)
            return Scope(link.kind, tuple(row.links[name]))
        if link.kind == "Observation":
            if row.kind == "Datastream":
                return Scope("Observation", streams=(row.stream,) if row.stream else ())
            return Scope("Observation", feature=row.id, inverse=("FeatureOfInterest", row.id), streams=self._seen_in(row))
        parts: list[Condition] = [IdIn((owner(row.id),))]
        iri = words.LINKS.get(link.inverse)
        if iri is not None:
            parts.append(ValueIn(iri, row.id, row.id))
        if row.kind == "ObservedProperty":
            parts.append(HasAttribute(row.id))
        if row.kind == "Location" and not row.is_own and link.kind == "Thing":
            return Scope("Thing", (owner(row.id),))
        return Scope(link.kind, inverse=(link.inverse, row.id), condition=AnyOf(tuple(parts)))

    def _seen_in(self, row: Row) -> tuple[Stream, ...] | None:
        """Of a FeatureOfInterest that is seen in a station: its Datastreams; of one that was made here it is not known."""
        return None if row.is_own or row.entity is None else tuple(stream for stream, _ in measured(row.entity))

    async def at(self, address: Address) -> Scope:
        """The set that a path names, as far as its last step. Raises NotFound for what is not there on the way."""
        scope = Scope(address.steps[0].kind)
        row: Row | None = None
        for place, step in enumerate(address.steps):
            if place:
                assert row is not None
                scope = self.related(row, step.name)
            if step.id or not step.many:
                row = await self.one(scope, step.id)
                scope = Scope(step.kind, (row.id,))
        return scope

    async def one(self, scope: Scope, id: str = "") -> Row:
        """The entity with an id (or the only one) of a set. Raises NotFound."""
        if not id:
            id = scope.ids[0] if scope.ids else ""
        row = await self.get(scope.kind, id) if id else None
        if row is None or not await self._belongs(row, scope):
            raise NotFound(f"There is no {scope.kind} '{id[:200]}' here")
        return row

    async def _belongs(self, row: Row, scope: Scope) -> bool:
        if scope.ids is not None:
            return row.id in scope.ids
        if scope.streams is not None and row.stream not in scope.streams:
            return False
        return scope.inverse is None or await self._leads(row, *scope.inverse)

    async def _leads(self, row: Row, name: str, id: str) -> bool:
        if name in row.links:
            return id in row.links[name]
        return any(found.id == id for found in (await self.find(self.related(row, name), Query(top=MAX_FOLLOWED))).rows)

    # -- By query ----------------------------------------------------------------------------------------------------

    async def find(self, scope: Scope, query: Query) -> Found:
        """The page of a set that a query asks for. Raises TooComplexQuery when too much would have to be looked at."""
        if scope.kind == "Observation":
            return await self._find_observations(scope, query)
        if query.order:
            return await self._sorted(self._candidates(scope, query), query)
        return await self._paged(self._candidates(scope, query), query)

    async def _find_observations(self, scope: Scope, query: Query) -> Found:
        selection = await self._selection(scope, query)
        exact = is_exact(query.filter) and scope.inverse is None
        size = query.skip + query.size + 1 if exact else None
        candidates = self._observations(scope, selection, query, size)
        if query.order and sql_order(query) is None:
            return await self._sorted(candidates, query)
        if not query.count or not exact:
            return await self._paged(candidates, query)
        page = self._paged(candidates, msgspec.structs.replace(query, count=False))
        found, counts = await asyncio.gather(page, self.observed.count(selection, query))
        count = sum([number for stream, number in counts if scope.streams is not None or await self._is_there(stream)])
        return Found(found.rows, count, found.more)

    async def _observations(self, scope: Scope, selection: Selection, query: Query, size: int | None) -> AsyncIterator[Row]:
        if scope.ids is not None:
            for id in scope.ids:
                row = await self.get("Observation", id)
                if row is not None:
                    yield row
            return
        async for rows in self.observed.rows(selection, query, size):
            for row in rows:
                assert row.stream is not None
                if scope.streams is None and not await self._is_there(row.stream):
                    continue
                if scope.inverse is None or scope.inverse[1] in row.links[scope.inverse[0]]:
                    yield row

    async def _is_there(self, stream: Stream) -> bool:
        """Whether there is a Datastream of it now: the history also knows what is gone."""
        if stream.dataset is not None and await self.get("Datastream", stream.dataset):
            return True
        entity = await self.entity(stream.entity)
        return entity is not None and any(known == stream for known, _ in measured(entity))

    async def _selection(self, scope: Scope, query: Query) -> Selection:
        streams = scope.streams
        own = scope.feature if "~" not in scope.feature else ""
        for part in conjuncts(query.filter) if streams is None else ():
            inner = below(part, "Datastream")
            if inner is not None:
                found = await self.find(Scope("Datastream"), Query(inner, top=MAX_FOLLOWED))
                if found.more:
                    raise TooComplexQuery(f"The filter on the Datastream is true for more than {MAX_FOLLOWED} of them; make it narrower")
                streams = tuple(row.stream for row in found.rows if row.stream is not None)
        return Selection(streams, own)

    async def _candidates(self, scope: Scope, query: Query) -> AsyncIterator[Row]:
        if scope.ids is not None:
            for id in scope.ids:
                row = await self.get(scope.kind, id)
                if row is not None:
                    yield row
            return
        if scope.kind == "ObservedProperty" and scope.inverse is None:
            async for row in self._observed_properties():
                yield row
            return
        names = await self._names() if query.filter is not None else ()
        given = AllOf((scope.condition, condition_of(scope.kind, query.filter, names)))
        async for block in self._blocks(kind_condition(scope.kind), given):
            for entity in block:
                for row in rows_of(scope.kind, entity):
                    if scope.inverse is None or await self._leads(row, *scope.inverse):
                        yield row
            await asyncio.sleep(0)

    async def _names(self) -> list[str]:
        """The attributes that names stand in, as far as there are such."""
        there = {shape.attribute for shape in await self._store.shapes(self._tenant)}
        return [iri for iri in words.NAMES if iri in there]

    async def _blocks(self, usual: Condition, given: Condition) -> AsyncIterator[list[Entity]]:
        """The entities under two conditions; where the given one leads to few, by an index, which `find` makes if there is none yet."""
        condition = AllOf((usual, given))
        if is_narrow(given):
            page = await self._store.find(self._tenant, condition, None, 0, AT_ONCE)
            if len(page.entities) < AT_ONCE:
                yield page.entities
                return
        async for block in self._store.scan(self._tenant, condition):
            yield block

    async def _observed_properties(self) -> AsyncIterator[Row]:
        async for block in self._store.scan(self._tenant, TypeIs(words.TYPES["ObservedProperty"])):
            for entity in block:
                for row in rows_of("ObservedProperty", entity):
                    if row.is_own:
                        yield row
        for attribute in await self._attributes.of(self._tenant):
            yield observed_property(attribute)

    async def _paged(self, candidates: AsyncIterator[Row], query: Query) -> Found:
        rows: list[Row] = []
        total, end = 0, query.skip + query.size
        async for row in candidates:
            if not await self.matches(row, query.filter):
                continue
            if query.skip <= total < end:
                rows.append(row)
            total += 1
            if total > end and not query.count:
                break
        return Found(rows, total if query.count else None, total > end)

    async def _sorted(self, candidates: AsyncIterator[Row], query: Query) -> Found:
        found: list[tuple[list[Any], Row]] = []
        async for row in candidates:
            if await self.matches(row, query.filter):
                found.append(([await self.value(row, expression) for expression, _ in query.order], row))
                if len(found) > MAX_SORTED:
                    raise TooComplexQuery(f"More than {MAX_SORTED} entities would have to be sorted; narrow them by $filter")
        rows = in_order(found, [descending for _, descending in query.order])
        end = query.skip + query.size
        return Found(rows[query.skip : end], len(rows) if query.count else None, len(rows) > end)

    # -- Expressions -------------------------------------------------------------------------------------------------

    async def matches(self, row: Row, filter: Expression | None) -> bool:
        """Whether a filter is true for an entity."""
        if filter is None:
            return True
        if is_plain(row.kind, filter):
            return holds(filter, lambda path: property_of(row, path.parts))
        known = await self._known(row, filter)
        return holds(filter, known.__getitem__)

    async def value(self, row: Row, expression: Expression) -> Any:
        """The value of an expression for an entity."""
        if is_plain(row.kind, expression):
            return evaluate(expression, lambda path: property_of(row, path.parts))
        known = await self._known(row, expression)
        return evaluate(expression, known.__getitem__)

    async def _known(self, row: Row, expression: Expression) -> dict[Path, Any]:
        return {path: await self._followed(row, path) for path in paths_in(expression)}

    async def _followed(self, row: Row, path: Path) -> Any:
        steps, rest = links_of(KINDS[row.kind], path)
        if not steps:
            return property_of(row, rest)
        reached = [row]
        for name, _ in steps:
            reached = [
                found for one in reached for found in (await self.find(self.related(one, name), Query(top=MAX_FOLLOWED))).rows
            ]  # fmt: skip
        values = tuple(property_of(one, rest) for one in reached)
        if any(link.many for _, link in steps):
            return Many(values)
        return values[0] if values else None
