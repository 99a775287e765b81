"""From the tree of a query to a function that says whether an entity matches.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from cityhub.model.entity import Entity
from cityhub.model.errors import TooComplexQuery
from cityhub.model.ngsild.patterns import MAX_PATTERNS, compile_pattern
from cityhub.model.ngsild.q_targets import ABSENT, Finder, finder, objects_of
from cityhub.model.ngsild.q_tree import (
    AllTrue,
    AnyTrue,
    Equal,
    Exists,
    Hop,
    InRange,
    Like,
    Missing,
    Node,
    Ordered,
    Path,
    Term,
)
from cityhub.model.ngsild.q_values import Test, equal_test, like_test, order_test, range_test

Predicate = Callable[[Any], bool]
Linked = Callable[[str], Entity | None]
"""Finds the entity that a relationship points to, by its URI."""
Searches = dict[str, Callable[[str], Any]]
"""Compiled patterns, by their text."""
FinderOf = Callable[[Path, bool], Finder]


def compile_patterns(terms: list[Term], where: str) -> Searches:
    """The search functions of all patterns of a query.

    Raises BadRequestData for what is not a pattern, TooComplexQuery for more than `MAX_PATTERNS` of them.
    """
    patterns = dict.fromkeys(term.pattern for term in terms if isinstance(term, Like))
    if len(patterns) > MAX_PATTERNS:
        raise TooComplexQuery(f"'{where}' has {len(patterns)} patterns; {MAX_PATTERNS} are the most")
    return {pattern: compile_pattern(pattern, where) for pattern in patterns}


def entity_predicate(node: Node, searches: Searches, linked: Linked | None) -> Predicate:
    """Whether an entity matches; without `linked`, no term that follows a relationship holds."""
    return _compile(node, searches, linked, lambda path, links: finder(path, links=links))


def predicate_over(node: Node, searches: Searches, find: FinderOf) -> Predicate:
    """Whether a document of another shape matches, whose targets `find` knows to reach."""
    return _compile(node, searches, None, find)


def _compile(node: Node, searches: Searches, linked: Linked | None, find: FinderOf) -> Predicate:
    if isinstance(node, AllTrue):
        return all_true([_compile(term, searches, linked, find) for term in node.terms])
    if isinstance(node, AnyTrue):
        return any_true([_compile(term, searches, linked, find) for term in node.terms])
    predicate = _term(node, searches, find)
    if node.path.hops:
        predicate = _followed(node.path.hops, predicate, linked)
    if isinstance(node, Missing):
        return lambda entity: not predicate(entity)
    return predicate


def all_true(predicates: list[Predicate]) -> Predicate:
    """Whether all predicates hold."""

    def match(entity: Any) -> bool:
        for predicate in predicates:
            if not predicate(entity):
                return False
        return True

    return match


def any_true(predicates: list[Predicate]) -> Predicate:
    """Whether one of the predicates holds."""

    def match(entity: Any) -> bool:
        for predicate in predicates:
            if predicate(entity):
                return True
        return False

    return match


def _term(term: Term, searches: Searches, find: FinderOf) -> Predicate:
    links = isinstance(term, Exists | Missing | Equal | InRange)
    targets = find(term.path, links)
    if isinstance(term, Exists | Missing):
        return lambda document: any(target is not ABSENT for target in targets(document))
    test = _test(term, searches)

    def match(document: Any) -> bool:
        for target in targets(document):
            if target is not ABSENT and test(target):
                return True
        return False

    return match


def _test(term: Equal | InRange | Ordered | Like, searches: Searches) -> Test:
    if isinstance(term, Equal):
        return equal_test(term)
    if isinstance(term, InRange):
        return range_test(term)
    if isinstance(term, Ordered):
        return order_test(term)
    if isinstance(term, Like):
        return like_test(term, searches[term.pattern])
    assert_never(term)


def _followed(hops: tuple[Hop, ...], predicate: Predicate, linked: Linked | None) -> Predicate:
    """The predicate, asked of the entities at the end of the hops."""
    if linked is None:
        return lambda entity: False
    for hop in reversed(hops):
        predicate = _follow(hop, predicate, linked)
    return predicate


def _follow(hop: Hop, predicate: Predicate, linked: Linked) -> Predicate:
    def match(entity: Any) -> bool:
        for uri in _targets_of(entity, hop.relationship):
            target = linked(uri)
            if target is not None and (not hop.types or any(kind in target["type"] for kind in hop.types)) and predicate(target):
                return True
        return False

    return match


def _targets_of(entity: Entity, relationship: str) -> list[str]:
    uris: list[str] = []
    for instance in entity["attrs"].get(relationship, ()):
        if instance["type"] in ("Relationship", "ListRelationship"):
            objects = objects_of(instance)
            uris.extend(item for item in (objects if type(objects) is list else [objects]) if type(item) is str)
    return uris
