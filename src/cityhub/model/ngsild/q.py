"""Queries by attribute values: the NGSI-LD Query Language.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cityhub.model.condition import Condition
from cityhub.model.errors import TooComplexQuery
from cityhub.model.ngsild.q_condition import condition_of
from cityhub.model.ngsild.q_documents import document_finder
from cityhub.model.ngsild.q_match import Linked, Predicate, compile_patterns, entity_predicate, predicate_over
from cityhub.model.ngsild.q_parser import Reader
from cityhub.model.ngsild.q_tree import Node, leaves
from cityhub.model.ngsild.q_unparse import unparse
from cityhub.model.ngsild.terms import Terms

MAX_TERMS: Final = 1_000
"""Most terms of one query; a list of values is one term."""


class Query:
    """A query that was read and understood; immutable.

    Attributes:
        text: The query as it was written.
        node: Its tree.
        matches: Whether an entity matches. No term that follows a relationship holds: see `with_links`.
        condition: A condition that every matching entity satisfies, also one that matches through links.
        attributes: The attributes (IRIs) that it speaks of, on the entity itself; without any (only id, type, scope
            or times of the entity) a query is too wide to stand alone.
        depth: How many relationships it follows one after the other; 0 is none.
    """

    __slots__ = ("_searches", "attributes", "condition", "depth", "matches", "node", "text")

    def __init__(self, text: str, node: Node, where: str) -> None:
        terms = leaves(node)
        if len(terms) > MAX_TERMS:
            raise TooComplexQuery(f"'{where}' has {len(terms)} terms; {MAX_TERMS} are the most")
        self.text = text
        self.node = node
        self._searches = compile_patterns(terms, where)
        self.condition: Condition = condition_of(node)
        self.attributes = frozenset(name for term in terms if (name := term.path.attribute) is not None)
        self.depth = max(len(term.path.hops) for term in terms)
        self.matches: Predicate = entity_predicate(node, self._searches, None)

    def with_links(self, linked: Linked) -> Predicate:
        """Whether an entity matches, where `linked` finds the entity that a relationship points to (None: unknown)."""
        return entity_predicate(self.node, self._searches, linked) if self.depth else self.matches

    def over_documents(self) -> Predicate:
        """Whether a plain document matches: a registration, a snapshot (see `q_documents`)."""
        return predicate_over(self.node, self._searches, document_finder)

    def unparse(self, terms: Terms) -> str:
        """The query as text with its names as another @context has them."""
        return unparse(self.node, terms)


def parse_q(
    text: str,
    terms: Terms,
    *,
    expand_values: Iterable[str] = (),
    json_keys: Iterable[str] = (),
    where: str = "q",
) -> Query:
    """The query of a text.

    Args:
        text: The query, percent-decoded; at most 20,000 characters and 64 levels.
        terms: The names of the @context.
        expand_values: Attributes (as named in the query) whose values are terms of the @context.
        json_keys: Attributes (as named in the query) whose compound values are raw JSON.
        where: What to call the text in messages ("q", "csf").

    Raises:
        BadRequestData: the text does not follow the grammar; says at which character and what would be right.
        TooComplexQuery: it is too long, too deep or too wide.
    """
    reader = Reader(text, terms, frozenset(expand_values), frozenset(json_keys), where)
    return Query(text, reader.read(), where)
