"""From the tree of a query to what an index can use: a condition that every matching entity satisfies.

A query does not say whether `a` is a Property, a Relationship or a LanguageProperty, so only what holds for each of
them is said, in the terms of what an entity offers to an index (`cityhub.model.indexing`): its numbers and texts,
those in its lists and language maps, and times in canonical text beside their own writing.
"""

from __future__ import annotations

import math
from typing import Any, Final, assert_never

from cityhub.model.condition import (
    AllOf,
    AnyOf,
    Anything,
    Condition,
    HasAttribute,
    IdIn,
    IdPrefix,
    ScopeUnder,
    TypeIs,
    ValueIn,
)
from cityhub.model.ngsild.patterns import literal_head
from cityhub.model.ngsild.q_tree import (
    AllTrue,
    AnyTrue,
    Equal,
    Exists,
    InRange,
    Like,
    Missing,
    Node,
    Ordered,
    Path,
    Term,
    Value,
)
from cityhub.model.ngsild.q_values import moment_of

LONGEST: Final = 1_000
"""How many characters of a text an index keeps."""
MAX_ALTERNATIVES: Final = 100
"""Most alternatives of a condition."""
_EXACT: Final = 2**53  # up to here every integer is a 64-bit float


def condition_of(node: Node) -> Condition:
    """A necessary condition of a query."""
    if isinstance(node, AllTrue):
        return all_of([condition_of(term) for term in node.terms])
    if isinstance(node, AnyTrue):
        return any_of([condition_of(term) for term in node.terms])
    if isinstance(node, Missing):
        return Anything()
    if node.path.own:
        return Anything() if node.path.hops else _own(node)
    attribute = node.path.attribute
    if attribute is None:
        return Anything()
    ranges = [_value(node, attribute, path) for path in _index_paths(node.path)]
    found = [part for part in ranges if part is not None]
    return any_of(list(found)) if found and len(found) == len(ranges) else HasAttribute(attribute)


def all_of(conditions: list[Condition]) -> Condition:
    """All of the conditions, without those that say nothing and without repetitions."""
    parts: list[Condition] = []
    for condition in conditions:
        parts.extend(condition.conditions if isinstance(condition, AllOf) else (condition,))
    parts = list(dict.fromkeys(part for part in parts if not isinstance(part, Anything)))
    if len(parts) == 1:
        return parts[0]
    return AllOf(tuple(parts)) if parts else Anything()


def any_of(conditions: list[Condition]) -> Condition:
    """At least one of the conditions; anything, if one of them says nothing or they are too many to be looked up."""
    parts: list[Condition] = []
    for condition in conditions:
        parts.extend(condition.conditions if isinstance(condition, AnyOf) else (condition,))
    if any(isinstance(part, Anything) for part in parts):
        return Anything()
    parts = list(dict.fromkeys(parts))
    if len(parts) == 1:
        return parts[0]
    return AnyOf(tuple(parts)) if len(parts) <= MAX_ALTERNATIVES else Anything()


def _own(term: Term) -> Condition:
    """What a term about the entity's own id, type or scope says."""
    member = term.path.names[0]
    if len(term.path.names) > 1 or term.path.members:
        return Anything()
    if isinstance(term, Equal) and not term.negated:
        texts = [str(form) for value in term.values for form in value.forms or (value.value,)]
        if member == "id":
            return IdIn(tuple(texts))
        if member == "type":
            return any_of([TypeIs(text) for text in texts])
        if member == "scope":
            return any_of([ScopeUnder(text) for text in texts])
    if isinstance(term, Like) and not term.negated and member == "id" and literal_head(term.pattern):
        return IdPrefix(literal_head(term.pattern))
    return Anything()


def _index_paths(path: Path) -> tuple[tuple[str, ...], ...]:
    """Where an index may have what a path reaches; no place at all where it cannot be said.

    A member of a compound value has its name as IRI or, in raw JSON and language maps, as it was written. Times of
    creation and modification are left out of documents where they add nothing, so no index has them all.
    """
    if path.hops or path.names[-1] in ("createdAt", "modifiedAt"):
        return ()
    if not path.members or path.members == ("*",):
        return (path.names[1:],)
    if len(path.members) > 1:
        return ()
    return tuple(dict.fromkeys((*path.names[1:], member) for member in (path.member_names[0], path.members[0])))


def _value(term: Term, attribute: str, path: tuple[str, ...]) -> Condition | None:
    """The range in which a term wants what stands at an index path; None where no range can say it."""
    if isinstance(term, Exists | Missing) or (not isinstance(term, Ordered) and term.negated):
        return None
    if isinstance(term, Like):
        head = literal_head(term.pattern)[:LONGEST]
        return ValueIn(attribute, head, _after(head), path) if head else None
    if isinstance(term, Equal):
        bounds = [(value, value) for value in term.values]
    elif isinstance(term, InRange):
        bounds = [(term.low, term.high)]
    elif isinstance(term, Ordered):
        bounds = [(term.value, None) if term.operator[0] == ">" else (None, term.value)]  # type: ignore[list-item]
    else:
        assert_never(term)
    ranges: list[ValueIn] = []
    for low, high in bounds:
        between = _between(low, high)
        if between is None:
            return None
        ranges.extend(ValueIn(attribute, lower, upper, path) for lower, upper in between)
    return any_of(list(ranges) if len(ranges) <= MAX_ALTERNATIVES // 4 else _hulls(ranges))


def _hulls(ranges: list[ValueIn]) -> list[Condition]:
    """One range that holds all single numbers of a long list, and one that holds all single texts."""
    hulls: list[Condition] = []
    for kinds in ((int, float), (str,)):
        found = [part for part in ranges if isinstance(part.low, kinds)]
        if found:
            low: Any = min(part.low for part in found)  # type: ignore[type-var]  # all are of one kind
            high: Any = max(part.high for part in found)  # type: ignore[type-var]
            hulls.append(ValueIn(found[0].attribute, low, high, found[0].path))
    return hulls


Bound = float | str | None


def _between(low: Value | None, high: Value | None) -> list[tuple[Bound, Bound]] | None:
    """The ranges between two values; None for what an index does not have (booleans, times of the day)."""
    kinds = {value.kind for value in (low, high) if value is not None}
    if kinds == {"number"}:
        return [(None if low is None else _below(low.value), None if high is None else _above(high.value))]
    if not kinds <= {"text", "bare", "date", "moment"}:
        return None
    if low is high and low is not None:
        return [(bound, bound) for bound in map(_canonical, low.forms)]
    lower, upper = (None if value is None else _canonical(str(value.value)) for value in (low, high))
    if low is not None and high is not None and (moment_of(low.value) is None) != (moment_of(high.value) is None):
        lower, upper = str(low.value)[:LONGEST], str(high.value)[:LONGEST]
    return [(lower, upper)]


def _canonical(text: str) -> str:
    """A text as an index has it: a complete DateTime in its canonical form, others cut to what is kept."""
    return moment_of(text) or text[:LONGEST]


def _below(number: float) -> float:
    return number if abs(number) <= _EXACT else math.nextafter(float(number), -math.inf)


def _above(number: float) -> float:
    return number if abs(number) <= _EXACT else math.nextafter(float(number), math.inf)


def _after(head: str) -> str:
    """A text that follows every text with this head."""
    last = ord(head[-1]) + 1
    if last > 0x10FFFF:
        return head + head[-1] * 8
    return head[:-1] + chr(0xE000 if 0xD800 <= last < 0xE000 else last)
