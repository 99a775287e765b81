"""What of a $filter a store can look up: every entity that satisfies the filter satisfies the condition.

Source: `cityhub.model.condition`; ADR 0009.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cityhub.ingest.sensorthings import words
from cityhub.ingest.sensorthings.expression import Call, Expression, Literal, Path
from cityhub.ingest.sensorthings.ids import owner
from cityhub.model.condition import AllOf, AnyOf, Anything, Condition, HasAttribute, IdIn, IdPrefix, TypeIs, ValueIn

_ID: Final = (("id",), ("@iot.id",))


def kind_condition(kind: str) -> Condition:
    """What NGSI-LD entities satisfy in which one of a kind may be seen."""
    if kind in ("Location", "HistoricalLocation"):
        return AnyOf((TypeIs(words.TYPES[kind]), HasAttribute(words.PLACE)))
    return Anything()


def condition_of(kind: str, filter: Expression | None, names: Collection[str] = words.NAMES) -> Condition:
    """What NGSI-LD entities satisfy in which one of a kind is seen for which the filter is true.

    Args:
        kind: Of the entities of SensorThings.
        filter: Of the query.
        names: Attributes in which a name may stand; those that no entity has can be left out, so that no index is made for them.
    """
    if not isinstance(filter, Call):
        return Anything()
    if filter.name == "and":
        return AllOf(tuple(condition_of(kind, part, names) for part in filter.arguments))
    if filter.name == "or":
        return AnyOf(tuple(condition_of(kind, part, names) for part in filter.arguments))
    first, *others = filter.arguments
    if filter.name == "eq" and isinstance(first, Literal):
        first, others = others[0], [first]
    if filter.name not in ("eq", "startswith") or not isinstance(first, Path) or not isinstance(others[0], Literal):
        return Anything()
    value = others[0].value
    if not isinstance(value, str) or others[0].kind != "text":
        return Anything()
    return _equal(kind, first.parts, value, names) if filter.name == "eq" else _beginning(kind, first.parts, value)


def is_narrow(condition: Condition) -> bool:
    """Whether a condition leads to some entities, not to all of them."""
    if isinstance(condition, AllOf):
        return any(is_narrow(part) for part in condition.conditions)
    if isinstance(condition, AnyOf):
        return all(is_narrow(part) for part in condition.conditions)
    return not isinstance(condition, Anything)


def _equal(kind: str, path: tuple[str, ...], value: str, names: Collection[str]) -> Condition:
    if path in _ID:
        return IdIn((owner(value),)) if kind != "ObservedProperty" else Anything()
    if path == ("name",) and kind != "Datastream":
        return AnyOf((*(ValueIn(iri, value[:1000], value[:1000]) for iri in names), IdIn((value,))))
    if kind == "Datastream" and len(path) == 2 and path[1] in ("id", "@iot.id"):
        own = ValueIn(words.LINKS[path[0]], value, value)
        return AnyOf((own, HasAttribute(value))) if path[0] == "ObservedProperty" else AnyOf((own, IdIn((owner(value),))))
    return Anything()


def _beginning(kind: str, path: tuple[str, ...], value: str) -> Condition:
    return IdPrefix(value) if path in _ID and kind == "Thing" else Anything()
