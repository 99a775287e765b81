"""The anomaly detector: each value is judged by those before it, then learned."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityhub.history.foresight.surprise import Surprise
from cityhub.model.errors import BadRequestData

VERSION: Final = "1"
"""Grows with every change that changes a score."""
DAY_S: Final = 86_400.0


class Tuning(msgspec.Struct, frozen=True):
    """How the detector learns. The defaults are used for every series; none is tuned to one."""

    parts_of_day: int = 96
    """The day has so many parts with a usual value each (quarters of an hour)."""
    adaptation: float = 0.02
    """Least part of a new value in the usual value of its part of the day, above 0 to 1."""
    ripening: int = 3
    """A part of the day says something after so many values."""
    smoothing: int = 10
    """Slow drifts are looked for over about so many values."""
    memory: int = 4_000
    """So many deviations are remembered, of each of the three kinds; 8 bytes each."""
    rare: float = 0.01
    """Part of the deviations that counts as unusual, between 0 and 1."""
    warm_up: int = 100
    """So many values are only learned at first."""
    refit: int = 50
    """The tails are fitted anew after so many values."""
    rest: int = 150
    """For so many values only what is more surprising than the last anomaly is reported."""
    cap: float = 7.0
    """Decades of surprise that one kind of deviation contributes at most."""


DEFAULT: Final = Tuning()
THRESHOLD: Final = 0.333
"""Scores from here on are worth a person's look; see docs/models.md for what it finds and misses."""


class AnomalyDetector:
    """Scores a stream of values, one by one, with no look ahead.

    Three deviations are watched: from what is usual at this time of the day, the same smoothed over some values (slow drifts,
    shifts), and from the value before (jumps). Each is turned into decades of improbability by its own past (`Surprise`);
    their sum is the score. A value that is no more surprising than one shortly before scores 0, so that one event is reported once.

    About 30 kilobytes a kind of deviation when the memory is full; the work for a value does not depend on how many went before.

    Example:
        >>> detector = AnomalyDetector()
        >>> scores = [detector.score(300.0 * n, 20.0 + n % 2) for n in range(2_000)]
        >>> max(scores) == 0.0, detector.score(300.0 * 2_000, 90.0) == 1.0
        (True, True)
    """

    def __init__(self, tuning: Tuning = DEFAULT) -> None:
        _check(tuning)
        self.tuning = tuning
        self._usual = [0.0] * tuning.parts_of_day
        self._seen = [0] * tuning.parts_of_day
        self._drift = 0.0
        self._previous = math.nan
        self._magnitude = 0.0
        self._kinds = [Surprise(tuning.memory, tuning.rare, tuning.warm_up, tuning.refit, tuning.cap) for _ in range(3)]
        self._count = 0
        self._peaks: deque[tuple[int, float]] = deque()

    def score(self, time: float, value: float) -> float:
        """How unusual the value is, from 0.0 to 1.0; 0.0 for NaN and infinities, which are not learned.

        Args:
            time: Seconds since 1970 UTC; only the time of day is used.
            value: In any unit, the same for the whole stream.
        """
        time, value = float(time), float(value)
        if not (math.isfinite(value) and math.isfinite(time)):
            return 0.0
        tuning = self.tuning
        part = int(time % DAY_S / DAY_S * tuning.parts_of_day)
        seen = self._seen[part]
        offset = value - self._usual[part]
        self._magnitude = magnitude = max(self._magnitude, abs(value))
        daily, slow, sudden = self._kinds
        total = sudden.of(abs(value - self._previous), magnitude) if self._count else 0.0
        if seen >= tuning.ripening:
            # Before, nothing is known to deviate from; zeros in its place would make the first real deviations look unheard of.
            self._drift += (offset - self._drift) / tuning.smoothing
            total += daily.of(abs(offset), magnitude) + slow.of(abs(self._drift), magnitude)
        self._seen[part] = seen + 1
        self._usual[part] += offset * max(tuning.adaptation, 1 / (seen + 1))
        self._previous = value
        return self._once(total) / (3 * tuning.cap)

    def _once(self, total: float) -> float:
        """The total, or 0.0 when one of the last values was as surprising."""
        self._count += 1
        peaks = self._peaks
        while peaks and peaks[0][0] < self._count - self.tuning.rest:
            peaks.popleft()
        highest = peaks[0][1] if peaks else 0.0
        if total > 0.0:
            while peaks and peaks[-1][1] <= total:
                peaks.pop()
            peaks.append((self._count, total))
        return total if total > highest else 0.0

    def state(self) -> bytes:
        """Everything learned; `resume` goes on from it with the same scores as if it had never stopped."""
        return msgspec.msgpack.encode(
            {
                "version": VERSION, "tuning": self.tuning, "usual": self._usual, "seen": self._seen, "drift": self._drift,
                "previous": self._previous, "magnitude": self._magnitude, "kinds": [kind.state() for kind in self._kinds],
                "count": self._count, "peaks": list(self._peaks),
            }
        )  # fmt: skip

    @classmethod
    def resume(cls, state: bytes) -> AnomalyDetector:
        """The detector that gave this state.

        Raises:
            BadRequestData: If it is no state, or one of another version.
        """
        try:
            kept: dict[str, Any] = msgspec.msgpack.decode(state)
            if kept["version"] != VERSION:
                raise BadRequestData(f"a state of version {kept['version']} cannot be resumed by version {VERSION}: train a new detector")
            detector = cls(msgspec.convert(kept["tuning"], Tuning))
            detector._take(kept)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise BadRequestData(f"not the state of an anomaly detector: {error}") from error
        return detector

    def _take(self, kept: dict[str, Any]) -> None:
        self._usual, self._seen, self._count = kept["usual"], kept["seen"], kept["count"]
        self._drift, self._previous, self._magnitude = kept["drift"], kept["previous"], kept["magnitude"]
        self._peaks = deque((place, total) for place, total in kept["peaks"])
        for kind, learned in zip(self._kinds, kept["kinds"], strict=True):
            kind.resume(learned)


def anomaly_scores(times: ArrayLike, values: ArrayLike, tuning: Tuning = DEFAULT) -> NDArray[np.float64]:
    """The score of each value of a series in the order of time, judged by those before it; 0.0 to 1.0, none for none.

    Args:
        times: Seconds since 1970 UTC, in order.
        values: As many values; NaN where there is none.

    Raises:
        BadRequestData: If the lists differ in length.
    """
    seconds, numbers = np.asarray(times, float), np.asarray(values, float)
    if seconds.shape != numbers.shape or seconds.ndim != 1:
        raise BadRequestData(f"as many times as values are needed: there are {seconds.size} times and {numbers.size} values")
    score = AnomalyDetector(tuning).score
    return np.fromiter(map(score, seconds.tolist(), numbers.tolist()), float, seconds.size)


def _check(tuning: Tuning) -> None:
    counts = (tuning.parts_of_day, tuning.ripening, tuning.smoothing, tuning.refit, tuning.rest)
    if min(counts) < 1 or not 2 <= tuning.warm_up <= tuning.memory <= 1_000_000 or tuning.parts_of_day > 86_400:
        raise BadRequestData(
            "'parts_of_day' (to 86400), 'ripening', 'smoothing', 'refit' and 'rest' must be 1 or more, 2 <= warm_up <= memory <= 1000000"
        )
    if not (0 < tuning.rare < 1 and 0 < tuning.adaptation <= 1 and tuning.cap > 0):
        raise BadRequestData("'rare' must lie between 0 and 1, 'adaptation' above 0 up to 1, 'cap' above 0")
