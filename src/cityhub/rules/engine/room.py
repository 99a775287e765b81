"""The rules of one tenant, and which of them a change concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from cityhub.model.entity import Entity
from cityhub.rules.engine.compiling import ANY, LOCATION
from cityhub.rules.engine.running import Running, Touched

MOST_PLANS: Final = 20_000
MOST_FOLLOWED: Final = 50_000
"""Entities that queries follow links to, at most."""
Concern = tuple[Running, bool, tuple[int, ...]]
"""A rule, whether the entity may be its subject, and the figures whose other entity it may be."""


class Room:
    """The rules of a tenant.

    Attributes:
        rules: In the order in which they are evaluated.
        followed: The entities that queries follow links to, by id; None: not known.
        followers: Which rule and entity follow a link to an entity.
        missing: Ids of those that are to be looked up.
    """

    def __init__(self, rules: list[Running]) -> None:
        self.rules = rules
        self.followed: dict[str, Entity | None] = {}
        self.followers: dict[str, set[tuple[str, str]]] = {}
        self.missing: set[str] = set()
        self._touched: dict[bytes, Touched] = {}
        self._plans: dict[Any, tuple[Concern, ...]] = {}
        self._interests = self._all_interests()

    def inherit(self, former: Room) -> None:
        """Takes over what an earlier room of the tenant knew of followed entities."""
        self.followed, self.followers, self.missing = former.followed, former.followers, former.missing

    def touched(self, attributes: bytes) -> Touched:
        """What a change touched, from its entry; None: everything may have been."""
        if not attributes:
            return None
        found = self._touched.get(attributes)
        if found is None and attributes not in self._touched:
            if len(self._touched) >= MOST_PLANS:
                self._touched.clear()
            found = self._touched[attributes] = frozenset(orjson.loads(attributes)) or None
        return found

    def may_concern(self, touched: Touched) -> bool:
        """Whether some rule looks at what was touched."""
        return touched is None or ANY in self._interests or not self._interests.isdisjoint(touched)

    def concerns(self, types: list[str], touched: Touched) -> tuple[Concern, ...]:
        """The rules that a change of an entity of these types concerns."""
        key = (types[0] if len(types) == 1 else tuple(types), touched)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            found = self._plans[key] = tuple(self._work_out(frozenset(types), touched))
        return found

    def follow(self, running: Running, entity: str) -> Callable[[str], Entity | None]:
        """What finds the entities that an entity's links point to, and remembers who asked."""

        def linked(uri: str) -> Entity | None:
            followers = self.followers.get(uri)
            if followers is None:
                if len(self.followers) >= MOST_FOLLOWED:
                    return None
                followers = self.followers[uri] = set()
                self.missing.add(uri)
            followers.add((running.compiled.rule.id, entity))
            return self.followed.get(uri)

        return linked

    def _work_out(self, types: frozenset[str], touched: Touched) -> list[Concern]:
        found: list[Concern] = []
        for running in self.rules:
            compiled = running.compiled
            is_subject = not compiled.watch.types.isdisjoint(types) and running.is_touched(touched)
            others = tuple(
                place
                for place, figure in enumerate(compiled.figures)
                if figure.near is not None and not figure.near.watch.types.isdisjoint(types) and running.touched_others(figure, touched)
            )
            if is_subject or others:
                found.append((running, is_subject, others))
        return found

    def _all_interests(self) -> frozenset[str]:
        found: set[str] = set()
        for running in self.rules:
            found |= running.compiled.touches
            for figure in running.compiled.figures:
                if figure.near is not None:
                    found |= {*figure.reads.values(), *figure.near.watch.reads, figure.near.link or LOCATION, LOCATION}
                    if not figure.reads:
                        found.add(ANY)
        return frozenset(found)
