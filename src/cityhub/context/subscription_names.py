"""Names inside the texts of a subscription: as IRIs when it is stored, as terms of the reader's @context when it is shown.

Source: GS CIM 009 V1.9.1, clauses 5.5.7, 4.17 and 4.21.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.q import Query, parse_q
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.view import CORE_MEMBERS

_TYPE_NAME: Final = re.compile(r"[^\s,;|()]+")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_MEMBER_NAME: Final = re.compile(r"[^\s,|{}]+")


def expand_types(text: str, terms: TermMap) -> str:
    """A type selection such as '(Home;Vehicle)|Motorhome' with IRIs for names; '*' stays."""
    return text if text == "*" else _TYPE_NAME.sub(lambda found: terms.expand_name(found[0]), text)


def compact_types(text: str, terms: TermMap) -> str:
    """The way back from `expand_types`."""
    return text if text == "*" else _TYPE_NAME.sub(lambda found: terms.compact(found[0]), text)


def expand_members(text: str, terms: TermMap) -> str:
    """A projection such as 'id,locatedAt{name}' with IRIs for the names of attributes."""
    return _MEMBER_NAME.sub(lambda found: _member(found[0], terms.expand_name), text)


def compact_members(text: str, terms: TermMap) -> str:
    """The way back from `expand_members`."""
    return _MEMBER_NAME.sub(lambda found: _member(found[0], terms.compact), text)


def _member(name: str, change: Callable[[str], str]) -> str:
    return name if name in CORE_MEMBERS else change(name)


def plain(text: str) -> str:
    """A query as it stands in a document, percent-decoded: wholly where its quotes are encoded, else inside its strings."""
    if "%" not in text:
        return text
    return unquote(text) if "%22" in text else _STRING.sub(lambda found: unquote(found[0]), text)


class NoteTaker:
    """Terms that remember which names were looked up, so that a text can be read again without its @context."""

    def __init__(self, terms: TermMap) -> None:
        self._terms = terms
        self.aliases = terms.aliases
        self.names: dict[str, str] = {}

    def expand(self, term: str) -> str:
        """See `Terms`."""
        iri = self.names[term] = self._terms.expand(term)
        return iri

    def expand_name(self, term: str) -> str:
        """See `Terms`."""
        iri = self.names[term] = self._terms.expand_name(term)
        return iri

    def compact(self, iri: str) -> str:
        """See `Terms`."""
        return self._terms.compact(iri)

    def expand_value(self, value: Any) -> Any:
        """See `Terms`."""
        return self._terms.expand_value(value)

    def compact_value(self, value: Any) -> Any:
        """See `Terms`."""
        return self._terms.compact_value(value)

    def expand_iri(self, value: Any) -> Any:
        """See `Terms`."""
        return [self.expand(item) for item in value] if isinstance(value, list) else self.expand(value)

    def compact_iri(self, value: Any) -> Any:
        """See `Terms`."""
        return self._terms.compact_iri(value)


def noted(names: Mapping[str, str]) -> TermMap:
    """The term map of noted names."""
    return TermMap(dict(names), names, set())


def read_query(members: Mapping[str, Any], names: Mapping[str, str], member: str) -> Query | None:
    """The query in a stored member ("q" or "csf"), read with the names that were noted with it; None when there is none."""
    text = members.get(member)
    if text is None:
        return None
    return _parse(text, noted(names), members, member)


def _parse(text: str, terms: Terms, members: Mapping[str, Any], member: str) -> Query:
    lists = {name: str(members.get(name) or "").split(",") for name in ("expandValues", "jsonKeys")}
    return parse_q(
        plain(text),
        terms,
        expand_values=[name.strip() for name in lists["expandValues"] if name],
        json_keys=[name.strip() for name in lists["jsonKeys"] if name],
        where=member,
    )


def note_query(text: str, terms: TermMap, members: Mapping[str, Any], member: str) -> dict[str, str]:
    """The names that a query uses, each with its IRI. Raises BadRequestData or TooComplexQuery for what is no query."""
    notes = NoteTaker(terms)
    _parse(text, notes, members, member)
    return notes.names


def show_query(members: Mapping[str, Any], names: Mapping[str, str], member: str, terms: TermMap) -> str:
    """A stored query with its names as terms of another @context; the very text where they are the same."""
    if all(terms.compact(iri) == name for name, iri in names.items()):
        return str(members[member])
    query = read_query(members, names, member)
    assert query is not None
    return query.unparse(terms)
