"""Notices put together: what the hub builds, hands to others as the port `Notices`, and whose doors it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.model.errors import CityHubError
from cityhub.model.ports import Duty, Journal, Notices, Outbound, People, Store
from cityhub.model.time import Clock
from cityhub.notify.notices.asking_api import AskingApi
from cityhub.notify.notices.channels.channel import Channel
from cityhub.notify.notices.channels.email import EmailChannel, mail_server
from cityhub.notify.notices.channels.mqtt import MqttChannel
from cityhub.notify.notices.channels.screen import Screens
from cityhub.notify.notices.channels.sms import SmsChannel
from cityhub.notify.notices.channels.sms_gateway import read_gateway
from cityhub.notify.notices.channels.webhook import WebhookChannel, hub_key
from cityhub.notify.notices.dispatch import Dispatch
from cityhub.notify.notices.expander import Expander, NoticeWriter
from cityhub.notify.notices.expansion import Surroundings
from cityhub.notify.notices.ledger import Ledger
from cityhub.notify.notices.notice_api import NoticeApi
from cityhub.notify.notices.quota import Quotas
from cityhub.notify.notices.receipts import ReceiptApi
from cityhub.notify.notices.texts import Texts
from cityhub.notify.notices.texts_api import TextsApi
from cityhub.settings import Settings
from cityhub.web.addresses import AddressPolicy
from cityhub.web.http import Route
from cityhub.web.metrics import Metrics

SWEEP_S: Final = 60.0
KEY_FILE: Final = "webhooks.key"
"""In the data folder."""


class Outlets(msgspec.Struct, frozen=True):
    """How messages may leave; what is empty is not set up.

    Attributes:
        mail_server: URL of the server where e-mail is handed in.
        mail_from: Address that e-mail comes from.
        outbound: The door to other hosts; None: neither webhooks nor text messages.
        key_file: Where the key is with which webhooks are signed; it is made when it is not there.
        mqtt_policy: Which MQTT brokers may be named; None: no MQTT.
        sms_gateway: File that describes the gateway for text messages.
        environment: Where secrets are.
    """

    mail_server: str = ""
    mail_from: str = ""
    outbound: Outbound | None = None
    key_file: Path | None = None
    mqtt_policy: AddressPolicy | None = None
    sms_gateway: Path | None = None
    environment: Mapping[str, str] = {}


class Around(msgspec.Struct, frozen=True):
    """What notices stand among.

    Attributes:
        store: Where everything is kept.
        journal: Of the same store.
        people: Who works with the hub.
        duty: Who is on duty.
        clock: The present time.
        zone: Name of the district's time zone.
        base: Address under which people reach the hub.
        folder: The district's folder; None: no templates are brought.
        outlets: How messages may leave.
        keep: So many messages that have ended are kept.
    """

    store: Store
    journal: Journal
    people: People
    duty: Duty
    clock: Clock
    zone: str = "Asia/Shanghai"
    base: str = ""
    folder: Path | None = None
    outlets: Outlets = Outlets()
    keep: int = 100_000


class NoticeService:
    """The notices of a hub.

    Attributes:
        notices: The port for others.

    Args:
        around: What they stand among.
        channels: Further channels.
    """

    def __init__(self, around: Around, channels: tuple[Channel, ...] = ()) -> None:
        self._around = around
        self._zone = ZoneInfo(around.zone)
        self.screens = Screens()
        outlets = _channels_of(around.outlets, around.clock)
        self._channels: Mapping[str, Channel] = {one.name: one for one in (self.screens, *outlets, *channels)}
        self.texts = Texts(around.store, around.folder)
        self.ledger = Ledger(around.store, around.keep, lambda id, line: self.dispatch.changed(id, line))
        self.quotas = Quotas(self.ledger, self._surroundings, around.clock)
        self.dispatch = Dispatch(self.ledger, self.quotas, self._surroundings, around.clock, around.base)
        self.expander = Expander(around.journal, self.ledger, self._surroundings)
        self.notices: Notices = NoticeWriter(self.ledger)
        self._tasks: list[asyncio.Task[None]] = []

    def _surroundings(self) -> Surroundings:
        around = self._around
        return Surroundings(around.people, around.duty, self._channels, self.texts.policy, self.texts.template, self._zone)

    def routes(self) -> list[Route]:
        """All doors."""
        around = self._around
        webhook, sms = self._channels.get("webhook"), self._channels.get("sms")
        keys = webhook.key_of if isinstance(webhook, WebhookChannel) else None
        api = NoticeApi(self.ledger, self.screens, around.people, self._surroundings, around.clock, keys)
        asking = AskingApi(around.store, self.notices)
        gateway = sms if isinstance(sms, SmsChannel) else None
        receipts = ReceiptApi(self.ledger, self.dispatch, gateway, around.outlets.environment, around.clock)
        return [*TextsApi(self.texts, self._surroundings).routes(), *receipts.routes(), *asking.routes(), *api.routes()]

    async def start(self) -> None:
        """Reads what is kept, deals with what was on its way, and goes on."""
        await self.expander.begin()
        await self.texts.load()
        await self.ledger.load()
        self.quotas.load()
        await self.dispatch.settle()
        self._tasks = [asyncio.create_task(job) for job in (self.expander.run(), self.expander.keep(), self.dispatch.run())]

    async def sweep(self) -> None:
        """Drops what is too much; to be called again and again."""
        await self.ledger.drop_surplus()

    async def stop(self) -> None:
        """Ends the reading and the sending; stopping again does nothing."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.screens.close()
        if tasks:
            await self.dispatch.stop()
            await self.expander.advance()
        mqtt = self._channels.get("mqtt")
        if isinstance(mqtt, MqttChannel):
            await mqtt.close()

    def watch(self, metrics: Metrics) -> None:
        """Adds the gauges of notices."""
        metrics.watch("cityhub_messages", "Messages to people, by channel and state.", ("channel", "state"), self._counts)

    async def _counts(self) -> Mapping[tuple[str, ...], float]:
        counts: dict[tuple[str, ...], float] = {}
        for _, line in self.ledger.lines():
            key = (line.channel, line.state)
            counts[key] = counts.get(key, 0.0) + 1
        return counts


def outlets_of(settings: Settings, outbound: Outbound, environment: Mapping[str, str]) -> Outlets:
    """How messages may leave by the hub's settings."""
    return Outlets(
        settings.mail_server, settings.mail_from, outbound, settings.data / KEY_FILE,
        AddressPolicy(settings.mqtt_allow, loopback_allowed=settings.dev), settings.sms_gateway, environment,
    )  # fmt: skip


def _channels_of(outlets: Outlets, clock: Clock) -> list[Channel]:
    """The channels that are set up. Raises RuntimeError naming what is wrong with the description of a gateway."""
    made: list[Channel] = []
    if outlets.mail_server and outlets.mail_from:
        made.append(EmailChannel(mail_server(outlets.mail_server), outlets.mail_from))
    if outlets.outbound is not None and outlets.key_file is not None:
        made.append(WebhookChannel(outlets.outbound, hub_key(outlets.key_file), clock))
    if outlets.mqtt_policy is not None:
        made.append(MqttChannel(outlets.mqtt_policy))
    if outlets.sms_gateway is not None and outlets.outbound is not None:
        try:
            gateway = read_gateway(outlets.sms_gateway.read_bytes(), outlets.environment)
        except (OSError, CityHubError) as error:
            raise RuntimeError(f"'sms_gateway' ({outlets.sms_gateway}): {error}") from None
        made.append(SmsChannel(gateway, outlets.outbound, outlets.environment))
    return made
