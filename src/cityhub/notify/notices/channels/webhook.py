"""Webhooks: a signed HTTP POST that the receiver can tell from others and from its own repetition.

    Idempotency-Key: <message id>          the same at every attempt
    CityHub-Timestamp: <seconds since 1970>
    CityHub-Signature: v1=<hex of HMAC-SHA256(key, timestamp + "." + body)>

The key of a receiver follows from the hub's own key and from the origin of its address, so that none can sign for another.

Source: RFC 2104 (HMAC); draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

from cityhub.model.ports import Outbound, Person
from cityhub.model.time import Clock
from cityhub.notify.notices.channels.channel import Outcome, Parcel
from cityhub.notify.notices.contacts import without_addresses

TIMEOUT_S: Final = 15.0
COLD_S: Final = 10.0
"""A receiver that cannot be reached is not asked again for so long, so that it keeps nobody else's messages waiting."""
MOST_COLD: Final = 10_000
AGAIN: Final = frozenset((408, 409, 425, 429))
"""Answers of the 400s after which a later attempt may succeed; all of the 500s do."""


class WebhookChannel:
    """The channel "webhook".

    Implements `cityhub.notify.notices.channels.channel.Channel`.

    Args:
        outbound: The door to other hosts.
        key: Of the hub.
        clock: The present time.
    """

    name = "webhook"
    repeatable = True

    def __init__(self, outbound: Outbound, key: bytes, clock: Clock) -> None:
        self._outbound = outbound
        self._key = key
        self._clock = clock
        self._cold: dict[str, float] = {}

    def address(self, person: Person) -> str:
        """The address, if it is one of HTTP."""
        address = person.contacts.get("webhook", "")
        return address if address.startswith(("https://", "http://")) else ""

    def key_of(self, url: str) -> str:
        """The key of a receiver, which it needs to check signatures."""
        return hmac.new(self._key, _origin(url).encode(), sha256).hexdigest()

    async def send(self, parcel: Parcel) -> Outcome:
        """POSTs the message."""
        origin = _origin(parcel.address)
        if self._cold.get(origin, 0.0) > time.monotonic():
            return Outcome("failed", "the receiver could not be reached a moment ago", again=True)
        body = orjson.dumps({
            "id": parcel.id, "key": parcel.key, "why": parcel.why, "person": parcel.person, "language": parcel.language,
            "subject": parcel.subject, "text": parcel.text, "urgent": parcel.urgent, "link": parcel.link, "at": parcel.at,
        })  # fmt: skip
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json", "Idempotency-Key": parcel.id, "CityHub-Timestamp": timestamp,
            "CityHub-Signature": f"v1={signature(self.key_of(parcel.address), timestamp, body)}",
        }  # fmt: skip
        answer = await self._outbound.request("POST", parcel.address, headers, body, TIMEOUT_S)
        if 200 <= answer.status < 300:
            return Outcome("sent", delivered=True)
        if answer.status == 0:
            if len(self._cold) >= MOST_COLD:
                self._cold.clear()
            self._cold[origin] = time.monotonic() + COLD_S
            return Outcome("failed", without_addresses(answer.reason, parcel.address)[:300], again=True)
        return Outcome("failed", f"the receiver answered {answer.status}", again=answer.status >= 500 or answer.status in AGAIN)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def signature(key: str, timestamp: str, body: bytes) -> str:
    """The signature of a body, hexadecimal."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


def hub_key(file: Path) -> bytes:
    """The hub's own key, made when it is not there, for its user alone to read."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(key := secrets.token_bytes(32))
        opened.flush()
        os.fsync(opened.fileno())
    return key
