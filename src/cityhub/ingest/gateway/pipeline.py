"""What happens to a message of one feed: it is decoded, mapped, checked, and queued for the hub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.ingest.decoding import format_of
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway.outlet import MOST_PARTS, Outlet, Parcel, Part
from cityhub.ingest.gateway.stages import Stages
from cityhub.ingest.gateway.tally import Tally
from cityhub.ingest.gateway.wrong import Refused, Wrong
from cityhub.ingest.message import MAX_BODY, PICKED, Message, Settled
from cityhub.model.errors import CityHubError, TooLarge
from cityhub.model.ports import EntityUpdate

PIECE: Final = 200
"""So many records of a large message are mapped before other work goes on."""
AT_ONCE: Final = 64 * 1024
"""A body up to so many bytes is dealt with at once."""

log = logging.getLogger(__name__)
Done = Callable[[Settled | Exception], None]


class Pipeline:
    """The sink of a feed.

    Args:
        feed: The feed.
        stages: What is done with its messages.
        outlet: Where the updates go.
        tally: Counts what became of them.
    """

    def __init__(self, feed: Feed, stages: Stages, outlet: Outlet, tally: Tally) -> None:
        self._feed = feed
        self._stages = stages
        self._outlet = outlet
        self._tally = tally
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = stages.decoding("")
        self._waits = format_of(feed.format).waits
        self._quality = stages.quality
        self._refusal = Refused(feed).letter
        self._busy = False
        self._idle = asyncio.Event()

    # -- Sink ----------------------------------------------------------------------------------------------------

    def offer(self, message: Message, settled: Done) -> bool:
        """See `cityhub.ingest.message.Sink.offer`."""
        return self.take(message, settled)

    async def put(self, message: Message) -> Settled:
        """See `cityhub.ingest.message.Sink.put`."""
        return await self.put_in(message, keep=True)

    async def room(self) -> None:
        """See `cityhub.ingest.message.Sink.room`."""
        while self._busy or not self._outlet.has_room():
            if self._busy:
                await self._idle.wait()
            await self._outlet.room()

    async def put_in(self, message: Message, *, keep: bool) -> Settled:
        """Like `put`; `keep`: whether what cannot be taken becomes dead letters."""
        future: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()

        def done(outcome: Settled | Exception) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        while not self.take(message, done, keep=keep):
            await self.room()
        return await future

    def take(self, message: Message, done: Done, *, keep: bool = True) -> bool:
        """Takes a message, or returns False when there is no room."""
        if self._busy or not self._outlet.has_room():
            return False
        tally, body = self._tally, message.body
        tally.received += 1
        tally.last_at = max(tally.last_at, message.received_at)  # a dead letter that is tried again is old
        if len(body) > MAX_BODY:
            tally.refused += 1
            done(TooLarge(f"A message may have {MAX_BODY} bytes, not {len(body)}; what is larger comes as a file"))
            return True
        parcel = Parcel(tally, done, len(body) + 200)
        self._outlet.enter(parcel)
        if len(body) <= AT_ONCE and not self._waits and (message.records is None or len(message.records) <= PIECE):
            self._work(message, parcel, keep)
        else:
            self._busy = True
            self._idle.clear()
            task = asyncio.create_task(self._work_slowly(message, parcel, keep))
            task.add_done_callback(self._worked)
        return True

    # -- The stages ----------------------------------------------------------------------------------------------

    def _work(self, message: Message, parcel: Parcel, keep: bool) -> None:
        """All stages at once, for a message of common size."""
        wrong = Wrong(self._feed, message, keep)
        records = self._records(message, wrong)
        updates: list[EntityUpdate] = []
        for place, record in enumerate(records):
            updates += self._mapped(place, record, message, wrong)
        self._queue(parcel, message, updates, wrong, last=True)

    async def _work_slowly(self, message: Message, parcel: Parcel, keep: bool) -> None:
        """The stages of a great message: piece by piece, so that other feeds go on, and in several parts."""
        wrong = Wrong(self._feed, message, keep)
        records = await asyncio.to_thread(self._records, message, wrong)
        updates: list[EntityUpdate] = []
        for start in range(0, len(records), PIECE):
            for place, record in enumerate(records[start : start + PIECE], start):
                updates += self._mapped(place, record, message, wrong)
            if len(updates) >= MOST_PARTS:
                parcel.left += 1
                self._queue(parcel, message, updates, wrong, last=False)
                updates = []
            await asyncio.sleep(0)
        self._queue(parcel, message, updates, wrong, last=True)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._busy = False
        self._idle.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("a message was not dealt with", exc_info=task.exception())

    def _records(self, message: Message, wrong: Wrong) -> list[Any]:
        try:
            decoded = message.records
            if decoded is None:
                decode = self._decode if not message.format else self._stages.decoding(message.format)
                decoded = decode(message.body, message.about)
            elif message.about.get(PICKED) is True:
                return decoded
            return self._stages.mapping.records(decoded, message)
        except (ValueError, CityHubError) as error:
            wrong.whole("decode", str(error))
        except Exception as error:  # a decoder's fault must cost this message only
            log.exception("the decoder of a feed failed", extra={"feed": self._feed.id})
            wrong.whole("decode", f"The decoder failed: {type(error).__name__}: {error}")
        return []

    def _mapped(self, place: int, record: Any, message: Message, wrong: Wrong) -> list[EntityUpdate]:
        try:
            return self._stages.mapping.apply(record, message)
        except (ValueError, CityHubError) as error:
            wrong.record(place, record, "map", str(error))
        except Exception as error:  # as above
            log.exception("the mapping of a feed failed", extra={"feed": self._feed.id})
            wrong.record(place, record, "map", f"The mapping failed: {type(error).__name__}: {error}")
        return []

    def _queue(self, parcel: Parcel, message: Message, updates: list[EntityUpdate], wrong: Wrong, *, last: bool) -> None:
        """Checks updates and queues them; the last part brings along the letters and the bookmark."""
        encoded = b"\x90"  # no updates, in msgpack
        count = 0
        if updates:
            try:
                updates = self._quality.flag(updates, message.received_at, message.redelivered)
                encoded = self._encode(updates)
                count = len(updates)
                for update in updates:
                    if self._quality.is_flagged(update):
                        parcel.flagged += 1
            except Exception as error:  # values that no message can hold, such as numbers beyond 64 bits
                wrong.whole("map", f"What the mapping gave cannot be written: {error}")
        letters, bookmark = (wrong.letters(), message.bookmark) if last else ([], None)
        if last:
            parcel.refused += wrong.reasons
        self._outlet.add(
            Part(
                parcel, self._feed.tenant, encoded, count, letters,
                (self._feed.id, bookmark) if bookmark is not None else None, message.redelivered,
                self._refusal if wrong.keep else None, (message, updates),
            )
        )  # fmt: skip
