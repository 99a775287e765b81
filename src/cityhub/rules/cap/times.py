"""Times as CAP writes them: whole seconds and the offset of a zone, never "Z".

Source: CAP 1.2, clause 3.3.2: "2002-05-24T16:49:00-07:00"; UTC is "-00:00".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from cityhub.model.errors import BadRequestData

_FORM: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", re.ASCII)


def cap_time(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as CAP writes it, in the time of a zone; what is less than a second is cut off.

    >>> cap_time(datetime(2026, 7, 1, 0, 30, 5, 900_000, UTC), ZoneInfo("Asia/Shanghai"))
    '2026-07-01T08:30:05+08:00'
    >>> cap_time(datetime(2026, 7, 1, tzinfo=UTC), ZoneInfo("UTC"))
    '2026-07-01T00:00:00-00:00'
    """
    text = moment.astimezone(zone).isoformat(timespec="seconds")
    return text[:-6] + "-00:00" if text.endswith("+00:00") else text


def moment_of(text: str, where: str) -> datetime:
    """The moment, UTC. Raises BadRequestData naming the element."""
    if _FORM.fullmatch(text):
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise BadRequestData(f"'{where}' is '{text[:50]}'; right would be a time with its offset such as 2026-07-01T08:00:00+08:00, without Z")
