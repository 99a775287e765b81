"""What each format wants to know. Nothing here needs a library of a format: the hub shows these, the gateway alone decodes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

Encoding = Literal["", "utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "big5"]
Compression = Literal["auto", "none", "gzip", "deflate"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


MISSING: Final = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-", "--", "—", "——", "/", "缺测", "无", "无数据")
"""What tables write where there is no value."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Options that every format has.

    Attributes:
        compression: "auto" unpacks gzip where its mark is there.
    """

    compression: Compression = "auto"


class JsonOptions(Options, frozen=True, kw_only=True):
    """One JSON value; the items of an array are the records."""

    encoding: Encoding = ""


class NdjsonOptions(Options, frozen=True, kw_only=True):
    """One JSON value a line; empty lines do not count."""

    encoding: Encoding = ""


class CsvOptions(Options, frozen=True, kw_only=True):
    """A table as text; each row is a record with the columns' names.

    Attributes:
        encoding: "" finds it out: UTF-8, GB18030 or UTF-16.
        delimiter: Between cells; "" finds it out among comma, semicolon, tab and bar.
        header: Whether the first row names the columns.
        columns: Their names where there is no header, or instead of it; without any they are c1, c2, ...
        skip: So many lines before the table are left out.
        comment: Lines that begin with it are left out; "" has none.
        numbers: Whether texts that are numbers become numbers. Those with leading zeros or more than 15 digits are numbers of things
            and stay texts.
        text: Columns that stay texts all the same.
        missing: Texts that mean no value.
        decimal_comma: Whether 1,5 is one and a half.
    """

    encoding: Encoding = ""
    delimiter: Annotated[str, msgspec.Meta(max_length=1)] = ""
    header: bool = True
    columns: list[Name] = []
    skip: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    comment: Annotated[str, msgspec.Meta(max_length=10)] = ""
    numbers: bool = True
    text: list[Name] = []
    missing: list[str] = msgspec.field(default_factory=lambda: list(MISSING))
    decimal_comma: bool = False


class CborOptions(Options, frozen=True, kw_only=True):
    """One CBOR item or a sequence of them (RFC 8949, RFC 8742); the items of an array are the records."""


class SenmlOptions(Options, frozen=True, kw_only=True):
    """A SenML pack (RFC 8428), as JSON or CBOR, LwM2M names included; each resolved record is a record.

    Attributes:
        together: Whether records of one time and one thing (the name up to its last '/' or ':') come as one, with `values` by the rest
            of the name.
    """

    together: bool = False


class SparkplugOptions(Options, frozen=True, kw_only=True):
    """A Sparkplug B payload; its topic says which edge node and device it is of.

    Attributes:
        together: Whether the metrics of a message come as one record with `metrics` by name, else each is a record.
        commands: Whether NCMD and DCMD are records too; they are orders to devices, not observations.
        nodes: Edge nodes whose names of metrics are remembered.
    """

    together: bool = True
    commands: bool = False
    nodes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000


class XmlOptions(Options, frozen=True, kw_only=True):
    """An XML document without a document type.

    Attributes:
        records: Path to the elements that are records ("row", ".//gml:featureMember"); "" is the document itself.
        namespaces: By the prefixes used in `records`.
        numbers: Whether texts that are numbers become numbers; as in CSV.
    """

    records: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    namespaces: dict[str, str] = {}
    numbers: bool = True


class TextOptions(Options, frozen=True, kw_only=True):
    r"""Text that a regular expression takes apart; its named groups are the members of a record.

    Attributes:
        pattern: RE2 with named groups: `^(?P<station>\S+) (?P<level>[\d.]+)`.
        lines: Whether each line is a record, else the whole payload.
        others: What becomes of lines that do not match: "refuse" the payload, or "skip" them.
        numbers: Whether texts that are numbers become numbers; as in CSV.
    """

    pattern: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    encoding: Encoding = ""
    lines: bool = True
    others: Literal["refuse", "skip"] = "refuse"
    numbers: bool = True


class SyslogOptions(Options, frozen=True, kw_only=True):
    """Messages of syslog (RFC 5424, RFC 3164), one a line, or counted as in RFC 6587."""

    encoding: Encoding = ""


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the bytes of a device stand in a JSON message of its network server.

    Attributes:
        payload: Path to their text ("data", "uplink_message.frm_payload").
        encoding: How it is written.
        port: Path to the port ("fPort"); "" has none.
    """

    payload: Name
    encoding: Literal["base64", "hex"] = "base64"
    port: str = ""


class JavascriptOptions(Options, frozen=True, kw_only=True):
    """Bytes decoded by a JavaScript codec as LoRaWAN devices have: `decodeUplink({bytes, fPort}) -> {data, errors, warnings}`.

    It runs in an engine without network, files or modules, in a process of its own, in bounded time and memory.

    Attributes:
        code: The codec. `Decode(fPort, bytes)` and `Decoder(bytes, fPort)`, the older forms, are known too.
        port: fPort where no envelope says it.
        envelope: Where the bytes stand in a JSON message; None: the payload is the bytes. The record then is that message with what was
            decoded as `decoded`.
        timeout_ms: Longest time for one payload.
        memory_mb: Most memory of the engine.
    """

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]
    port: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    envelope: Envelope | None = None
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    memory_mb: Annotated[int, msgspec.Meta(ge=8, le=128)] = 32


FieldType = Literal[
    "u8", "i8", "u16be", "u16le", "i16be", "i16le", "u24be", "u24le", "i24be", "i24le", "u32be", "u32le", "i32be", "i32le",
    "u64be", "u64le", "i64be", "i64le", "f32be", "f32le", "f64be", "f64le", "bcd", "text", "hex", "skip",
]  # fmt: skip


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field of a binary payload.

    Attributes:
        name: Of the member; "" for what is skipped.
        type: Its form: u, i, f with bits and byte order; "bcd" digits, "text", "hex" and "skip" have a `length`.
        at: Where it begins in bytes; None: after the one before.
        length: In bytes, of bcd, text, hex and skip.
        bit, bits: A part of an unsigned number: its lowest bit and how many; bits 0 is all of it, bits 1 gives a truth value.
        scale, offset: value times scale plus offset.
        missing: The raw number that means no value.
    """

    type: FieldType
    name: str = ""
    at: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    length: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    bit: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0
    bits: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    scale: float = 1.0
    offset: float = 0.0
    missing: int | None = None


class StructOptions(Options, frozen=True, kw_only=True):
    """Bytes with fields at fixed places.

    Attributes:
        fields: In their order.
        repeat: Whether the fields come again and again to the end of the payload, each time a record.
        envelope: As of "javascript".
    """

    fields: Annotated[list[Field], msgspec.Meta(min_length=1, max_length=1000)]
    repeat: bool = False
    envelope: Envelope | None = None
