"""CoAP: a resource of the hub's that devices POST or PUT to, or resources of devices that are observed.

A device's message is answered with 2.04 after it is durable, and with 5.03 and a time to wait while the hub is busy.
Source: RFC 7252; RFC 7641 (observing); RFC 7959 (blocks).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import orjson
from msgspec import Meta

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.doors import Senders
from cityhub.ingest.protocols.reach import door, hand_over, reach
from cityhub.model.errors import BadRequestData, CityHubError

if TYPE_CHECKING:
    from aiocoap import Context

WAITING: Final = 256
"""Messages that wait for being durable at once; further ones are told to come again."""
_MEDIA_TYPES: Final = {0: "text/plain", 41: "application/xml", 50: "application/json", 60: "application/cbor",
                       110: "application/senml+json", 112: "application/senml+cbor", 11542: "application/vnd.oma.lwm2m+tlv"}  # fmt: skip


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a command sends: where to ("coap://valve.local/opening"), and how; its parameters are the JSON payload."""

    url: str
    method: Literal["PUT", "POST", "DELETE"] = "PUT"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either a door (`port`), or resources that are observed (`observe`), or both.

    Attributes:
        port: UDP port of the door; 0: no door. 5683 by custom.
        listen: Address of the door; other than loopback it must be among the setting `feed_doors`.
        path: Path of the resource that devices send to, and everything below it.
        senders: Addresses and networks that may send; empty: all. CoAP without DTLS proves nothing else of a sender.
        observe: Resources of devices that are observed ("coap://gauge.local/level").
        renew_s: An observation is registered anew after so long, which also finds out that a device is gone.
        max_bytes: Largest payload, all blocks together.
        commands: What a command to a device sends, by its name.
        timeout_s: Of a device's answer.
    """

    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    listen: str = "127.0.0.1"
    path: str = "data"
    senders: tuple[str, ...] = ()
    observe: tuple[str, ...] = ()
    renew_s: Annotated[float, Meta(gt=0)] = 300.0
    max_bytes: Annotated[int, Meta(ge=16, le=1_000_000)] = 65_536
    commands: dict[str, Order] = {}
    timeout_s: Annotated[float, Meta(gt=0)] = 30.0

    def __post_init__(self) -> None:
        if not self.port and not self.observe and not self.commands:
            raise ValueError("a CoAP feed needs a 'port' to listen on, or what to 'observe', or 'commands'")


class Connector:
    """Devices that speak CoAP as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._host = door(around, settings.listen) if settings.port else ""
        self._senders = Senders(settings.senders)
        self._waiting = 0
        for url in (*settings.observe, *(order.url for order in settings.commands.values())):
            _host_of(url)

    async def run(self, sink: Sink) -> None:
        """Lets devices in and observes until it is cancelled. Raises TroubleAtSource when a device or the port cannot be had."""
        self._around.notices.state("connecting")
        async with self._context(sink) as context:
            self._around.notices.state("running")
            if not self._settings.observe:
                await asyncio.Event().wait()
            try:
                async with asyncio.TaskGroup() as group:
                    for url in self._settings.observe:
                        group.create_task(self._observe(context, sink, url))
            except* TroubleAtSource as troubles:
                raise troubles.exceptions[0] from None
            except* CityHubError as errors:
                raise errors.exceptions[0] from None

    @asynccontextmanager
    async def _context(self, sink: Sink | None) -> AsyncIterator[Context]:
        import aiocoap

        try:
            if sink is None or not self._settings.port:
                context = await aiocoap.Context.create_client_context(transports=["udp6"])
            else:
                from cityhub.ingest.protocols.coap_resource import ignore_noise, site_of

                site = site_of(self._settings.path, self._settings.max_bytes, lambda *sent: self._take(sink, *sent))
                context = await aiocoap.Context.create_server_context(site, bind=(self._host, self._settings.port), transports=["udp6"])
                ignore_noise(context)
        except OSError as error:
            raise TroubleAtSource(f"Nobody can listen on {self._settings.listen} port {self._settings.port}: {error.strerror}") from None
        try:
            yield context
        finally:
            await context.shutdown()

    async def _take(self, sink: Sink, payload: bytes, format: int | None, path: list[str], query: list[str], remote: str) -> bool | None:
        """Whether a device's message is durable; None when the device may not send."""
        if not self._senders.may(remote.strip("[]")):
            return None
        if self._waiting >= WAITING:
            return False
        self._waiting += 1
        try:
            about = {"path": "/".join(path), "topic": path, "query": query, "remote": remote}
            await hand_over(sink, Message(payload, about, self._around.now(), format=_media_type(format)))
        except TroubleAtSource:
            return False
        finally:
            self._waiting -= 1
        return True

    async def _observe(self, context: Context, sink: Sink, url: str) -> None:
        import aiocoap
        from aiocoap.error import Error, NotObservable

        while True:
            target = await self._pinned(url)
            request = context.request(aiocoap.Message(code=aiocoap.GET, uri=target, observe=0))
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    answer = await request.response
                await self._notified(sink, url, answer)
                async with asyncio.timeout(self._settings.renew_s):
                    async for notification in request.observation:
                        await self._notified(sink, url, notification)
            except TimeoutError:
                if not request.response.done() or request.response.cancelled():
                    raise TroubleAtSource(f"{url[:200]} did not answer within {self._settings.timeout_s:g} s") from None
            except NotObservable:  # the device does not do it: its resource is asked instead
                await asyncio.sleep(self._settings.renew_s)
            except (Error, OSError) as error:
                raise TroubleAtSource(f"{url[:200]} cannot be had: {str(error)[:200] or type(error).__name__}") from None
            finally:
                if request.observation is not None and not request.observation.cancelled:
                    request.observation.cancel()

    async def _notified(self, sink: Sink, url: str, answer: Any) -> None:
        if not answer.code.is_successful():
            raise TroubleAtSource(f"{url[:200]} answered {answer.code}")
        if len(answer.payload) > self._settings.max_bytes:
            raise TroubleAtSource(f"{url[:200]} sent more than {self._settings.max_bytes} bytes")
        path = [part for part in urlsplit(url).path.split("/") if part]
        about = {"path": "/".join(path), "topic": path, "url": url, "remote": urlsplit(url).hostname}
        await hand_over(sink, Message(answer.payload, about, self._around.now(), format=_media_type(answer.opt.content_format)))

    async def command(self, command: Command) -> CommandResult:
        """Sends what `commands` has under the command's name; the parameters are the payload."""
        import aiocoap
        from aiocoap.error import Error

        order = self._settings.commands.get(command.name)
        if order is None:
            there = ", ".join(sorted(self._settings.commands)) or "none"
            return CommandResult("failed", f"The feed has no command '{command.name}'; there are: {there}")
        payload = b"" if command.parameters is None else orjson.dumps(command.parameters)
        try:
            async with asyncio.timeout(command.timeout_s), self._context(None) as context:
                message = aiocoap.Message(code=getattr(aiocoap, order.method), uri=await self._pinned(order.url), payload=payload)
                message.opt.content_format = 50
                answer = await context.request(message).response
        except TimeoutError:
            return CommandResult("failed", f"No answer within {command.timeout_s:g} s")
        except (Error, OSError, TroubleAtSource, CityHubError) as error:
            return CommandResult("failed", str(error)[:300] or type(error).__name__)
        text = answer.payload.decode("utf-8", "replace")[:1000]
        return CommandResult("acknowledged" if answer.code.is_successful() else "failed", str(answer.code), text or None)

    async def _pinned(self, url: str) -> str:
        """The URL with an allowed address instead of the name."""
        parts = urlsplit(url)
        host, port = _host_of(url)
        address = await reach(self._around, host, port)
        return parts._replace(netloc=f"{f'[{address}]' if ':' in address else address}:{port}").geturl()


def _media_type(format: int | None) -> str:
    """The media type of a content format; "" when nothing is said or it is not known: the feed's own format then holds."""
    return "" if format is None else _MEDIA_TYPES.get(int(format), "")


def _host_of(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 5683
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "coap" or not host:
        raise BadRequestData(f"'{url[:200]}' must be such as 'coap://gauge.local/level'")
    return host, port


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for URLs that are none, Forbidden when feeds may not listen on the address."""
    return Connector(feed, settings, around)
