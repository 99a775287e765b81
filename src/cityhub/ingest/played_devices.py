"""The simulated devices at the other end of the line: they publish by MQTT and push by HTTP, as real ones do."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cityhub.ingest.live import Payload
from cityhub.ingest.upsert import HubClient

USER: Final = "simulation"
ASK_EVERY_S: Final = 2.0
"""How often the hub is asked where its broker listens, while there is no connection to it."""

log = logging.getLogger("cityhub.ingest")


class PlayedDevices:
    """Sends the payloads of simulated devices. While a way is not there, payloads are dropped, as a device without memory would.

    Args:
        hub: The hub.
        password: Of the devices' account at the hub's own broker.
    """

    def __init__(self, hub: HubClient, password: str) -> None:
        self._hub = hub
        self._password = password
        self._client: paho.Client | None = None
        self._address = ""
        self._asked = -ASK_EVERY_S
        self._dropping: set[str] = set()
        self._came_back = False

    def send(self, payloads: Sequence[Payload], patience_s: float) -> bool:
        """Sends payloads. Raises HubAway when the hub cannot be reached for pushing.

        Returns whether a feed took something again after payloads of its devices had been dropped: all of them should speak then.
        """
        pushed: dict[str, list[Any]] = defaultdict(list)
        for payload in payloads:
            if payload.door == "mqtt":
                self._publish(payload, patience_s)
            else:
                pushed[payload.feed].append(payload.content)
        for feed, records in pushed.items():
            self._note(feed, self._hub.push(feed, records, patience_s) < len(records))
        came_back, self._came_back = self._came_back, False
        return came_back

    def close(self) -> None:
        """Hangs up."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _publish(self, payload: Payload, patience_s: float) -> None:
        client = self._connected(payload.feed, patience_s)
        self._note(payload.feed, client is not None)
        if client is not None:
            client.publish(f"simulation/{payload.feed}/{payload.station}", orjson.dumps(payload.content), qos=1)

    def _note(self, feed: str, is_taken: bool) -> None:
        if not is_taken:
            self._dropping.add(feed)
        elif feed in self._dropping:
            self._dropping.remove(feed)
            self._came_back = True

    def _connected(self, feed: str, patience_s: float) -> paho.Client | None:
        """The connection to the broker; None while there is none. A hub that was started anew listens elsewhere."""
        if self._client is not None and self._client.is_connected():
            return self._client
        if time.monotonic() - self._asked < ASK_EVERY_S:
            return None
        self._asked = time.monotonic()
        address = self._hub.listens(feed, patience_s)
        if address and address != self._address:
            self.close()
            self._client, self._address = self._opened(address), address
        return None

    def _opened(self, address: str) -> paho.Client:
        host, _, port = address.rpartition(":")
        client = paho.Client(CallbackAPIVersion.VERSION2, USER, protocol=MQTTProtocolVersion.MQTTv311)
        client.username_pw_set(USER, self._password)
        client.reconnect_delay_set(1, 10)
        client.max_queued_messages_set(1000)
        client.connect_async(host.strip("[]"), int(port))
        client.loop_start()
        return client
