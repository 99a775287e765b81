"""How unlikely a deviation is after those that went before, in decades (2.0: one in a hundred)."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

DECADE: Final = math.log(10)
RELATIVE_FLOOR: Final = 1e-9
"""Excesses smaller than this part of the series' own magnitude are rounding, not news."""
LEAST_TAIL: Final = 5
"""So many of the deviations lie above the level at least: the mean of fewer says little."""

State = dict[str, float | bytes]


class Surprise:
    """Tail of the last deviations: a level that few exceed, and the mean by which those exceed it.

    Beyond the level the tail is taken as exponential, so that a deviation never seen before has a probability too.

    Source: peaks over threshold, Balkema and de Haan 1974, Pickands 1975; the exponential tail is the generalised Pareto
    distribution of shape 0.

    Args:
        memory: So many deviations are remembered.
        rare: Part of them that lies above the level.
        warm_up: So many deviations are only learned at first.
        refit: The level is fitted anew after so many.
        cap: Greatest answer, in decades.
    """

    __slots__ = ("_base", "_cap", "_count", "_excess", "_kept", "_level", "_memory", "_rare", "_refit", "_warm_up")

    def __init__(self, memory: int, rare: float, warm_up: int, refit: int, cap: float) -> None:
        self._memory, self._rare, self._warm_up, self._refit, self._cap = memory, rare, warm_up, refit, cap
        self._base = -math.log10(rare)
        self._kept: NDArray[np.float64] = np.zeros(warm_up)
        self._count = 0
        self._level = math.inf
        self._excess = 1.0

    def of(self, deviation: float, magnitude: float) -> float:
        """Decades of the deviation, 0.0 for a usual one; it is learned afterwards.

        Args:
            deviation: Not negative.
            magnitude: Size of the values themselves; decides what is mere rounding.
        """
        count = self._count
        if count >= self._warm_up and (count % self._refit == 0 or self._level == math.inf):
            self._fit(magnitude)
        answer = 0.0
        if deviation > self._level:
            answer = min(self._base + (deviation - self._level) / (self._excess * DECADE), self._cap)
        self._learn(deviation)
        return answer

    def _learn(self, deviation: float) -> None:
        place = self._count % self._memory
        if place >= len(self._kept):
            larger = np.zeros(min(2 * len(self._kept), self._memory))
            larger[: len(self._kept)] = self._kept
            self._kept = larger
        self._kept[place] = deviation
        self._count += 1

    def _fit(self, magnitude: float) -> None:
        known = self._kept[: min(self._count, self._memory)]
        above = min(max(self._rare * len(known), LEAST_TAIL), len(known) / 2)
        first = int(len(known) - above)
        self._base = -math.log10(above / len(known))
        tail = np.partition(known, first)[first:]
        self._level = float(tail[0])
        self._excess = max(float(tail.mean()) - self._level, RELATIVE_FLOOR * magnitude)
        if self._excess <= 0.0:
            self._excess = 1e-12

    def state(self) -> State:
        """Everything learned, as plain values."""
        known = self._kept[: min(self._count, self._memory)]
        return {"count": self._count, "base": self._base, "level": self._level, "excess": self._excess, "kept": known.tobytes()}

    def resume(self, state: State) -> None:
        """Goes on from what `state` gave."""
        known = np.frombuffer(state["kept"])  # type: ignore[arg-type]
        self._count, self._base = int(state["count"]), float(state["base"])
        self._level, self._excess = float(state["level"]), float(state["excess"])
        self._kept = np.zeros(max(len(known), self._warm_up))
        self._kept[: len(known)] = known
