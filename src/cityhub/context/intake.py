"""The door of feeds into the context: what they say of entities, what could not be taken, and how far they were read, in one transaction.

An attribute that is older than the current one must not take its place; it is given to the history only. So is one whose clock is
wrong and tells a time to come, or it would stand until then, whatever the others say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from cityhub.model.dead_letter import letter_writes
from cityhub.model.entity import VALUE_KEY, Attributes, Entity, Instance, dataset_of
from cityhub.model.errors import CityHubError, StoreUnavailable, Unprocessable
from cityhub.model.history_events import Put, PutMany, document_of
from cityhub.model.ngsild.stamp import new_instance, renewed_instance
from cityhub.model.ports import BOOKMARKS, HISTORY_EVENTS, DeadLetter, Document, EntityUpdate, Store, Taken, Write
from cityhub.model.time import to_text

AHEAD: Final = timedelta(minutes=5)
"""How far ahead of the hub's time an observation may be to become the current state beside one that is not."""
LATE_ENTITIES: Final = 500
"""Most entities whose late instances are journalled as one change."""
Transition = Callable[[Document | None, str], tuple[Document | None, Any]]

log = logging.getLogger(__name__)


class StoreIntake:
    """The port `Intake` on a store.

    Args:
        store: Where all of it is kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(
        self,
        tenant: str,
        updates: Sequence[EntityUpdate],
        letters: Sequence[DeadLetter] = (),
        bookmarks: Sequence[tuple[str, Document]] = (),
        *,
        redelivered: bool = False,
        trace: str = "",
    ) -> list[Taken | CityHubError]:
        """See `cityhub.model.ports.Intake.take`. Raises Unprocessable when something in it cannot be kept at all; nothing was then."""
        late = Late()
        writes = [Write(update.id, transition_of(update, redelivered, late)) for update in updates]
        if writes:
            writes[0] = Write(updates[0].id, late.begun(writes[0].transition))
            writes += [Write(updates[0].id, late.event, HISTORY_EVENTS)] * -(-len(updates) // LATE_ENTITIES)
        writes += _letters(letters)
        writes += [Write(feed, _replacement({**bookmark, "id": feed}), BOOKMARKS) for feed, bookmark in bookmarks]
        try:
            results = await self._store.write(tenant, writes, trace)
        except CityHubError:
            raise
        except Exception as error:  # what no document may hold; who sent it must hear that trying again is no use
            log.warning("a feed's data cannot be kept: %s", error)
            raise Unprocessable(f"The data cannot be kept: {error}") from None
        kept = len(updates)
        for result in results[kept:]:
            if isinstance(result, CityHubError):  # a letter or a bookmark that is lost must not pass for kept
                raise StoreUnavailable(f"What belongs to the data could not be kept: {result.detail}")
        return results[:kept]


class Late:
    """Instances that are older than the current state, gathered while a call's transitions run."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[list[str], Attributes]] = {}

    def begun(self, transition: Transition) -> Transition:
        """The first transition of a call: it forgets what was gathered when the call was tried before."""

        def first(current: Document | None, now: str) -> tuple[Document | None, Any]:
            self._found = {}
            return transition(current, now)

        return first

    def add(self, update: EntityUpdate, iri: str, instance: Instance) -> None:
        """Keeps an instance for the history."""
        found = self._found.get(update.id)
        if found is None:
            found = self._found[update.id] = (update.types, {})
        found[1].setdefault(iri, []).append(instance)

    def event(self, current: Document | None, now: str) -> tuple[Document | None, None]:
        """The transition that journals up to `LATE_ENTITIES` entities of what was gathered; no change when there is none left."""
        ids = list(self._found)[:LATE_ENTITIES]
        puts = [Put(id, *self._found.pop(id)) for id in ids]
        return (document_of(PutMany(puts)), None) if puts else (current, None)


def transition_of(update: EntityUpdate, redelivered: bool, late: Late) -> Transition:
    """What an update makes of its entity."""

    def transition(current: Entity | None, now: str) -> tuple[Entity | None, Taken]:
        if current is None or ("expiresAt" in current and current["expiresAt"] <= now):
            return _created(update, now, late), "written"
        old: Attributes = current["attrs"]
        created: str = current["createdAt"]
        attrs: Attributes | None = None
        horizon = _horizon(now)
        is_late = False
        for iri, instances in update.attributes.items():
            before = old.get(iri)
            if before is not None and len(before) == 1 and len(instances) == 1 and _is_newer(before[0], instances[0], horizon):
                after = [renewed_instance(before[0], instances[0], created, now)]
            else:
                after, was_late = _merged(before or [], instances, created, now, redelivered, horizon)
                for instance in was_late:
                    late.add(update, iri, instance)
                is_late = is_late or bool(was_late)
                if after is before or not after:
                    continue
            if attrs is None:
                attrs = dict(old)
            attrs[iri] = after
        types = current["type"]
        if update.types != types:
            types = [*types, *(name for name in update.types if name not in types)]
        if attrs is None and len(types) == len(current["type"]):
            return current, "late" if is_late else "same"
        return {**current, "type": types, "attrs": old if attrs is None else attrs, "modifiedAt": now}, "written"

    return transition


@lru_cache(maxsize=16)
def _horizon(now: str) -> str:
    """The last moment that a good clock may tell at a time."""
    return to_text(datetime.fromisoformat(now) + AHEAD)


def _is_newer(was: Instance, instance: Instance, horizon: str) -> bool:
    """Whether the one instance of an attribute was observed after the one that there is, as it is with by far the most."""
    if "datasetId" in was or "datasetId" in instance or "observedAt" not in was or "observedAt" not in instance:
        return False
    return bool(was["observedAt"] < instance["observedAt"] <= horizon)


def _merged(
    before: list[Instance], instances: list[Instance], created: str, now: str, redelivered: bool, horizon: str
) -> tuple[list[Instance], list[Instance]]:
    """The instances of an attribute with those of an update, the very list if nothing is written; and those that are late."""
    after = before
    late: list[Instance] = []
    for instance in instances:
        was = dataset_of(after, instance.get("datasetId"))
        if was is None:
            after = [*after, new_instance(instance, created, now)]
            continue
        standing = _standing(was, instance, redelivered, horizon)
        if standing == "late":
            late.append(instance)
        elif standing != "same":
            new = renewed_instance(was, instance, created, now)
            after = [new if one is was else one for one in after]
    return after, late


def _created(update: EntityUpdate, now: str, late: Late) -> Entity:
    attrs = {}
    horizon = _horizon(now)
    for iri, instances in update.attributes.items():
        attrs[iri] = instances if len(instances) == 1 else _newest(update, iri, instances, late, horizon)
    return {"id": update.id, "type": update.types, "attrs": attrs, "createdAt": now, "modifiedAt": now}


def _newest(update: EntityUpdate, iri: str, instances: list[Instance], late: Late, horizon: str) -> list[Instance]:
    """Of each dataset the newest instance; the others are for the history."""
    kept: list[Instance] = []
    for instance in instances:
        was = dataset_of(kept, instance.get("datasetId"))
        if was is None:
            kept.append(instance)
        elif _standing(was, instance, False, horizon) == "late":
            late.add(update, iri, instance)
        else:
            late.add(update, iri, was)
            kept = [instance if one is was else one for one in kept]
    return kept


def _standing(was: Instance, instance: Instance, redelivered: bool, horizon: str) -> str:
    """How an instance stands to the current one: "late", "same", or "" for one that takes its place."""
    observed = instance.get("observedAt")
    if observed is None:
        return "same" if redelivered and _says_the_same(was, instance) else ""
    before = was.get("observedAt")
    if before is None:
        return ""
    if observed > before:
        return "late" if before <= horizon < observed else ""
    if observed < before:
        return "" if observed <= horizon < before else "late"
    return "same" if _says_the_same(was, instance) else ""


def _says_the_same(one: Instance, other: Instance) -> bool:
    """Whether two instances have the same value; flags and times do not count, since they differ when it comes again."""
    kind = one["type"]
    if kind != other["type"] or one.get("unitCode") != other.get("unitCode"):
        return False
    mine, theirs = one.get(VALUE_KEY[kind]), other.get(VALUE_KEY[kind])
    return bool(mine == theirs) and (type(mine) is bool) == (type(theirs) is bool)


def _letters(letters: Sequence[DeadLetter]) -> list[Write]:
    """What keeps the letters; two that are alike are told apart by their place among such."""
    writes: list[Write] = []
    alike: dict[tuple[Any, ...], int] = {}
    for letter in letters:
        key = (letter.feed, letter.stage, letter.reason, letter.received_at, letter.body)
        place = alike[key] = alike.get(key, -1) + 1
        writes += letter_writes(letter, place)
    return writes


def _replacement(document: Document) -> Transition:
    return lambda current, now: (current if current == document else document, None)
