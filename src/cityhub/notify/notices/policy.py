"""The policy of notices: which channels, when not to disturb, how much is too much."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.model.errors import BadRequestData

CHANNELS: Final = ("screen", "email", "sms", "webhook", "mqtt")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Quiet hours in the district's time, "HH:MM": from the one to the other, mostly over midnight. The same twice: none."""

    begin: str = "22:00"
    end: str = "07:30"


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The policy.

    Attributes:
        id: Always "policy": there is one.
        ordinary: Channels of ordinary messages; a person gets one on each by which they can be reached.
        urgent: Channels of urgent ones.
        instead: When an urgent message did not surely arrive: the first of these by which the person was not told yet.
        quiet: Quiet hours. They hold for ordinary messages to people who are not on duty, on all channels but the screen.
        person_per_hour: So many ordinary messages a person gets in an hour on each channel but the screen; further ones come in one digest.
        channel_per_day: So many ordinary messages leave by a channel on a day of the district's time; a channel not named has no bound.
        fallback_posts: Posts that hear of what nobody else was there to hear.
        version: Counted by the hub.
    """

    id: str = "policy"
    ordinary: list[str] = msgspec.field(default_factory=lambda: ["screen", "email", "webhook", "mqtt"])
    urgent: list[str] = msgspec.field(default_factory=lambda: ["screen", "sms", "email", "webhook", "mqtt"])
    instead: list[str] = msgspec.field(default_factory=lambda: ["sms", "email", "webhook", "mqtt"])
    quiet: Quiet = Quiet()
    person_per_hour: int = 20
    channel_per_day: dict[str, int] = {}
    fallback_posts: list[str] = []
    version: int = 1


def check_policy(policy: Policy) -> None:
    """Raises BadRequestData naming the member that is wrong and what would be right."""
    if policy.id != "policy":
        raise BadRequestData("'id' must be 'policy': there is one")
    for name in ("ordinary", "urgent", "instead"):
        channels: list[str] = getattr(policy, name)
        if set(channels) - set(CHANNELS) or len(set(channels)) != len(channels):
            raise BadRequestData(f"'{name}' must name channels, each once: {', '.join(CHANNELS)}")
    if "screen" not in policy.ordinary or "screen" not in policy.urgent:
        raise BadRequestData("'ordinary' and 'urgent' must have 'screen': what is on no screen is seen by nobody who looks for it")
    for name in ("begin", "end"):
        if not _TIME.fullmatch(getattr(policy.quiet, name)):
            raise BadRequestData(f"'quiet.{name}' must be a time of day such as 22:00")
    if not 1 <= policy.person_per_hour <= 10_000:
        raise BadRequestData("'person_per_hour' must be a whole number from 1 to 10000")
    if set(policy.channel_per_day) - set(CHANNELS) or any(not 1 <= most <= 10_000_000 for most in policy.channel_per_day.values()):
        raise BadRequestData(f"'channel_per_day' must have whole numbers from 1 to 10000000 by channel: {', '.join(CHANNELS)}")
    if len(policy.fallback_posts) > 20:
        raise BadRequestData("'fallback_posts' may have at most 20 items")


def due(policy: Policy, now: datetime, zone: ZoneInfo) -> datetime:
    """When an ordinary message may be sent: now, or when the quiet hours end.

    >>> from datetime import UTC
    >>> due(Policy(), datetime(2026, 11, 23, 15, 0, tzinfo=UTC), ZoneInfo("Asia/Shanghai")).isoformat()
    '2026-11-23T23:30:00+00:00'
    """
    begin, end = _time(policy.quiet.begin), _time(policy.quiet.end)
    local = now.astimezone(zone)
    present = local.time()
    if begin <= end:
        return _at(local, end, 0) if begin <= present < end else now
    if present >= begin:
        return _at(local, end, 1)
    return _at(local, end, 0) if present < end else now


def day_of(now: datetime, zone: ZoneInfo) -> str:
    """The day of the district's time, "2026-11-23"."""
    return now.astimezone(zone).date().isoformat()


def next_day(now: datetime, zone: ZoneInfo) -> datetime:
    """When the next day of the district's time begins."""
    return _at(now.astimezone(zone), time(0, 0), 1)


def _at(local: datetime, moment: time, days: int) -> datetime:
    return datetime.combine(local.date() + timedelta(days=days), moment, tzinfo=local.tzinfo).astimezone(UTC)


def _time(text: str) -> time:
    return time.fromisoformat(text)
