"""Scope queries over time: in which spans an entity had a scope that is asked for.

Source: GS CIM 009 V1.9.1, clauses 4.18, 4.19, 5.7.4 and C.5.16.
"""

from __future__ import annotations

from cityhub.model.entity import Attributes, Instance
from cityhub.model.ngsild.scope import ScopeQuery
from cityhub.model.ngsild.temporal import TemporalQuery
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ngsild.temporal_render import time_of

FOREVER = "~"
"""Later than every time."""


class Validity:
    """When the scopes of one entity matched a query, within the span that the temporal query asks about.

    Attributes:
        spans: (first moment, moment at which it has ended) of each span.
        instances: The scopes that were valid at some time of the span asked about, also those set before it.
    """

    __slots__ = ("instances", "spans")

    def __init__(self, scopes: list[Instance], wanted: ScopeQuery, query: TemporalQuery) -> None:
        ordered = sorted(scopes, key=_set_at)
        ends = [*map(_set_at, ordered[1:]), FOREVER]
        low, high = query.start or "", query.end or FOREVER
        within = [(one, max(_set_at(one), low), min(end, high)) for one, end in zip(ordered, ends, strict=False)]
        within = [(one, start, end) for one, start, end in within if start < end]
        self.instances = [one for one, _, _ in within if one["value"]]
        self.spans = [(start, end) for one, start, end in within if wanted.matches({SCOPE: one["value"]})]

    def restrict(self, attrs: Attributes, query: TemporalQuery) -> Attributes:
        """The instances of attributes that lie in one of the spans; attributes without any are left out. The scope is shown as it was."""
        found: Attributes = {}
        for name, instances in attrs.items():
            if name != SCOPE:
                kept = [one for one in instances if self._covers(time_of(one, query.time_property))]
                if kept:
                    found[name] = kept
        if found and self.instances:
            found[SCOPE] = self.instances
        return found

    def _covers(self, time: str) -> bool:
        return any(start <= time < end for start, end in self.spans)


def _set_at(instance: Instance) -> str:
    """When a scope began to hold; for the mark of a deletion, when there was none any more."""
    return str(instance.get("observedAt") or instance.get("deletedAt") or instance["modifiedAt"])
