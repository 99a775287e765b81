"""What of SensorThings is seen in an NGSI-LD entity.

An entity that was made through this door is read back as what it was. Any other one that has measured properties is a Thing with a
Datastream for each, a Sensor, and, where it has a location, a Location, its position in time, and a FeatureOfInterest. Nothing is copied.

Source: ADR 0009; OGC 18-088, 8.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.ids import Stream, measured, part_id, stream_id
from cityhub.ingest.sensorthings.kinds import KINDS, MEASUREMENT, OBSERVATION_TYPES
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.times import shown
from cityhub.ingest.sensorthings.units import unit_of
from cityhub.model.entity import Entity, Instance, dataset_of, modified_at

GEO_JSON: Final = "application/geo+json"


def rows_of(kind: str, entity: Entity) -> list[Row]:
    """The entities of a kind that are seen in an NGSI-LD entity; [] for none."""
    own = words.own_kind(entity)
    if own == kind:
        return [_OWN.get(kind, _own)(kind, entity)]
    if own is None or (own == "Thing" and kind in ("Datastream", "Sensor", "ObservedProperty")):  # what others have written of it
        return _DERIVED[kind](entity) if kind in _DERIVED else []
    return []


# -- Made through this door ------------------------------------------------------------------------------------------


def _own(kind: str, entity: Entity) -> Row:
    attrs = entity["attrs"]
    properties: dict[str, Any] = {}
    for name in KINDS[kind].properties:
        if name in ("location", "feature"):
            place = attrs.get(words.PLACE)
            properties[name] = words.plain(place[0]) if place else words.value(attrs, words.DOCUMENT)
        else:
            instances = attrs.get(words.ATTRIBUTES[name])
            if instances:
                properties[name] = words.plain(instances[0])
            elif name in KINDS[kind].required:
                properties[name] = words.text_of(attrs, words.NAMES) if name == "name" else ""
    return Row(kind, entity["id"], properties, _links(kind, entity), entity)


def _links(kind: str, entity: Entity) -> dict[str, list[str]]:
    found = {}
    for name in KINDS[kind].links:
        iri = words.LINKS.get(name)
        if iri is not None:
            target = words.value(entity["attrs"], iri)
            found[name] = target if isinstance(target, list) else [target] if target else []
    if kind == "Location":
        found.pop("Things", None)
    return found


def _thing(kind: str, entity: Entity) -> Row:
    row = _own(kind, entity)
    return row if "properties" in row.properties else Row(kind, row.id, {**row.properties, "properties": {}}, row.links, entity)


def _datastream(kind: str, entity: Entity) -> Row:
    row = _own(kind, entity)
    thing = row.links["Thing"][0] if row.links["Thing"] else ""
    stream = Stream(thing, str(words.value(entity["attrs"], words.OBSERVED_ATTRIBUTE)), entity["id"])
    return Row(kind, row.id, row.properties, row.links, entity, stream)


def _historical(kind: str, entity: Entity) -> Row:
    row = _own(kind, entity)
    return Row(kind, row.id, {"time": shown(str(row.properties["time"]))}, row.links, entity)


_OWN: Final[dict[str, Callable[[str, Entity], Row]]] = {"Thing": _thing, "Datastream": _datastream, "HistoricalLocation": _historical}


# -- Seen in other entities ------------------------------------------------------------------------------------------


def name_of(entity: Entity) -> str:
    """The name of an entity; its id where it has none."""
    return words.text_of(entity["attrs"], words.NAMES) or str(entity["id"])


def _described(entity: Entity) -> str:
    return words.text_of(entity["attrs"], words.DESCRIPTIONS) or f"{words.last_part(entity['type'][0])} {name_of(entity)}"


def _place(entity: Entity) -> Instance | None:
    instances = entity["attrs"].get(words.PLACE)
    return instances[0] if instances and instances[0]["type"] == "GeoProperty" else None


def _is_thing(entity: Entity) -> bool:
    return any("observedAt" in instance and instance["type"] == "Property" for group in entity["attrs"].values() for instance in group)


def _thing_of(entity: Entity) -> list[Row]:
    if not _is_thing(entity):
        return []
    known: dict[str, Any] = {"type": [words.last_part(name) for name in entity["type"]]}
    if "scope" in entity:
        known["scope"] = entity["scope"]
    left_out = (words.PLACE, *words.NAMES, *words.DESCRIPTIONS)
    for iri, instances in entity["attrs"].items():
        if iri not in left_out and "observedAt" not in instances[0]:
            known[words.last_part(iri)] = words.plain(instances[0])
    places = [part_id(entity["id"], "Location")] if _place(entity) else []
    properties = {"name": name_of(entity), "description": _described(entity), "properties": known}
    return [Row("Thing", entity["id"], properties, {"Locations": places}, entity, is_own=False)]


def _located(kind: str, name: str) -> Callable[[Entity], list[Row]]:
    def rows(entity: Entity) -> list[Row]:
        place = _place(entity)
        if not _is_thing(entity) or (place is None and kind == "Location"):
            return []
        shape = words.plain(place) if place else None
        properties = {"name": name_of(entity), "description": _described(entity), "encodingType": GEO_JSON, name: shape}
        return [Row(kind, part_id(entity["id"], kind), properties, {}, entity, is_own=False)]

    return rows


def _position_of(entity: Entity) -> list[Row]:
    place = _place(entity)
    if place is None or not _is_thing(entity):
        return []
    links = {"Thing": [entity["id"]], "Locations": [part_id(entity["id"], "Location")]}
    time = shown(place.get("observedAt") or modified_at(entity, place))
    return [Row("HistoricalLocation", part_id(entity["id"], "HistoricalLocation"), {"time": time}, links, entity, is_own=False)]


def _sensor_of(entity: Entity) -> list[Row]:
    if not measured(entity):
        return []
    metadata = {"entity": entity["id"], "type": [words.last_part(name) for name in entity["type"]]}
    properties = {"name": name_of(entity), "description": _described(entity), "encodingType": "application/json", "metadata": metadata}
    return [Row("Sensor", part_id(entity["id"], "Sensor"), properties, {}, entity, is_own=False)]


def _observed_of(entity: Entity) -> list[Row]:
    return [observed_property(iri) for iri in dict.fromkeys(stream.attribute for stream, _ in measured(entity))]


def observed_property(iri: str) -> Row:
    """The ObservedProperty that an attribute stands for."""
    name = words.last_part(iri)
    return Row("ObservedProperty", iri, {"name": name, "definition": iri, "description": name}, {}, is_own=False)


def _datastreams_of(entity: Entity) -> list[Row]:
    return [_datastream_of(entity, stream, instance) for stream, instance in measured(entity)]


def _datastream_of(entity: Entity, stream: Stream, instance: Instance) -> Row:
    name = words.last_part(stream.attribute)
    more = {words.last_part(iri): words.plain(group[0]) for iri, group in instance.get("attrs", {}).items()}
    properties = {
        "name": f"{name_of(entity)} {name}", "description": f"{name}: {_described(entity)}",
        "unitOfMeasurement": unit_of(instance.get("unitCode")), "observationType": observation_type(instance.get("value")),
        "properties": more | ({"dataset": stream.dataset} if stream.dataset else {}),
    }  # fmt: skip
    links = {"Thing": [entity["id"]], "Sensor": [part_id(entity["id"], "Sensor")], "ObservedProperty": [stream.attribute]}
    return Row("Datastream", stream_id(stream), properties, links, entity, stream, instance, is_own=False)


def observation_type(result: Any) -> str:
    """The observationType of a result."""
    if isinstance(result, bool):
        return OBSERVATION_TYPES + "TruthObservation"
    if isinstance(result, int | float):
        return MEASUREMENT
    return OBSERVATION_TYPES + ("CategoryObservation" if isinstance(result, str) else "Observation")


def present(row: Row, thing: Entity) -> Instance | None:
    """The present instance of a Datastream in its Thing's entity; None when it has no observation yet."""
    if row.stream is None:
        return None
    return dataset_of(thing["attrs"].get(row.stream.attribute, []), row.stream.dataset)


_DERIVED: Final[dict[str, Callable[[Entity], list[Row]]]] = {
    "Thing": _thing_of, "Location": _located("Location", "location"), "FeatureOfInterest": _located("FeatureOfInterest", "feature"),
    "HistoricalLocation": _position_of, "Sensor": _sensor_of, "ObservedProperty": _observed_of, "Datastream": _datastreams_of,
}  # fmt: skip
