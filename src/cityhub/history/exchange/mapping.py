"""Which column of a file is what: the mapping of a backfill, as its operator writes it in TOML or JSON.

entity = "urn:ngsi-ld:Device:{station}"      # columns in braces
type = "Device"
time = "时间"                                 # the column; times without a zone are of `time_zone`

[attributes.temperature]
column = "气温"
unit = "CEL"
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from cityhub.model.errors import BadRequestData

COLUMN: Final = re.compile(r"\{([^{}]+)\}")
MAX_FILE: Final = 1_000_000


class AttributeMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the values of an attribute come from: from `column`, or a place from `lon` and `lat`.

    Attributes:
        column: The column of the value.
        unit: UN/CEFACT code, such as "CEL"; None: none.
        unit_column: The column of the unit, where it differs from row to row.
        values: "number": what is no number is refused; "text": taken as it is; "auto": a number where it is one.
        lon, lat: Columns of degrees, WGS 84 / CGCS2000.
    """

    column: str | None = None
    unit: str | None = None
    unit_column: str | None = None
    values: Literal["number", "text", "auto"] = "number"
    lon: str | None = None
    lat: str | None = None


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the columns of a file are.

    Attributes:
        entity: Pattern of the entity's id, a URI, with columns in braces.
        type: The entity's type, a term or a full IRI; may have columns in braces.
        time: Column of the time of observation.
        attributes: By name, a term or full IRI. A name may have a column in braces ("{quantity}"): one attribute a row.
        time_zone: Of times that name none.
        time_format: "auto" (ISO 8601 and its kin), "epoch_s", "epoch_ms", or as strptime has it ("%Y年%m月%d日 %H:%M").
        delimiter, encoding: Of a CSV.
        table: Sheet of an Excel file, layer of a GeoPackage; None: the first.
    """

    entity: str
    type: str
    time: str
    attributes: dict[str, AttributeMapping]
    time_zone: str = "Asia/Shanghai"
    time_format: str = "auto"
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    table: str | None = None

    @property
    def columns(self) -> set[str]:
        """Every column that it names."""
        found = {self.time, *COLUMN.findall(self.entity), *COLUMN.findall(self.type)}
        for name, attribute in self.attributes.items():
            found.update(COLUMN.findall(name))
            found.update(column for column in (attribute.column, attribute.unit_column, attribute.lon, attribute.lat) if column)
        return found


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file. Raises BadRequestData with what is wrong in it."""
    raw = path.read_bytes()
    if len(raw) > MAX_FILE:
        raise BadRequestData(f"{path.name}: a mapping has at most {MAX_FILE} bytes, not {len(raw)}")
    try:
        document: Any = msgspec.json.decode(raw) if path.suffix.lower() == ".json" else tomllib.loads(raw.decode("utf-8-sig"))
        mapping = msgspec.convert(document, Mapping)
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequestData(f"{path.name}: {error}") from None
    check(mapping)
    return mapping


def check(mapping: Mapping) -> None:
    """Raises BadRequestData for a mapping that cannot work."""
    if ":" not in COLUMN.sub("", mapping.entity):
        raise BadRequestData(f"'entity' must be the pattern of a URI, such as 'urn:ngsi-ld:Device:{{station}}', not '{mapping.entity}'")
    if not mapping.attributes:
        raise BadRequestData("'attributes' must name at least one attribute")
    for name, attribute in mapping.attributes.items():
        place = attribute.lon is not None and attribute.lat is not None
        if (attribute.column is None) != place or (attribute.lon is None) != (attribute.lat is None):
            raise BadRequestData(f"the attribute '{name}' needs either 'column', or 'lon' and 'lat'")
    for pattern in (mapping.entity, mapping.type, *mapping.attributes):
        _check_braces(pattern)
    try:
        ZoneInfo(mapping.time_zone)
    except (ValueError, OSError, KeyError):
        raise BadRequestData(f"'time_zone' must be a zone's name, such as 'Asia/Shanghai', not '{mapping.time_zone}'") from None


def expanded(mapping: Mapping, expand: Callable[[str], str]) -> Mapping:
    """The mapping with full IRIs for types and attributes that have no braces."""

    def full(name: str) -> str:
        return name if COLUMN.search(name) else expand(name)

    return msgspec.structs.replace(
        mapping, type=full(mapping.type), attributes={full(name): attribute for name, attribute in mapping.attributes.items()}
    )


def _check_braces(pattern: str) -> None:
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(pattern) if name is not None]
    except ValueError:
        fields = [("", "", None)]
    if any(not name or conversion for name, _, conversion in fields):
        raise BadRequestData(f"in '{pattern}' a column stands in braces, as in 'urn:ngsi-ld:Device:{{station}}'")
