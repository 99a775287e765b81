"""The judged weight of a document is near what it really takes."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import pytest

from cityhub.model.weight import weight_of


def really(value: Any) -> int:
    """The bytes that a decoded document takes; equal short strings are shared by the decoder only as keys."""
    size = sys.getsizeof(value) + 16
    if isinstance(value, dict):
        return size + sum(really(item) for item in value.values())
    if isinstance(value, list):
        return size + sum(really(item) for item in value)
    return size if not isinstance(value, bool | None) else 0


ENTITY = {"id": "urn:ngsi-ld:Device:1", "type": "Device", "level": {"type": "Property", "value": 1.5, "observedAt": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize("document", [
    [ENTITY] * 1000, [{}] * 10_000, [[]] * 10_000, [[[1]]] * 10_000, [{"k": 1}] * 10_000, [[108.77, 29.53]] * 10_000, ["x"] * 10_000,
    "x" * 100_000, [1] * 100_000,
])  # fmt: skip
def test_the_weight_is_that_of_the_decoded_document(document: Any) -> None:
    encoded = orjson.dumps(document)
    taken = really(orjson.loads(encoded))
    assert 0.6 * taken < weight_of(encoded) < 3 * taken + 2 * len(encoded)
