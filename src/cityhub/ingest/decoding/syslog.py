"""Messages of syslog in their two forms.

A record has `facility`, `severity` (numbers, and `facilityName`, `severityName`), `timestamp`, `host`, `app`, `process`, `messageId`,
`data` (structured data: element, then parameter) and `message`; null is what the message does not say. A time of RFC 3164 has neither
year nor zone: the year is the one that brings it nearest to now, and the time stays local ("2026-11-23 14:05:00").

Source: RFC 5424 section 6; RFC 3164 section 4; RFC 6587 section 3.4 (octet counting and lines).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from cityhub.ingest.decoding.bounds import bounded
from cityhub.ingest.decoding.encoding import text_of
from cityhub.ingest.decoding.options import SyslogOptions

SEVERITIES: Final = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")
FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
_COUNT: Final = re.compile(rb"([1-9]\d{0,5}) (?=<)")
_PRIORITY: Final = re.compile(r"<(\d{1,3})>")
_NEW: Final = re.compile(r"([1-9]\d?) (\S+) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) ")
_PARAMETER: Final = re.compile(r' ([^\s=\]"]{1,32})="((?:[^"\\\]]|\\.)*)"')
_ELEMENT: Final = re.compile(r'\[([^\s=\]"]{1,32})')
_ESCAPED: Final = re.compile(r'\\(["\\\]])')
_OLD: Final = re.compile(r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([ \d]\d) (\d\d):(\d\d):(\d\d) (?:(\S+) )?")
_TAG: Final = re.compile(r"([^\s:\[]{1,48})(?:\[([^\]]{1,128})\])?: ?")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _now() -> datetime:
    return datetime.now(UTC)


def syslog_decoder(options: SyslogOptions, now: Callable[[], datetime] = _now) -> Callable[[bytes], list[Any]]:
    """Reads one message or several, one a line or counted."""

    def decode(body: bytes) -> list[Any]:
        moment = now()
        return [read_message(text_of(frame, options.encoding), moment) for frame in bounded(frames(body))]

    return decode


def frames(body: bytes) -> list[bytes]:
    """The messages of a payload. Raises ValueError when one is cut off."""
    if not _COUNT.match(body):
        return [line for line in body.split(b"\n") if line.strip(b"\r \0")]
    found = []
    place = 0
    while place < len(body):
        head = _COUNT.match(body, place)
        end = head.end() + int(head.group(1)) if head else 0
        if head is None or end > len(body):
            raise ValueError(f"the message at byte {place} is not as long as it says")
        found.append(body[head.end() : end])
        place = end
    return found


def read_message(text: str, now: datetime) -> dict[str, Any]:
    """A message. Raises ValueError when it does not begin with a priority from 0 to 191."""
    text = text.rstrip("\r\n\0")
    head = _PRIORITY.match(text)
    if head is None or int(head.group(1)) > 191:
        raise ValueError(f"a message of syslog begins with its priority, '<0>' to '<191>', not with '{text[:40]}'")
    facility, severity = divmod(int(head.group(1)), 8)
    record: dict[str, Any] = {
        "facility": facility, "facilityName": FACILITIES[facility], "severity": severity, "severityName": SEVERITIES[severity],
        "timestamp": None, "host": None, "app": None, "process": None, "messageId": None, "data": {}, "message": None,
    }  # fmt: skip
    new = _NEW.match(text, head.end())
    return _read_new(record, text, new) if new else _read_old(record, text[head.end() :], now)


def _read_new(record: dict[str, Any], text: str, new: re.Match[str]) -> dict[str, Any]:
    for name, value in zip(("timestamp", "host", "app", "process", "messageId"), new.groups()[1:], strict=True):
        record[name] = None if value == "-" else value
    record["data"], place = _structured(text, new.end())
    record["message"] = text[place:].removeprefix(" ").removeprefix("\ufeff") or None
    return record


def _structured(text: str, place: int) -> tuple[dict[str, dict[str, str]], int]:
    """The structured data, and where they end. Raises ValueError when they do not."""
    if text[place : place + 1] == "-":
        return {}, place + 1
    data: dict[str, dict[str, str]] = {}
    while element := _ELEMENT.match(text, place):
        parameters: dict[str, str] = {}
        place = element.end()
        while parameter := _PARAMETER.match(text, place):
            parameters[parameter.group(1)] = _ESCAPED.sub(r"\1", parameter.group(2))
            place = parameter.end()
        if text[place : place + 1] != "]":
            raise ValueError(f"the structured data '{element.group(1)}' are not ended by ']'")
        data[element.group(1)] = parameters
        place += 1
    if not data:
        raise ValueError("the structured data must be '-' or begin with '['")
    return data, place


def _read_old(record: dict[str, Any], text: str, now: datetime) -> dict[str, Any]:
    head = _OLD.match(text)
    if head:
        month, day, hour, minute, second, host = head.groups()
        record["timestamp"] = _with_year(_MONTHS.index(month) + 1, int(day), f"{hour}:{minute}:{second}", now)
        record["host"] = host
        text = text[head.end() :]
    tag = _TAG.match(text)
    if tag:
        record["app"], record["process"] = tag.groups()
        text = text[tag.end() :]
    record["message"] = text or None
    return record


def _with_year(month: int, day: int, clock: str, now: datetime) -> str | None:
    found = []
    for year in (now.year - 1, now.year, now.year + 1):
        try:
            moment = datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T{clock}+00:00")
        except ValueError:  # 29 February, or no time at all
            continue
        found.append((abs(moment - now), f"{year:04}-{month:02}-{day:02} {clock}"))
    return min(found)[1] if found else None
