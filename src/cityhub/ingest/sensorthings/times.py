"""Times and intervals as the standard writes them.

Source: OGC 18-088, 8.2; ISO 8601 (TM_Instant, TM_Period).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from cityhub.model.errors import BadRequestData
from cityhub.model.time import to_text


@lru_cache(maxsize=1024)
def instant(text: str) -> str | None:
    """A time in the form of `cityhub.model.time.to_text`; None when it is none. Without an offset it is UTC.

    >>> instant("2015-03-01T08:00:00+08:00")
    '2015-03-01T00:00:00.000000Z'
    """
    if not 8 <= len(text) <= 40 or not text[:4].isdigit():
        return None
    try:
        moment = datetime.fromisoformat(text)
        return to_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def span(text: str) -> tuple[str, str] | None:
    """Beginning and end of a time or an interval; None when it is neither."""
    first, slash, last = text.partition("/")
    begin = instant(first)
    end = instant(last) if slash else begin
    return (begin, end) if begin and end and begin <= end else None


def shown(time: str) -> str:
    """A canonical time as it is shown: milliseconds, or microseconds where there are some.

    >>> shown("2015-03-01T00:40:00.000000Z")
    '2015-03-01T00:40:00.000Z'
    """
    return time[:-4] + "Z" if time.endswith("000Z") else time


def shown_span(text: str) -> str:
    """A time or interval as it is shown; a text that is neither stays."""
    found = span(text)
    if found is None:
        return text
    begin, end = found
    return f"{shown(begin)}/{shown(end)}" if "/" in text else shown(begin)


def read_time(name: str, given: object, *, interval: bool = False) -> str:
    """A time of a body, canonical; of an interval both ends. Raises BadRequestData."""
    if isinstance(given, str) and len(given) <= 100:
        found = span(given) if interval else None
        if found is not None and "/" in given:
            return f"{found[0]}/{found[1]}"
        time = instant(given)
        if time is not None:
            return time
    form = "2026-11-23T06:05:00Z or 2026-11-23T06:00:00Z/2026-11-23T07:00:00Z" if interval else "2026-11-23T06:05:00Z"
    raise BadRequestData(f"'{name}' must be a time such as {form}, not {str(given)[:100]!r}")
