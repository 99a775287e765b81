"""When a dataset fills the room that it has, with the bounds of that."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from cityhub.history.foresight.series import DAY_S, Floats
from cityhub.model.errors import BadRequestData

PATHS: Final = 1_000
"""Futures that are drawn."""
MAX_DAYS: Final = 10 * 365
RECENT_DAYS: Final = 90
"""Growth is taken from so many of the last days."""
LEAST_DAYS: Final = 5
SEED: Final = 9
"""The same past always gives the same answer."""


class Capacity(msgspec.Struct, frozen=True):
    """How a dataset grows, and when it is full.

    Attributes:
        bytes_now: Its size at the last reading.
        growth_bytes_per_day: Middle of its daily growth over the drawn futures.
        growth_low, growth_high: Bounds of the mean daily growth, at `level`.
        full_at: When half of the futures have filled the room, seconds since 1970 UTC; None: not within ten years.
        full_earliest, full_latest: The bounds of that; None: not within ten years.
        level: Probability that the true moment lies between the bounds, if growth goes on as it was.
        days: On how many days of growth it stands.
    """

    bytes_now: float
    growth_bytes_per_day: float
    growth_low: float
    growth_high: float
    full_at: float | None
    full_earliest: float | None
    full_latest: float | None
    level: float
    days: int


def capacity(times: ArrayLike, sizes: ArrayLike, room_bytes: float, level: float = 0.9) -> Capacity:
    """When the size reaches the room, from readings of the size in the past.

    Daily growth is drawn again and again from weeks of the past (moving blocks, so that quiet weekends and the drop after a
    clean-up stay together), each future with a past of its own, so that both the swing of the days and how little is known of
    the mean widen the bounds.

    Source: Künsch 1989, The jackknife and the bootstrap for general stationary observations (moving blocks).

    Args:
        times: When the sizes were read, seconds since 1970 UTC, over at least five days.
        sizes: In bytes.
        room_bytes: What the dataset may take: its size now plus what is free, or its quota.
        level: Above 0 and below 1.

    Raises:
        BadRequestData: If there are readings of fewer than five days, or an argument is out of range.
    """
    if not (0 < level < 1 and room_bytes > 0):
        raise BadRequestData(f"'level' must lie between 0 and 1 and the room must be above 0 bytes, not {level} and {room_bytes}")
    last, size, growth = _daily(np.asarray(times, np.float64), np.asarray(sizes, np.float64))
    tail = (1 - level) / 2
    means, grown = _futures(growth)
    full = np.where(grown.max(axis=1) >= room_bytes - size, np.argmax(grown >= room_bytes - size, axis=1) + 1.0, np.inf)
    if size >= room_bytes:
        full = np.zeros(PATHS)
    low, high = np.quantile(means, [tail, 1 - tail])
    middle, earliest, latest = (_moment(full, share, last) for share in (0.5, tail, 1 - tail))
    return Capacity(size, float(np.median(means)), float(low), float(high), middle, earliest, latest, level, len(growth))


def _daily(times: Floats, sizes: Floats) -> tuple[float, float, Floats]:
    """Time and size of the last reading, and the growth of each of the last days."""
    if times.shape != sizes.shape or times.ndim != 1:
        raise BadRequestData(f"as many times as sizes are needed: there are {times.size} and {sizes.size}")
    good = np.isfinite(times) & np.isfinite(sizes)
    order = np.argsort(times[good], kind="stable")
    times, sizes = times[good][order], sizes[good][order]
    days = int((times[-1] - times[0]) // DAY_S) if len(times) else 0
    if days < LEAST_DAYS:
        raise BadRequestData(f"readings over {days} days are too few: a capacity forecast needs at least {LEAST_DAYS}")
    grid = times[-1] - DAY_S * np.arange(min(days, RECENT_DAYS), -1, -1.0)
    return float(times[-1]), float(sizes[-1]), np.diff(np.interp(grid, times, sizes))


def _futures(growth: Floats) -> tuple[Floats, Floats]:
    """Mean daily growth of each drawn past, and the growth of each future after 1, 2, ... days."""
    random = np.random.default_rng(SEED)
    block = min(7, len(growth))
    blocks = np.lib.stride_tricks.sliding_window_view(growth, block)
    # The mean itself is only known as well as so short a past tells.
    count = -(-len(growth) // block)
    means = blocks[random.integers(0, len(blocks), (PATHS, count))].reshape(PATHS, -1)[:, : len(growth)].mean(axis=1)
    swings = (blocks - growth.mean())[random.integers(0, len(blocks), (PATHS, -(-MAX_DAYS // block)))].reshape(PATHS, -1)[:, :MAX_DAYS]
    return means, np.cumsum(swings + means[:, None], axis=1)


def _moment(full: Floats, share: float, last: float) -> float | None:
    day = float(np.quantile(full, share, method="higher"))
    return None if np.isinf(day) else last + day * DAY_S
