"""Changes of entities that exist: PATCH puts the given properties in place of the old ones, PUT also takes away what is not given.

Source: OGC 18-088, 10.3 (Update an entity); ADR 0009.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.bodies import Reference, attributes_of, check_members, references
from cityhub.ingest.sensorthings.functions import span_of
from cityhub.ingest.sensorthings.ids import Stream, owner
from cityhub.ingest.sensorthings.kinds import KINDS, Kind
from cityhub.ingest.sensorthings.making import Making, observation_attributes
from cityhub.ingest.sensorthings.query import Query
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.search import MAX_FOLLOWED, Search
from cityhub.ingest.sensorthings.times import read_time
from cityhub.model.entity import Attributes, Entity, Instance
from cityhub.model.errors import BadRequestData, CityHubError, Conflict, NotFound
from cityhub.model.ngsild.stamp import new_instance, renewed_instance
from cityhub.model.ports import Document, EntityUpdate, History, Store, Window, Write
from cityhub.model.time import Clock, to_text

_SYSTEM: Final = ("instanceId", "createdAt", "modifiedAt")
_SEEN: Final = {"Thing": ("name", "description")}
"""What can be changed of an entity that was not made through this door."""
Transition = Callable[[Document | None, str], tuple[Document | None, Any]]


class Changing:
    """Changes what exists.

    Args:
        store: The present state.
        history: What was true.
        search: What the request reads.
        clock: Where the time comes from.
        tenant: The tenant.
        trace: Of the request.
    """

    def __init__(
        self, store: Store, history: History, search: Search, clock: Clock, tenant: str, trace: str
    ) -> None:
        self._store = store
        self._history = history
        self._search = search
        self._clock = clock
        self._tenant = tenant
        self._trace = trace

    async def change(self, row: Row, body: dict[str, Any], *, whole: bool) -> None:
        """Changes an entity. Raises BadRequestData, or Conflict for what cannot be changed here."""
        kind = KINDS[row.kind]
        check_members(kind, body, partial=not whole)
        if str(body.get("@iot.id", row.id)) != row.id:
            raise BadRequestData("An @iot.id never changes")
        named = {name: found for name in kind.links if (found := references(kind, body, name)) is not None}
        for name, ones in named.items():
            if any(one.body is not None for one in ones):
                raise BadRequestData(f"'{name}': an update takes links ({{\"@iot.id\": \"...\"}}) only, no whole entities")
        if row.kind == "Observation":
            await self._observation(row, body, named)
        elif row.is_own:
            await self._own(row, kind, body, named, whole)
        else:
            await self._seen(row, body, named)

    # -- Made through this door --------------------------------------------------------------------------------------

    async def _own(self, row: Row, kind: Kind, body: dict[str, Any], named: dict[str, list[Reference]], whole: bool) -> None:
        merged = {"encodingType": row.properties.get("encodingType"), **body}
        attributes = attributes_of(kind, merged)
        absent = [name for name in kind.optional if body.get(name) is None and (whole or name in body)]
        removed = [words.ATTRIBUTES[name] for name in absent]
        making = Making(self._search, self._clock)
        for name, ones in named.items():
            ids = [await making.reach(KINDS[kind.links[name].kind], one) for one in ones]
            await self._relink(row, kind, name, ids, attributes, making)
        if words.PLACE in attributes and row.kind == "Location":
            await self._carry(row, attributes[words.PLACE])
        own = EntityUpdate(row.id, [], attributes)
        updates = [update for update in making.updates if update.id != row.id]
        for update in making.updates:
            if update.id == row.id:
                own.attributes.update(update.attributes)
        if row.kind == "Thing":  # it is known by its properties
            removed = [iri for iri in removed if iri != words.PROPERTIES]
            own.attributes.setdefault(words.PROPERTIES, [words.instance_of({} if whole else row.properties["properties"])])
        writes = [Write(row.id, replacing(row.id, own.attributes, removed))]
        writes += [Write(update.id, replacing(update.id, update.attributes, [], update.types)) for update in updates]
        await self._write(writes)

    async def _relink(self, row: Row, kind: Kind, name: str, ids: list[str], attributes: Attributes, making: Making) -> None:
        link = kind.links[name]
        if await self._leads_there(row, name, ids):
            return
        if row.kind == "Thing" and name == "Locations":
            await making.place(row.id, ids)
        elif row.kind == "Datastream" and name == "Thing":
            raise Conflict("A Datastream stays with its Thing, whose past its observations are; make a new Datastream there")
        elif name in words.LINKS:
            attributes[words.LINKS[name]] = [words.link_instance(ids if link.many else ids[0])]
        elif row.kind == "Location" and name == "Things":
            for id in ids:
                await making.place(id, [row.id])
        elif link.inverse in words.LINKS and link.kind == "Datastream" and row.kind != "Thing":
            await self._write([Write(id, replacing(id, {words.LINKS[link.inverse]: [words.link_instance(row.id)]})) for id in ids])
        else:
            raise Conflict(f"'{name}' of a {row.kind} cannot be changed from here; change the {link.kind}")

    async def _leads_there(self, row: Row, name: str, ids: list[str]) -> bool:
        """Whether a link leads to these entities already: clients send back what they have read."""
        if name in row.links:
            return row.links[name] == ids
        link = KINDS[row.kind].links[name]
        rows = [await self._search.get(link.kind, id) for id in ids]
        return all(one is not None and row.id in one.links.get(link.inverse, ()) for one in rows)

    async def _carry(self, location: Row, shape: list[Instance]) -> None:
        """The place of the Things that are at a Location which was moved."""
        found = await self._search.find(self._search.related(location, "Things"), Query(top=MAX_FOLLOWED))
        there = [thing.id for thing in found.rows if thing.links["Locations"][0] == location.id]
        await self._write([Write(id, replacing(id, {words.PLACE: shape})) for id in there])

    # -- Seen in other entities --------------------------------------------------------------------------------------

    async def _seen(self, row: Row, body: dict[str, Any], named: dict[str, list[Reference]]) -> None:
        allowed = _SEEN.get(row.kind, ())
        for name in (*body, *named):
            if name not in allowed and "@" not in name:
                raise Conflict(
                    f"'{name[:50]}' of this {row.kind} follows from the entity '{owner(row.id)[:200]}'; change it there, by NGSI-LD"
                )
        assert row.entity is not None
        attributes: Attributes = {}
        for name, iris in (("name", words.NAMES), ("description", words.DESCRIPTIONS)):
            if name in body:
                iri = next((iri for iri in iris if iri in row.entity["attrs"]), iris[0])
                attributes[iri] = [_renamed(row.entity["attrs"].get(iri), str(body[name]))]
        await self._write([Write(row.id, replacing(row.id, attributes))])

    # -- Observations ------------------------------------------------------------------------------------------------

    async def _observation(self, row: Row, body: dict[str, Any], named: dict[str, list[Reference]]) -> None:
        assert row.stream is not None
        if "Datastream" in named and [one.id for one in named["Datastream"]] != row.links["Datastream"]:
            raise Conflict("An Observation stays with its Datastream; make a new one there")
        attrs = observation_attributes(body)
        for one in named.get("FeatureOfInterest", ()):
            attrs[words.FEATURE] = [words.link_instance(await Making(self._search, self._clock).reach(KINDS["FeatureOfInterest"], one))]
        time = read_time("phenomenonTime", body["phenomenonTime"], interval=True) if body.get("phenomenonTime") is not None else ""
        instances = await self.instances([row])
        for older in instances[:-1]:
            await self._history.delete_instance(self._tenant, row.stream.entity, row.stream.attribute, older["instanceId"])
        old = str(instances[-1]["observedAt"])

        def changed(instance: Instance) -> Instance:
            after = {**instance, **(words.instance_of(body["result"]) if "result" in body else {})}
            inner = {**instance.get("attrs", {}), **attrs}
            if time:
                after["observedAt"] = time.partition("/")[0]
                inner.pop(words.PHENOMENON_TIME, None)
                if "/" in time:
                    inner[words.PHENOMENON_TIME] = [words.instance_of(time)]
                if after["observedAt"] != old:
                    inner.setdefault(words.MOVED_FROM, [words.instance_of(row.id)])
            return {**after, "attrs": inner} if inner else after

        await self._history.modify(self._tenant, row.stream.entity, row.stream.attribute, instances[-1]["instanceId"], changed)
        await self.refresh(row.stream)

    async def instances(self, rows: list[Row]) -> list[Instance]:
        """The instances of Observations of one Datastream in the history; of one Observation the one that counts last. Raises NotFound."""
        stream = rows[0].stream
        assert stream is not None
        begins = [span.begin for row in rows if (span := span_of(str(row.properties["phenomenonTime"]).partition("/")[0]))]
        window = Window(
            start=to_text(min(begins) - timedelta(microseconds=1)), end=to_text(max(begins) + timedelta(microseconds=1)), bounded=True,
            attributes=frozenset((stream.attribute,)), datasets=frozenset((stream.dataset or "@none",)),
        )  # fmt: skip
        [found] = await self._history.read(self._tenant, [stream.entity], window)
        times = {to_text(begin) for begin in begins}
        instances = [one for one in found.get(stream.attribute, []) if one.get("observedAt") in times and "deletedAt" not in one]
        if not instances:
            raise NotFound(f"There is no Observation '{rows[0].id[:200]}'")
        return sorted(instances, key=_place_in_journal)

    async def refresh(self, stream: Stream) -> None:
        """Makes the latest Observation of a Datastream the present state of its Thing's attribute."""
        window = Window(
            start="0001-01-01T00:00:00.000000Z", bounded=True, attributes=frozenset((stream.attribute,)),
            datasets=frozenset((stream.dataset or "@none",)), latest=True, limit=3,
        )  # fmt: skip
        [found] = await self._history.read(self._tenant, [stream.entity], window)
        instances = [one for one in found.get(stream.attribute, []) if "deletedAt" not in one and "observedAt" in one]
        latest = max(instances, key=lambda one: (str(one["observedAt"]), _place_in_journal(one)), default=None)
        bare = {name: value for name, value in latest.items() if name not in _SYSTEM} if latest else None
        await self._write([Write(stream.entity, _with_dataset(stream, bare))], missing_is_fine=True)

    async def _write(self, writes: list[Write], *, missing_is_fine: bool = False) -> None:
        for result in await self._store.write(self._tenant, writes, self._trace) if writes else ():
            if isinstance(result, CityHubError) and not (missing_is_fine and isinstance(result, NotFound)):
                raise result


def _place_in_journal(instance: Instance) -> tuple[str, list[int]]:
    """What tells the later of two instances of one time: the last numbers of an instanceId are where it stands in the journal."""
    tail = str(instance.get("instanceId", "")).rsplit("-", 2)[1:]
    return str(instance.get("modifiedAt", "")), [int(part) for part in tail if part.isdigit()]


def _renamed(instances: list[Instance] | None, text: str) -> Instance:
    """A name in place of another one; of several languages the one that is shown."""
    if instances and instances[0]["type"] == "LanguageProperty":
        languages = instances[0]["languageMap"]
        shown = next((language for language in ("zh", "en") if languages.get(language)), next(iter(languages), "zh"))
        return {"type": "LanguageProperty", "languageMap": {**languages, shown: text}}
    return words.instance_of(text)


def replacing(id: str, attributes: Attributes, removed: list[str] | None = None, types: list[str] | None = None) -> Transition:
    """A transition that puts attributes in place of what was there; with types it makes an entity that is not there."""

    def transition(current: Entity | None, now: str) -> tuple[Entity | None, None]:
        if current is None:
            if not types:
                raise NotFound("The entity has been deleted meanwhile")
            return {"id": id, "type": types, "attrs": attributes, "createdAt": now, "modifiedAt": now}, None
        attrs = {iri: instances for iri, instances in current["attrs"].items() if iri not in (removed or ())}
        for iri, instances in attributes.items():
            was = attrs.get(iri)
            created = current["createdAt"]
            attrs[iri] = [renewed_instance(was[0], one, created, now) if was else new_instance(one, created, now) for one in instances]
        return ({**current, "attrs": attrs, "modifiedAt": now}, None) if attrs != current["attrs"] else (current, None)

    return transition


def _with_dataset(stream: Stream, instance: Instance | None) -> Transition:
    """A transition that makes an instance the one of its dataset; None: there is none any more."""

    def transition(current: Entity | None, now: str) -> tuple[Entity | None, None]:
        if current is None:
            raise NotFound(f"There is no entity '{stream.entity}'")
        before = current["attrs"].get(stream.attribute, [])
        was = next((one for one in before if one.get("datasetId") == stream.dataset), None)
        bare = {name: value for name, value in was.items() if name not in _SYSTEM} if was else None
        if bare == instance:
            return current, None
        after = [one for one in before if one is not was]
        if instance is not None:
            new = renewed_instance(was, instance, current["createdAt"], now) if was else new_instance(instance, current["createdAt"], now)
            after.append(new)
        attrs = {iri: group for iri, group in current["attrs"].items() if iri != stream.attribute}
        if after:
            attrs[stream.attribute] = after
        return {**current, "attrs": attrs, "modifiedAt": now}, None

    return transition
