"""A WebSocket server as a source: each message that it sends is one payload.

Source: RFC 6455. A connection that is half open is found by pings.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import aiohttp
import msgspec
import orjson
from msgspec import Meta
from yarl import URL

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import MAX_BODY, Command, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.doors import Passage
from cityhub.ingest.protocols.http_calls import Access, check_address, open_session, shown
from cityhub.model.errors import BadRequestData

PAYLOADS = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the server is and what is said to it.

    Attributes:
        url: "wss://stream.example/rain".
        headers: Of the opening request; a secret is written "env:NAME".
        access: How the feed shows who it is.
        protocols: Subprotocols that are offered.
        hello: What is sent after each connecting, in order: texts as they are, other values as JSON.
        ping_s: Seconds between pings; a server that does not answer one is gone.
        silent_s: A connection on which nothing came for so long is made anew; 0: it may be silent.
        timeout_s: Of connecting.
        max_bytes: Largest message.
        ca_file: Certificates of authorities (PEM); "" are those of the system.
        commands: Whether commands may be sent to it: as {"id", "device", "name", "parameters"}.
    """

    url: str
    headers: dict[str, str] = {}
    access: Access | None = None
    protocols: tuple[str, ...] = ()
    hello: list[Any] = []
    ping_s: Annotated[float, Meta(gt=0)] = 20.0
    silent_s: Annotated[float, Meta(ge=0)] = 0.0
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 15.0
    max_bytes: Annotated[int, Meta(ge=1, le=MAX_BODY)] = 1024 * 1024
    ca_file: str = ""
    commands: bool = False


class Connector:
    """A WebSocket server as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        try:
            self._url = URL(settings.url)
        except ValueError as error:
            raise BadRequestData(f"'url' must be such as 'wss://stream.example/rain': {error}") from None
        if self._url.scheme not in ("ws", "wss"):
            raise BadRequestData("'url' must begin with 'ws://' or 'wss://'")
        self._open: aiohttp.ClientWebSocketResponse | None = None

    async def run(self, sink: Sink) -> None:
        """Brings messages until it is cancelled. Raises TroubleAtSource when the connection ends or cannot be made."""
        settings, notices = self._settings, self._around.notices
        notices.state("connecting")
        await check_address(self._around, self._url)
        passage = Passage(sink)
        headers = {name: self._around.secret(value) for name, value in settings.headers.items()}
        url = shown(self._around, settings.access, self._url, headers)
        async with open_session(self._around, settings.ca_file, None) as session:
            try:
                async with asyncio.timeout(settings.timeout_s):
                    opened = await session.ws_connect(
                        url, headers=headers, protocols=settings.protocols, heartbeat=settings.ping_s,
                        max_msg_size=settings.max_bytes + 1, compress=0,
                    )  # fmt: skip
                async with opened:
                    self._open = opened
                    await self._bring(opened, passage)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise TroubleAtSource(f"{self._url.host} cannot be reached: {str(error)[:300] or 'no answer in time'}") from None
            finally:
                self._open = None

    async def _bring(self, opened: aiohttp.ClientWebSocketResponse, passage: Passage) -> None:
        for hello in self._settings.hello:
            await opened.send_str(_text(hello))
        self._around.notices.state("running")
        while True:
            incoming = await self._next(opened)
            if passage.failed.done():
                passage.failed.result()
            if incoming.type not in PAYLOADS:
                reason = opened.exception() or f"code {opened.close_code}"
                raise TroubleAtSource(f"{self._url.host} ended the connection ({str(reason)[:200]})")
            body = incoming.data.encode() if isinstance(incoming.data, str) else bytes(incoming.data)
            await passage.put(Message(body, {"path": self._url.path, "remote": self._url.host}, self._around.now()))

    async def _next(self, opened: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
        try:
            return await opened.receive(self._settings.silent_s or None)
        except TimeoutError:
            raise TroubleAtSource(f"{self._url.host} was silent for {self._settings.silent_s:g} s") from None

    async def command(self, command: Command) -> CommandResult:
        """Sends a command over the open connection; no answer is waited for."""
        if not self._settings.commands:
            return CommandResult("failed", "The feed sends no commands; right would be 'commands: true' in its source")
        if self._open is None or self._open.closed:
            return CommandResult("failed", "The server is not connected")
        body = {"id": command.id, "device": command.device, "name": command.name, "parameters": command.parameters}
        try:
            async with asyncio.timeout(command.timeout_s):
                await self._open.send_str(_text(body))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return CommandResult("failed", f"It could not be sent: {error}")
        return CommandResult("sent", f"Sent to {self._url.host}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for a URL that is none."""
    return Connector(feed, settings, around)
