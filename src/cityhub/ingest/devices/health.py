"""How a device is, from when it was last heard of and how often it should speak."""

from __future__ import annotations

from datetime import datetime

from cityhub.ingest.devices.index import Health, Known

LATE = 1.5
"""A device is late when it has not spoken for so many of its intervals,"""
SILENT = 3.0
"""and silent after so many."""


def judge(known: Known, now: datetime) -> tuple[Health, str]:
    """Health of a device, and why."""
    interval_s = known.interval_s
    if not known.seen:
        return "never", "Never heard of"
    age_s = (now - datetime.fromisoformat(known.seen)).total_seconds()
    if not interval_s:
        return "ok", f"Last heard of {words(age_s)} ago; nobody said how often it should speak"
    heard = f"Last heard of {words(age_s)} ago; expected every {words(interval_s)}"
    return ("ok" if age_s <= LATE * interval_s else "late" if age_s <= SILENT * interval_s else "silent"), heard


def words(seconds: float) -> str:
    """A span in words.

    >>> words(12), words(90), words(7_200), words(400_000)
    ('12 s', '2 min', '2 h', '5 d')
    """
    for bound, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < bound:
            return f"{max(0.0, seconds) / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} d"
