"""JSON and NDJSON.

Source: RFC 8259; ndjson.org. A payload in another encoding than UTF-8, as old systems send it, is read too.
"""

from __future__ import annotations

from typing import Any

import orjson

from cityhub.ingest.decoding.bounds import MAX_DEPTH, MAX_RECORDS, bounded, check_depth
from cityhub.ingest.decoding.encoding import text_of
from cityhub.ingest.decoding.options import JsonOptions, NdjsonOptions


def json_decoder(options: JsonOptions) -> Any:
    """Reads one JSON value; the items of an array are the records."""

    def decode(body: bytes) -> list[Any]:
        value = read_json(body, options.encoding)
        return bounded(value) if type(value) is list else [value]

    return decode


def ndjson_decoder(options: NdjsonOptions) -> Any:
    """Reads one JSON value a line."""

    def decode(body: bytes) -> list[Any]:
        text = text_of(body, options.encoding).encode() if options.encoding or not _is_utf8(body) else body
        records: list[Any] = []
        for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            if line and not line.isspace():
                try:
                    records.append(read_json(line, "utf-8"))
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from None
                if len(records) > MAX_RECORDS:
                    bounded(records)
        return records

    return decode


def read_json(body: bytes, encoding: str = "") -> Any:
    """A JSON value of a payload. Raises ValueError saying where it is wrong, or that it is nested too deep."""
    try:
        value = orjson.loads(body if encoding in ("", "utf-8") else text_of(body, encoding).encode())
    except orjson.JSONDecodeError as fault:
        value = _otherwise(body, encoding, fault)
    if (type(value) is dict or type(value) is list) and body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        check_depth(value)
    return value


def _otherwise(body: bytes, encoding: str, fault: orjson.JSONDecodeError) -> Any:
    """The value where the payload has a byte order mark or is not UTF-8."""
    if not body or body.isspace():
        raise ValueError("the payload is empty; a JSON value is expected") from None
    if not encoding and _is_utf8(body) and body[:3] != b"\xef\xbb\xbf" and b"\0" not in body:
        raise ValueError(f"the payload is not JSON: {fault}") from None
    try:
        return orjson.loads(text_of(body, encoding).encode())
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise ValueError(f"the payload is not JSON: {error}") from None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
        return b"\0" not in body
    except UnicodeDecodeError:
        return False
