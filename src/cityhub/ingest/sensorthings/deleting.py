"""Deletions, with what the standard takes along.

Source: OGC 18-088, 10.4 (Delete an entity), table of integrity constraints; ADR 0009.
"""

from __future__ import annotations

import contextlib
from typing import Final

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.changing import Changing, Transition, replacing
from cityhub.ingest.sensorthings.ids import STREAM, Stream, owner
from cityhub.ingest.sensorthings.query import Query
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.search import Search
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, Conflict, NotFound, TooComplexQuery
from cityhub.model.ports import Document, History, Store, Write

PART: Final = 1_000
MAX_DELETED: Final = 2_000
"""Most entities that one deletion takes along; a Datastream's observations go at once and do not count."""


class Deleting:
    """Deletes what exists.

    Args:
        store: The present state.
        history: What was true.
        search: What the request reads.
        changing: For the present state after an Observation is gone.
        tenant: The tenant.
        trace: Of the request.
    """

    def __init__(self, store: Store, history: History, search: Search, changing: Changing, tenant: str, trace: str) -> None:
        self._store = store
        self._history = history
        self._search = search
        self._changing = changing
        self._tenant = tenant
        self._trace = trace

    async def delete(self, row: Row) -> None:
        """Deletes an entity and what cannot be without it. Raises Conflict for what is only seen in another entity."""
        if row.kind == "Thing":
            await self._thing(row)
        elif row.kind == "Datastream":
            await self._datastreams([row])
        elif row.kind == "Observation":
            await self._observations([row])
        elif not row.is_own:
            raise Conflict(
                f"This {row.kind} follows from '{owner(row.id)[:200]}'; change that by NGSI-LD, or delete the Thing or Datastream"
            )
        elif row.kind in ("Sensor", "ObservedProperty"):
            await self._datastreams(await self._all(row, "Datastreams"))
            await self._gone([row.id])
        elif row.kind == "Location":
            await self._location(row)
        else:
            if row.kind == "FeatureOfInterest":
                await self._observations(await self._all(row, "Observations"))
            await self._gone([row.id])

    async def _all(self, row: Row, link: str) -> list[Row]:
        found: list[Row] = []
        while True:
            page = await self._search.find(self._search.related(row, link), Query(top=PART, skip=len(found)))
            found += page.rows
            if not page.more:
                return found
            if len(found) >= MAX_DELETED:
                raise TooComplexQuery(f"More than {MAX_DELETED} {link} would be deleted with it; delete them first")

    async def _thing(self, thing: Row) -> None:
        taken = [one.id for one in await self._all(thing, "Datastreams") if one.is_own]
        taken += [one.id for one in await self._all(thing, "HistoricalLocations") if one.is_own]
        await self._gone([*taken, thing.id])
        with contextlib.suppress(NotFound):
            await self._history.delete_entity(self._tenant, thing.id)

    async def _datastreams(self, rows: list[Row]) -> None:
        for row in rows:
            assert row.stream is not None
            stream = row.stream
            writes = [Write(stream.entity, _without(stream))]
            if stream.dataset is not None and stream.dataset.startswith(STREAM):
                writes.append(Write(row.id, _deleted))
            await self._write(writes)
            with contextlib.suppress(NotFound):
                await self._history.delete_attribute(self._tenant, stream.entity, stream.attribute, stream.dataset, False)

    async def _observations(self, rows: list[Row]) -> None:
        streams: dict[Stream, list[Row]] = {}
        for row in rows:
            assert row.stream is not None
            streams.setdefault(row.stream, []).append(row)
        for stream, gone in streams.items():
            for instance in await self._changing.instances(gone):
                await self._history.delete_instance(self._tenant, stream.entity, stream.attribute, instance["instanceId"])
            await self._changing.refresh(stream)

    async def _location(self, row: Row) -> None:
        writes = []
        for thing in await self._all(row, "Things"):
            left = [id for id in thing.links["Locations"] if id != row.id]
            removed = [words.PLACE] if thing.links["Locations"][0] == row.id else []
            attributes = {words.LINKS["Locations"]: [words.link_instance(left)]} if thing.is_own else {}
            writes.append(Write(thing.id, replacing(thing.id, attributes, removed)))
        past = [Write(one.id, _deleted) for one in await self._all(row, "HistoricalLocations") if one.is_own]
        await self._write([*writes, *past, Write(row.id, _deleted)])

    async def _gone(self, ids: list[str]) -> None:
        await self._write([Write(id, _deleted) for id in ids])

    async def _write(self, writes: list[Write]) -> None:
        for result in await self._store.write(self._tenant, writes, self._trace):
            if isinstance(result, CityHubError) and not isinstance(result, NotFound):
                raise result


def _deleted(current: Document | None, now: str) -> tuple[None, None]:
    return None, None


def _without(stream: Stream) -> Transition:
    """A transition that takes the instance of a Datastream out of its Thing."""

    def transition(current: Entity | None, now: str) -> tuple[Entity | None, None]:
        if current is None or stream.attribute not in current["attrs"]:
            return current, None
        left = [one for one in current["attrs"][stream.attribute] if one.get("datasetId") != stream.dataset]
        attrs = {iri: group for iri, group in current["attrs"].items() if iri != stream.attribute}
        if left:
            attrs[stream.attribute] = left
        return {**current, "attrs": attrs, "modifiedAt": now}, None

    return transition
