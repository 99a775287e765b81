"""One entity of SensorThings as it is worked with: its properties, where its links lead, and what it stands for."""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.ingest.sensorthings.ids import Stream
from cityhub.model.entity import Entity, Instance


class Row(msgspec.Struct, frozen=True):
    """An entity of SensorThings.

    Attributes:
        kind: "Thing".
        id: Its id.
        properties: JSON by name.
        links: Ids that its own links lead to, by navigation property; the others are found from their other end.
        entity: The NGSI-LD entity that it was read from; None for an Observation.
        stream: Of a Datastream: where its observations are. Of an Observation: where it is.
        instance: Of a Datastream: the present instance, if there is one.
        is_own: Whether it was made through this door.
    """

    kind: str
    id: str
    properties: dict[str, Any]
    links: dict[str, list[str]]
    entity: Entity | None = None
    stream: Stream | None = None
    instance: Instance | None = None
    is_own: bool = True
