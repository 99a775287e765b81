"""Pages of a temporal answer: a span of time in which every attribute of every entity is complete.

Source: GS CIM 009 V1.9.1, clauses 5.5.9 and 6.3.10.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from cityhub.model.entity import Attributes
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.temporal import TemporalQuery
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ngsild.temporal_render import time_of


class TemporalPage(msgspec.Struct, frozen=True):
    """What of an answer is shown, and the Content-Range of it; None: it is all."""

    attrs: list[Attributes]
    content_range: str | None = None


def prune(entities: list[Attributes], query: TemporalQuery, size: int) -> str | None:
    """Drops instances that a page of at most `size` cannot have, so that about one more than that is left.

    Returns the last moment of which there is something left, in the order of the answer; None when nothing was dropped.
    """
    time, latest = query.time_property, query.last_n is not None
    times = [time_of(one, time) for attrs in entities for name, instances in attrs.items() if name != SCOPE for one in instances]
    if len(times) <= size + 1:
        return None
    times.sort(reverse=latest)
    bound = times[size]
    for attrs in entities:
        for name, instances in attrs.items():
            if name != SCOPE:
                attrs[name] = [one for one in instances if (time_of(one, time) >= bound if latest else time_of(one, time) <= bound)]
    return bound


def cut(entities: list[Attributes], query: TemporalQuery, size: int) -> TemporalPage:
    """The part of an answer that has at most `size` instances: the latest with lastN, else the earliest.

    All instances of one moment stay together, so a page may be longer when there are more of them. An attribute all of
    whose instances lie outside of the page stays, empty.
    """
    total = sum(len(instances) for attrs in entities for name, instances in attrs.items() if name != SCOPE)
    if total <= size:
        return TemporalPage(entities)
    time, latest = query.time_property, query.last_n is not None
    at = Counter(
        time_of(instance, time)
        for attrs in entities for name, instances in attrs.items() if name != SCOPE for instance in instances
    )  # fmt: skip
    moments = sorted(at, reverse=latest)
    first, count, reached = moments[0], at[moments[0]], moments[0]
    for moment in moments[1:]:
        count += at[moment]
        if count > size:
            break
        reached = moment
    low, high = (reached, first) if latest else (first, reached)
    shown = [
        {
            name: instances if name == SCOPE else [one for one in instances if low <= time_of(one, time) <= high]
            for name, instances in attrs.items()
        }
        for attrs in entities
    ]
    begin = (query.end if latest else query.start) or first
    return TemporalPage(shown, f"date-time {show(begin)}-{show(reached)}/{query.last_n or '*'}")
