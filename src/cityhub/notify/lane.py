"""The queue before one receiver: one message after the other, each until it is sent or given up."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from cityhub.model.ports import Telling

MAX_WAITING: Final = 1_000
"""At most so many messages wait in a lane."""
MAX_WAITING_BYTES: Final = 8_000_000
"""At most so many bytes wait in a lane; a single message may be larger."""
BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long to wait before a message is sent again, after its first, second, ... failure; then always the last."""


class Attempt(msgspec.Struct, frozen=True):
    """How one attempt to send ended: `reason` "" is success; `again` says that a later attempt may succeed."""

    reason: str = ""
    again: bool = False


SENT: Final = Attempt()
Done = Callable[[Attempt], None]


class Sender(Protocol):
    """Sends messages to one receiver, one at a time."""

    def send(self, body: bytes, done: Done) -> None:
        """Tries once and calls `done` in the event loop, never before it has returned itself."""

    def close(self) -> None:
        """Gives back what it holds; an attempt that is under way may still call `done`."""


class OrderedLane:
    """Implements `cityhub.model.ports.Lane` over one sender."""

    __slots__ = (
        "_bytes", "_closed", "_cold_until", "_cooldown_s", "_failures", "_loop", "_queue", "_refused", "_sender", "_telling", "_timer",
    )  # fmt: skip

    def __init__(self, sender: Sender, telling: Telling, cooldown_s: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._sender = sender
        self._telling = telling
        self._cooldown_s = cooldown_s
        self._queue: deque[tuple[bytes, Any]] = deque()
        self._bytes = 0
        self._failures = 0
        self._cold_until = 0.0
        self._refused = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    def put(self, body: bytes, token: Any) -> bool:
        """See `cityhub.model.ports.Lane`. During a receiver's own cooldown the message is finished at once, unsent."""
        queue = self._queue
        if queue and (len(queue) >= MAX_WAITING or self._bytes + len(body) > MAX_WAITING_BYTES):
            self._refused = True
            return False
        if self._cold_until and self._loop.time() < self._cold_until:
            self._loop.call_soon(self._telling.finished, token)
            return True
        queue.append((body, token))
        self._bytes += len(body)
        if len(queue) == 1:
            self._send()
        return True

    def waiting(self) -> int:
        """How many messages are not finished yet."""
        return len(self._queue)

    def close(self) -> None:
        """Forgets what waits."""
        self._closed = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._sender.close()

    def _send(self) -> None:
        body, token = self._queue[0]
        self._timer = None
        self._telling.attempted(token, self._failures == 0)
        self._sender.send(body, self._done)

    def _done(self, attempt: Attempt) -> None:
        if self._closed:
            return
        self._telling.answered(self._queue[0][1], attempt.reason, self._failures == 0)
        if attempt.again and self._cooldown_s is None:
            pause_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            self._failures += 1
            self._timer = self._loop.call_later(pause_s * random.uniform(0.9, 1.1), self._send)
            return
        self._failures = 0
        if attempt.reason and self._cooldown_s is not None:
            self._cool_down(self._cooldown_s)
            return
        self._finish()
        if self._queue:
            self._send()

    def _cool_down(self, seconds: float) -> None:
        """Drops everything: a receiver that named a cooldown hears nothing of what happened during it (5.2.15)."""
        self._cold_until = self._loop.time() + seconds
        while self._queue and not self._closed:
            self._finish()

    def _finish(self) -> None:
        body, token = self._queue.popleft()
        self._bytes -= len(body)
        self._telling.finished(token)
        if self._refused and len(self._queue) <= MAX_WAITING // 2 and not self._closed:
            self._refused = False
            self._telling.ready()
