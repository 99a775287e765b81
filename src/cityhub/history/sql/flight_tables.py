"""What Flight SQL tells of the catalogue: server, schemas, tables, types, keys. The layouts are those of FlightSql.proto.

Source: Apache Arrow, format/FlightSql.proto.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from cityhub import __version__
from cityhub.history.sql.views import View

SCHEMA: Final = "main"
VIEW: Final = "VIEW"
_TEXT, _NAME = pa.field("catalog_name", pa.string()), pa.field("db_schema_name", pa.string())
_ARROW: Final = {
    "DOUBLE": pa.float64(), "BIGINT": pa.int64(), "INTEGER": pa.int32(), "BOOLEAN": pa.bool_(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}  # fmt: skip
_KEY: Final = (
    [pa.field(f"{side}_{part}", pa.string(), nullable=part in ("catalog_name", "db_schema_name")) for side in ("pk", "fk")
     for part in ("catalog_name", "db_schema_name", "table_name", "column_name")]
    + [pa.field("key_sequence", pa.int32(), False), pa.field("fk_key_name", pa.string()), pa.field("pk_key_name", pa.string()),
       pa.field("update_rule", pa.uint8(), False), pa.field("delete_rule", pa.uint8(), False)]
)  # fmt: skip
_INFO: Final = pa.dense_union([
    pa.field("string_value", pa.string()), pa.field("bool_value", pa.bool_()), pa.field("bigint_value", pa.int64()),
    pa.field("int32_bitmask", pa.int32()), pa.field("string_list", pa.list_(pa.string())),
    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
])  # fmt: skip
_XDBC: Final = [
    ("type_name", pa.string(), False), ("data_type", pa.int32(), False), ("column_size", pa.int32(), True),
    ("literal_prefix", pa.string(), True), ("literal_suffix", pa.string(), True),
    ("create_params", pa.list_(pa.field("item", pa.string(), False)), True),
    ("nullable", pa.int32(), False), ("case_sensitive", pa.bool_(), False), ("searchable", pa.int32(), False),
    ("unsigned_attribute", pa.bool_(), True), ("fixed_prec_scale", pa.bool_(), False), ("auto_increment", pa.bool_(), True),
    ("local_type_name", pa.string(), True), ("minimum_scale", pa.int32(), True), ("maximum_scale", pa.int32(), True),
    ("sql_data_type", pa.int32(), False), ("datetime_subcode", pa.int32(), True), ("num_prec_radix", pa.int32(), True),
    ("interval_precision", pa.int32(), True),
]  # fmt: skip
LAYOUTS: Final[dict[str, pa.Schema]] = {
    "CommandGetSqlInfo": pa.schema([pa.field("info_name", pa.uint32(), False), pa.field("value", _INFO, False)]),
    "CommandGetXdbcTypeInfo": pa.schema([pa.field(name, kind, nullable) for name, kind, nullable in _XDBC]),
    "CommandGetCatalogs": pa.schema([pa.field("catalog_name", pa.string(), False)]),
    "CommandGetDbSchemas": pa.schema([_TEXT, pa.field("db_schema_name", pa.string(), False)]),
    "CommandGetTableTypes": pa.schema([pa.field("table_type", pa.string(), False)]),
    "CommandGetPrimaryKeys": pa.schema([
        _TEXT, _NAME, pa.field("table_name", pa.string(), False), pa.field("column_name", pa.string(), False),
        pa.field("key_name", pa.string()), pa.field("key_sequence", pa.int32(), False),
    ]),
    "CommandGetExportedKeys": pa.schema(_KEY),
    "CommandGetImportedKeys": pa.schema(_KEY),
    "CommandGetCrossReference": pa.schema(_KEY),
    "CommandGetTables": pa.schema([
        _TEXT, _NAME, pa.field("table_name", pa.string(), False), pa.field("table_type", pa.string(), False),
    ]),
}  # fmt: skip
"""The layout of each answer about the catalogue."""
_WITH_SCHEMA: Final = LAYOUTS["CommandGetTables"].append(pa.field("table_schema", pa.binary(), False))
_TOLD: Final[dict[int, Any]] = {
    0: "CityHub", 1: __version__, 2: pa.__version__, 3: True, 4: True, 5: False, 8: 0, 9: False, 100: 0, 101: 0,
    500: False, 501: False, 502: False, 503: 1, 504: '"', 505: 1, 506: True,
}  # fmt: skip
"""SqlInfo: name, versions, read only, SQL and no Substrait, no transactions, no DDL, names in any letters, quoted by '"'."""
_INT32: Final = frozenset((8, 100, 101))


def layout_of(name: str, message: Any) -> pa.Schema:
    """The layout of the answer to a question about the catalogue."""
    return _WITH_SCHEMA if name == "CommandGetTables" and message.include_schema else LAYOUTS[name]


def catalogue_table(name: str, message: Any, views: Sequence[View]) -> pa.Table:
    """The answer to a question about the catalogue, of these views."""
    layout = layout_of(name, message)
    if name == "CommandGetSqlInfo":
        return _sql_info(list(message.info))
    if name == "CommandGetTableTypes":
        return pa.table({"table_type": [VIEW]}, layout)
    if name == "CommandGetDbSchemas":
        there = _matches(SCHEMA, message, "db_schema_filter_pattern") and _of_no_catalogue(message)
        return pa.table({"catalog_name": [None] * there, "db_schema_name": [SCHEMA] * there}, layout)
    if name == "CommandGetTables":
        return _tables(message, views, layout)
    return layout.empty_table()


def arrow_schema_of(view: View) -> pa.Schema:
    """The columns of a view, each with its unit and what it is."""
    fields = []
    for column in view.columns:
        notes = {"ARROW:FLIGHT:SQL:TYPE_NAME": column.type, "ARROW:FLIGHT:SQL:TABLE_NAME": view.name, "ARROW:FLIGHT:SQL:IS_READ_ONLY": "1"}
        about = " ".join(filter(None, (column.about, column.attribute, f"[{column.unit}]" if column.unit else "")))
        notes |= {"ARROW:FLIGHT:SQL:REMARKS": about} if about else {}
        fields.append(pa.field(column.name, _ARROW.get(column.type, pa.string()), metadata=notes))
    return pa.schema(fields)


def _tables(message: Any, views: Sequence[View], layout: pa.Schema) -> pa.Table:
    wanted = not message.table_types or VIEW in message.table_types
    here = wanted and _of_no_catalogue(message) and _matches(SCHEMA, message, "db_schema_filter_pattern")
    shown = sorted(view.name for view in views if here and _matches(view.name, message, "table_name_filter_pattern"))
    count = len(shown)
    columns: dict[str, list[Any]] = {
        "catalog_name": [None] * count, "db_schema_name": [SCHEMA] * count, "table_name": shown, "table_type": [VIEW] * count,
    }  # fmt: skip
    if message.include_schema:
        by_name = {view.name: view for view in views}
        columns["table_schema"] = [arrow_schema_of(by_name[name]).serialize().to_pybytes() for name in shown]
    return pa.table(columns, layout)


def _of_no_catalogue(message: Any) -> bool:
    return not message.HasField("catalog") or message.catalog == ""


def _matches(name: str, message: Any, field: str) -> bool:
    """Whether a name matches a pattern of the question, in which % stands for any text and _ for any letter."""
    if not message.HasField(field):
        return True
    parts = (".*" if letter == "%" else "." if letter == "_" else re.escape(letter) for letter in getattr(message, field)[:1000])
    return re.fullmatch(re.sub(r"(\.\*)+", ".*", "".join(parts)), name, re.DOTALL) is not None


def _sql_info(asked: list[int]) -> pa.Table:
    names = [number for number in (asked or _TOLD) if number in _TOLD]
    values: dict[int, list[Any]] = {0: [], 1: [], 2: [], 3: []}
    kinds, offsets = [], []
    for number in names:
        value = _TOLD[number]
        kind = 0 if isinstance(value, str) else 1 if isinstance(value, bool) else 3 if number in _INT32 else 2
        kinds.append(kind)
        offsets.append(len(values[kind]))
        values[kind].append(value)
    children = [pa.array(values.get(place, []), _INFO.field(place).type) for place in range(_INFO.num_fields)]
    union = pa.UnionArray.from_dense(
        pa.array(kinds, pa.int8()), pa.array(offsets, pa.int32()), children, [_INFO.field(place).name for place in range(_INFO.num_fields)]
    )
    return pa.Table.from_arrays([pa.array(names, pa.uint32()), union], schema=LAYOUTS["CommandGetSqlInfo"])
