"""Sparkplug B: what edge nodes and their devices publish, with names in the place of aliases.

A birth (NBIRTH, DBIRTH) says which alias stands for which name and of which type it is; data (NDATA, DDATA) may give the alias alone. So
what each edge node said at its birth is remembered, until it dies or is born again. A message whose alias nobody knows is refused: the
node has to be asked for a rebirth (NCMD, 'Node Control/Rebirth').

A record has `group`, `node`, `device`, `type` (of the message), `seq`, `timestamp` (ms since 1970) and `metrics` (by name: value), or one
metric as `name`, `value`, `datatype`, `timestamp`. A death has no metrics, `online` is false there and true at a birth.

Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6.
"""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import isfinite
from struct import calcsize, unpack_from
from typing import Any, Final

from cityhub.ingest.decoding.bounds import MAX_RECORDS, MAX_VALUES
from cityhub.ingest.decoding.options import SparkplugOptions
from cityhub.ingest.decoding.sparkplug_message import payload_class

MAX_METRICS: Final = 20_000
"""Metrics of one edge node that are remembered."""
_TYPES: Final = (
    "Unknown", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float", "Double", "Boolean", "String", "DateTime",
    "Text", "UUID", "DataSet", "Bytes", "File", "Template", "PropertySet", "PropertySetList", "Int8Array", "Int16Array", "Int32Array",
    "Int64Array", "UInt8Array", "UInt16Array", "UInt32Array", "UInt64Array", "FloatArray", "DoubleArray", "BooleanArray", "StringArray",
    "DateTimeArray",
)  # fmt: skip
_SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}
_ARRAYS: Final = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d", 34: "Q"}
_DEEPEST: Final = 16
_READ: Final = frozenset({"NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"})
_ORDERS: Final = frozenset({"NCMD", "DCMD"})
Alias = tuple[str, int]
"""Name and type that an alias stands for."""


def sparkplug_decoder(options: SparkplugOptions) -> Callable[[bytes, Mapping[str, Any]], list[Any]]:
    """Reads payloads; the topic beside them says whose they are."""
    return EdgeNodes(options).records


class EdgeNodes:
    """What edge nodes said at their births; those that were silent longest are forgotten first."""

    def __init__(self, options: SparkplugOptions) -> None:
        self._options = options
        self._known: OrderedDict[tuple[str, str], dict[int, Alias]] = OrderedDict()

    def records(self, body: bytes, about: Mapping[str, Any]) -> list[Any]:
        """The records of a message. Raises ValueError when it is not Sparkplug B or has an alias that nobody knows."""
        group, kind, node, device = _topic(about.get("topic"))
        if kind not in _READ and not (kind in _ORDERS and self._options.commands):
            return []
        payload = _parsed(body)
        if len(payload.metrics) > MAX_RECORDS:
            raise ValueError(f"the payload has more than {MAX_RECORDS} metrics")
        aliases = self._aliases(group, node, kind)
        head: dict[str, Any] = {"group": group, "node": node, "device": device, "type": kind, "seq": _of(payload, "seq")}
        head["timestamp"] = _of(payload, "timestamp")
        if kind.endswith(("BIRTH", "DEATH")):
            head["online"] = kind.endswith("BIRTH")
        reader = _Values()
        metrics = [reader.metric(metric, aliases, kind.endswith("BIRTH")) for metric in payload.metrics]
        if kind.endswith("DEATH"):
            return [head]
        if self._options.together:
            return [{**head, "metrics": {metric["name"]: metric["value"] for metric in metrics}}]
        return [{**head, **metric} for metric in metrics]

    def _aliases(self, group: str, node: str, kind: str) -> dict[int, Alias]:
        key = (group, node)
        if kind == "NDEATH":
            self._known.pop(key, None)
        elif kind == "NBIRTH":
            self._known[key] = {}
        known = self._known.get(key)
        if known is None:
            if kind != "DBIRTH":
                return {}
            known = self._known[key] = {}
        self._known.move_to_end(key)
        if len(self._known) > self._options.nodes:
            self._known.popitem(last=False)
        return known


class _Values:
    """Reads the values of one payload, counting them."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def metric(self, metric: Any, aliases: dict[int, Alias], birth: bool) -> dict[str, Any]:
        """A metric with its name. At a birth its alias is remembered."""
        kind = metric.datatype
        name = _text(metric.name) if metric.HasField("name") else None
        if metric.HasField("alias"):
            if birth and name is not None:
                if len(aliases) >= MAX_METRICS and metric.alias not in aliases:
                    raise ValueError(f"the edge node has more than {MAX_METRICS} metrics")
                aliases[metric.alias] = (name, kind)
            elif name is None:
                if metric.alias not in aliases:
                    raise ValueError(
                        f"alias {metric.alias} is not known: the birth of the edge node was not seen; send it 'Node Control/Rebirth'"
                    )
                name, born_as = aliases[metric.alias]
                kind = kind or born_as
        if name is None:
            raise ValueError("a metric has neither a name nor an alias")
        found: dict[str, Any] = {"name": name, "value": self.value(metric, kind), "datatype": _TYPES[kind if kind < len(_TYPES) else 0]}
        found["timestamp"] = _of(metric, "timestamp")
        if metric.is_historical:
            found["historical"] = True
        return found

    def value(self, holder: Any, kind: int, depth: int = 0) -> Any:
        """The value of a metric, parameter or cell as JSON; null where it is none."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise ValueError(f"the payload has more than {MAX_VALUES} values or nests templates more than {_DEEPEST} levels deep")
        which = holder.WhichOneof("value")
        if which is None or getattr(holder, "is_null", False):
            return None
        value = getattr(holder, which)
        if which in ("int_value", "long_value"):
            return _signed(value, kind)
        if which in ("float_value", "double_value"):
            return (float(f"{value:.7g}") if which == "float_value" else value) if isfinite(value) else None
        if which == "bytes_value":
            return _array(value, kind)
        if which == "dataset_value":
            return self._table(value, depth)
        if which == "template_value":
            return self._template(value, depth)
        return _text(value) if which == "string_value" else value

    def _table(self, table: Any, depth: int) -> list[dict[str, Any]]:
        columns = [_text(column) for column in table.columns]
        kinds = [*table.types, *[0] * max(len(table.columns) - len(table.types), 0)]
        return [
            {column: self.value(cell, kind, depth + 1) for column, cell, kind in zip(columns, row.elements, kinds, strict=False)}
            for row in table.rows
        ]

    def _template(self, template: Any, depth: int) -> dict[str, Any]:
        found = {_text(parameter.name): self.value(parameter, parameter.type, depth + 1) for parameter in template.parameters}
        return found | {_text(metric.name): self.value(metric, metric.datatype, depth + 1) for metric in template.metrics}


def _parsed(body: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return payload_class().FromString(body)
    except DecodeError as error:
        raise ValueError(f"the payload is not Sparkplug B: {error}") from None


def _topic(topic: Any) -> tuple[str, str, str, str | None]:
    """Group, type of message, edge node and device of "spBv1.0/group/type/node[/device]"."""
    levels = topic.split("/") if type(topic) is str else topic
    if type(levels) is not list or not 4 <= len(levels) <= 5 or levels[0] != "spBv1.0":
        raise ValueError("the topic of Sparkplug B must be 'spBv1.0/<group>/<type>/<edge node>[/<device>]'")
    return levels[1], levels[2], levels[3], levels[4] if len(levels) == 5 else None


def _text(value: str | bytes) -> str:
    """A text; one that is not UTF-8, which protobuf leaves as bytes, with marks in the place of what cannot be read."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _of(message: Any, field: str) -> int | None:
    return int(getattr(message, field)) if message.HasField(field) else None


def _signed(value: int, kind: int) -> int:
    """Signed numbers stand as the unsigned ones of the same bits."""
    bits = _SIGNED.get(kind)
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _array(value: bytes, kind: int) -> Any:
    if kind in _ARRAYS:
        form = _ARRAYS[kind]
        count = len(value) // calcsize(f"<{form}")
        return [item if type(item) is int or isfinite(item) else None for item in unpack_from(f"<{count}{form}", value)]
    if kind == 32 and len(value) >= 4:
        bits = value[4:]
        count = min(int.from_bytes(value[:4], "little"), len(bits) * 8)
        return [bool(bits[place // 8] >> (7 - place % 8) & 1) for place in range(count)]
    if kind == 33:
        return [part.decode("utf-8", "replace") for part in value.split(b"\0")[:-1]]
    return b64encode(value).decode()
