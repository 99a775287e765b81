"""Times of observation, in the forms in which sources write them.

- RFC 3339 and its kin: "2026-11-23T14:05:00+08:00", "2026-11-23 14:05:00Z".
- Local times without a zone: "2026-11-23 14:05", "2026/11/23 14:05:07.5", "2026年11月23日 14时05分", "20261123140507", a date alone
  (midnight); "24:00" is the midnight that follows, as in hydrology.
- Times of letters: "Mon, 23 Nov 2026 06:05:00 GMT" (RFC 5322).
- Numbers since 1970-01-01 UTC, by their size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.

A local time that came twice, when clocks were set back, is the one nearer to the time of arrival if that is within a day, else the first.
One that never was, when clocks were set forward, is read with the offset before (RFC 5545 section 3.3.5).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from cityhub.ingest.mapping.problems import Unfit, shown
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment
from cityhub.model.time import to_text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_LONGEST: Final = 64
_LOCAL: Final = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:[T\s]*(\d{1,2})\s*[:：时]\s*(\d{1,2})?(?:\s*[:：分]\s*(\d{1,2})?(?:[.,](\d{1,9}))?)?\s*[分秒]?)?"
    r"\s*(Z|z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_COMPACT: Final = re.compile(r"((?:19|20|21)\d\d)(\d\d)(\d\d)(?:T?(\d\d)(\d\d)(\d\d)?)?(Z)?")
_NUMBER: Final = re.compile(r"-?\d{1,20}(?:\.\d{1,9})?")
_KINDS: Final = "write it as RFC 3339 ('2026-11-23T06:05:00Z'), as a local time ('2026-11-23 14:05:00') or as a number since 1970"


class Times:
    """Reads times.

    Args:
        zone: IANA name of the zone of times that do not say theirs. Raises Unfit when there is no such zone.
    """

    __slots__ = ("_texts", "_zone")

    def __init__(self, zone: str) -> None:
        try:
            self._zone = ZoneInfo(zone)
        except Exception:  # unknown, a path, or of the wrong form
            raise Unfit(f"'time_zone' must be a name of the IANA time zone database such as 'Asia/Shanghai', not {shown(zone)}") from None
        self._texts = lru_cache(maxsize=1024)(self._read_text)

    def read(self, value: Any, arrived: str = "") -> str:
        """A time in the internal form of NGSI-LD (UTC, six digits of a second). Raises Unfit.

        Args:
            value: A text or a number.
            arrived: Time of arrival in that form, for local times that came twice.
        """
        kind = type(value)
        if kind is int and 19_000_000_000_000 < value < 22_000_000_000_000:
            value, kind = str(value), str  # written as digits of a date and time, as many systems export it
        if kind is int or kind is float:
            return since_1970(value)
        if kind is str:
            found = self._texts(value) if len(value) <= _LONGEST else None
            if isinstance(found, str):
                return found
            if found is None:
                raise Unfit(f"{shown(value)} is not a time; {_KINDS}")
            return self._twice(found, arrived)
        raise Unfit(f"{shown(value)} is not a time; {_KINDS}")

    def _read_text(self, text: str) -> str | datetime | None:
        """The time of a text; as a naive one where the zone has it twice; None when it is none."""
        if text[-1:] == "Z":
            try:
                return moment.read(text, "")
            except BadRequestData:
                pass
        try:
            found = _parse(text.strip())
            if isinstance(found, str) or found is None:
                return found
            if found.tzinfo:
                return self._utc(found)
            first, second = found.replace(tzinfo=self._zone), found.replace(tzinfo=self._zone, fold=1)
            return found if first.utcoffset() > second.utcoffset() else self._utc(first)  # type: ignore[operator]
        except (ValueError, OverflowError, TypeError, IndexError):
            return None

    def _twice(self, found: datetime, arrived: str) -> str:
        first, second = found.replace(tzinfo=self._zone, fold=0), found.replace(tzinfo=self._zone, fold=1)
        if not arrived:
            return self._utc(first)
        now = datetime.fromisoformat(arrived)
        near_first, near_second = abs(now - first.astimezone(UTC)), abs(now - second.astimezone(UTC))
        return self._utc(second if near_second < near_first and near_second <= _DAY else first)

    @staticmethod
    def _utc(found: datetime) -> str:
        try:
            return to_text(found.astimezone(UTC))
        except OverflowError:
            raise Unfit(f"{shown(str(found))} is outside the years 1 to 9999") from None


def since_1970(value: float) -> str:
    """The time of a number since 1970 by its size; see the head of this module. Raises Unfit.

    >>> since_1970(1795413900), since_1970(1795413900123)
    ('2026-11-23T06:05:00.000000Z', '2026-11-23T06:05:00.123000Z')
    """
    size = abs(value)
    try:
        if size < 1e11:
            micros = round(value * 1_000_000)
        elif size < 1e14:
            micros = round(value * 1_000)
        elif size < 1e17:
            micros = round(value)
        else:
            micros = round(value) // 1_000
        return to_text(_EPOCH + timedelta(microseconds=micros))
    except (OverflowError, ValueError):
        raise Unfit(f"{shown(value)} is not a time; {_KINDS}") from None


def _parse(text: str) -> str | datetime | None:
    if text[4:5] == "-" and text.isascii():
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    parts = _LOCAL.fullmatch(text) or _COMPACT.fullmatch(text)
    if parts and parts.re is _COMPACT:
        year, month, day, hour, minute, second, zone = parts.groups()
        return _put_together(year, month, day, hour, minute, second, None, zone)
    if parts:
        return _put_together(*parts.groups())
    if _NUMBER.fullmatch(text):
        return since_1970(float(text) if "." in text else int(text))
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _put_together(
    year: str, month: str, day: str, hour: str | None, minute: str | None, second: str | None, fraction: str | None, zone: str | None
) -> datetime:
    midnight = hour == "24" and not int(minute or 0) and not int(second or 0)
    micros = int(f"{fraction or '0':0<6}"[:6])
    found = datetime(  # noqa: DTZ001 - its zone is found next
        int(year), int(month), int(day), 0 if midnight else int(hour or 0), int(minute or 0), int(second or 0), micros
    )
    if midnight:
        found += _DAY
    if zone is None:
        return found
    return datetime.fromisoformat(found.isoformat() + ("Z" if zone in ("Z", "z", "UTC", "GMT") else zone))
