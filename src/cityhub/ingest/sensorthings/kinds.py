"""The entity types of the standard: their properties, which of them must be given, and how they are linked.

Source: OGC 18-088, clause 8 (The Sensing Entities).
"""

from __future__ import annotations

from typing import Final

import msgspec

GEOJSON: Final = ("application/geo+json", "application/vnd.geo+json")
MEASUREMENT: Final = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
OBSERVATION_TYPES: Final = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_"


class Link(msgspec.Struct, frozen=True):
    """A navigation property.

    Attributes:
        kind: Name of the type that it leads to.
        many: Whether it leads to a set.
        inverse: The navigation property that leads back.
        mandatory: Whether every entity must have one.
    """

    kind: str
    many: bool
    inverse: str
    mandatory: bool = False


class Kind(msgspec.Struct, frozen=True):
    """An entity type.

    Attributes:
        name: "Thing".
        plural: "Things", the name of its collection.
        required: Properties that must be given when one is made.
        optional: Properties that may be given.
        links: Navigation properties by name.
    """

    name: str
    plural: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    links: dict[str, Link]

    @property
    def properties(self) -> tuple[str, ...]:
        """All properties, in the order in which they are shown."""
        return self.required + self.optional


def _kind(name: str, plural: str, required: str, optional: str, links: dict[str, Link]) -> Kind:
    return Kind(name, plural, tuple(required.split()), tuple(optional.split()), links)


_ALL: Final = (
    _kind("Thing", "Things", "name description", "properties", {
        "Locations": Link("Location", True, "Things"),
        "HistoricalLocations": Link("HistoricalLocation", True, "Thing"),
        "Datastreams": Link("Datastream", True, "Thing"),
    }),
    _kind("Location", "Locations", "name description encodingType location", "properties", {
        "Things": Link("Thing", True, "Locations"),
        "HistoricalLocations": Link("HistoricalLocation", True, "Locations"),
    }),
    _kind("HistoricalLocation", "HistoricalLocations", "time", "", {
        "Thing": Link("Thing", False, "HistoricalLocations", True),
        "Locations": Link("Location", True, "HistoricalLocations"),
    }),
    _kind("Datastream", "Datastreams", "name description unitOfMeasurement observationType", "properties", {
        "Thing": Link("Thing", False, "Datastreams", True),
        "Sensor": Link("Sensor", False, "Datastreams", True),
        "ObservedProperty": Link("ObservedProperty", False, "Datastreams", True),
        "Observations": Link("Observation", True, "Datastream"),
    }),
    _kind("Sensor", "Sensors", "name description encodingType metadata", "properties", {
        "Datastreams": Link("Datastream", True, "Sensor"),
    }),
    _kind("ObservedProperty", "ObservedProperties", "name definition description", "properties", {
        "Datastreams": Link("Datastream", True, "ObservedProperty"),
    }),
    _kind("Observation", "Observations", "result", "phenomenonTime resultTime resultQuality validTime parameters", {
        "Datastream": Link("Datastream", False, "Observations", True),
        "FeatureOfInterest": Link("FeatureOfInterest", False, "Observations"),
    }),
    _kind("FeatureOfInterest", "FeaturesOfInterest", "name description encodingType feature", "properties", {
        "Observations": Link("Observation", True, "FeatureOfInterest"),
    }),
)  # fmt: skip

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _ALL}
"""By name."""

COLLECTIONS: Final[dict[str, Kind]] = {kind.plural: kind for kind in _ALL}
"""By the name of the collection."""
