"""Bytes with fields at fixed places, described by their names, types and scales."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from struct import unpack_from
from typing import Any, Final

from cityhub.ingest.decoding.bounds import bounded
from cityhub.ingest.decoding.envelope import through
from cityhub.ingest.decoding.options import Field, StructOptions

_SIZES: Final = {"8": 1, "16": 2, "24": 3, "32": 4, "64": 8}
_LONG: Final = frozenset({"bcd", "text", "hex", "skip"})
_FLOATS: Final = {"f32be": ">f", "f32le": "<f", "f64be": ">d", "f64le": "<d"}
Read = Callable[[bytes, int], Any]


def struct_decoder(options: StructOptions) -> Callable[[bytes], list[Any]]:
    """Reads the fields. Raises ValueError when they contradict themselves."""
    places: list[tuple[str, int, int, Read]] = []
    end = 0
    for number, field in enumerate(options.fields, 1):
        size = _size(field, number)
        at = end if field.at is None else field.at
        if field.type != "skip":
            if not field.name:
                raise ValueError(f"field {number} needs a 'name'")
            places.append((field.name, at, size, _reader(field, size, number)))
        end = at + size
    whole = max((at + size for _, at, size, _ in places), default=end)
    whole = max(whole, end)

    def record(body: bytes, start: int) -> dict[str, Any]:
        return {name: read(body, start + at) for name, at, _, read in places}

    def records(body: bytes, _port: int) -> list[Any]:
        if len(body) < whole:
            raise ValueError(f"the payload has {len(body)} bytes, its fields need {whole}")
        if not options.repeat:
            return [record(body, 0)]
        if len(body) % whole:
            raise ValueError(f"the payload has {len(body)} bytes, which is no multiple of the {whole} of its fields")
        bounded([None] * (len(body) // whole))
        return [record(body, start) for start in range(0, len(body), whole)]

    return through(options.envelope, 0, records)


def _size(field: Field, number: int) -> int:
    if field.type in _LONG:
        if not field.length:
            raise ValueError(f"field {number} ('{field.name}') is {field.type} and needs a 'length'")
        return field.length
    if field.length:
        raise ValueError(f"field {number} ('{field.name}') is {field.type}, whose length is fixed; leave 'length' out")
    return _SIZES[field.type[1:].removesuffix("be").removesuffix("le")]


def _reader(field: Field, size: int, number: int) -> Read:
    if field.bits and (field.type[0] != "u" or field.bit + field.bits > size * 8):
        raise ValueError(f"field {number} ('{field.name}'): 'bits' must be of an unsigned number and lie within it")
    if field.type == "hex":
        return lambda body, at: body[at : at + size].hex()
    if field.type == "text":
        return lambda body, at: body[at : at + size].rstrip(b"\0 ").decode("utf-8", "replace")
    raw = _raw(field, size)
    if field.bits == 1:
        return lambda body, at: bool(raw(body, at) >> field.bit & 1)
    if field.bits:
        mask, bit, inner = (1 << field.bits) - 1, field.bit, raw
        raw = lambda body, at: inner(body, at) >> bit & mask  # noqa: E731 - one of several forms of the same thing
    plain = field.scale == 1.0 and field.offset == 0.0

    def read(body: bytes, at: int) -> Any:
        value = raw(body, at)
        if value == field.missing or (type(value) is float and not isfinite(value)):
            return None
        return value if plain else value * field.scale + field.offset

    return read


def _raw(field: Field, size: int) -> Read:
    if field.type in _FLOATS:
        form = _FLOATS[field.type]
        return lambda body, at: unpack_from(form, body, at)[0]
    if field.type == "bcd":
        return _bcd(field, size)
    signed = field.type[0] == "i"
    if field.type.endswith("le"):
        return lambda body, at: int.from_bytes(body[at : at + size], "little", signed=signed)
    return lambda body, at: int.from_bytes(body[at : at + size], "big", signed=signed)


def _bcd(field: Field, size: int) -> Read:
    if size > 9:
        raise ValueError(f"'{field.name}': binary coded decimals have at most 9 bytes")

    def read(body: bytes, at: int) -> int:
        digits = body[at : at + size].hex()
        if not digits.isdecimal():
            raise ValueError(f"'{field.name}' is not binary coded decimals: {digits}")
        return int(digits)

    return read
