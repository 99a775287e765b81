"""OPC UA: changes of the nodes in a map of tags, by a subscription at the server.

Changes that arrive together are one record: the tags by their names (null when their status is bad), `time` of the latest, `times` of
each, and `problems`, the status of those that are not good.
Source: OPC 10000-4 (Services), 5.12 and 5.13.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.marks import time_text
from cityhub.ingest.protocols.opcua_settings import Method, Settings
from cityhub.ingest.protocols.reach import hand_over, reach
from cityhub.ingest.protocols.values import json_value
from cityhub.model.errors import BadRequestData, CityHubError

if TYPE_CHECKING:
    from asyncua.client.client import Client
    from asyncua.common.subscription import Subscription

QUEUE: Final = 10_000
"""Changes that wait while the hub is busy; when there are more, the subscription begins anew with the current values."""
TOGETHER_S: Final = 0.005
"""Changes that come closer after each other than this are one record."""
AT_ONCE: Final = 1000
"""Nodes in one request to follow them."""
_UTC: Final = ZoneInfo("UTC")


class Connector:
    """An OPC UA server as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._url = urlsplit(settings.url)
        if self._url.scheme != "opc.tcp" or not self._url.hostname:
            raise BadRequestData("'url' must be such as 'opc.tcp://plc.local:4840'")
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._next: tuple[str, Any] | None = None

    async def run(self, sink: Sink) -> None:
        """Brings changes until it is cancelled. Raises TroubleAtSource when the server is away."""
        self._around.notices.state("connecting")
        async with self._connected(self._settings.timeout_s) as client:
            from asyncua.common.subscription import OverflowPolicy

            self._client = client
            try:
                subscription = await client.create_subscription(
                    self._parameters(), queue_maxsize=QUEUE, overflow=OverflowPolicy.DISCONNECT
                )
                subscription.set_overflow_disconnect_handler(self._lost.set)
                names = await self._follow(client, subscription)
                self._around.notices.state("running")
                while True:
                    record = await self._changes(subscription, names)
                    await hand_over(sink, Message(b"", {"remote": self._url.hostname}, self._around.now(), records=[record]))
            finally:
                self._client = None

    def _parameters(self) -> Any:
        from asyncua import ua

        return ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=self._settings.interval_ms, RequestedLifetimeCount=10_000, RequestedMaxKeepAliveCount=10,
            MaxNotificationsPerPublish=1000, PublishingEnabled=True, Priority=0,
        )  # fmt: skip

    async def _follow(self, client: Client, subscription: Subscription) -> dict[str, str]:
        """Follows all tags; names by node id. A tag that the server does not know stops the feed."""
        from asyncua import ua

        nodes = [(name, self._node(client, text)) for name, text in self._settings.tags.items()]
        for start in range(0, len(nodes), AT_ONCE):
            part = nodes[start : start + AT_ONCE]
            results = await subscription.subscribe_data_change(
                [node for _, node in part], queuesize=self._settings.queue, sampling_interval=ua.Double(self._settings.interval_ms)
            )
            for (name, _), result in zip(part, results, strict=True):
                if isinstance(result, ua.StatusCode):
                    text = self._settings.tags[name][:100]
                    raise BadRequestData(f"The server does not let tag '{name}' ({text}) be followed: {result.name}")
        return {node.nodeid.to_string(): name for name, node in nodes}

    def _node(self, client: Client, text: str) -> Any:
        try:
            return client.get_node(text)
        except Exception as error:  # the library raises what its parsing happens to raise
            raise BadRequestData(f"'{text[:100]}' must be a node id such as 'ns=2;s=Pump1.Flow': {error}") from None

    async def _changes(self, subscription: Subscription, names: dict[str, str]) -> dict[str, Any]:
        """What changed: waits for a change, and takes along what came with it, each tag once."""
        record: dict[str, Any] = {}
        times: dict[str, str] = {}
        problems: dict[str, str] = {}
        self._next = self._next or await self._change(subscription, names, None)
        while self._next is not None and self._next[0] not in times:
            name, value = self._next
            good = value.StatusCode is None or value.StatusCode.is_good()
            record[name] = json_of(value.Value.Value) if good and value.Value is not None else None
            at = value.SourceTimestamp or value.ServerTimestamp
            times[name] = time_text(at.replace(tzinfo=_UTC)) if at is not None else self._around.now()
            if not good:
                problems[name] = value.StatusCode.name
            self._next = await self._change(subscription, names, TOGETHER_S)
        record |= {"time": max(times.values()), "times": times}
        return record | {"problems": problems} if problems else record

    async def _change(self, subscription: Subscription, names: dict[str, str], wait_s: float | None) -> tuple[str, Any] | None:
        """The next change as tag and data value; None when none came in time."""
        from asyncua.common.subscription import DataChangeEvent

        while True:
            if self._lost.is_set():
                raise TroubleAtSource(f"{self._url.hostname} is connected no more, or sends faster than the hub takes")
            event = await subscription.next_event(1.0 if wait_s is None else wait_s)
            if isinstance(event, DataChangeEvent):
                return names[event.node.nodeid.to_string()], event.data.monitored_item.Value
            if event is None and wait_s is not None:
                return None

    async def command(self, command: Command) -> CommandResult:
        """Writes a tag (the command's name; its parameters are the value) or calls a method (its parameters are the arguments)."""
        settings = self._settings
        method = settings.methods.get(command.name)
        if method is None and command.name not in settings.writable:
            allowed = ", ".join(sorted({*settings.writable, *settings.methods})) or "none"
            return CommandResult("failed", f"'{command.name}' is neither a tag that may be written nor a method; those are: {allowed}")
        try:
            async with asyncio.timeout(command.timeout_s):
                if self._client is not None:
                    return await self._do(self._client, command, method)
                async with self._connected(command.timeout_s) as client:
                    return await self._do(client, command, method)
        except TimeoutError:
            return CommandResult("failed", f"No answer within {command.timeout_s:g} s")
        except (TroubleAtSource, CityHubError) as error:
            return CommandResult("failed", str(error))

    async def _do(self, client: Client, command: Command, method: Method | None) -> CommandResult:
        from asyncua import ua
        from asyncua.ua.uaerrors import UaError

        try:
            if method is not None:
                given = command.parameters
                arguments = given if isinstance(given, list) else [] if given is None else [given]
                answer = await self._node(client, method.object).call_method(self._node(client, method.method), *arguments)
                return CommandResult("acknowledged", "", json_of(answer))
            node = self._node(client, self._settings.tags[command.name])
            kind = await node.read_data_type_as_variant_type()
            await node.write_value(ua.DataValue(ua.Variant(command.parameters, kind)))
        except (UaError, ValueError, TypeError, OSError) as error:
            return CommandResult("failed", f"The server refused: {str(error)[:300]}")
        except Exception as error:  # packing a value of the wrong kind raises what it happens to raise
            return CommandResult("failed", f"The value does not fit: {str(error)[:300]}")
        return CommandResult("acknowledged", "", command.parameters)

    @asynccontextmanager
    async def _connected(self, timeout_s: float) -> AsyncIterator[Client]:
        try:
            from asyncua.client.client import Client
            from asyncua.ua.uaerrors import UaError
        except ImportError:
            raise BadRequestData("OPC UA needs the extra 'opcua' of the package cityhub") from None

        settings, url = self._settings, self._url
        port = url.port or 4840
        address = await reach(self._around, url.hostname or "", port)
        client = Client(f"opc.tcp://{f'[{address}]' if ':' in address else address}:{port}{url.path}", timeout=timeout_s)
        client.application_uri = settings.application_uri
        client.connection_lost_callback = self._note_loss
        self._lost.clear()
        if settings.user:
            client.set_user(settings.user)
            client.set_password(self._around.secret(settings.password))
        where = f"{url.hostname}:{port}"
        try:
            await self._secure(client)
            async with asyncio.timeout(2 * timeout_s):
                await client.connect()
        except (UaError, OSError, TimeoutError) as error:
            raise TroubleAtSource(f"{where} cannot be reached: {str(error)[:300] or type(error).__name__}") from None
        except ValueError as error:
            raise BadRequestData(f"{where} cannot be reached safely: {str(error)[:300]}") from None
        try:
            yield client
        except (UaError, OSError, TimeoutError) as error:
            raise TroubleAtSource(f"{where}: {str(error)[:300] or type(error).__name__}") from None
        finally:
            await _leave(client)

    async def _note_loss(self, error: Exception) -> None:
        self._lost.set()

    async def _secure(self, client: Client) -> None:
        if self._settings.security == "None":
            return
        from asyncua import ua
        from asyncua.crypto import security_policies
        from asyncua.crypto.uacrypto import CertProperties

        policy = getattr(security_policies, "SecurityPolicy" + self._settings.security.replace("_", ""))
        certificate, key, server = (
            CertProperties(self._around.secret(text).encode(), extension="pem")
            for text in (self._settings.certificate, self._settings.key, self._settings.server_certificate)
        )
        mode = getattr(ua.MessageSecurityMode, self._settings.mode)
        await client.set_security(policy, certificate, key, server_certificate=server, mode=mode)


async def _leave(client: Client) -> None:
    """Says good-bye, but not for long to a server that does not answer."""
    try:
        async with asyncio.timeout(2):
            await client.disconnect()
    except Exception:  # it was left already, in whatever way
        client.disconnect_socket()


def json_of(value: Any) -> Any:
    """A value of OPC UA as JSON: a localized text is its text, a structure an object, an enumeration its number."""
    if isinstance(value, (list, tuple)):
        return [json_of(item) for item in value]
    if hasattr(value, "Text") and hasattr(value, "Locale"):
        return value.Text
    if hasattr(value, "to_string"):
        return value.to_string()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: json_of(part) for name, part in asdict(value).items()}
    return json_value(value, _UTC)


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for a URL that is none."""
    return Connector(feed, settings, around)
