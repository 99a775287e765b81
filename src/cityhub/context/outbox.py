"""What is on its way to one receiver, and how much of the journal is still needed for it.

What the lane to the receiver cannot take any more stays in the journal: the outbox "lags" and says from where on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from cityhub.context.subscription_state import Tally
from cityhub.model.ports import Delivery, Lane, Receiver

log = logging.getLogger(__name__)


class Outbox:
    """The notifications of one subscription, counted in its tally.

    Attributes:
        lag: None, or the position in the journal behind which its subscription is to be served again.
        progress_at: When (in the event loop's time) a notification was last finished, or began to wait.
    """

    __slots__ = ("_delivery", "_id", "_in_flight", "_lane", "_on_the_way", "_receiver", "_tally", "_wake", "lag", "progress_at")

    def __init__(self, id: str, tally: Tally, delivery: Delivery, wake: Callable[[], None]) -> None:
        """An outbox that leads nowhere yet.

        Args:
            id: Of the subscription, for the log.
            tally: Counts and remembers.
            delivery: Opens the lane.
            wake: Is called when an outbox that lags has room again.
        """
        self.lag: int | None = None
        self.progress_at = 0.0
        self._id = id
        self._in_flight = False
        self._tally = tally
        self._delivery = delivery
        self._wake = wake
        self._lane: Lane | None = None
        self._receiver: Receiver | None = None
        self._on_the_way: deque[tuple[int, int]] = deque()

    def leads_to(self, receiver: Receiver) -> bool:
        """Whether it leads to this receiver."""
        return receiver == self._receiver

    def lead_to(self, receiver: Receiver, after: int | None = None) -> None:
        """Leads to a receiver from now on; what is open behind a position is taken from the journal again."""
        self.lag = after
        self._receiver = receiver
        self._open()
        if after is not None:
            self._wake()

    def _open(self) -> None:
        self.close()
        if self._receiver is not None:
            self._lane = self._delivery.open(self._receiver, self)

    def close(self) -> None:
        """Forgets what is on its way."""
        if self._lane is not None:
            self._lane.close()
            self._lane = None
        self._in_flight = False
        self._on_the_way.clear()

    def put(self, body: bytes, first: int, last: int) -> bool:
        """Sends a notification of the changes at these positions of the journal. False: there is no room, it lags."""
        if self._lane is None:
            return True
        if not self._lane.put(body, (first, last)):
            self.lag = first - 1
            return False
        if not self._on_the_way:
            self.progress_at = asyncio.get_running_loop().time()
        self._on_the_way.append((first, last))
        return True

    def tell(self, body: bytes) -> None:
        """Sends a notification that is not about changes in the journal; it is left out when there is no room."""
        if self._lane is not None:
            self._lane.put(body, None)

    def in_flight(self) -> bool:
        """Whether an answer of the receiver is waited for."""
        return self._in_flight

    def busy(self) -> bool:
        """Whether notifications are on their way, be it that they wait for another attempt."""
        return self._lane is not None and self._lane.waiting() > 0

    def hold(self) -> int | None:
        """The position up to which the journal is not needed for it any more; None when nothing is open."""
        return self._on_the_way[0][0] - 1 if self._on_the_way else self.lag

    def give_up(self, position: int) -> None:
        """Forgets everything up to a position and begins anew behind it."""
        self.lag = None
        self._tally.served(position)
        self._open()

    # -- cityhub.model.ports.Telling ---------------------------------------------------------------------------------

    def attempted(self, token: Any, first: bool) -> None:
        """Counts."""
        self._in_flight = True
        self._tally.sending(first)

    def answered(self, token: Any, reason: str, first: bool) -> None:
        """Counts; the log hears of the first failure of each notification."""
        self._in_flight = False
        self._tally.answered(not reason, first)
        if reason and first:
            log.info("a notification of subscription %s failed: %s", self._id, reason)

    def finished(self, token: Any) -> None:
        """Lets go of the journal."""
        if self._on_the_way and self._on_the_way[0] == token:
            self._on_the_way.popleft()
            self.progress_at = asyncio.get_running_loop().time()
            self._tally.served(token[1])

    def ready(self) -> None:
        """Asks for what was left in the journal."""
        self._wake()
