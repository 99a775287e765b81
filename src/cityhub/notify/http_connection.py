"""One HTTP/1.1 connection that sends a request and reads the status of its answer, without a task or a future per request.

Measured on one core against a receiver on the same machine, this sends about five times as many messages a second as
a general client does, which is what notifications in the thousands per second need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httptools

from cityhub.notify.lane import SENT, Attempt, Done

MAX_ANSWER_BYTES: Final = 1_000_000
"""After so many bytes of an answer's body the connection is closed; its status counts all the same."""
PASSING: Final = frozenset((408, 425, 429))
"""Statuses of the 400s after which a later attempt may succeed."""


def attempt_of(status: int) -> Attempt:
    """What an answer's status means for a message."""
    if 200 <= status < 300:
        return SENT
    return Attempt(f"the receiver answered {status}", again=status >= 500 or status in PASSING)


class HttpConnection(asyncio.Protocol):
    """A connection to one receiver; `free` is called when it can take the next request, `gone` when it is closed."""

    def __init__(self, free: Callable[[HttpConnection], None], gone: Callable[[HttpConnection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._free = free
        self._gone = gone
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._done: Done | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._began = False
        self._status = 0
        self._bytes = 0
        self._requests = 0
        self.idle_since = 0.0
        self.lost = False

    def send(self, request: bytes, timeout_s: float, done: Done) -> None:
        """Sends a request; one at a time."""
        self._done = done
        self._began = False
        self._bytes = self._status = 0
        self._requests += 1
        self._deadline = self._loop.call_later(timeout_s, self._too_late, timeout_s)
        self._transport.write(request)

    @property
    def usable(self) -> bool:
        """Whether a request can be sent over it now."""
        return self._done is None and not self._transport.is_closing()

    def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()

    # -- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Feeds the parser."""
        self._began = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(Attempt(f"the answer is not HTTP: {error}", again=True), reusable=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what was under way.

        A receiver may close a kept connection just when the next request comes; what it has not answered at all goes
        out again at once over a new connection (`stale`).
        """
        self.lost = True
        if self._done is not None:
            if self._status:
                self._end(attempt_of(self._status), reusable=False)
            else:
                stale = self._requests > 1 and not self._began
                self._end(STALE if stale else Attempt("the connection was closed before an answer came", again=True), reusable=False)
        self._gone(self)

    # -- httptools ---------------------------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """The status is known."""
        self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Counts what nobody reads."""
        self._bytes += len(data)
        if self._bytes > MAX_ANSWER_BYTES:
            self._end(attempt_of(self._status), reusable=False)

    def on_message_complete(self) -> None:
        """The answer is there; an interim one (1xx) is not it yet."""
        if self._status >= 200:
            self._end(attempt_of(self._status), reusable=self._parser.should_keep_alive())

    def _too_late(self, timeout_s: float) -> None:
        self._end(Attempt(f"no answer within {timeout_s:g} s", again=True), reusable=False)

    def _end(self, attempt: Attempt, *, reusable: bool) -> None:
        done = self._done
        if done is None:
            if not reusable:
                self._transport.close()
            return
        self._done = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if reusable:
            self._free(self)
        else:
            self._transport.close()
        done(attempt)


STALE: Final = Attempt("a kept connection had been closed by the receiver", again=True)
"""The attempt came to nothing because the connection was old; it is to be made again over another one."""
