"""The way from a feed to its source and on to the hub: addresses that policy allows, and troubles that pass."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path

from cityhub.ingest.message import Message, Settled, Sink, Surroundings, TroubleAtSource
from cityhub.model.errors import BadRequestData, Forbidden, StoreUnavailable


async def reach(around: Surroundings, host: str, port: int) -> str:
    """An address of a host that may be called; the connection goes to exactly this one, so a name that changes gains nothing.

    Raises:
        TroubleAtSource: When the name is unknown now.
        Forbidden: When policy allows none of its addresses.
    """
    try:
        found = await asyncio.to_thread(around.allow, host, port)
    except OSError as error:
        raise TroubleAtSource(f"{host} cannot be found: {error.strerror or error}") from None
    if not found:
        raise TroubleAtSource(f"{host} has no address")
    return found[0]


def readable(around: Surroundings, path: str) -> Path:
    """A file or folder of this machine that feeds may read, with links followed. Raises Forbidden when it lies outside of those."""
    found = Path(path).resolve()
    if not any(found.is_relative_to(Path(folder).resolve()) for folder in around.folders):
        allowed = ", ".join(around.folders) or "none"
        raise Forbidden(f"'{path[:200]}' is not in a folder that feeds may read (setting 'feed_folders': {allowed})")
    return found


def door(around: Surroundings, listen: str) -> str:
    """An address of this machine to listen on.

    Raises Forbidden when it is neither loopback nor allowed, BadRequestData when it is none.
    """
    try:
        address = ip_address(listen)
    except ValueError:
        raise BadRequestData(f"'listen' must be an address such as '127.0.0.1' or '0.0.0.0', not '{listen[:100]}'") from None
    if not address.is_loopback and str(address) not in around.doors:
        allowed = ", ".join(around.doors) or "loopback only"
        raise Forbidden(f"Feeds may not listen on {listen} (setting 'feed_doors': {allowed})")
    return str(address)


async def hand_over(sink: Sink, message: Message) -> Settled:
    """Puts a message and says what became of it.

    Raises TroubleAtSource when the hub is away: the feed then begins again at its bookmark.
    """
    try:
        return await sink.put(message)
    except StoreUnavailable as error:
        raise TroubleAtSource(f"The hub cannot take messages now: {error.detail}") from None
