"""Figures of a run of numbers that grows at its end and shrinks at its beginning, kept as it goes.

Sums are kept as whole multiples of a very small number: they come out the same in whatever order numbers came, what is taken away
leaves nothing behind, and a third of 0.3 is 0.1 as on paper.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any, Final, Protocol

GRAIN: Final = 10**12
LARGEST: Final = 1e18
"""Numbers beyond this are refused."""
Number = int | float


def grains(value: Number) -> int:
    """A number as a multiple of the smallest part."""
    return value * GRAIN if type(value) is int else round(value * 1e12)


def number_of(total: int, parts: int = 1) -> Number:
    """Grains, divided, as a number; a whole one as int.

    >>> number_of(grains(0.1) + grains(0.2))
    0.3
    """
    whole, rest = divmod(total, GRAIN * parts)
    return whole if not rest else total / (GRAIN * parts)


class Tally(Protocol):
    """What is kept of a run of numbers for one function."""

    def add(self, place: int, value: Any) -> None:
        """A number comes at the end; places count up."""

    def remove(self, place: int, value: Any) -> None:
        """The number at the beginning goes."""

    def value(self, count: int) -> Number | None:
        """The figure; None where there is none."""


class Count:
    """How many."""

    def add(self, place: int, value: Any) -> None:
        """See `Tally.add`."""

    def remove(self, place: int, value: Any) -> None:
        """See `Tally.remove`."""

    def value(self, count: int) -> Number | None:
        """See `Tally.value`."""
        return count


class Sum:
    """The sum; nothing sums up to 0."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, place: int, value: Any) -> None:
        """See `Tally.add`."""
        self.total += grains(value)

    def remove(self, place: int, value: Any) -> None:
        """See `Tally.remove`."""
        self.total -= grains(value)

    def value(self, count: int) -> Number | None:
        """See `Tally.value`."""
        return number_of(self.total)


class Average(Sum):
    """The mean."""

    def value(self, count: int) -> Number | None:
        """See `Tally.value`."""
        return number_of(self.total, count) if count else None


class Deviation(Sum):
    """The standard deviation of a sample; two numbers at least."""

    def __init__(self) -> None:
        super().__init__()
        self.squares = 0

    def add(self, place: int, value: Any) -> None:
        """See `Tally.add`."""
        part = grains(value)
        self.total += part
        self.squares += part * part

    def remove(self, place: int, value: Any) -> None:
        """See `Tally.remove`."""
        part = grains(value)
        self.total -= part
        self.squares -= part * part

    def value(self, count: int) -> Number | None:
        """See `Tally.value`."""
        if count < 2:
            return None
        return sqrt((count * self.squares - self.total * self.total) / (count * (count - 1))) / GRAIN


class Extreme:
    """The largest, or the smallest: of what may still become it, in a queue whose first is it now."""

    def __init__(self, *, largest: bool) -> None:
        self._largest = largest
        self._queue: deque[tuple[int, Number]] = deque()

    def add(self, place: int, value: Any) -> None:
        """See `Tally.add`."""
        queue = self._queue
        if self._largest:
            while queue and queue[-1][1] <= value:
                queue.pop()
        else:
            while queue and queue[-1][1] >= value:
                queue.pop()
        queue.append((place, value))

    def remove(self, place: int, value: Any) -> None:
        """See `Tally.remove`."""
        if self._queue and self._queue[0][0] == place:
            self._queue.popleft()

    def value(self, count: int) -> Number | None:
        """See `Tally.value`."""
        return self._queue[0][1] if self._queue else None


class Median:
    """The one in the middle, or between the two in the middle."""

    def __init__(self) -> None:
        self._sorted: list[Number] = []

    def add(self, place: int, value: Any) -> None:
        """See `Tally.add`."""
        insort(self._sorted, value)

    def remove(self, place: int, value: Any) -> None:
        """See `Tally.remove`."""
        del self._sorted[bisect_left(self._sorted, value)]

    def value(self, count: int) -> Number | None:
        """See `Tally.value`."""
        if not self._sorted:
            return None
        middle, odd = divmod(len(self._sorted), 2)
        if odd:
            return self._sorted[middle]
        return number_of(grains(self._sorted[middle - 1]) + grains(self._sorted[middle]), 2)


TALLIES: Final[dict[str, Callable[[], Tally]]] = {
    "count": Count, "sum": Sum, "average": Average, "stddev": Deviation, "median": Median,
    "minimum": lambda: Extreme(largest=False), "maximum": lambda: Extreme(largest=True),
}  # fmt: skip
ENDS: Final = frozenset({"first", "last", "increase", "rate"})
"""Functions that need only the first and the last."""
_HOUR: Final = 3_600_000_000


def of_ends(function: str, first: tuple[int, Any], last: tuple[int, Any]) -> Any:
    """A figure of the first and the last observation, each with its moment; a rate is per hour, None within one moment."""
    if function == "first":
        return first[1]
    if function == "last":
        return last[1]
    rise = grains(last[1]) - grains(first[1])
    if function == "increase":
        return number_of(rise)
    apart = last[0] - first[0]
    return number_of(rise * _HOUR, apart) if apart else None


def at_once(function: str, samples: Sequence[tuple[int, Any]]) -> Any:
    """A figure of observations in their order that are all at hand; of none, 0 for "count" and "sum", else None."""
    if function in ENDS:
        return of_ends(function, samples[0], samples[-1]) if samples else None
    tally = TALLIES[function]()
    for place, (_, value) in enumerate(samples):
        tally.add(place, value)
    return tally.value(len(samples))
