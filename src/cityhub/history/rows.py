"""Instances as rows of the history file, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zlib import adler32, crc32

import orjson

from cityhub.model.entity import Instance
from cityhub.model.time import to_text

Row = tuple[Any, ...]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_OWN_COLUMNS: Final = frozenset(("createdAt", "modifiedAt", "deletedAt", "instanceId"))
"""Members of an instance that are columns of their row, not part of its body."""


@lru_cache(maxsize=65_536)
def micros(text: str) -> int:
    """A time in the internal form as microseconds since 1970."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=65_536)
def time_text(number: int) -> str:
    """A time in the internal form from microseconds since 1970."""
    return to_text(_EPOCH + timedelta(microseconds=number))


def instance_row(number: int, entity: int, attribute: int, dataset: int, instance: Instance, at: int) -> Row:
    """The row of an instance that comes into the history at a time; the mark of a deletion has no other time than that of it."""
    observed, deleted, expires = instance.get("observedAt"), instance.get("deletedAt"), instance.get("expiresAt")
    if not _OWN_COLUMNS.isdisjoint(instance):
        instance = {key: value for key, value in instance.items() if key not in _OWN_COLUMNS}
    body = orjson.dumps(instance)
    return (
        number, entity, attribute, dataset,
        None if observed is None else micros(observed),
        at, at,
        None if deleted is None else micros(deleted),
        None if expires is None else micros(expires),
        0 if observed is None else digest(body),
        body,
    )  # fmt: skip


def digest(body: bytes) -> int:
    """63 bits that tell one body from another; whoever makes two that agree harms nobody but their own series."""
    return crc32(body) | (adler32(body) & 0x7FFF_FFFF) << 32


def read_instance(seed: str, number: int, created: int, modified: int, deleted: int | None, body: bytes) -> Instance:
    """The instance of a row."""
    instance: Instance = orjson.loads(body)
    instance["instanceId"] = instance_id(seed, number)
    instance["createdAt"] = time_text(created)
    instance["modifiedAt"] = time_text(modified)
    if deleted is not None:
        instance["deletedAt"] = time_text(deleted)
    return instance


def instance_id(seed: str, number: int) -> str:
    """The instanceId of a row."""
    return f"urn:ngsi-ld:Instance:{seed}-{number}"


def instance_number(seed: str, id: str) -> int:
    """The row number in an instanceId; 0 for what this history did not give out."""
    head, _, number = id.rpartition("-")
    known = head == f"urn:ngsi-ld:Instance:{seed}" and number.isascii() and number.isdigit() and len(number) < 19
    return int(number) if known else 0
