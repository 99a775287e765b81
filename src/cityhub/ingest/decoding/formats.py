"""The formats of payloads: what they are called, what they want to know, and what decodes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

import msgspec

from cityhub.ingest.decoding import options as wanted
from cityhub.ingest.decoding.bounds import unpacked
from cityhub.model.errors import BadRequestData

Decoder = Callable[..., list[Any]]
"""Called with a payload's bytes and, where it is known, with what stands beside it (`cityhub.ingest.message.Message.about`)."""
_NOTHING: Final[Mapping[str, Any]] = {}


class Format(msgspec.Struct, frozen=True):
    """A format of payloads.

    Attributes:
        title: By language.
        options: What it wants to know; its docstring describes the format.
        made_by: Module of this package and function that makes its decoder.
        media_types: Of payloads that say so.
        beside: Whether what is known beside the payload is needed.
        waits: Whether decoding waits for another process, so that it should not be done in an event loop.
    """

    title: dict[str, str]
    options: type[wanted.Options]
    made_by: str
    media_types: tuple[str, ...] = ()
    beside: bool = False
    waits: bool = False


FORMATS: Final[dict[str, Format]] = {
    "json": Format({"zh": "JSON", "en": "JSON"}, wanted.JsonOptions, "json_lines:json_decoder", ("application/json",)),
    "ndjson": Format(
        {"zh": "NDJSON（每行一条 JSON）", "en": "NDJSON (one JSON value a line)"}, wanted.NdjsonOptions, "json_lines:ndjson_decoder",
        ("application/x-ndjson", "application/ndjson", "application/jsonl"),
    ),
    "csv": Format({"zh": "CSV 表格", "en": "CSV table"}, wanted.CsvOptions, "csv_rows:csv_decoder", ("text/csv",)),
    "cbor": Format({"zh": "CBOR", "en": "CBOR"}, wanted.CborOptions, "cbor:cbor_decoder", ("application/cbor", "application/cbor-seq")),
    "senml": Format(
        {"zh": "SenML（含 LwM2M）", "en": "SenML (LwM2M too)"}, wanted.SenmlOptions, "senml:senml_decoder",
        ("application/senml+json", "application/senml+cbor", "application/vnd.oma.lwm2m+json", "application/vnd.oma.lwm2m+cbor"),
    ),
    "sparkplug": Format({"zh": "Sparkplug B", "en": "Sparkplug B"}, wanted.SparkplugOptions, "sparkplug:sparkplug_decoder", beside=True),
    "xml": Format({"zh": "XML", "en": "XML"}, wanted.XmlOptions, "xml:xml_decoder", ("application/xml", "text/xml")),
    "text": Format(
        {"zh": "文本（正则表达式）", "en": "text (regular expression)"}, wanted.TextOptions, "text:text_decoder", ("text/plain",)
    ),
    "syslog": Format({"zh": "Syslog 日志", "en": "syslog"}, wanted.SyslogOptions, "syslog:syslog_decoder"),
    "javascript": Format(
        {"zh": "二进制（JavaScript 解码器）", "en": "bytes (JavaScript codec)"}, wanted.JavascriptOptions, "javascript:javascript_decoder",
        waits=True,
    ),
    "struct": Format({"zh": "二进制（字段表）", "en": "bytes (table of fields)"}, wanted.StructOptions, "struct_fields:struct_decoder"),
}  # fmt: skip
"""By name."""

MEDIA_TYPES: Final[dict[str, str]] = {media_type: name for name, form in FORMATS.items() for media_type in form.media_types}
"""Name of the format by media type."""


def format_of(name: str) -> Format:
    """The format of a name or media type. Raises BadRequestData when there is none."""
    form = FORMATS.get(name) or FORMATS.get(MEDIA_TYPES.get(name.partition(";")[0].strip().lower(), ""))
    if form is None:
        raise BadRequestData(f"'{name[:100]}' is not a format; the formats are {', '.join(FORMATS)}")
    return form


def decoder(format: str, options: Mapping[str, Any] = _NOTHING) -> Decoder:
    """What turns payloads of a format into records: lists, objects, texts and numbers of JSON.

    The decoder raises ValueError, and nothing else, for a payload that is not of the format or costs too much.
    Raises BadRequestData when there is no such format or its options are wrong.

    >>> decoder("csv")(b"station,rain\\nR1,1.5\\n")
    [{'station': 'R1', 'rain': 1.5}]
    """
    form = format_of(format)
    try:
        read = msgspec.convert(dict(options), form.options)
        module, _, name = form.made_by.partition(":")
        decode = getattr(import_module(f"cityhub.ingest.decoding.{module}"), name)(read)
    except ValueError as error:  # that of msgspec is one too
        raise BadRequestData(f"The options of the format '{format}' are not as they should be: {error}") from None
    compression = read.compression
    if form.beside:
        return lambda body, about=_NOTHING: decode(unpacked(body, compression), about)
    return lambda body, about=_NOTHING: decode(unpacked(body, compression))
