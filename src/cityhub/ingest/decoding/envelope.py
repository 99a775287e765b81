"""The bytes of a device inside a JSON message of its network server (LoRaWAN, NB-IoT)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

from cityhub.ingest.decoding.json_lines import read_json
from cityhub.ingest.decoding.options import Envelope

Codec = Callable[[bytes, int], list[Any]]
"""From bytes and port to records."""


def through(envelope: Envelope | None, port: int, codec: Codec) -> Callable[[bytes], list[Any]]:
    """A decoder of bare bytes, or of messages that hold them; a record is then the message with what was decoded as `decoded`."""
    if envelope is None:
        return lambda body: codec(body, port)
    return lambda body: _opened(body, envelope, port, codec)


def _opened(body: bytes, envelope: Envelope, port: int, codec: Codec) -> list[Any]:
    message = read_json(body)
    if type(message) is not dict:
        raise ValueError("the message around the payload must be a JSON object")
    text = _at(message, envelope.payload)
    if type(text) is not str:
        raise ValueError(f"the message has no text at '{envelope.payload}'")
    try:
        payload = bytes.fromhex(text) if envelope.encoding == "hex" else b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"'{envelope.payload}' is not {envelope.encoding}: {error}") from None
    found = _at(message, envelope.port) if envelope.port else None
    return [{**message, "decoded": record} for record in codec(payload, found if type(found) is int else port)]


def _at(message: Any, path: str) -> Any:
    for name in path.split("."):
        message = message.get(name) if type(message) is dict else None
    return message
