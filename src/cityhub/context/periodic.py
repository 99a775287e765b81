"""Periodic notifications: all entities that a subscription is about, whether they changed or not.

Source: GS CIM 009 V1.9.1, clause 5.8.6.
"""

from __future__ import annotations

import logging
from typing import Final

from cityhub.context.entity_change import EntityChange
from cityhub.context.subscriber import Subscriber
from cityhub.model.entity import Entity
from cityhub.model.ngsild.moment import show
from cityhub.model.ports import Store
from cityhub.model.time import Clock, to_text

PAGE: Final = 1_000
MAX_ENTITIES: Final = 10_000
"""Most entities in one periodic notification."""

log = logging.getLogger(__name__)


async def notify_of_all(subscriber: Subscriber, store: Store, clock: Clock) -> None:
    """Sends a notification of all entities that match; none when there are none."""
    entities = await _entities(subscriber, store)
    if entities:
        moment = clock.now()
        now, number = to_text(moment), int(moment.timestamp() * 1000)
        changes = [EntityChange(number, number, "created", now, None, entity, {}) for entity in entities]
        subscriber.outbox.tell(subscriber.form.body(changes, show(now).encode()))


async def _entities(subscriber: Subscriber, store: Store) -> list[Entity]:
    found: list[Entity] = []
    while len(found) < MAX_ENTITIES:
        page = await store.find(subscriber.key[1], subscriber.query.condition, subscriber.matches, len(found), PAGE)
        found += page.entities
        if len(page.entities) < PAGE:
            return found
    log.warning("subscription %s has more than %d entities; the others are left out", subscriber.key[2], MAX_ENTITIES)
    return found
