"""New entities: a body, with all that is nested in it, checked as a whole and turned into one list of updates.

Source: OGC 18-088, 10.2 (Create an entity, deep insert, linking to existing entities); ADR 0009.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import msgspec
import orjson

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.bodies import Reference, attributes_of, check_members, references
from cityhub.ingest.sensorthings.derive import present, rows_of
from cityhub.ingest.sensorthings.evaluate import compare
from cityhub.ingest.sensorthings.expression import Path
from cityhub.ingest.sensorthings.functions import span_of
from cityhub.ingest.sensorthings.ids import Stream, derived_id, new_id, observation_id, owner
from cityhub.ingest.sensorthings.kinds import KINDS, Kind
from cityhub.ingest.sensorthings.observed import row_of_instance
from cityhub.ingest.sensorthings.query import Query
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.search import Search
from cityhub.ingest.sensorthings.times import read_time
from cityhub.ingest.sensorthings.units import code_of
from cityhub.model.entity import DEFAULT_VOCAB, Attributes, Entity, Instance
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import EntityUpdate
from cityhub.model.time import Clock, to_text

MAX_DEPTH: Final = 6
"""How deep entities may be nested in a body."""
MAX_MADE: Final = 20_000
"""Most entities that one request makes."""
_NO_NAME: Final = re.compile(r"[^\w]+")


class Draft(msgspec.Struct, frozen=True):
    """Where the observations of a Datastream go.

    Attributes:
        stream: The attribute of its Thing.
        thing: The Thing.
        unit: UN/CEFACT code; None for none that is known.
    """

    stream: Stream
    thing: Row
    unit: str | None


class Making:
    """What one request makes. Nothing is written; `updates` is what has to be.

    Args:
        search: Where what exists is found.
        clock: Where the time comes from.
    """

    def __init__(self, search: Search, clock: Clock) -> None:
        self._search = search
        self._now = clock.now()
        self._made: dict[str, Entity] = {}
        self._placed: dict[str, Attributes] = {}
        self._observed: list[EntityUpdate] = []
        self._streams: dict[str, Draft] = {}

    @property
    def updates(self) -> list[EntityUpdate]:
        """What has to be written, in its order."""
        made = [EntityUpdate(entity["id"], entity["type"], entity["attrs"]) for entity in self._made.values()]
        return [*made, *(EntityUpdate(id, [], attributes) for id, attributes in self._placed.items()), *self._observed]

    async def make(self, kind: Kind, body: dict[str, Any], given: dict[str, str], depth: int = 0) -> Row:
        """A new entity with all that is nested in it.

        Args:
            kind: Of the entity.
            body: As it came.
            given: Ids of what it is linked to by where it was posted, by link.
            depth: How deep it is nested.

        Raises:
            BadRequestData: Something in it is wrong.
        """
        if depth > MAX_DEPTH or len(self._made) + len(self._observed) > MAX_MADE:
            raise BadRequestData(f"Entities may be nested at most {MAX_DEPTH} deep, and at most {MAX_MADE} may be made at once")
        check_members(kind, body, partial=False)
        if body.get("@iot.id") is not None:
            raise BadRequestData("The hub gives the @iot.id; leave it out of a new entity")
        if kind.name == "Observation":
            return await self._observation(body, given, depth)
        links = {name: await self._linked(kind, name, body, given, depth) for name in kind.links if _is_own_link(kind, name)}
        attributes = attributes_of(kind, body)
        if kind.name == "Thing":
            attributes.setdefault(words.PROPERTIES, [{"type": "JsonProperty", "json": {}}])
        for name, ids in links.items():
            if name != "Locations" or kind.name != "Thing":
                attributes[words.LINKS[name]] = [words.link_instance(ids if kind.links[name].many else ids[0])]
        id = new_id(kind.name)
        if kind.name == "Datastream":
            attributes[words.OBSERVED_ATTRIBUTE] = [words.instance_of(await self._attribute(links["ObservedProperty"][0]))]
        self._add(id, kind.name, attributes)
        if links.get("Locations") and kind.name == "Thing":
            await self.place(id, links["Locations"])
        if "Things" in given:
            await self.place(given["Things"], [id])
        if kind.name == "HistoricalLocation" and links["Locations"] and await self._is_newest(links["Thing"][0], id):
            await self.place(links["Thing"][0], links["Locations"], historical=False)
        await self._nested(kind, id, body, depth)
        return await self._known(kind.name, id)

    def _add(self, id: str, kind: str, attributes: Attributes) -> None:
        now = to_text(self._now)
        self._made[id] = {"id": id, "type": [words.TYPES[kind]], "attrs": attributes, "createdAt": now, "modifiedAt": now}

    # -- Links -------------------------------------------------------------------------------------------------------

    async def _linked(self, kind: Kind, name: str, body: dict[str, Any], given: dict[str, str], depth: int) -> list[str]:
        """The ids that a link leads to; what is nested in it is made."""
        link = kind.links[name]
        if name in given:
            return [given[name]]
        named = references(kind, body, name)
        if not named and link.mandatory:
            raise BadRequestData(f"'{name}' is missing: {kind.plural} must have one, whole or as a link such as {{\"@iot.id\": \"...\"}}")
        return [await self.reach(KINDS[link.kind], one, depth) for one in named or ()]

    async def reach(self, kind: Kind, named: Reference, depth: int = 0) -> str:
        """The id of what a link names. Raises BadRequestData when it is not there."""
        if named.body is not None:
            return (await self.make(kind, named.body, {}, depth + 1)).id
        if await self._got(kind.name, named.id) is None:
            raise BadRequestData(f"There is no {kind.name} '{named.id[:200]}' to link to")
        return named.id

    async def _nested(self, kind: Kind, id: str, body: dict[str, Any], depth: int) -> None:
        """Makes what is nested in links that are kept at their other end."""
        for name, link in kind.links.items():
            if _is_own_link(kind, name):
                continue
            for named in references(kind, body, name) or ():
                if kind.name == "Location" and name == "Things":
                    await self.place(await self.reach(KINDS["Thing"], named, depth), [id])
                elif named.body is None:
                    raise BadRequestData(f"A {link.kind} that exists cannot be linked from a new {kind.name}: change the {link.kind}")
                else:
                    await self.make(KINDS[link.kind], named.body, {link.inverse: id}, depth + 1)

    async def _got(self, kind: str, id: str) -> Row | None:
        made = self._made.get(owner(id))
        if made is not None:
            return next((row for row in rows_of(kind, made) if row.id == id), None)
        return await self._search.get(kind, id)

    async def _known(self, kind: str, id: str) -> Row:
        row = await self._got(kind, id)
        if row is None:
            raise NotFound(f"There is no {kind} '{id[:200]}'")
        return row

    async def _is_newest(self, thing: str, historical: str) -> bool:
        """Whether a HistoricalLocation that is made is later than all others of its Thing."""
        row = await self._got("Thing", thing)
        if row is None or thing in self._made:
            return False
        newest = Query(order=((Path(("time",)), True),), top=1)
        found = (await self._search.find(self._search.related(row, "HistoricalLocations"), newest)).rows
        made = await self._known("HistoricalLocation", historical)
        return not found or compare("gt", made.properties["time"], span_of(found[0].properties["time"]))

    async def place(self, thing: str, locations: list[str], *, historical: bool = True) -> None:
        """Puts a Thing to Locations, and into its past that it is there now. Raises BadRequestData for a Thing that is not there."""
        row = await self._got("Thing", thing)
        if row is None:
            raise BadRequestData(f"There is no Thing '{thing[:200]}' to link to")
        attributes: Attributes = {}
        for id in locations[:1]:
            found = await self._known("Location", id)
            shape = (found.entity or {}).get("attrs", {}).get(words.PLACE)
            if shape:
                attributes[words.PLACE] = [{"type": "GeoProperty", "value": words.plain(shape[0])}]
        if row.is_own:
            attributes[words.LINKS["Locations"]] = [words.link_instance(locations)]
            if historical:
                self._historical(thing, locations)
        if thing in self._made:
            self._made[thing]["attrs"].update(attributes)
        else:
            self._placed.setdefault(thing, {}).update(attributes)

    def _historical(self, thing: str, locations: list[str]) -> None:
        self._add(new_id("HistoricalLocation"), "HistoricalLocation", {
            words.ATTRIBUTES["time"]: [words.instance_of(to_text(self._now))],
            words.LINKS["Thing"]: [words.link_instance(thing)], words.LINKS["Locations"]: [words.link_instance(locations)],
        })  # fmt: skip

    async def _attribute(self, observed_property: str) -> str:
        """The attribute (IRI) whose instances are observations of a property."""
        row = await self._known("ObservedProperty", observed_property)
        definition = row.properties.get("definition")
        if isinstance(definition, str) and is_uri(definition) and definition.startswith(("http://", "https://", "urn:")):
            return definition
        return DEFAULT_VOCAB + (_NO_NAME.sub("_", str(row.properties["name"])).strip("_") or "observed")

    # -- Observations ------------------------------------------------------------------------------------------------

    async def _observation(self, body: dict[str, Any], given: dict[str, str], depth: int) -> Row:
        kind = KINDS["Observation"]
        [datastream] = await self._linked(kind, "Datastream", body, given, depth)
        draft = await self._draft(datastream)
        attrs = observation_attributes(body)
        named = [Reference(id=given["FeatureOfInterest"])] if "FeatureOfInterest" in given else references(kind, body, "FeatureOfInterest")
        feature = await self.reach(KINDS["FeatureOfInterest"], named[0], depth) if named else await self._feature(draft.thing)
        if feature and feature != draft.thing.id + "~feature":
            attrs[words.FEATURE] = [words.link_instance(feature)]
        time = self._time(body.get("phenomenonTime"))
        instance: Instance = {**words.instance_of(body["result"]), "observedAt": time.partition("/")[0]}
        if "/" in time:
            attrs[words.PHENOMENON_TIME] = [words.instance_of(time)]
        if draft.unit is not None and not isinstance(body["result"], bool | str | dict | list):
            instance["unitCode"] = draft.unit
        if draft.stream.dataset is not None:
            instance["datasetId"] = draft.stream.dataset
        if attrs:
            instance["attrs"] = attrs
        self._observed.append(EntityUpdate(draft.stream.entity, [], {draft.stream.attribute: [instance]}))
        row = row_of_instance(draft.stream, instance)
        return msgspec.structs.replace(row, id=observation_id(datastream, instance["observedAt"]))

    def _time(self, given: Any) -> str:
        if given is not None:
            return read_time("phenomenonTime", given, interval=True)
        self._now += timedelta(microseconds=1)  # so that two of one request are two
        return to_text(self._now)

    async def _draft(self, datastream: str) -> Draft:
        if datastream not in self._streams:
            row = await self._known("Datastream", datastream)
            thing = await self._got("Thing", row.links["Thing"][0])
            if thing is None or row.stream is None or thing.entity is None:
                raise BadRequestData(f"The Datastream '{datastream[:200]}' has no Thing")
            now = present(row, thing.entity)
            unit = code_of(row.properties.get("unitOfMeasurement")) if row.is_own else now.get("unitCode") if now else None
            self._streams[datastream] = Draft(row.stream, thing, unit)
        return self._streams[datastream]

    async def _feature(self, thing: Row) -> str:
        """The FeatureOfInterest of an observation that names none: made of where the Thing is."""
        if not thing.is_own:
            return ""
        places = thing.links["Locations"] or words.value(self._placed.get(thing.id, {}), words.LINKS["Locations"]) or []
        if not places:
            raise BadRequestData("The Observation must have a FeatureOfInterest, as its Thing has no Location to make one of")
        place = await self._known("Location", places[0])
        id = derived_id("FeatureOfInterest", f"{place.id} {orjson.dumps(place.properties.get('location')).decode()}")
        if await self._got("FeatureOfInterest", id) is None:
            body = {name: place.properties.get(name) for name in ("name", "description", "encodingType")}
            body["feature"] = place.properties.get("location")
            self._add(id, "FeatureOfInterest", attributes_of(KINDS["FeatureOfInterest"], body))
        return id


def observation_attributes(body: dict[str, Any]) -> Attributes:
    """The sub-attributes that an Observation's properties make. Raises BadRequestData."""
    attrs: Attributes = {}
    if body.get("resultTime") is not None:
        attrs[words.RESULT_TIME] = [words.instance_of(read_time("resultTime", body["resultTime"]))]
    if body.get("validTime") is not None:
        attrs[words.ATTRIBUTES["validTime"]] = [words.instance_of(read_time("validTime", body["validTime"], interval=True))]
    for name in ("resultQuality", "parameters"):
        if body.get(name) is not None:
            attrs[words.ATTRIBUTES[name]] = [words.instance_of(body[name])]
    return attrs


def _is_own_link(kind: Kind, name: str) -> bool:
    """Whether a link is kept on the entity that has it."""
    return name in words.LINKS and (kind.name, name) != ("Location", "Things")
