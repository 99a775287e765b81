"""The flags of values that are not normal, and how they stand in an attribute."""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.entity import Instance

RANGE: Final = "range"
JUMP: Final = "jump"
STUCK: Final = "stuck"
DRIFT: Final = "drift"
CLOCK: Final = "clock"
DUPLICATE: Final = "duplicate"
OUTSIDE: Final = "outside"

FLAGS: Final[dict[str, dict[str, str]]] = {
    RANGE: {"zh": "超出合理范围", "en": "outside of the plausible range"},
    JUMP: {"zh": "突变", "en": "changed faster than is plausible"},
    STUCK: {"zh": "长时间不变", "en": "the same for longer than is plausible"},
    DRIFT: {"zh": "漂移", "en": "mean of the day far from that of the days before"},
    CLOCK: {"zh": "时钟偏差", "en": "observed later than it came"},
    DUPLICATE: {"zh": "重复", "en": "a time of observation that was there before"},
    OUTSIDE: {"zh": "位置超出围栏", "en": "a place outside of the area of the feed"},
}
"""What each flag means, by language."""


def flagged(instance: Instance, flags: list[str], quality: str) -> Instance:
    """The attribute instance with the flags in its sub-attribute `quality`, beside those that it has already.

    Args:
        instance: It is not changed.
        flags: At least one.
        quality: IRI of the sub-attribute.
    """
    subs = instance.get("attrs") or {}
    known: list[Any] = subs[quality][0]["value"] if quality in subs else []
    value = [*known, *(flag for flag in flags if flag not in known)]
    return {**instance, "attrs": {**subs, quality: [{"type": "Property", "value": value}]}}
