"""Formats by name, compression, and the promise that a payload can only cause a ValueError."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import cbor2
import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.ingest.decoding import FORMATS, MEDIA_TYPES, decoder
from cityhub.ingest.decoding.sparkplug_message import payload_class
from cityhub.model.errors import BadRequestData

OPTIONS: dict[str, dict[str, Any]] = {
    "text": {"pattern": r"(?P<a>\w+) (?P<b>[\d.]+)"},
    "javascript": {"code": "function decodeUplink(input) { return {data: {first: input.bytes[0]}}; }"},
    "struct": {"fields": [{"name": "a", "type": "i16be", "scale": 0.1}, {"name": "b", "type": "bcd", "length": 2}], "repeat": True},
    "xml": {"records": ".//row"},
}
DECODERS = {name: decoder(name, OPTIONS.get(name, {})) for name in FORMATS if name != "javascript"}
ABOUT = {"topic": ["spBv1.0", "g", "NBIRTH", "n"]}
EXAMPLES: list[bytes] = [
    b'[{"bn":"urn:dev:ow:10e2073a01080063:","n":"t","u":"Cel","v":23.1}]', b'{"a":[1,{"b":null}]}', b"a,b\n1,2\n", b"<a><row x='1'>2</row></a>",
    b"<34>1 2003-10-11T22:14:15.003Z host app 1 ID [a b=\"c\"] hello", b"<34>Oct 11 22:14:15 host su[1]: failed", cbor2.dumps({"a": [1, 2.5, b"x", None]}),
    cbor2.dumps([{-2: "urn:x:", 0: "t", 2: 1.5}]), gzip.compress(b"[1,2]"), "站,雨量\nR1,１２".encode("gb18030"), "a;b\n1;2".encode("utf-16"), b"word 1.5\nword 2",
    payload_class()(seq=1, metrics=[{"name": "a", "alias": 1, "datatype": 3, "int_value": 2**32 - 1}]).SerializeToString(),
]  # fmt: skip


@st.composite
def damaged(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """A payload of some format with some bytes changed, cut or repeated."""
    body = bytearray(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(len(body) - 1, 0)))
        body[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(body) * draw(st.sampled_from([1, 1, 1, 3]))


@pytest.mark.parametrize("name", list(DECODERS))
@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), damaged(), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))))
def test_nothing_but_value_errors(name: str, body: bytes) -> None:
    try:
        records = DECODERS[name](body, ABOUT)
    except ValueError as error:
        assert str(error)
        assert len(str(error)) < 1000
    else:
        orjson.dumps(records)  # what comes out is JSON


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_described(name: str) -> None:
    form = FORMATS[name]
    assert set(form.title) == {"zh", "en"}
    assert (form.options.__doc__ or "").partition("\n")[0].endswith(".")
    assert msgspec.json.schema(form.options)["$defs"]
    decoder(name, OPTIONS.get(name, {}))


def test_formats_by_media_type() -> None:
    assert decoder("application/senml+cbor; charset=utf-8")(cbor2.dumps([{0: "a", 2: 1}]))[0]["value"] == 1
    assert set(MEDIA_TYPES.values()) <= set(FORMATS)


@pytest.mark.parametrize(("name", "options", "reason"), [
    ("jsno", {}, "the formats are json"), ("json", {"encodng": "x"}, "encodng"), ("csv", {"delimiter": ",,"}, "delimiter"), ("csv", {"delimiter": '"'}, "delimiter"),
    ("text", {}, "pattern"), ("text", {"pattern": "("}, "pattern"), ("text", {"pattern": "a"}, "named groups"), ("text", {"pattern": "(?P<a>(?:a{1000}){1000})"}, "pattern"),
    ("xml", {"records": "//["}, "records"), ("xml", {"records": "g:row"}, "records"), ("struct", {"fields": []}, "fields"),
    ("struct", {"fields": [{"name": "a", "type": "hex"}]}, "length"), ("struct", {"fields": [{"name": "a", "type": "u8", "length": 2}]}, "length"),
    ("struct", {"fields": [{"type": "u8"}]}, "name"), ("struct", {"fields": [{"name": "a", "type": "i8", "bits": 2}]}, "bits"),
    ("struct", {"fields": [{"name": "a", "type": "bcd", "length": 20}]}, "9 bytes"), ("javascript", {"code": "x", "timeout_ms": 100000}, "timeout_ms"),
])  # fmt: skip
def test_options_that_are_wrong(name: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        decoder(name, options)
    assert reason in caught.value.detail


def test_compression() -> None:
    for packed, compression in (
        (gzip.compress(b"[1,2]"), "auto"), (gzip.compress(b"[1,") + gzip.compress(b"2]"), "gzip"), (zlib.compress(b"[1,2]"), "deflate"),
        (zlib.compressobj(wbits=-15).compress(b"") + _raw(b"[1,2]"), "deflate"), (b"[1,2]", "auto"), (b"[1,2]", "none"),
    ):  # fmt: skip
        assert decoder("json", {"compression": compression})(packed) == [1, 2]


def _raw(body: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(body) + engine.flush()


@pytest.mark.parametrize(("body", "reason"), [
    (gzip.compress(bytes(100_000_000)), "larger than 67108864 bytes when unpacked"), (gzip.compress(b"[1,2]")[:-4], "ends in the middle"), (b"\x1f\x8bxxxxxxxxxx", "not gzip"),
    (gzip.compress(bytes(40_000_000)) * 2, "larger than"), (gzip.compress(b"1") + b"rubbish", "not gzip"),
], ids=["bomb", "cut", "no gzip", "two bombs", "rubbish behind"])  # fmt: skip
def test_bombs_and_broken_compression(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decoder("json")(body)


def test_bounds() -> None:
    with pytest.raises(ValueError, match="64 levels"):
        decoder("json")(b"[" * 100 + b"]" * 100)
    with pytest.raises(ValueError, match="more than 100000"):
        decoder("json")(b"[" + b"1," * 100_000 + b"1]")
    with pytest.raises(ValueError, match="more than 100000"):
        decoder("ndjson")(b"1\n" * 100_001)
    with pytest.raises(ValueError, match="more than 100000"):
        decoder("csv")(b"a\n" * 100_002)


def test_defaults_of_options_are_not_shared() -> None:
    kinds = {form.options for form in FORMATS.values()}
    assert all(issubclass(kind, msgspec.Struct) and kind.__struct_config__.forbid_unknown_fields for kind in kinds)
