"""What people set of a device beside the words of its entity, read from JSON."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from cityhub.ingest.devices.device import MOST_DOCUMENT, Device, Software, device_id
from cityhub.model.errors import BadRequestData

MOST_ENTITIES: Final = 100
OWN: Final = ("feed", "interval_s", "owner", "address", "entities", "wanted")
"""Members of a device that people set and that are no words of its entity."""


def edited(device: Device, body: dict[str, Any], at: str) -> Device:
    """The record with members of a body taken over. Raises BadRequestData."""
    changes: dict[str, Any] = {}
    for name in ("feed", "owner"):
        if name in body:
            value = body[name] or ""
            if not isinstance(value, str) or len(value) > 200:
                raise BadRequestData(f"'{name}' must be a text of at most 200 characters")
            changes[name] = value
    if "interval_s" in body:
        changes["interval_s"] = _seconds(body["interval_s"])
    if "address" in body:
        check_object(body["address"], "address")
        changes["address"] = body["address"] or {}
    if "entities" in body:
        changes["entities"] = _entities(body["entities"])
    if "wanted" in body:
        changes["wanted"] = _software(body["wanted"], at)
    return msgspec.structs.replace(device, **changes)


def _seconds(value: Any) -> float:
    value = 0 if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e8:
        raise BadRequestData("'interval_s' must be a number of seconds, 0 when nobody knows")
    return float(value)


def _entities(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST_ENTITIES:
        raise BadRequestData(f"'entities' must be a list of at most {MOST_ENTITIES} URIs")
    return [device_id(one) for one in value]


def _software(value: Any, at: str) -> Software:
    if value is None:
        return Software()
    if not isinstance(value, dict) or not value.keys() <= {"firmware", "configuration"} or not isinstance(value.get("firmware", ""), str):
        raise BadRequestData("'wanted' must be an object with 'firmware' (a version) and 'configuration' (an object)")
    check_object(value.get("configuration"), "wanted.configuration")
    return Software(value.get("firmware", "")[:200], value.get("configuration"), at)


def check_object(value: Any, name: str) -> None:
    """Raises BadRequestData for what is no JSON object (or null) of bounded size."""
    if value is not None and not isinstance(value, dict):
        raise BadRequestData(f"'{name}' must be a JSON object")
    if len(orjson.dumps(value)) > MOST_DOCUMENT:
        raise BadRequestData(f"'{name}' may have at most {MOST_DOCUMENT} bytes")
