"""The door through which all messages leave: a lane per receiver, with the sender that its scheme asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Lane, Receiver, Telling
from cityhub.notify.http_pool import HttpPool
from cityhub.notify.http_sender import HttpSender
from cityhub.notify.lane import OrderedLane, Sender
from cityhub.notify.mqtt_client import MqttClients
from cityhub.notify.mqtt_sender import MqttSender
from cityhub.web.addresses import AddressPolicy


class MessageDelivery:
    """Implements `cityhub.model.ports.Delivery`.

    Args:
        http_policy: Which addresses may be called over HTTP.
        mqtt_policy: Which addresses may be called over MQTT.
    """

    def __init__(self, http_policy: AddressPolicy, mqtt_policy: AddressPolicy) -> None:
        self._pool = HttpPool(http_policy)
        self._clients = MqttClients(mqtt_policy)
        self._senders: Final[dict[str, Callable[[Receiver], Sender]]] = {
            "http": lambda receiver: HttpSender(receiver, self._pool),
            "https": lambda receiver: HttpSender(receiver, self._pool),
            "mqtt": lambda receiver: MqttSender(receiver, self._clients),
            "mqtts": lambda receiver: MqttSender(receiver, self._clients),
        }

    def open(self, receiver: Receiver, telling: Telling) -> Lane:
        """See `cityhub.model.ports.Delivery.open`."""
        scheme = urlsplit(receiver.uri).scheme.lower()
        make = self._senders.get(scheme)
        if make is None:
            raise BadRequestData(f"'{receiver.uri[:200]}' must be an http, https, mqtt or mqtts URI")
        return OrderedLane(make(receiver), telling, receiver.cooldown_s)

    async def close(self) -> None:
        """Closes all connections."""
        self._pool.close()
        await self._clients.close()
