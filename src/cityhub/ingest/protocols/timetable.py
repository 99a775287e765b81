"""When a source is asked next: after a pause, or at times written as in a crontab."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from cityhub.model.errors import BadRequestData

SHORTEST_S = 0.05


class Timetable:
    """The times at which a source is asked."""

    def __init__(self, every_s: float, times: str, zone: str) -> None:
        """Makes a timetable.

        Args:
            every_s: Seconds from one beginning to the next, when `times` is empty.
            times: Minute, hour, day of month, month and day of week as in a crontab ("5 * * * *": five past each hour).
            zone: Time zone of `times`.

        Raises:
            BadRequestData: When one of them is not as it should be.
        """
        self._every = timedelta(seconds=max(every_s, SHORTEST_S))
        self._times = times
        try:
            self._zone = ZoneInfo(zone)
            if times:
                self.following(datetime.now(self._zone))
        except (CronSimError, StopIteration):
            raise BadRequestData(f"'times' must be five fields as in a crontab, such as '5 * * * *', not '{times[:100]}'") from None
        except (ZoneInfoNotFoundError, ValueError):
            raise BadRequestData(f"'time_zone' must be a name such as 'Asia/Shanghai', not '{zone[:100]}'") from None

    def following(self, begun: datetime) -> datetime:
        """When it is asked next after it was asked at `begun`."""
        if not self._times:
            return begun + self._every
        return next(CronSim(self._times, begun.astimezone(self._zone)))

    async def wait(self, begun: datetime, now: Callable[[], str]) -> None:
        """Returns when it is time again; at once when that time has passed already."""
        left = (self.following(begun) - moment(now())).total_seconds()
        if left > 0:
            await asyncio.sleep(left)


def moment(text: str) -> datetime:
    """The time behind RFC 3339 text; without an offset it is UTC. Raises ValueError when it is none."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo("UTC"))
