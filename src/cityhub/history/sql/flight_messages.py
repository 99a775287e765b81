"""The messages of Arrow Flight SQL, as protobuf.

Source: Apache Arrow, format/FlightSql.proto; only names, numbers and types of fields, of the messages that this server reads or writes.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "arrow.flight.protocol.sql"
_TYPES: Final = {"string": 9, "bool": 8, "bytes": 12, "uint32": 13, "int32": 5}
_KEYS: Final = "catalog=1?string db_schema=2?string table=3string"
_FIELDS: Final = {
    "CommandGetSqlInfo": "info=1*uint32",
    "CommandGetXdbcTypeInfo": "data_type=1?int32",
    "CommandGetCatalogs": "",
    "CommandGetDbSchemas": "catalog=1?string db_schema_filter_pattern=2?string",
    "CommandGetTables": "catalog=1?string db_schema_filter_pattern=2?string table_name_filter_pattern=3?string table_types=4*string"
    " include_schema=5bool",
    "CommandGetTableTypes": "",
    "CommandGetPrimaryKeys": _KEYS,
    "CommandGetExportedKeys": _KEYS,
    "CommandGetImportedKeys": _KEYS,
    "CommandGetCrossReference": "pk_catalog=1?string pk_db_schema=2?string pk_table=3string fk_catalog=4?string fk_db_schema=5?string"
    " fk_table=6string",
    "CommandStatementQuery": "query=1string transaction_id=2?bytes",
    "CommandPreparedStatementQuery": "prepared_statement_handle=1bytes",
    "CommandStatementUpdate": "query=1string transaction_id=2?bytes",
    "CommandPreparedStatementUpdate": "prepared_statement_handle=1bytes",
    "TicketStatementQuery": "statement_handle=1bytes",
    "ActionCreatePreparedStatementRequest": "query=1string transaction_id=2?bytes",
    "ActionCreatePreparedStatementResult": "prepared_statement_handle=1bytes dataset_schema=2bytes parameter_schema=3bytes",
    "ActionClosePreparedStatementRequest": "prepared_statement_handle=1bytes",
}
"""Each field as name=number, ? for one that may be absent or * for a list, and its type."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="cityhub/flight_sql.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            label, _, rest = field.partition("=")
            number, kind = rest[0], rest[1:].lstrip("?*")
            described = message.field.add(name=label, number=int(number), type=_TYPES[kind], label=3 if "*" in rest else 1)
            if "?" in rest:
                described.proto3_optional = True
                described.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{label}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _FIELDS}


MESSAGES: Final[dict[str, Any]] = _classes()
"""The classes of the messages, by name."""


def packed(name: str, **members: Any) -> bytes:
    """A message inside an Any, as bytes."""
    wrapped = any_pb2.Any()
    wrapped.Pack(MESSAGES[name](**members))
    return bytes(wrapped.SerializeToString())


def unpacked(data: bytes) -> tuple[str, Any]:
    """Name and content of the message inside an Any. Raises ValueError for what is none, or one that is not known."""
    wrapped = any_pb2.Any()
    try:
        wrapped.ParseFromString(data)
    except Exception as error:  # the library's own error, whose class depends on its implementation
        raise ValueError("the command is no message of Flight SQL") from error
    name = wrapped.type_url.rpartition(".")[2]
    if name not in MESSAGES or not wrapped.type_url.endswith(f"{PACKAGE}.{name}"):
        raise ValueError(f"'{wrapped.type_url[:200]}' is not known here")
    message = MESSAGES[name]()
    try:
        message.ParseFromString(wrapped.value)
    except Exception as error:
        raise ValueError(f"the content of {name} cannot be read") from error
    return name, message
