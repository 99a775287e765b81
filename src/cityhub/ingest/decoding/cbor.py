"""CBOR, one item or a sequence of them.

Source: RFC 8949; RFC 8742 (sequences).
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from cityhub.ingest.decoding.bounds import MAX_DEPTH, Plain, bounded
from cityhub.ingest.decoding.options import CborOptions


def cbor_decoder(options: CborOptions) -> Callable[[bytes], list[Any]]:
    """Reads CBOR; the items of an array are the records, and so are the items of a sequence."""

    def decode(body: bytes) -> list[Any]:
        items = read_cbor(body)
        return bounded(items[0] if len(items) == 1 and type(items[0]) is list else items)

    return decode


def read_cbor(body: bytes) -> list[Any]:
    """The items of a payload as JSON values, byte strings as base64. Raises ValueError when it is not CBOR or too much of it."""
    from cbor2 import CBORDecoder, undefined

    if not body:
        raise ValueError("the payload is empty; a CBOR item is expected")
    stream, plain = BytesIO(body), Plain(undefined)
    items: list[Any] = []
    decoder = CBORDecoder(stream, max_depth=MAX_DEPTH)
    try:
        while stream.tell() < len(body):
            items.append(plain(decoder.decode()))
            bounded(items)
    except (ValueError, RecursionError, MemoryError, OverflowError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise ValueError(f"the payload is not CBOR: {str(error)[:200] or type(error).__name__}") from None
    except Exception as error:  # the library's own family
        raise ValueError(f"the payload is not CBOR: {str(error)[:200]}") from None
    return items
