"""A feed as data: where it comes from, in what form, and what of it becomes entities.

A definition is read from YAML or JSON. What belongs to one protocol or one format stands in `source` and `decoder` and is checked by
the module of that protocol or format.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from cityhub.model.errors import BadRequestData

Names = dict[str, str]
"""Text by language tag: "zh" and "en"."""
AttributeKind = Literal[
    "Property", "GeoProperty", "Relationship", "LanguageProperty", "JsonProperty", "VocabProperty", "ListProperty", "ListRelationship"
]
Datum = Literal["CGCS2000", "WGS84", "GCJ-02", "BD-09"]
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class AttributeMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one attribute comes out of a record. Texts named (FEEL) are expressions over the record.

    Attributes:
        value: (FEEL) the value; null leaves the attribute out.
        kind: What it is in NGSI-LD.
        unit: Unit of the source, UCUM ("Cel", "mm/h") or UN/CEFACT code; "" has none.
        to: Unit to convert to; "" keeps the source's.
        scale, offset: Calibration: value times scale plus offset, before the unit is converted.
        table: Calibration curve instead: pairs of (read, true), ascending, straight lines between.
        observed_at: (FEEL) when it was observed; "" takes the entity's.
        dataset: (FEEL) the datasetId; "" has none.
        datum: Of coordinates in the source; they are turned into CGCS2000.
        decimals: Round to so many; None keeps all.
    """

    value: str
    kind: AttributeKind = "Property"
    unit: str = ""
    to: str = ""
    scale: float = 1.0
    offset: float = 0.0
    table: list[tuple[float, float]] = []
    observed_at: str = ""
    dataset: str = ""
    datum: Datum = "CGCS2000"
    decimals: int | None = None


class EntityMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What entity a record tells of.

    Attributes:
        type: Its type, a name of the @context.
        id: (FEEL) its URI.
        when: (FEEL) only records for which this is true; "" takes all.
        observed_at: (FEEL) when its attributes were observed: date and time, RFC 3339 text, or a number of seconds or milliseconds since
            1970; "" is the time of arrival.
        time_zone: Of times that do not say theirs.
        within: GeoJSON polygon that its location must lie in; else the record is flagged. None: anywhere.
        attributes: By name.
    """

    type: str
    id: str
    attributes: dict[str, AttributeMapping]
    when: str = ""
    observed_at: str = ""
    time_zone: str = "Asia/Shanghai"
    within: dict[str, Any] | None = None


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is normal for an attribute. A value that is not is flagged, and kept.

    Attributes:
        minimum, maximum: Range of plausible values, in the unit after mapping.
        jump: Largest plausible change per second.
        stuck_s: A value that stays exactly the same for longer is stuck.
        drift: Largest plausible distance of the mean of a day from that of the days before, in the attribute's unit.
        repeats: Whether observations with a time that was seen before are duplicates.
    """

    minimum: float | None = None
    maximum: float | None = None
    jump: float | None = None
    stuck_s: float | None = None
    drift: float | None = None
    repeats: bool = True


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One feed.

    Attributes:
        id: Lower-case letters, digits and hyphens; its name in addresses and files.
        title: By language.
        protocol: Name of a module of `cityhub.ingest.protocols`: "mqtt", "http", ...
        source: What that protocol needs to know. A secret is written "env:NAME" or "file:PATH", never itself.
        format: Of the payload: "json", "ndjson", "csv", "cbor", "senml", "sparkplug", "xml", "javascript", ...
        decoder: Options of the format.
        records: (FEEL) which part of a payload holds the records; "" is the payload, or its items when it is a list.
        entities: What becomes of a record; each that applies is used.
        checks: By attribute name.
        skew_s: A time of observation further ahead of arrival than this is a wrong clock and flagged.
        interval_s: How often each thing is expected to speak; 0: nobody knows.
        context: @context of the names; "" is that of the district.
        tenant: Where the entities go; "" is the default tenant.
        enabled: Whether it runs.
        simulated: Whether its figures are made up; every attribute then says so.
        provenance: URI of the entity that stands for its source; every attribute then names it. "" names none.
        owner: Department that answers for it.
        licence: Under which terms its data may be used.
        version: Counted up by the register at each change.
    """

    id: str
    protocol: str
    title: Names = {}
    source: dict[str, Any] = {}
    format: str = "json"
    decoder: dict[str, Any] = {}
    records: str = ""
    entities: list[EntityMapping] = []
    checks: dict[str, Check] = {}
    skew_s: float = 60.0
    interval_s: float = 0.0
    context: str = ""
    tenant: str = ""
    enabled: bool = True
    simulated: bool = False
    provenance: str = ""
    owner: str = ""
    licence: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"'id' must be 1 to 63 lower-case letters, digits and hyphens, not '{self.id[:100]}'")


def read_feed(content: bytes) -> Feed:
    """A feed from YAML or JSON. Raises BadRequestData naming the member that is wrong."""
    try:
        return msgspec.yaml.decode(content, type=Feed)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The feed is not as it should be: {error}") from None
    except Exception as error:  # PyYAML's own family, and recursion errors of hostile documents
        raise BadRequestData(f"The feed must be YAML or JSON: {str(error)[:300]}") from None
