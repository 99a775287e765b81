"""Ids: of what was made here a URN, of what is seen in other entities the entity's id and what of it is meant.

    <entity>~location, ~position, ~sensor, ~feature     a station's Location, HistoricalLocation, Sensor, FeatureOfInterest
    <entity>~waterLevel.3f2a9c[.81ab03]                 the Datastream of an attribute [of a dataset]: its short name and what makes it sure
    <Datastream>@2026-11-23T06:05:00.000000Z            an Observation: its Datastream and its time

Nothing has to be remembered for them, and the same thing has the same id for ever.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid4, uuid5

import msgspec

from cityhub.ingest.sensorthings.words import last_part
from cityhub.model.entity import Entity, Instance

OWN: Final = "urn:ngsi-ld:"
STREAM: Final = "urn:ngsi-ld:Datastream:"
"""What the ids of Datastreams that were made here begin with; such an id is the datasetId of their observations."""
PARTS: Final = {"location": "Location", "position": "HistoricalLocation", "sensor": "Sensor", "feature": "FeatureOfInterest"}
_PART_OF: Final = {kind: part for part, kind in PARTS.items()}
_PLAIN: Final = re.compile(r"[^A-Za-z0-9_-]+")
_TIMED: Final = re.compile(r"(.+)@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)", re.DOTALL)


class Stream(msgspec.Struct, frozen=True):
    """Where the observations of a Datastream are: an attribute of an entity, and the dataset (None: the default one)."""

    entity: str
    attribute: str
    dataset: str | None = None


def new_id(kind: str) -> str:
    """An id for an entity that is made here."""
    return f"{OWN}{kind}:{uuid4()}"


def derived_id(kind: str, seed: str) -> str:
    """An id for an entity that is made here out of something else; the same for the same seed."""
    return f"{OWN}{kind}:{uuid5(NAMESPACE_URL, seed)}"


def part_id(entity: str, kind: str) -> str:
    """The id of a station's Location, HistoricalLocation, Sensor or FeatureOfInterest."""
    return f"{entity}~{_PART_OF[kind]}"


def owner(id: str) -> str:
    """The id of the NGSI-LD entity in which something is found.

    >>> owner("urn:ngsi-ld:WaterObserved:1~location")
    'urn:ngsi-ld:WaterObserved:1'
    """
    return id.rpartition("~")[0] if "~" in id else id


@lru_cache(maxsize=4096)
def stream_key(attribute: str, dataset: str | None) -> str:
    """The part of a Datastream's id that stands for an attribute and a dataset."""
    name = _PLAIN.sub("", last_part(attribute)) or "value"
    key = f"{name}.{sha256(attribute.encode()).hexdigest()[:6]}"
    return key if dataset is None else f"{key}.{sha256(dataset.encode()).hexdigest()[:6]}"


def stream_id(stream: Stream) -> str:
    """The id of the Datastream whose observations are there."""
    if stream.dataset is not None and stream.dataset.startswith(STREAM):
        return stream.dataset
    return f"{stream.entity}~{stream_key(stream.attribute, stream.dataset)}"


def observation_id(stream: str, time: str) -> str:
    """The id of the Observation of a Datastream at a time in the form of `cityhub.model.time.to_text`."""
    return f"{stream}@{time}"


def observation_place(id: str) -> tuple[str, str] | None:
    """The Datastream and the time in an Observation's id; None when it is none."""
    found = _TIMED.fullmatch(id)
    return (found[1], found[2]) if found else None


def measured(entity: Entity) -> list[tuple[Stream, Instance]]:
    """The measured properties of an entity that no Datastream made here stands for: those with an observedAt."""
    found = []
    for attribute, instances in entity["attrs"].items():
        for instance in instances:
            if "observedAt" in instance and instance["type"] == "Property":
                dataset = instance.get("datasetId")
                if dataset is None or not dataset.startswith(STREAM):
                    found.append((Stream(entity["id"], attribute, dataset), instance))
    return found


def link_id(id: str) -> str:
    """An id as it stands in a link: in quotes, percent-encoded.

    >>> link_id("urn:x:o'clock ~a")
    "'urn:x:o''clock%20~a'"
    """
    return f"'{quote(id.replace(chr(39), chr(39) * 2), safe=chr(39) + ':@.~-_!*')}'"
