"""HTTP push: devices and systems send to the hub's own door; commands to devices go to their addresses.

The door is `POST /api/feeds/{id}/messages` of the hub, which hands what comes over to the feed. There is nothing to connect to, so that
the feed runs as long as it is enabled.
"""

from __future__ import annotations

import asyncio

import msgspec
import orjson

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.http_calls import Access, Call, HttpCalls
from cityhub.model.errors import CityHubError

MOST_ANSWER = 1 << 20
"""Largest answer of a device to a command, in bytes."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Messages that are sent to the hub. Senders need nothing of this; it is for commands to devices.

    Attributes:
        access: How the hub shows devices who it is.
        ca_file: Certificates of authorities (PEM) that signed those of the devices; "" are those of the system.
    """

    access: Access | None = None
    ca_file: str = ""


class Connector:
    """One feed of pushed messages.

    Args:
        settings: For commands.
        around: Where it tells how it stands, and which addresses may be used.
    """

    def __init__(self, settings: Settings, around: Surroundings) -> None:
        self._settings = settings
        self._around = around

    async def run(self, sink: Sink) -> None:
        """Runs until it is cancelled; what is pushed goes past it."""
        self._around.notices.state("running")
        await asyncio.Event().wait()

    async def command(self, command: Command) -> CommandResult:
        """Sends {"id", "name", "parameters"} by POST to the `url` of the device's address; a 2xx acknowledges, its JSON is the answer."""
        url = command.address.get("url")
        if not isinstance(url, str) or not url:
            return CommandResult("failed", "Where to is not known: right would be 'url' in the device's address, or \"poll\": true")
        call = Call(url, "POST", body={"id": command.id, "name": command.name, "parameters": command.parameters})
        try:
            async with HttpCalls(
                self._around, self._settings.access, command.timeout_s, MOST_ANSWER, self._settings.ca_file
            ) as calls:
                reply = await calls.send(call)
        except (TroubleAtSource, CityHubError) as error:
            return CommandResult("failed", str(error))
        if not 200 <= reply.status < 300:
            return CommandResult("failed", f"The device answered {reply.status}: {reply.body[:200].decode('utf-8', 'replace')}")
        return CommandResult("acknowledged", str(reply.status), _value(reply.body))


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The connector of a feed."""
    return Connector(settings, around)


def _value(body: bytes) -> object:
    """The answer as JSON; as text where it is none, and None where there is none."""
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return body[:1000].decode("utf-8", "replace")
