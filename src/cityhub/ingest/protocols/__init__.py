"""The protocols by which feeds come in: a module each, imported when a feed needs it.

A module has `Settings` (what a feed's `source` may say), and `connect(feed, settings, around)`, which makes the feed's
`cityhub.ingest.message.Connector`. A connector that reaches devices has `async def command(self, command)` as well.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Connector, Surroundings
from cityhub.model.errors import BadRequestData

PROTOCOLS: Final[dict[str, str]] = {
    "broker": "cityhub.ingest.protocols.broker",
    "coap": "cityhub.ingest.protocols.coap",
    "folder": "cityhub.ingest.protocols.folder",
    "http": "cityhub.ingest.protocols.http",
    "modbus": "cityhub.ingest.protocols.modbus",
    "mqtt": "cityhub.ingest.protocols.mqtt",
    "opcua": "cityhub.ingest.protocols.opcua",
    "s3": "cityhub.ingest.protocols.s3",
    "snmp": "cityhub.ingest.protocols.snmp",
    "sensorthings": "cityhub.ingest.protocols.sensorthings",
    "sql": "cityhub.ingest.protocols.sql",
    "syslog": "cityhub.ingest.protocols.syslog",
    "web": "cityhub.ingest.protocols.web",
    "websocket": "cityhub.ingest.protocols.websocket",
}
"""Module of each protocol by its name in a feed."""


def protocol_module(protocol: str) -> Any:
    """The module of a protocol. Raises BadRequestData when there is none."""
    name = PROTOCOLS.get(protocol)
    if name is None:
        raise BadRequestData(f"'protocol' is '{protocol[:100]}'; right would be one of {', '.join(sorted(PROTOCOLS))}")
    return importlib.import_module(name)


def read_settings(feed: Feed) -> Any:
    """The protocol's own settings of a feed. Raises BadRequestData naming the member that is wrong."""
    module = protocol_module(feed.protocol)
    try:
        return msgspec.convert(feed.source, module.Settings)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"'source' of the feed '{feed.id}' is not as '{feed.protocol}' needs it: {error}") from None


def connect(feed: Feed, around: Surroundings) -> Connector:
    """The connector of a feed. Raises BadRequestData for a protocol or settings that are wrong."""
    settings = read_settings(feed)
    connector: Connector = protocol_module(feed.protocol).connect(feed, settings, around)
    return connector
