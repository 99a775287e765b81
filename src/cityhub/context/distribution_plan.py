"""Who gets which part of an entity: the attributes of exclusive and redirect sources go there only, inclusive ones get copies.

Source: GS CIM 009 V1.9.1, clauses 4.3.6.2, 4.3.6.3 and the "distributed operations" parts of 5.6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from cityhub.context.registered import Registration
from cityhub.context.registration_words import EXCLUSIVE, INCLUSIVE, REDIRECT
from cityhub.model.entity import Attributes


class Share(msgspec.Struct, frozen=True):
    """What of an entity goes to one source.

    Attributes:
        registration: The source.
        attributes: The attributes; empty where the operation is about the entity as a whole.
        supported: Whether the source offers the operation at all.
    """

    registration: Registration
    attributes: Attributes
    supported: bool


class Plan(msgspec.Struct, frozen=True):
    """How an operation on an entity is shared out.

    Attributes:
        shares: What goes to sources.
        rest: The attributes for this hub.
        claimed: Whether an exclusive or redirect source has a part.
    """

    shares: list[Share]
    rest: Attributes
    claimed: bool

    @property
    def here(self) -> bool:
        """Whether something is left for this hub to write."""
        return bool(self.rest) or not self.claimed


def plan(
    registrations: Iterable[Registration],
    operations: Collection[str],
    id: str,
    types: Collection[str] | None,
    attributes: Attributes | None,
) -> Plan:
    """The shares of an operation.

    Args:
        registrations: Those that may have something of the entity.
        operations: Names of the operation, one of which a source must offer.
        id: The entity.
        types: Its types; None: not known.
        attributes: What is written; None when the operation is about the entity as a whole.
    """
    by_mode: dict[str, list[Registration]] = {EXCLUSIVE: [], REDIRECT: [], INCLUSIVE: []}
    for registration in registrations:
        by_mode.get(registration.mode, []).append(registration)
    shares: list[Share] = []
    rest = attributes or {}
    for mode in (EXCLUSIVE, REDIRECT):
        taken: set[str] = set()
        for registration in by_mode[mode]:
            own = _own(registration, id, types, rest, attributes)
            if own is not None:
                taken |= own.keys()
                shares.append(Share(registration, own, _offers(registration, operations)))
        if taken:
            rest = {name: instances for name, instances in rest.items() if name not in taken}
    claimed = bool(shares)
    if rest or not claimed or attributes is None:
        for registration in by_mode[INCLUSIVE]:
            own = _own(registration, id, types, rest, attributes)
            if own is not None and _offers(registration, operations):
                shares.append(Share(registration, own, True))
    return Plan(shares, rest, claimed)


def _offers(registration: Registration, operations: Collection[str]) -> bool:
    return not registration.operations.isdisjoint(operations)


def _own(
    registration: Registration, id: str, types: Collection[str] | None, rest: Attributes, attributes: Attributes | None
) -> Attributes | None:
    """The part of the attributes that the source has; None when it has no part in the operation."""
    found, names = registration.covering(id, types)
    if not found:
        return None
    if attributes is None:
        return {}
    own = rest if names is None else {name: instances for name, instances in rest.items() if name in names}
    if own:
        return own
    # An entity without attributes belongs to sources that have entities whole.
    return own if not attributes and names is None else None
