"""How a feed stands, and what it has brought."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from cityhub.ingest.gateway_port import FeedState
from cityhub.ingest.message import Settled, State

SPAN_S: Final = 10.0
"""The rate is that of the last so many seconds."""


class Tally:
    """State and counters of a feed; what a connector knows as its notices.

    Args:
        now: The time, RFC 3339 UTC.
    """

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._state: State = "connecting"
        self._detail = ""
        self._since = now()
        self._connections = 0
        self._address = ""
        self._seen: deque[tuple[float, int]] = deque()
        self.received = 0
        self.written = 0
        self.late = 0
        self.same = 0
        self.refused = 0
        self.flagged = 0
        self.last_at = ""

    def state(self, state: State, detail: str = "") -> None:
        """See `cityhub.ingest.message.Notices.state`."""
        if (state, detail) != (self._state, self._detail):
            if state != self._state:
                self._since = self._now()
            self._state, self._detail = state, detail

    def connections(self, count: int) -> None:
        """See `cityhub.ingest.message.Notices.connections`."""
        self._connections = count

    def listens(self, address: str) -> None:
        """See `cityhub.ingest.message.Notices.listens`."""
        self._address = address

    def settled(self, outcome: Settled | Exception) -> None:
        """See `cityhub.ingest.message.Notices.settled`."""
        self.received += 1
        self.last_at = self._now()
        self.count(outcome)

    def count(self, outcome: Settled | Exception) -> None:
        """Counts what became of a message."""
        if isinstance(outcome, Exception):
            self.refused += 1
            return
        self.written += outcome.written
        self.late += outcome.late
        self.same += outcome.same
        self.flagged += outcome.flagged
        self.refused += len(outcome.refused)

    def report(self, score: float | None) -> FeedState:
        """How the feed stands now."""
        return FeedState(
            self._state, self._detail, self._since, self.received, self.written, self.late, self.same, self.refused, self.flagged,
            self._rate(), self.last_at, self._connections, score, self._address,
        )  # fmt: skip

    def _rate(self) -> float:
        seen, at = self._seen, time.monotonic()
        seen.append((at, self.received))
        while len(seen) > 2 and at - seen[1][0] >= SPAN_S:
            seen.popleft()
        span_s = at - seen[0][0]
        return round((self.received - seen[0][1]) / span_s, 1) if span_s else 0.0
