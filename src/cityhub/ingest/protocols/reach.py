"""The way from a feed to its source and on to the hub: addresses that policy allows, and troubles that pass."""

from __future__ import annotations

import asyncio

from cityhub.ingest.message import Message, Settled, Sink, Surroundings, TroubleAtSource
from cityhub.model.errors import StoreUnavailable


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


async def hand_over(sink: Sink, message: Message) -> Settled:
    """Puts a message and says what became of it.

    Raises TroubleAtSource when the hub is away: the feed then begins again at its bookmark.
    """
    try:
        return await sink.put(message)
    except StoreUnavailable as error:
        raise TroubleAtSource(f"The hub cannot take messages now: {error.detail}") from None
