"""The tables of the lake, as Iceberg and Arrow see them.

`observations` has one row for each instance that an attribute ever had; `entity_versions` one for each time an entity was
created, deleted, or changed in anything but attributes that carry an observedAt (those are observations already).
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import IdentityTransform, MonthTransform
from pyiceberg.types import DoubleType, IcebergType, IntegerType, LongType, NestedField, StringType, TimestamptzType

NAMESPACE: Final = "cityhub"
OBSERVATIONS: Final = "observations"
ENTITY_VERSIONS: Final = "entity_versions"

_TEXT, _TIME, _LONG, _INT, _DOUBLE = StringType(), TimestamptzType(), LongType(), IntegerType(), DoubleType()


def _fields(*columns: tuple[str, IcebergType, bool, str]) -> Schema:
    return Schema(*(NestedField(n, name, kind, required=required, doc=doc) for n, (name, kind, required, doc) in enumerate(columns, 1)))


OBSERVATIONS_SCHEMA: Final = _fields(
    ("tenant", _TEXT, True, "The tenant; empty for the default one"),
    ("entity", _TEXT, True, "The entity's id, a URI"),
    ("type", _TEXT, True, "The entity's types, full IRIs with a space between them"),
    ("attribute", _TEXT, True, "The attribute, a full IRI; 'scope' for the entity's scope"),
    ("dataset", _TEXT, False, "The datasetId; null for the default instance"),
    ("observed_at", _TIME, False, "observedAt; null where the instance has none"),
    ("modified_at", _TIME, True, "When the hub learned of it"),
    ("number", _DOUBLE, False, "The value, when it is a number that a double holds exactly"),
    ("text", _TEXT, False, "The value, when it is a string; a Relationship's object; a VocabProperty's vocab"),
    ("json", _TEXT, False, "Any other value as JSON: objects, lists, booleans, geometries that are no point, language maps"),
    ("lon", _DOUBLE, False, "Longitude of a point in degrees, WGS 84 / CGCS2000"),
    ("lat", _DOUBLE, False, "Latitude of a point in degrees"),
    ("unit", _TEXT, False, "unitCode (UN/CEFACT)"),
    ("quality", _TEXT, False, "The value of a sub-property 'quality', as text"),
    ("position", _LONG, True, "The journal position of the change it comes from"),
    ("ordinal", _INT, True, "Its place among the instances of that change; with the position it makes the instanceId"),
    ("kind", _TEXT, True, "Property, GeoProperty, Relationship, LanguageProperty, ..."),
    ("rest", _TEXT, False, "JSON object of the instance's other members (sub-attributes and such); null for none"),
    ("created_at", _TIME, False, "createdAt, where it differs from modified_at (the instance was corrected later)"),
    ("deleted_at", _TIME, False, "deletedAt: the row marks a deletion"),
    ("expires_at", _TIME, False, "expiresAt of the instance"),
)

ENTITY_VERSIONS_SCHEMA: Final = _fields(
    ("tenant", _TEXT, True, "The tenant; empty for the default one"),
    ("entity", _TEXT, True, "The entity's id, a URI"),
    ("type", _TEXT, True, "The entity's types, full IRIs with a space between them"),
    ("kind", _TEXT, True, "created, updated or deleted"),
    ("document", _TEXT, False, "The whole entity in the hub's internal form, as JSON; null when it was deleted"),
    ("modified_at", _TIME, True, "When it was committed"),
    ("created_at", _TIME, False, "createdAt of the entity"),
    ("position", _LONG, True, "The journal position"),
)


def _column(schema: Schema, name: str) -> int:
    return schema.find_field(name).field_id


OBSERVATIONS_PARTITION: Final = PartitionSpec(
    PartitionField(_column(OBSERVATIONS_SCHEMA, "tenant"), 1000, IdentityTransform(), "tenant"),
    PartitionField(_column(OBSERVATIONS_SCHEMA, "observed_at"), 1001, MonthTransform(), "observed_month"),
)
OBSERVATIONS_ORDER: Final = SortOrder(
    *(SortField(_column(OBSERVATIONS_SCHEMA, name), IdentityTransform()) for name in ("entity", "attribute", "dataset", "observed_at"))
)
ENTITY_VERSIONS_PARTITION: Final = PartitionSpec(
    PartitionField(_column(ENTITY_VERSIONS_SCHEMA, "tenant"), 1000, IdentityTransform(), "tenant"),
)
ENTITY_VERSIONS_ORDER: Final = SortOrder(
    *(SortField(_column(ENTITY_VERSIONS_SCHEMA, name), IdentityTransform()) for name in ("entity", "position"))
)


def arrow_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema of a table: strings as plain `string`, times in microseconds UTC."""
    kinds: dict[IcebergType, pa.DataType] = {
        _TEXT: pa.string(), _TIME: pa.timestamp("us", "UTC"), _LONG: pa.int64(), _INT: pa.int32(), _DOUBLE: pa.float64(),
    }  # fmt: skip
    return pa.schema([pa.field(field.name, kinds[field.field_type], nullable=not field.required) for field in schema.fields])
