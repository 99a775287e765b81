"""The resource that devices send to; imported when a CoAP feed opens its door."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiocoap import BAD_OPTION, CHANGED, FORBIDDEN, REQUEST_ENTITY_TOO_LARGE, SERVICE_UNAVAILABLE, Context, Message
from aiocoap.resource import PathCapable, Resource, Site

BUSY_S = 5
Take = Callable[[bytes, int | None, list[str], list[str], str], Awaitable[bool | None]]


class Inbox(Resource):  # type: ignore[misc] # the library is not typed
    """Takes POST and PUT at its path."""

    def __init__(self, most: int, take: Take) -> None:
        super().__init__()
        self._most, self._take = most, take

    async def needs_blockwise_assembly(self, request: Message) -> bool:
        """Blocks are put together unless they are too many: those are refused by `render_post` at once."""
        block = request.opt.block1
        return block is None or block.start + block.size <= self._most

    async def render_post(self, request: Message) -> Message:
        """Hands a payload on and answers when it is durable."""
        if request.opt.block1 is not None and not await self.needs_blockwise_assembly(request):
            return Message(code=REQUEST_ENTITY_TOO_LARGE)
        if len(request.payload) > self._most:
            return Message(code=REQUEST_ENTITY_TOO_LARGE)
        remote: Any = request.remote
        host = str(remote.hostinfo).rpartition("]")[0].lstrip("[") if "]" in remote.hostinfo else str(remote.hostinfo).partition(":")[0]
        format = request.opt.content_format
        if format is not None and not isinstance(format, int):
            return Message(code=BAD_OPTION)
        done = await self._take(request.payload, format, list(request.opt.uri_path), list(request.opt.uri_query), host)
        if done is None:
            return Message(code=FORBIDDEN)
        return Message(code=CHANGED) if done else Message(code=SERVICE_UNAVAILABLE, max_age=BUSY_S)

    render_put = render_post


class InboxBelow(Inbox, PathCapable):  # type: ignore[misc] # the library is not typed
    """Takes POST and PUT below its path."""


def site_of(path: str, most: int, take: Take) -> Site:
    """A site with an inbox at a path and below it."""
    site = Site()
    parts = [part for part in path.split("/") if part]
    site.add_resource(parts, Inbox(most, take))
    site.add_resource(parts, InboxBelow(most, take))
    return site


def ignore_noise(context: Context) -> None:
    """Lets a door drop datagrams that are no CoAP without a word.

    Anybody can send them, so a line for each would fill the log; and the library does not expect options that are no UTF-8.
    """
    context.log.setLevel(logging.ERROR)
    for interface in context.request_interfaces:
        transport = interface.token_interface.message_interface
        transport.datagram_msg_received = _without_noise(transport.datagram_msg_received)


def _without_noise(receive: Callable[..., None]) -> Callable[..., None]:
    def received(*datagram: Any) -> None:
        try:
            receive(*datagram)
        except UnicodeDecodeError:
            pass

    return received
