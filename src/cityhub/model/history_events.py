"""What clients do to the history, as it is journalled in the collection `HISTORY_EVENTS`.

The hub writes an event as the document of a `Write` (`document_of`); the historian reads it back from the change's `after`
(`event_of`) and applies the events in the order of the journal. Names are full IRIs, instances are in the internal form of
`cityhub.model.entity`, times are RFC 3339 text of `cityhub.model.time`.

Source: GS CIM 009 V1.9.1, clauses 5.6.11 to 5.6.16.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.model.entity import Attributes, Instance


class Put(msgspec.Struct, frozen=True, tag="put", tag_field="event", omit_defaults=True):
    """Instances given by a client.

    They take the place of those of the entity with the same attribute, dataset and observedAt, when they have one. The types
    are added to those that the history knows of the entity. An instance that marks a deletion has "deletedAt".
    """

    entity: str
    types: list[str] = []
    attributes: Attributes = {}


class PutMany(msgspec.Struct, frozen=True, tag="put_many", tag_field="event", omit_defaults=True):
    """Instances given for several entities at once; an entity is named once."""

    puts: list[Put]


class Modify(msgspec.Struct, frozen=True, tag="modify", tag_field="event", omit_defaults=True):
    """The instance with this id becomes the given one; its createdAt and instanceId stay, its modifiedAt is the time of the change."""

    entity: str
    attribute: str
    instance_id: str
    instance: Instance


class DeleteInstance(msgspec.Struct, frozen=True, tag="delete_instance", tag_field="event", omit_defaults=True):
    """One instance is no more."""

    entity: str
    attribute: str
    instance_id: str


class DeleteAttribute(msgspec.Struct, frozen=True, tag="delete_attribute", tag_field="event", omit_defaults=True):
    """The instances of one dataset (None: the default one) or of `all` datasets of an attribute are no more."""

    entity: str
    attribute: str
    dataset: str | None = None
    all: bool = False


class DeleteEntity(msgspec.Struct, frozen=True, tag="delete_entity", tag_field="event", omit_defaults=True):
    """Nothing is known of the entity any more, as if it had never been."""

    entity: str


class DropTenant(msgspec.Struct, frozen=True, tag="drop_tenant", tag_field="event", omit_defaults=True):
    """Nothing is known of the tenant (that of the change) any more."""


class Backfill(msgspec.Struct, frozen=True, tag="backfill", tag_field="event", omit_defaults=True):
    """A staged Parquet file comes into the history as it is.

    Attributes:
        path: The file, relative to the data folder. It must stay until the history has it; then it is removed.
        rows: How many rows it has; what is read must agree.
        table: "observations" or "entity_versions". The file has the columns of that table, in any order, but for `tenant`,
            `position` and `ordinal`, which the history fills in: that of the change, and the place of the row in the file.
            Columns that may be null may be missing; `modified_at` is the time of the change where it is missing.
    """

    path: str
    rows: int
    table: str = "observations"


Event = Put | PutMany | Modify | DeleteInstance | DeleteAttribute | DeleteEntity | DropTenant | Backfill


def document_of(event: Event) -> dict[str, Any]:
    """The document to journal.

    >>> document_of(DeleteEntity("urn:a"))
    {'event': 'delete_entity', 'entity': 'urn:a'}
    """
    document: dict[str, Any] = msgspec.to_builtins(event)
    return document


def event_of(document: Any) -> Event:
    """The event in a journalled document.

    Raises:
        msgspec.ValidationError: It is none.
    """
    event: Event = msgspec.convert(document, Event)
    return event


def instance_id(seed: str, position: int, ordinal: int) -> str:
    """The instanceId of a row.

    >>> instance_id("9f", 12, 0)
    'urn:ngsi-ld:Instance:9f-12-0'
    """
    return f"urn:ngsi-ld:Instance:{seed}-{position}-{ordinal}"


def instance_place(seed: str, id: str) -> tuple[int, int] | None:
    """Position and ordinal in an instanceId; None for what this lake did not give out.

    >>> instance_place("9f", "urn:ngsi-ld:Instance:9f-12-0")
    (12, 0)
    """
    head, _, tail = id.partition(f"urn:ngsi-ld:Instance:{seed}-")
    position, _, ordinal = tail.partition("-")
    known = not head and position.isascii() and position.isdigit() and ordinal.isascii() and ordinal.isdigit() and len(tail) < 29
    return (int(position), int(ordinal)) if known else None
