"""What of an entity an answer shows, and how.

Source: GS CIM 009 clauses 4.21 (projection), 4.15 (language), 4.5.3 to 4.5.5, 4.5.16, 6.3.7, 6.3.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from cityhub.model.entity import NGSI_LD
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.terms import Terms

Format = Literal["normalized", "concise", "simplified"]
LOCATION: Final = f"{NGSI_LD}location"
CORE_MEMBERS: Final = frozenset(("id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"))
"""Members of an entity that a projection may name and that are no attributes; they are not expanded."""
MAX_TERMS = 500
MAX_NESTING = 16


class Projection(msgspec.Struct, frozen=True):
    """Members of an entity by IRI (`CORE_MEMBERS` by name), each with what is to be seen of the entity behind it.

    The projection of a linked entity is None where the whole of it is meant.
    """

    members: dict[str, Projection | None]

    def depth(self) -> int:
        """How many levels of linked entities it speaks of; 0 for the entity's own members only."""
        return max((1 + below.depth() for below in self.members.values() if below is not None), default=0)


def parse_projection(text: str, terms: Terms, parameter: str) -> Projection:
    """The projection of a `pick` or `omit` parameter such as 'id,name,locatedAt{id,name}'; '|' is as good as ','.

    Raises BadRequestData for empty terms, unbalanced braces, bad names, or more than MAX_TERMS terms.
    """
    tokens = _tokens(text)
    if len(tokens) > 2 * MAX_TERMS:
        raise BadRequestData(f"'{parameter}' must have at most {MAX_TERMS} terms")
    stream = iter(tokens)
    projection, end = _terms(stream, terms, parameter, text, 0)
    if end:
        raise _bad(parameter, text)
    return projection


def _tokens(text: str) -> list[str]:
    tokens, start = [], 0
    for place, letter in enumerate(text):
        if letter in ",|{}":
            tokens += [text[start:place], letter]
            start = place + 1
    tokens.append(text[start:])
    return [token for token in (token.strip() for token in tokens) if token]


def _terms(stream: Iterator[str], terms: Terms, parameter: str, text: str, level: int) -> tuple[Projection, str]:
    """Terms up to the end or to the '}' that closes them, which is returned with them."""
    if level > MAX_NESTING:
        raise BadRequestData(f"'{parameter}' must be nested at most {MAX_NESTING} levels deep")
    members: dict[str, Projection | None] = {}
    while True:
        name = next(stream, "")
        if name in ("", ",", "|", "{", "}"):
            raise _bad(parameter, text)
        iri = name if name in CORE_MEMBERS else terms.expand_name(name)
        members[iri] = None
        after = next(stream, "")
        if after == "{":
            members[iri], after = _terms(stream, terms, parameter, text, level + 1)
            if after != "}":
                raise _bad(parameter, text)
            after = next(stream, "")
        if after in ("", "}"):
            if after and level == 0:
                raise _bad(parameter, text)
            return Projection(members), after
        if after not in ",|":
            raise _bad(parameter, text)


def _bad(parameter: str, text: str) -> BadRequestData:
    return BadRequestData(f"'{parameter}' must be names like 'id,name,locatedAt{{id,name}}', not {text!r:.200}")


def check_projections(pick: Projection | None, omit: Projection | None, attrs: frozenset[str] | None, levels: int) -> None:
    """Raises BadRequestData for parameters that contradict: `attrs` beside the others, a member picked and omitted.

    Or for projections that reach deeper than the `levels` of linked entities that are retrieved (0 without join).
    Source: GS CIM 009 clauses 5.7.1.4 and 5.7.2.4.
    """
    if attrs is not None and (pick is not None or omit is not None):
        raise BadRequestData("'attrs' must not be used together with 'pick' or 'omit'")
    for name, projection in (("pick", pick), ("omit", omit)):
        if projection is not None and projection.depth() > levels:
            raise BadRequestData(f"'{name}' reaches {projection.depth()} levels of links deep; 'join' and 'joinLevel' retrieve {levels}")
    if pick is not None and omit is not None:
        _check_disjoint(pick, omit)


def _check_disjoint(pick: Projection, omit: Projection) -> None:
    for member in pick.members.keys() & omit.members.keys():
        picked, omitted = pick.members[member], omit.members[member]
        if picked is None or omitted is None:
            raise BadRequestData(f"'{member}' must not be in 'pick' and in 'omit'")
        _check_disjoint(picked, omitted)


class View(msgspec.Struct, frozen=True):
    """What of an entity is shown, and how.

    Attributes:
        format: The representation.
        sys_attrs: Whether createdAt, modifiedAt and expiresAt are shown.
        languages: Ranges from `parse_languages`; LanguageProperties then become Properties in one language. Empty: they stay.
        pick: What alone is shown; None for everything.
        omit: What is left out; None for nothing. A relationship with a projection of its own stays, its entity lacks those.
        attrs: Attributes (IRIs) that alone are shown, beside id, type and scope; None for all.
        dataset_ids: Instances that alone are shown, the default one by its name "@none"; None for all.
        geometry_property: The attribute (IRI) whose value becomes a feature's geometry.
        join_level: How many levels of linked entities are put inline where they are given.
    """

    format: Format = "normalized"
    sys_attrs: bool = False
    languages: tuple[str, ...] = ()
    pick: Projection | None = None
    omit: Projection | None = None
    attrs: frozenset[str] | None = None
    dataset_ids: frozenset[str] | None = None
    geometry_property: str = LOCATION
    join_level: int = 0

    def shows(self, member: str) -> bool:
        """Whether an attribute (IRI) or one of `CORE_MEMBERS` is shown."""
        if self.pick is not None and member not in self.pick.members:
            return False
        if self.omit is not None and self.omit.members.get(member, self) is None:
            return False
        return self.attrs is None or member in self.attrs or member in CORE_MEMBERS

    def linked(self, relationship: str) -> View:
        """The view of the entities that a relationship (IRI) links to: one level less, projections one level down."""
        return msgspec.structs.replace(
            self,
            pick=self.pick.members.get(relationship) if self.pick else None,
            omit=self.omit.members.get(relationship) if self.omit else None,
            attrs=None,
            join_level=max(0, self.join_level - 1),
        )


NORMALIZED: Final = View()
CONCISE: Final = View(format="concise")
SIMPLIFIED: Final = View(format="simplified")
