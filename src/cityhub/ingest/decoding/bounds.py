"""What a payload may cost: bytes, depth and number of values, whatever its format."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any, Final
from zlib import MAX_WBITS, decompressobj, error

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of a payload after it was unpacked."""
MAX_DEPTH: Final = 64
"""How deep values may be nested."""
MAX_RECORDS: Final = 100_000
"""Records of one payload; what is more comes as a file."""
MAX_VALUES: Final = 2_000_000
"""Values of one payload, however often one is referred to."""
_GZIP: Final = b"\x1f\x8b"
_TOO_DEEP: Final = f"the payload is nested more than {MAX_DEPTH} levels deep"


def unpacked(body: bytes, compression: str) -> bytes:
    """The payload without its compression. Raises ValueError when it is broken or larger than `MAX_BYTES` then.

    Args:
        body: As it came.
        compression: "none", "gzip", "deflate" (with or without the head of zlib), or "auto": gzip where its mark is there.
    """
    if compression == "none" or (compression == "auto" and body[:2] != _GZIP):
        if len(body) > MAX_BYTES:
            raise ValueError(f"the payload is larger than {MAX_BYTES} bytes")
        return body
    if compression == "deflate":
        bare = not (len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0)
        return _inflated(body, -MAX_WBITS if bare else MAX_WBITS, "deflate")
    return _inflated(body, MAX_WBITS | 16, "gzip")


def _inflated(body: bytes, window: int, name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:
        engine = decompressobj(window)
        try:
            part = engine.decompress(body, MAX_BYTES - size + 1)
        except error as fault:
            raise ValueError(f"the payload is not {name}: {fault}") from None
        size += len(part)
        if size > MAX_BYTES:
            raise ValueError(f"the payload is larger than {MAX_BYTES} bytes when unpacked ({name})")
        if not engine.eof:
            raise ValueError(f"the payload ends in the middle of its {name}")
        parts.append(part)
        body = engine.unused_data if window & 16 else b""  # gzip may have several members, each with its own head
    return b"".join(parts)


def check_depth(value: Any, depth: int = 0) -> None:
    """Raises ValueError when objects and lists are nested more than `MAX_DEPTH` levels deep."""
    if depth > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    for item in value.values() if type(value) is dict else value:
        if type(item) is dict or type(item) is list:
            check_depth(item, depth + 1)


class Plain:
    """Turns what a library decoded into JSON values: bytes to base64, times to their texts, what is unknown to its text.

    It counts: a value that is referred to many times cannot grow beyond `MAX_VALUES`. One is made for each payload.

    Args:
        nothing: What the library has for a value that is not there, beside None.
    """

    def __init__(self, nothing: object = None) -> None:
        self._left = MAX_VALUES
        self._nothing = nothing

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """The value as JSON. Raises ValueError beyond the bounds."""
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"the payload has more than {MAX_VALUES} values")
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if value is self._nothing:
            return None
        if kind is float:
            return value if isfinite(value) else None
        if kind is int:
            return value if -(2**63) <= value < 2**64 else float(value) if abs(value) < 10**300 else str(value)[:100]
        if depth >= MAX_DEPTH:
            raise ValueError(_TOO_DEEP)
        if isinstance(value, Mapping):
            return {self._key(key): self(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self(item, depth + 1) for item in value]
        return self._scalar(value)

    @staticmethod
    def _key(key: Any) -> str:
        return key if type(key) is str else str(key)[:1000]

    @staticmethod
    def _scalar(value: Any) -> Any:
        if isinstance(value, bytes | bytearray | memoryview):
            return b64encode(value).decode()
        if isinstance(value, date | datetime | time):
            return value.isoformat()
        if isinstance(value, Decimal):
            number = float(value) if value.is_finite() else None
            return number if number is not None and isfinite(number) else None
        return str(value)[:10_000]


def bounded(records: list[Any]) -> list[Any]:
    """The records. Raises ValueError when they are more than `MAX_RECORDS`."""
    if len(records) > MAX_RECORDS:
        raise ValueError(f"the payload has {len(records)} records; more than {MAX_RECORDS} come as a file")
    return records
