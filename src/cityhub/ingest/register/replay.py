"""Dead letters tried again, with the present definition of their feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import orjson

from cityhub.ingest.gateway_port import Gateway
from cityhub.ingest.message import PICKED, Message
from cityhub.ingest.register.feeds import FeedRegister
from cityhub.ingest.register.letters import Key, Letter, Letters
from cityhub.model.errors import CityHubError, NotFound, StoreUnavailable, TooBusy

MOST: Final = 10_000
"""So many letters are tried by one order."""
AT_ONCE: Final = 50
"""So many are tried at a time."""
LONGEST_S: Final = 30.0
"""After so long an order ends, well before the hub ends the request."""


class Replayed(msgspec.Struct, frozen=True):
    """What became of an order to try letters again.

    Attributes:
        taken: Letters that were taken; they are gone.
        failed: By id of the letter, why it could not be taken; these stay.
        left: Letters of the order that were not tried, because the order was too large or the gateway was away.
        why: Why some are left; "" when none is.
    """

    taken: int
    failed: dict[str, str]
    left: int
    why: str = ""


class Replay:
    """Tries letters again.

    Args:
        letters: The letters.
        register: The feeds.
        gateway: What takes them.
    """

    def __init__(self, letters: Letters, register: FeedRegister, gateway: Gateway) -> None:
        self._letters = letters
        self._register = register
        self._gateway = gateway

    async def run(self, keys: Sequence[Key]) -> Replayed:
        """Tries letters, some at a time, in the given order. What was taken is durable before its letter goes."""
        taken, failed, why, tried = 0, dict[str, str](), "", 0
        ends = time.monotonic() + LONGEST_S
        while tried < min(len(keys), MOST) and not why:
            if time.monotonic() >= ends:
                why = f"An order ends after {LONGEST_S:g} s; ask again for the others"
                break
            block = keys[tried : tried + AT_ONCE]
            reasons = await asyncio.gather(*(self._try(key) for key in block), return_exceptions=True)
            await self._letters.remove([key for key, reason in zip(block, reasons, strict=True) if reason == ""])
            for key, reason in zip(block, reasons, strict=True):
                if isinstance(reason, TooBusy | StoreUnavailable):
                    why = reason.detail
                    continue
                if isinstance(reason, BaseException):
                    raise reason
                tried += 1
                taken += not reason
                if reason:
                    failed[key[1]] = reason
        left = len(keys) - tried
        return Replayed(taken, failed, left, why or (f"At most {MOST} letters are tried by one order; ask again" if left else ""))

    async def _try(self, key: Key) -> str:
        """Why a letter could not be taken; "" when it was. Raises TooBusy, StoreUnavailable when nothing can be taken now."""
        stage, version = "", 0
        try:
            letter = await self._letters.read(key)
            version = self._register.get(letter.header["feed"]).version
            if not letter.is_whole:
                kept, size = len(letter.body), letter.header["size"]
                return f"Only the first {kept} of its {size} bytes were kept: send it again, or give it a body that is whole"
            settled = await self._gateway.push(letter.header["feed"], message_of(letter), keep=False)
            reason = "; ".join(settled.refused[:10])
        except (TooBusy, StoreUnavailable):
            raise
        except NotFound as error:
            return error.detail
        except CityHubError as error:
            reason = error.detail
        if reason:
            await self._letters.failed(key, reason, stage, version)
        return reason


def message_of(letter: Letter) -> Message:
    """The message of a letter. One record of which the others were taken goes past the decoder."""
    header = letter.header
    if header["about"].get(PICKED) is True:
        try:
            record = orjson.loads(letter.body)
        except orjson.JSONDecodeError:
            record = None
        if isinstance(record, dict):
            return Message(b"", header["about"], header["receivedAt"], "", True, [record])
    return Message(letter.body, header["about"], header["receivedAt"], header["format"], True)
