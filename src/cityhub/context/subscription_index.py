"""Which subscriptions a change may concern, found without looking at the others.

Each subscription stands under the ids, or the types, or the attributes that it names; a change is looked up under its
entity's id and types and the attributes that were written. What is found still has to be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from cityhub.context.entity_change import EntityChange
from cityhub.model.ngsild.entity_query import EntityQuery

Place = tuple[str, str | None, str | None]
"""("id", id, None), ("type", type, attribute or None) or ("any", None, attribute or None)."""


class Watching(Protocol):
    """What the index needs to know of a subscription."""

    query: EntityQuery
    watched: frozenset[str] | None


T = TypeVar("T", bound=Watching)


class SubscriptionIndex(Generic[T]):
    """The subscriptions of one tenant."""

    def __init__(self) -> None:
        self._places: dict[Place, dict[T, None]] = {}
        self._of: dict[T, list[Place]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def add(self, subscriber: T) -> None:
        """Takes a subscription in, or anew after it was changed."""
        self.remove(subscriber)
        places = self._of[subscriber] = list(dict.fromkeys(_places(subscriber)))
        for place in places:
            self._places.setdefault(place, {})[subscriber] = None

    def remove(self, subscriber: T) -> None:
        """Forgets a subscription; nothing happens when it is not there."""
        for place in self._of.pop(subscriber, ()):
            here = self._places[place]
            del here[subscriber]
            if not here:
                del self._places[place]

    def concerned(self, change: EntityChange) -> dict[T, None]:
        """The subscriptions that a change may concern, each once, in the order of their places."""
        places = self._places
        found: dict[T, None] = {}
        if not places:
            return found
        entity, touched = change.entity, change.touched
        for place in _looked_up(entity["id"], entity["type"], touched):
            here = places.get(place)
            if here:
                found.update(here)
        return found


def _looked_up(id: str, types: list[str], touched: dict[str, object]) -> Iterator[Place]:
    yield ("id", id, None)
    for type in types:
        yield ("type", type, None)
        for attribute in touched:
            yield ("type", type, attribute)
    yield ("any", None, None)
    for attribute in touched:
        yield ("any", None, attribute)


def _places(subscriber: Watching) -> Iterator[Place]:
    attributes: list[str | None] = [None] if subscriber.watched is None else list(subscriber.watched)
    if not subscriber.query.selectors:
        yield from (("any", None, attribute) for attribute in attributes)
    for selector in subscriber.query.selectors:
        if selector.ids is not None:
            yield from (("id", id, None) for id in selector.ids)
        elif selector.types is None or selector.types.alternatives is None:
            yield from (("any", None, attribute) for attribute in attributes)
        else:
            for types in selector.types.alternatives:
                yield from (("type", min(types), attribute) for attribute in attributes)
