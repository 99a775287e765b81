"""What the register keeps of a device beside its entity: what nobody but the register needs to see."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from cityhub.ingest.devices.secrets import Secret
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import Document

DEVICES: Final = "device"
PREFIX: Final = "urn:ngsi-ld:Device:"
_SHORT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}")
MOST_DOCUMENT: Final = 32 * 1024
"""Largest address or configuration, in bytes of JSON."""


class Software(msgspec.Struct, frozen=True, omit_defaults=True):
    """A state of firmware and configuration, wanted or reported.

    Attributes:
        firmware: Version; "" is not said.
        configuration: JSON object of the device's own words; None is not said.
        at: When it was said, RFC 3339 UTC.
    """

    firmware: str = ""
    configuration: dict[str, Any] | None = None
    at: str = ""


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device's private record.

    Attributes:
        id: URI of its entity.
        version: Counted up at each change by people.
        feed: Id of the feed that it sends to, and by whose protocol commands reach it; "" has none.
        interval_s: How often it is expected to speak, in seconds; 0: nobody knows.
        owner: Department or person that answers for it.
        address: How it is reached by its feed's protocol ("topic", "url", ...); {"poll": true}: it asks for its commands itself.
        entities: URIs of the entities that it tells of beside its own.
        wanted: What it is to run.
        reported: What it said that it runs.
        credentials: How it proves who it is.
        claim: The key by which its owner may claim it, until it was used; None: it cannot be claimed.
        claimed: By whom and when it was claimed; {} when it was not.
        created: By whom and when it was added.
    """

    id: str
    version: int = 1
    feed: str = ""
    interval_s: float = 0.0
    owner: str = ""
    address: dict[str, Any] = {}
    entities: list[str] = []
    wanted: Software = Software()
    reported: Software = Software()
    credentials: list[Secret] = []
    claim: Secret | None = None
    claimed: dict[str, str] = {}
    created: dict[str, str] = {}


def device_of(document: Document) -> Device:
    """The record from its document."""
    return msgspec.convert(document, Device)


def document_of(device: Device) -> Document:
    """The document of a record."""
    document: Document = msgspec.to_builtins(device)
    return document


def device_id(text: Any) -> str:
    """The URI of a device: a URI as it is, a short name behind 'urn:ngsi-ld:Device:'. Raises BadRequestData."""
    if isinstance(text, str) and _SHORT.fullmatch(text):
        return PREFIX + text
    if not is_uri(text):
        raise BadRequestData(f"'id' must be a URI, or 1 to 200 letters, digits and '_.-', not '{str(text)[:100]}'")
    return str(text)
