"""The clock of a simulation: any speed, but never ahead of the real time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta


class Pace:
    """Simulated time.

    It begins at `start` and runs `speed` times as fast as the real time until it has caught up with it; from then on it
    is the real time. So nothing is ever observed in the future. A start in the future counts as now.

    Args:
        speed: Simulated seconds per real second, greater than 0.
        start: First moment; None is now for a speed of 1 or less, and a day ago for more.
        now: The real time, aware UTC.
    """

    def __init__(self, speed: float, start: datetime | None, now: Callable[[], datetime]) -> None:
        if not speed > 0:
            raise ValueError(f"the speed must be greater than 0, not {speed}")
        self._speed = speed
        self._now = now
        self._began = now()
        back = timedelta(days=1) if speed > 1 else timedelta(0)
        self.start = min(start or self._began - back, self._began)

    def moment(self) -> datetime:
        """The simulated moment, to the second."""
        real = self._now()
        simulated = self.start + (real - self._began) * self._speed
        return min(simulated, real).replace(microsecond=0)
