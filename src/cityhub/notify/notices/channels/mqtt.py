"""Messages by MQTT, such as to sirens and display boards: QoS 1, with the message's id, by which a receiver knows a repetition."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson

from cityhub.model.ports import Person, Receiver
from cityhub.notify.lane import Attempt
from cityhub.notify.mqtt_client import MqttClients
from cityhub.notify.mqtt_sender import MqttSender
from cityhub.notify.notices.channels.channel import Outcome, Parcel
from cityhub.notify.notices.contacts import without_addresses
from cityhub.web.addresses import AddressPolicy

TIMEOUT_S: Final = 15.0
OPTIONS: Final = (("MQTT-QoS", "1"),)


class MqttChannel:
    """The channel "mqtt".

    Implements `cityhub.notify.notices.channels.channel.Channel`.

    Args:
        policy: Which brokers may be named.
    """

    name = "mqtt"
    repeatable = True

    def __init__(self, policy: AddressPolicy) -> None:
        self._clients = MqttClients(policy)

    def address(self, person: Person) -> str:
        """The topic's address: mqtt[s]://broker/topic."""
        address = person.contacts.get("mqtt", "")
        return address if address.startswith(("mqtt://", "mqtts://")) else ""

    async def send(self, parcel: Parcel) -> Outcome:
        """Publishes the message and waits for the broker to have it."""
        body = orjson.dumps({
            "id": parcel.id, "key": parcel.key, "subject": parcel.subject, "text": parcel.text, "urgent": parcel.urgent, "at": parcel.at,
        })  # fmt: skip
        done: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()
        sender = MqttSender(Receiver(parcel.address, options=OPTIONS, timeout_s=TIMEOUT_S), self._clients)
        try:
            sender.send(body, lambda attempt: None if done.done() else done.set_result(attempt))
            attempt = await done
        finally:
            sender.close()
        if not attempt.reason:
            return Outcome("sent")
        return Outcome("failed", without_addresses(attempt.reason, parcel.address)[:300], again=attempt.again)

    async def close(self) -> None:
        """Closes the connections."""
        await self._clients.close()
