"""A condition on entities as SQL over the lake: what is weaker than the condition is allowed, what is stronger is not.

The SQL speaks of `entity` and `type` of the entity itself and of `spanned`, the observations in the span that is asked about.
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.condition import AllOf, AnyOf, Condition, HasAttribute, IdIn, IdPrefix, TypeIs, ValueIn
from cityhub.model.ngsild.q import Query
from cityhub.model.ngsild.q_condition import LONGEST
from cityhub.model.ngsild.q_tree import AllTrue, AnyTrue, Missing, Node

Sql = tuple[str, list[Any]]
_EVERY: Final[Sql] = ("true", [])
_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")


def where(condition: Condition, *, spanned: bool) -> Sql:
    """SQL and its values; `spanned` says whether there is a span of time, so that values can be looked at."""
    if isinstance(condition, IdIn):
        return "list_contains(?, entity)", [list(condition.ids)]
    if isinstance(condition, IdPrefix):
        return "starts_with(entity, ?)", [condition.prefix]
    if isinstance(condition, TypeIs):
        return "list_contains(string_split(type, ' '), ?)", [condition.type]
    if isinstance(condition, AllOf | AnyOf):
        parts = [where(part, spanned=spanned) for part in condition.conditions]
        word, empty = (" AND ", "true") if isinstance(condition, AllOf) else (" OR ", "false")
        return f"({word.join(sql for sql, _ in parts) or empty})", [value for _, values in parts for value in values]
    if spanned and isinstance(condition, HasAttribute):
        return "entity IN (SELECT entity FROM spanned WHERE attribute = ?)", [condition.attribute]
    if spanned and isinstance(condition, ValueIn):
        return _value(condition)
    return _EVERY


def _value(condition: ValueIn) -> Sql:
    test, values = in_range(condition)
    return f"entity IN (SELECT entity FROM spanned WHERE attribute = ?{test})", [condition.attribute, *values]


def in_range(condition: ValueIn) -> Sql:
    """The test of an instance of the attribute, with " AND " before it; "" where it says nothing about rows."""
    column = "text" if isinstance(condition.low if condition.low is not None else condition.high, str) else "number"
    tests: list[str] = []
    values: list[Any] = []
    for sign, bound in ((">=", condition.low), ("<=", condition.high)):
        if bound is not None and not condition.path and _comparable(bound):
            tests.append(f"{column} {sign} ?")
            values.append(bound)
    # What is neither text nor number is looked at by whoever knows the whole language.
    return (f" AND (({' AND '.join(tests)}) OR json IS NOT NULL OR lon IS NOT NULL)" if tests else ""), values


def ranges(query: Query) -> tuple[ValueIn, ...]:
    """The ranges of attributes near which an instance must lie for a query to hold because of it.

    Empty where this cannot be said: what an instance that is not there would make true needs all of them.
    """
    if not _needs_one(query.node):
        return ()
    found: list[ValueIn] = []
    plain: set[str] = set()
    parts = [query.condition]
    while parts:
        part = parts.pop()
        if isinstance(part, AllOf | AnyOf):
            parts.extend(part.conditions)
        elif isinstance(part, ValueIn) and in_range(part)[0]:
            found.append(part)
        elif isinstance(part, ValueIn | HasAttribute):
            plain.add(part.attribute)
    return tuple(part for part in found if part.attribute not in plain)


def _needs_one(node: Node) -> bool:
    """Whether further instances never make a query untrue that holds already."""
    if isinstance(node, AllTrue | AnyTrue):
        return all(map(_needs_one, node.terms))
    return not isinstance(node, Missing) and not getattr(node, "negated", False)


def _comparable(bound: float | str) -> bool:
    """Whether a value is kept as it is compared: times may be written in several ways, and long texts are cut."""
    return not isinstance(bound, str) or (len(bound) < LONGEST and not (len(bound) == _TIME_LENGTH and bound.endswith("Z")))
