"""Moments and spans as whole microseconds: fast to reckon with, and exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cityhub.model.errors import BadRequestData
from cityhub.model.feel.temporal import Duration
from cityhub.model.feel.temporal_text import read_duration
from cityhub.model.time import to_text

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
MOST_JOINING: Final = 30 * DAY
"""The longest time within which an alert may join a case of another."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY: Final = 4 * DAY
_QUARTER: Final = 900 * SECOND
_REMEMBERED: Final = 4_096


class Micros(dict[str, int]):
    """Microseconds since 1970 of RFC 3339 texts; what was asked lately is remembered, since one batch shares its times."""

    def __missing__(self, text: str) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        moment = self[text] = micros(text)
        return moment


def micros(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 text in UTC.

    >>> micros("1970-01-01T00:00:01.000002Z")
    1000002
    """
    return round(datetime.fromisoformat(text).timestamp() * SECOND)


def text_of(moment: int) -> str:
    """The RFC 3339 text of a moment.

    >>> text_of(1_000_002)
    '1970-01-01T00:00:01.000002Z'
    """
    return to_text(_EPOCH + timedelta(microseconds=moment))


def span(text: str, where: str, most: int, *, empty: bool = True) -> int:
    """Microseconds of an ISO 8601 duration of days and time.

    Args:
        text: "PT10M", "P1D"; "" is 0.
        where: What to call it in messages.
        most: The longest one allowed.
        empty: Whether it may be "" or 0.

    Raises BadRequestData.
    """
    if not text and empty:
        return 0
    found = read_duration(text)
    if not isinstance(found, Duration) or found.nanos < 0 or (found.nanos == 0 and not empty):
        raise BadRequestData(f"'{where}' is {text!r:.40}; right would be an ISO 8601 duration of days and time such as 'PT10M' or 'P1D'")
    length = found.nanos // 1_000
    if length > most:
        raise BadRequestData(f"'{where}' is {text!r:.40}; {most // DAY} days are the most")
    return length


class Days:
    """Where windows begin that begin anew at each multiple of their length, by the clock of a place.

    Args:
        zone: Name of the time zone.
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._ahead: dict[int, int] = {}

    def bucket(self, moment: int, length: int) -> int:
        """The number of the window that a moment lies in; windows of whole weeks begin on Mondays."""
        local = moment + self._offset(moment)
        return (local - (_MONDAY if length % (7 * DAY) == 0 else 0)) // length

    def _offset(self, moment: int) -> int:
        quarter = moment // _QUARTER  # no place changes its clock at other moments
        ahead = self._ahead.get(quarter)
        if ahead is None:
            if len(self._ahead) >= _REMEMBERED:
                self._ahead.clear()
            offset = (_EPOCH + timedelta(microseconds=moment)).astimezone(self._zone).utcoffset() or timedelta()
            ahead = self._ahead[quarter] = round(offset.total_seconds()) * SECOND
        return ahead
