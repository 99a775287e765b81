"""The tree of a query in the NGSI-LD Query Language.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

ENTITY_MEMBERS: Final = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "expiresAt", "deletedAt"})
"""Names that mean a member of the entity itself where they stand first in a path."""
INSTANCE_MEMBERS: Final = frozenset(
    {
        "type",
        "observedAt",
        "createdAt",
        "modifiedAt",
        "deletedAt",
        "expiresAt",
        "unitCode",
        "datasetId",
        "instanceId",
        "objectType",
        "valueType",
    }
)
"""Names that mean a member of an attribute instance where they stand later in a path."""


class Hop(msgspec.Struct, frozen=True):
    """A relationship that is followed; `types` (IRIs, empty: any) are the types of which the entity reached must have one."""

    word: str
    relationship: str
    types: tuple[str, ...] = ()


class Path(msgspec.Struct, frozen=True):
    """What a term of a query speaks of.

    Attributes:
        words: The attribute and its sub-attributes as they were written.
        names: The same as IRIs; members of the entity or of an instance keep their words.
        members: The trailing path into the value; ("*",) is any language.
        member_names: The same as IRIs, for values whose member names were expanded.
        hops: Relationships to follow first, the outermost first.
    """

    words: tuple[str, ...]
    names: tuple[str, ...]
    members: tuple[str, ...] = ()
    member_names: tuple[str, ...] = ()
    hops: tuple[Hop, ...] = ()

    @property
    def own(self) -> bool:
        """Whether it speaks of a member of the entity itself."""
        return self.names[0] in ENTITY_MEMBERS

    @property
    def attribute(self) -> str | None:
        """The attribute (IRI) of the entity that is asked for; None for a member of the entity itself."""
        if self.hops:
            return self.hops[0].relationship
        return None if self.own else self.names[0]


Kind = Literal["number", "text", "bare", "boolean", "moment", "date", "time"]


class Value(msgspec.Struct, frozen=True):
    """A value in a query.

    Attributes:
        kind: "text" was quoted, "bare" is a URI or word without quotes, "moment" is a date with a time.
        value: Number, text or boolean; times in their one comparable form.
        text: How it was written.
        forms: For texts: what a target may be to be equal; names of types and of vocabularies are IRIs there.
    """

    kind: Kind
    value: Any
    text: str
    forms: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether it has an order, so that it may follow `>` or end a range."""
        return self.kind not in ("bare", "boolean")


class Exists(msgspec.Struct, frozen=True):
    """The target is there."""

    path: Path


class Missing(msgspec.Struct, frozen=True):
    """The target is not there."""

    path: Path


class Equal(msgspec.Struct, frozen=True):
    """The target is (`negated`: is not) one of the values."""

    path: Path
    values: tuple[Value, ...]
    negated: bool = False


class InRange(msgspec.Struct, frozen=True):
    """The target is (`negated`: is not) between two values, both included."""

    path: Path
    low: Value
    high: Value
    negated: bool = False


class Ordered(msgspec.Struct, frozen=True):
    """The target lies before or after a value."""

    path: Path
    operator: Literal[">", ">=", "<", "<="]
    value: Value


class Like(msgspec.Struct, frozen=True):
    """A pattern is (`negated`: is not) found in the target; `text` is how the pattern was written."""

    path: Path
    pattern: str
    text: str
    negated: bool = False


class AllTrue(msgspec.Struct, frozen=True):
    """All of the terms hold."""

    terms: tuple[Node, ...]


class AnyTrue(msgspec.Struct, frozen=True):
    """At least one of the terms holds."""

    terms: tuple[Node, ...]


Term = Exists | Missing | Equal | InRange | Ordered | Like
Node = Term | AllTrue | AnyTrue


def leaves(node: Node) -> list[Term]:
    """The terms of a query, from left to right."""
    found: list[Term] = []
    pending: list[Node] = [node]
    while pending:
        node = pending.pop()
        if isinstance(node, AllTrue | AnyTrue):
            pending.extend(reversed(node.terms))
        else:
            found.append(node)
    return found
