"""How often strangers may report: so many reports an hour from one address, and so many from all together."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from cityhub.model.errors import TooManyRequests

SPAN_S: Final = 3_600.0
MOST_ADDRESSES: Final = 50_000
"""Addresses that are remembered; the one that was silent longest is forgotten first."""


class Pace:
    """Counts the reports of the last hour.

    Args:
        of_one: So many an hour from one address.
        of_all: So many an hour altogether.
        seconds: A clock that only goes forward.
    """

    def __init__(self, of_one: int, of_all: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._seconds = seconds
        self._all: deque[float] = deque()
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Counts a report. Raises TooManyRequests when there were too many already; that one does not count."""
        now = self._seconds()
        own = self._by_address.pop(address, None) or deque()
        self._by_address[address] = own
        while len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        for times, most, who in ((own, self._of_one, "From one address"), (self._all, self._of_all, "Altogether")):
            while times and times[0] <= now - SPAN_S:
                times.popleft()
            if len(times) >= most:
                wait_s = times[0] + SPAN_S - now if times else SPAN_S
                raise TooManyRequests(f"{who} at most {most} reports an hour are taken; try again in {wait_s / 60:.0f} minutes")
        own.append(now)
        self._all.append(now)
