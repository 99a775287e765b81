"""MQTT 3.1.1 and 5: messages of any broker, acknowledged when they are durable; commands to devices through it.

Source: OASIS MQTT 3.1.1 and 5.0.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from cityhub.ingest.broker.topics import matches
from cityhub.ingest.decoding import MEDIA_TYPES
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Message, Settled, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.mqtt_client import MOST_PACKET, Arrived, ReadingClient, Wire, acknowledgement
from cityhub.ingest.protocols.sparkplug_rebirth import Rebirths
from cityhub.model.errors import BadRequestData, CityHubError, StoreUnavailable

TOPICS: Final = 20_000
"""So many topics are remembered in parts."""
SUBSCRIBE_S: Final = 15.0
Topic = Annotated[str, Meta(min_length=1, max_length=1000)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Messages that a broker has.

    Attributes:
        host: Of the broker.
        port: 8883 is usual with TLS.
        topics: Filters of topics.
        qos: Highest quality of service; 1 and 2 lose nothing when hub or broker end.
        version: Of the protocol.
        tls: Whether the connection is encrypted.
        ca: Certificate (PEM) of who signed the broker's, "file:NAME"; "" takes the machine's.
        certificate, key: Of this client (PEM), "file:NAME".
        username, password: "env:NAME" or "file:NAME" for the password.
        client: Client id; "" makes one of the feed's id. The broker keeps what is not taken yet under it.
        connections: How many connections share the messages; more than 1 needs shared subscriptions.
        share: Name of the group of a shared subscription; "": none, or the feed's id with several connections.
        session_s: How long the broker keeps what comes while the hub is away, in seconds (MQTT 5; before: as long as it likes).
        receive_maximum: Messages that may be unacknowledged at once (MQTT 5).
        keep_alive_s: After how many seconds of silence the connection is tried.
        retained: Whether messages that the broker keeps for newcomers are taken.
        command_topic: Where commands are published; "{device}" and "{command}" are filled in. A device's own address comes first.
        rebirths: Whether an edge node of Sparkplug B is asked for a rebirth when the names of its data are not known.
        answer_topic: Filter of the topics on which devices answer: JSON with the command's "id", and "error" when it failed.
    """

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    topics: Annotated[list[Topic], Meta(min_length=1, max_length=100)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    qos: Annotated[int, Meta(ge=0, le=2)] = 1
    version: Literal["3.1.1", "5"] = "5"
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""
    username: str = ""
    password: str = ""
    client: Annotated[str, Meta(max_length=200)] = ""
    connections: Annotated[int, Meta(ge=1, le=16)] = 1
    share: Annotated[str, Meta(pattern=r"^[^/+#]*$")] = ""
    session_s: Annotated[int, Meta(ge=0, le=4_294_967_295)] = 86_400
    receive_maximum: Annotated[int, Meta(ge=1, le=65535)] = 10_000
    keep_alive_s: Annotated[int, Meta(ge=5, le=3600)] = 30
    retained: bool = True
    rebirths: bool = True
    command_topic: str = ""
    answer_topic: str = ""


def connect(feed: Feed, settings: Settings, around: Surroundings) -> MqttConnector:
    """The connector of a feed."""
    return MqttConnector(feed, settings, around)


class MqttConnector:
    """Everything that a broker has for a feed, over one connection or several that share it."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._feed = feed
        self.settings = settings
        self.around = around
        self._open: list[_Connection] = []
        self._answers: dict[str, asyncio.Future[CommandResult]] = {}
        self._rebirths = Rebirths() if feed.format == "sparkplug" and settings.rebirths else None

    async def run(self, sink: Sink) -> None:
        """See `cityhub.ingest.message.Connector.run`."""
        connections = [_Connection(self, self._client_id(number), sink) for number in range(self.settings.connections)]
        tasks = [asyncio.create_task(connection.run()) for connection in connections]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._open.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def command(self, command: Command) -> CommandResult:
        """Publishes a command; "acknowledged" when an answer came, "sent" when none is expected or came in time."""
        topic = str(command.address.get("topic") or self.settings.command_topic)
        topic = topic.replace("{device}", command.device).replace("{command}", command.name)
        if not topic or "+" in topic or "#" in topic:
            return CommandResult("failed", "Where to is not known: right would be 'topic' in the device's address, or 'command_topic'")
        if not self._open:
            return CommandResult("failed", "The broker is not connected")
        body = {"id": command.id, "name": command.name, "parameters": command.parameters}
        answer: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._answers[command.id] = answer
        try:
            self._open[0].publish(topic, msgspec.json.encode(body), command.id)
            if not self.settings.answer_topic:
                return CommandResult("sent", f"Published to {topic}")
            async with asyncio.timeout(command.timeout_s):
                return await answer
        except TimeoutError:
            return CommandResult("sent", f"No answer within {command.timeout_s:.0f} s")
        except ValueError as error:
            return CommandResult("failed", f"It cannot be published: {error}")
        finally:
            del self._answers[command.id]

    def answered(self, arrived: Arrived) -> None:
        """A device answered a command."""
        try:
            told = json.loads(arrived.payload)
        except ValueError:
            told = arrived.payload[:1000].decode("utf-8", "replace")
        id = told.get("id") if isinstance(told, dict) else None
        if id is None and arrived.properties is not None:
            id = bytes(getattr(arrived.properties, "CorrelationData", b"")).decode("utf-8", "replace")
        future = self._answers.get(str(id))
        if future is not None and not future.done():
            error = told.get("error") if isinstance(told, dict) else None
            future.set_result(CommandResult("failed", str(error), told) if error else CommandResult("acknowledged", "", told))

    def refused(self, levels: list[str]) -> None:
        """Some of a message was refused."""
        wanted = self._rebirths.of(levels) if self._rebirths is not None else None
        if wanted is not None and self._open:
            self._open[0].publish(*wanted, "", qos=0)

    def opened(self, connection: _Connection) -> None:
        """A connection is there."""
        self._open.append(connection)
        self.around.notices.connections(len(self._open))
        if len(self._open) == self.settings.connections:
            self.around.notices.state("running")

    def filters(self) -> list[str]:
        """The filters of a connection's subscriptions."""
        settings = self.settings
        share = settings.share or (self._feed.id if settings.connections > 1 else "")
        own = [f"$share/{share}/{topic}" if share and not topic.startswith("$share/") else topic for topic in settings.topics]
        return [*own, settings.answer_topic] if settings.answer_topic and settings.answer_topic not in own else own

    def _client_id(self, number: int) -> str:
        name = self.settings.client or f"cityhub-{self._feed.id}"
        return f"{name}-{number + 1}" if self.settings.connections > 1 else name


class _Connection:
    """One connection, made anew by each `run`."""

    def __init__(self, connector: MqttConnector, client_id: str, sink: Sink) -> None:
        self._connector = connector
        self._settings = connector.settings
        self._around = connector.around
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._client = self._made(client_id)
        self._wire = Wire(self._client)
        self._abouts: dict[bytes, dict[str, Any]] = {}
        self._acknowledged: list[bytes] = []
        self._waiting: asyncio.Task[None] | None = None
        self._now, self._now_at = "", 0.0

    async def run(self) -> None:
        """Brings messages until the connection ends. Raises TroubleAtSource."""
        settings, client = self._settings, self._client
        try:
            client.addresses = await asyncio.to_thread(self._around.allow, settings.host, settings.port)
            await asyncio.to_thread(self._connect)
        except (OSError, ValueError) as error:
            raise TroubleAtSource(f"The broker {settings.host}:{settings.port} cannot be reached: {error}") from None
        try:
            await self._wire.drive()
        finally:
            if self._waiting is not None:
                self._waiting.cancel()
            self._wire.end("")
            client.hang_up()

    def publish(self, topic: str, payload: bytes, correlation: str, qos: int = 1) -> None:
        """Publishes a command."""
        properties = None
        if self._settings.version == "5" and correlation:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation.encode()
        self._client.publish(topic, payload, qos=min(qos, self._settings.qos), properties=properties)

    def _made(self, client_id: str) -> ReadingClient:
        settings = self._settings
        is_5 = settings.version == "5"
        version = MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311
        clean = None if is_5 else settings.qos == 0 or settings.session_s == 0
        client = ReadingClient(CallbackAPIVersion.VERSION2, client_id, clean_session=clean, protocol=version)
        client.taking = self._take
        client.released = set()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        if settings.username:
            client.username_pw_set(self._around.secret(settings.username), self._around.secret(settings.password) or None)
        if settings.tls:
            client.tls_set_context(self._tls())
        return client

    def _tls(self) -> ssl.SSLContext:
        """The TLS context. Files are named as secrets are: the text behind them is loaded."""
        settings, secret = self._settings, self._around.secret
        try:
            context = ssl.create_default_context(cadata=secret(settings.ca) or None)
        except (ssl.SSLError, ValueError) as error:
            raise BadRequestData(f"'ca' is no certificate in the form PEM: {error}") from None
        if settings.certificate:
            load_chain(context, secret(settings.certificate), secret(settings.key))
        return context

    def _connect(self) -> None:
        settings = self._settings
        properties = None
        if settings.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = settings.receive_maximum
            properties.SessionExpiryInterval = settings.session_s if settings.qos else 0
            properties.MaximumPacketSize = MOST_PACKET
        clean: Any = {"clean_start": settings.qos == 0 or settings.session_s == 0} if settings.version == "5" else {}
        self._client.connect(settings.host, settings.port, settings.keep_alive_s, properties=properties, **clean)

    # -- What the client tells, in the event loop ----------------------------------------------------------------

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._wire.end(f"The broker refused the connection: {reason}")
            return
        qos, filters = self._settings.qos, self._connector.filters()
        if self._settings.version == "5":
            wanted: Any = [(topic, self._options(topic)) for topic in filters]
        else:
            wanted = [(topic, qos) for topic in filters]
        self._client.subscribe(wanted)

    def _options(self, topic: str) -> SubscribeOptions:
        """Of what is retained, 1 means: when the subscription is new, 2: never. Commands of this client are not for itself."""
        handling = 1 if self._settings.retained else 2
        return SubscribeOptions(qos=self._settings.qos, noLocal=not topic.startswith("$share/"), retainHandling=handling)

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        refused = [topic for topic, reason in zip(self._connector.filters(), reasons, strict=False) if reason.is_failure]
        if refused:
            self._wire.end(f"The broker refuses subscriptions to {', '.join(refused)}; its account may not read there")
        else:
            self._connector.opened(self)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._wire.end(f"The connection to the broker ended: {reason}")

    def _take(self, arrived: Arrived) -> bool:
        if arrived.qos == 2 and arrived.mid in self._client.released and arrived.dup:  # had it, only the broker has not heard so
            self._acknowledge(2, arrived.mid)
            return True
        if arrived.retain and not self._settings.retained:
            self._acknowledge(arrived.qos, arrived.mid)
            return True
        about = self._about(arrived)
        if self._is_answer(about["topic"]):
            self._connector.answered(arrived)
            self._acknowledge(arrived.qos, arrived.mid)
            return True
        form = "" if arrived.properties is None else self._format(arrived.properties)
        at = self._loop.time()
        if at != self._now_at:  # the loop's time stands still while it deals with what was read at once
            self._now, self._now_at = self._around.now(), at
        message = Message(arrived.payload, about, self._now, form, arrived.dup or arrived.retain)
        if self._sink.offer(message, self._settled(arrived.qos, arrived.mid, about["topic"])):
            return True
        self._waiting = self._loop.create_task(self._wait_for_room())
        return False

    async def _wait_for_room(self) -> None:
        await self._sink.room()
        self._wire.resume()

    def _settled(self, qos: int, mid: int, levels: list[str]) -> Callable[[Settled | Exception], None]:
        def settled(outcome: Settled | Exception) -> None:
            if isinstance(outcome, StoreUnavailable):
                self._wire.end(f"The hub cannot take messages now: {outcome}")
            elif isinstance(outcome, Settled | CityHubError):
                self._acknowledge(qos, mid)
                if isinstance(outcome, Settled) and outcome.refused:
                    self._connector.refused(levels)

        return settled

    def _acknowledge(self, qos: int, mid: int) -> None:
        """Acknowledges soon, together with others."""
        if not qos or self._wire.ended.done():
            return
        if qos == 2:
            self._client.released.add(mid)
        if not self._acknowledged:
            self._loop.call_soon(self._flush)
        self._acknowledged.append(acknowledgement(qos, mid))

    def _flush(self) -> None:
        packets, self._acknowledged = b"".join(self._acknowledged), []
        if not self._wire.ended.done():
            self._client.acknowledge(packets)

    def _about(self, arrived: Arrived) -> dict[str, Any]:
        known = self._abouts.get(arrived.topic) if arrived.properties is None else None
        if known is None:
            known = {"topic": arrived.topic.decode("utf-8", "replace").split("/")}
            if arrived.properties is not None:
                pairs = getattr(arrived.properties, "UserProperty", None)
                known["headers"] = dict(pairs) if pairs else {}
            elif len(self._abouts) < TOPICS:
                self._abouts[arrived.topic] = known
        return known

    def _format(self, properties: Properties) -> str:
        media_type = str(getattr(properties, "ContentType", "")).partition(";")[0].strip().lower()
        return media_type if media_type in MEDIA_TYPES else ""

    def _is_answer(self, levels: list[str]) -> bool:
        wanted = self._settings.answer_topic
        return bool(wanted) and matches(wanted, "/".join(levels))


def load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Gives a TLS context the certificate and key of this client. Raises BadRequestData when they are none."""
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # the library reads files only; it is this user's alone
            file.write(f"{certificate}\n{key}\n")
            file.flush()
            context.load_cert_chain(file.name)
    except (ssl.SSLError, OSError) as error:
        raise BadRequestData(f"'certificate' and 'key' do not fit together, or are not in the form PEM: {error}") from None
