"""Room for large request bodies: so much of them is held or worked on at a time, and the others wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from cityhub.model.errors import TooBusy

SMALL: Final = 65_536
"""Bodies of at most so many bytes need no room; there are only as many of them as there are connections."""


class BodyRoom:
    """A bound on the sum of sizes, first come first served. What is larger than the bound goes in alone.

    Args:
        bound: The sum of all sizes that are inside, in any unit.
        patience_s: How long one waits at most.
    """

    def __init__(self, bound: int, patience_s: float) -> None:
        self._bound = bound
        self._patience_s = patience_s
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, size: int) -> None:
        """Returns once there is room; `leave` must follow. Raises TooBusy after waiting in vain."""
        if not self._waiting and self._fits(size):
            self._held += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (size, turn)
        self._waiting.append(place)
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._patience_s)
        except TimeoutError:
            if turn.done():
                return
            raise TooBusy(f"Other large requests were in the way for {self._patience_s:g} seconds: try again, or send less") from None
        except asyncio.CancelledError:
            if turn.done():
                self.leave(size)
            raise
        finally:
            if not turn.done():
                self._waiting.remove(place)
                turn.cancel()
                self._admit()

    def leave(self, size: int) -> None:
        """Gives the room back."""
        self._held -= size
        self._admit()

    def _fits(self, size: int) -> bool:
        return self._held == 0 or self._held + size <= self._bound

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            self._held += size
            turn.set_result(None)
