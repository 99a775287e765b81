"""The text of a query, with its names as another @context has them.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

from typing import assert_never
from urllib.parse import quote

from cityhub.model.ngsild.q_tree import (
    ENTITY_MEMBERS,
    INSTANCE_MEMBERS,
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
from cityhub.model.ngsild.terms import Terms


def unparse(node: Node, terms: Terms) -> str:
    """The query as text; reading it under the same @context gives the same tree."""
    if isinstance(node, AnyTrue):
        return "|".join(unparse(term, terms) for term in node.terms)
    if isinstance(node, AllTrue):
        return ";".join(f"({unparse(term, terms)})" if isinstance(term, AnyTrue) else unparse(term, terms) for term in node.terms)
    return _term(node, terms)


def _term(term: Term, terms: Terms) -> str:
    path = _path(term.path, terms)
    if isinstance(term, Exists):
        return path
    if isinstance(term, Missing):
        return f"!{path}"
    if isinstance(term, Ordered):
        return f"{path}{term.operator}{_value(term.value)}"
    no = "!" if term.negated else ""
    if isinstance(term, Like):
        return f"{path}{no}~={term.text}"
    if isinstance(term, Equal):
        return f"{path}{no or '='}={','.join(_value(value) for value in term.values)}"
    if isinstance(term, InRange):
        return f"{path}{no or '='}={_value(term.low)}..{_value(term.high)}"
    assert_never(term)


def _value(value: Value) -> str:
    return value.text


def _path(path: Path, terms: Terms) -> str:
    text = ".".join(_name(name, place, terms) for place, name in enumerate(path.names))
    if path.members:
        text += f"[{'.'.join(path.members)}]"
    for hop in reversed(path.hops):
        inner = "".join(_hint(hop.types, terms))
        text = f"{_compact(hop.relationship, terms)}{{{inner}{text}}}"
    return text


def _name(name: str, place: int, terms: Terms) -> str:
    return name if name in (INSTANCE_MEMBERS if place else ENTITY_MEMBERS) else _compact(name, terms)


def _hint(types: tuple[str, ...], terms: Terms) -> str:
    return ",".join(_compact(kind, terms) for kind in types) + ":" if types else ""


def _compact(iri: str, terms: Terms) -> str:
    """The term of a name; percent-encoded, with its dots, where it is an IRI that no term stands for."""
    name = terms.compact(iri)
    return quote(name, safe="").replace(".", "%2E") if "/" in name or "." in name else name
