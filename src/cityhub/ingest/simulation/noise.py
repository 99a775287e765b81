"""Repeatable chance: the same seed and keys give the same number, in any order and on any machine."""

from __future__ import annotations

import math

_MASK = (1 << 64) - 1


def _mix(value: int) -> int:
    """One round of SplitMix64. Source: Steele, Lea, Flood, 'Fast splittable pseudorandom number generators', 2014."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def uniform(seed: int, *keys: int) -> float:
    """A number in (0, 1) that depends on the seed and the keys only.

    >>> uniform(1, 2, 3) == uniform(1, 2, 3)
    True
    """
    state = _mix(seed & _MASK)
    for key in keys:
        state = _mix(state ^ (key & _MASK))
    return ((state >> 11) + 0.5) / (1 << 53)


def normal(seed: int, *keys: int) -> float:
    """A standard normal number. Source: Box and Muller, 1958."""
    return math.sqrt(-2.0 * math.log(uniform(seed, *keys, 1))) * math.cos(2.0 * math.pi * uniform(seed, *keys, 2))


def poisson(mean: float, chance: float) -> int:
    """The Poisson number at a quantile `chance` in (0, 1), by inversion; at most 50."""
    term = total = math.exp(-mean)
    count = 0
    while chance > total and count < 50:
        count += 1
        term *= mean / count
        total += term
    return count


def smooth(seed: int, key: int, moment_s: float, period_s: float) -> float:
    """A wandering number without unit, about normal (mean 0, deviation 0.8 to 1), that changes over `period_s`."""
    place = moment_s / period_s
    low = math.floor(place)
    weight = 0.5 - 0.5 * math.cos(math.pi * (place - low))
    return normal(seed, key, low) * (1.0 - weight) + normal(seed, key, low + 1) * weight
