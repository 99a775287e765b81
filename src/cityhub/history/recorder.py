"""The journal's reader that keeps the history: each change becomes instances, once, whatever happens in between.

The position is committed in the same transaction as the instances, so a change that is read again after a crash is known
to be there already. The journal hears of the position later and only so that it can drop what is behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from cityhub.history.recording import happening_of
from cityhub.model.change import Change
from cityhub.model.errors import StoreUnavailable
from cityhub.model.ports import Happening, History, Journal

NAME: Final = "history"
BATCH: Final = 2_000
"""Most changes of one transaction."""
LINGER_S: Final = 0.1
"""The history is written when nothing has come for so long, so that it does not compete with the writers of the context."""
REST_S: Final = 5.0
"""How long it rests at most while changes keep coming."""
REST_CHANGES: Final = 6_000
"""How far behind it may be while it rests: less than what the journal has in memory."""
ADVANCE_S: Final = 5.0
"""How often the journal hears how far the history has come."""
PATIENCE_S: Final = 20.0
"""How long somebody who asks for the history waits for it to catch up."""
RETRY_S: Final = 1.0
GAP_S: Final = 0.05
GAP_TRIES: Final = 40
"""After so many tries, `GAP_S` apart, changes that do not come out of the journal are given up."""

log = logging.getLogger(__name__)


class Recorder:
    """Follows the journal into the history. `start` before use, `stop` at the end."""

    def __init__(self, journal: Journal, history: History) -> None:
        self._journal = journal
        self._history = history
        self._position = 0
        self._told = 0
        self._told_at = 0.0
        self._passed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._waiting = 0
        self._empty = 0
        self._is_behind = False
        self._task: asyncio.Task[None] | None = None

    @property
    def position(self) -> int:
        """How far the history has come in the journal."""
        return self._position

    async def start(self) -> None:
        """Takes up where the history ended and begins to follow."""
        known = await self._journal.position(NAME)
        kept = self._history.position()
        if kept is not None and kept > self._journal.last():
            log.warning("the history has changes up to %s, the journal only up to %s: the store was replaced", kept, self._journal.last())
            kept = None
        if kept is None:
            await self._history.follow(known)
        self._position = self._told = known if kept is None else kept
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends; what is not recorded yet is recorded after the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._position > self._told:
            await self._journal.advance(NAME, self._position)

    async def caught_up(self) -> None:
        """Returns when everything that was acknowledged before the call is in the history.

        Raises StoreUnavailable when that takes longer than `PATIENCE_S`.
        """
        target = self._journal.last()
        if self._position >= target:
            return
        self._waiting += 1
        self._hurry.set()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self._position < target:
                    self._passed.clear()
                    await self._passed.wait()
        except TimeoutError:
            raise StoreUnavailable(f"The history is {target - self._position} changes behind the context; try again later") from None
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._hurry.clear()

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except StoreUnavailable as error:
                log.error("the history could not be written, it will be tried again: %s", error.detail)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("recording failed, it will be tried again")
                await asyncio.sleep(RETRY_S)

    async def _step(self) -> None:
        await self._journal.wait(self._position)
        if not self._is_behind:
            await self._rest()
        changes = await self._journal.read(self._position, BATCH)
        self._is_behind = len(changes) == BATCH
        if not changes:
            await self._skip_gap()
            return
        self._empty = 0
        position = changes[-1].position
        await self._history.append(await asyncio.to_thread(_happenings, changes), position)
        self._position = position
        self._passed.set()
        await self._tell()

    async def _rest(self) -> None:
        """Returns when it is time to write: when no more changes come, when too many wait or for too long, or when somebody asks."""
        loop = asyncio.get_running_loop()
        end = loop.time() + REST_S
        newest = -1
        while newest < self._journal.last() < self._position + REST_CHANGES and loop.time() < end:
            newest = self._journal.last()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), LINGER_S)
                return

    async def _skip_gap(self) -> None:
        """Goes on after changes that the journal says it had and has no more, as after an older history was put back."""
        self._empty += 1
        await asyncio.sleep(GAP_S)
        if self._empty > GAP_TRIES:
            log.warning("changes after %s are no more in the journal; the history goes on at %s", self._position, self._journal.last())
            await self._history.follow(self._journal.last())
            self._position = self._journal.last()
            self._passed.set()

    async def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= ADVANCE_S:
            position, self._told_at = self._position, now
            await self._journal.advance(NAME, position)
            # Only now: a stop that comes in between must tell it again.
            self._told = position


def _happenings(changes: list[Change]) -> list[Happening]:
    return [happening for change in changes if (happening := happening_of(change)) is not None]
