"""The payload of Sparkplug B as a protobuf message, described here and built when it is needed.

Source: Eclipse Sparkplug 3.0.0, chapter 6.4 (payloads, numbers and types of the fields).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

# message, field, number, type; "*" before a type is repeated, "=" a member of the choice of values
_FIELDS: Final = """
Payload timestamp 1 uint64; Payload metrics 2 *Metric; Payload seq 3 uint64; Payload uuid 4 string; Payload body 5 bytes
Metric name 1 string; Metric alias 2 uint64; Metric timestamp 3 uint64; Metric datatype 4 uint32; Metric is_historical 5 bool
Metric is_transient 6 bool; Metric is_null 7 bool; Metric metadata 8 MetaData; Metric properties 9 PropertySet
Metric int_value 10 =uint32; Metric long_value 11 =uint64; Metric float_value 12 =float; Metric double_value 13 =double
Metric boolean_value 14 =bool; Metric string_value 15 =string; Metric bytes_value 16 =bytes; Metric dataset_value 17 =DataSet
Metric template_value 18 =Template
MetaData is_multi_part 1 bool; MetaData content_type 2 string; MetaData size 3 uint64; MetaData seq 4 uint64
MetaData file_name 5 string; MetaData file_type 6 string; MetaData md5 7 string; MetaData description 8 string
PropertySet keys 1 *string; PropertySet values 2 *PropertyValue
PropertyValue type 1 uint32; PropertyValue is_null 2 bool; PropertyValue int_value 3 =uint32; PropertyValue long_value 4 =uint64
PropertyValue float_value 5 =float; PropertyValue double_value 6 =double; PropertyValue boolean_value 7 =bool
PropertyValue string_value 8 =string; PropertyValue propertyset_value 9 =PropertySet; PropertyValue propertysets_value 10 =PropertySetList
PropertySetList propertyset 1 *PropertySet
DataSet num_of_columns 1 uint64; DataSet columns 2 *string; DataSet types 3 *uint32; DataSet rows 4 *Row
Row elements 1 *Element
Element int_value 1 =uint32; Element long_value 2 =uint64; Element float_value 3 =float; Element double_value 4 =double
Element boolean_value 5 =bool; Element string_value 6 =string
Template version 1 string; Template metrics 2 *Metric; Template parameters 3 *Parameter; Template template_ref 4 string
Template is_definition 5 bool
Parameter name 1 string; Parameter type 2 uint32; Parameter int_value 3 =uint32; Parameter long_value 4 =uint64
Parameter float_value 5 =float; Parameter double_value 6 =double; Parameter boolean_value 7 =bool; Parameter string_value 8 =string
"""


@cache
def payload_class() -> type[Any]:
    """The class of payloads: `payload_class().FromString(body)`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="cityhub/sparkplug_b.proto", package="cityhub.sparkplug", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    messages: dict[str, Any] = {}
    for line in _FIELDS.replace("\n", ";").split(";"):
        if not line.strip():
            continue
        owner, name, number, kind = line.split()
        if owner not in messages:
            messages[owner] = file.message_type.add(name=owner)
        field = messages[owner].field.add(name=name, number=int(number))
        field.label = kinds.LABEL_REPEATED if kind[0] == "*" else kinds.LABEL_OPTIONAL
        if kind[0] == "=":
            if not messages[owner].oneof_decl:
                messages[owner].oneof_decl.add(name="value")
            field.oneof_index = 0
        _set_type(field, kind.lstrip("*="))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName("cityhub.sparkplug.Payload"))
    return found


def _set_type(field: Any, kind: str) -> None:
    if kind[0].isupper():
        field.type = field.TYPE_MESSAGE
        field.type_name = f".cityhub.sparkplug.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
