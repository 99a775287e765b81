"""Journal entries of what did not come from a journal: a trial on the history, a workload."""

from __future__ import annotations

from collections.abc import Collection

import orjson

from cityhub.model.change import Entry
from cityhub.model.entity import Entity
from cityhub.model.ports import ENTITIES
from cityhub.rules.engine.moments import text_of


def entry_of(position: int, tenant: str, document: Entity, touched: Collection[str], at: int) -> Entry:
    """The entry of an update that made an entity what it is.

    Args:
        position: Larger than that of the entry before it.
        tenant: The tenant.
        document: The entity after it, in the internal form (`cityhub.model.entity`).
        touched: Attributes (IRIs) that it touched; empty: all of them.
        at: When, in microseconds since 1970; not before the entry before it.
    """
    attributes = orjson.dumps(dict.fromkeys(touched, "updated")) if touched else b""
    kind = "updated" if touched else "created"
    return (position, ENTITIES, tenant, document["id"], kind, text_of(at), orjson.dumps(document), None, attributes, "")
