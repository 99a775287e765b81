"""Reading attribute paths: `a`, `a.b.observedAt`, `a[member.member]`, `relationship{Type:a}`.

Beyond the grammar of the clause names may be IRIs or percent-encoded.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import unquote

from cityhub.model.errors import TooComplexQuery
from cityhub.model.ngsild.q_cursor import MAX_DEPTH, Cursor
from cityhub.model.ngsild.q_tree import ENTITY_MEMBERS, INSTANCE_MEMBERS, Hop, Path
from cityhub.model.ngsild.terms import Terms

_IRI: Final = re.compile(r"""(?:https?://|urn:)[^\s=!<>~;|(){}\[\],"]+""")
_NAME: Final = re.compile(r"(?:[^\W\d_]|%[0-9A-Fa-f]{2})(?:[\w\-]|%[0-9A-Fa-f]{2})*(?::[^\W\d_][\w\-]*)?")
_PLAIN_NAME: Final = re.compile(r"[^\W\d_][\w\-]*")
_TYPE_HINT: Final = re.compile(r"\s*([^\W\d_][\w\-]*(?:,[^\W\d_][\w\-]*)*):")
_MEMBERS: Final = re.compile(r"""[^\[\](){};|"]+""")
_KEYWORDS: Final = frozenset({"id", "type", "@id", "@type"})


def read_path(cursor: Cursor, terms: Terms, json_keys: Collection[str] = ()) -> Path:
    """The path that comes next. Raises BadRequestData, TooComplexQuery."""
    hops: list[Hop] = []
    words = [_name(cursor, linked=False)]
    while cursor.take("{"):
        if len(hops) >= MAX_DEPTH:
            raise TooComplexQuery(f"'{cursor.where}' follows more than {MAX_DEPTH} relationships")
        hint = cursor.match(_TYPE_HINT)
        types = tuple(map(terms.expand, hint[1].split(","))) if hint else ()
        hops.append(Hop(words[0], terms.expand(words[0]), types))
        words = [_name(cursor, linked=True)]
    while cursor.starts(".") and not cursor.starts(".."):
        cursor.at += 1
        words.append(_name(cursor, linked=bool(hops)))
        if len(words) > MAX_DEPTH:
            raise TooComplexQuery(f"'{cursor.where}' has a path of more than {MAX_DEPTH} names")
    members = _members(cursor)
    for _ in hops:
        if not cursor.take("}"):
            cursor.wrong("'}'")
    raw = words[0] in json_keys
    return Path(
        words=tuple(words),
        names=tuple(_expanded(word, terms, ENTITY_MEMBERS if place == 0 else INSTANCE_MEMBERS) for place, word in enumerate(words)),
        members=members,
        member_names=members if raw else tuple(_member_name(member, terms) for member in members),
        hops=tuple(hops),
    )


def _name(cursor: Cursor, *, linked: bool) -> str:
    cursor.blanks()
    found = cursor.match(_PLAIN_NAME) if linked else cursor.match(_IRI) or cursor.match(_NAME)
    if found is None:
        cursor.wrong("the name of an attribute")
    return unquote(found[0]) if "%" in found[0] else found[0]


def _expanded(word: str, terms: Terms, members: frozenset[str]) -> str:
    return word if word in members else terms.expand(word)


def _member_name(member: str, terms: Terms) -> str:
    if member in _KEYWORDS:
        return member.removeprefix("@")
    return terms.expand(member) if _PLAIN_NAME.fullmatch(member) else member


def _members(cursor: Cursor) -> tuple[str, ...]:
    """The trailing path in brackets; empty where there is none."""
    if not cursor.take("["):
        return ()
    begin = cursor.at
    found = cursor.match(_MEMBERS)
    if found is None:
        cursor.wrong("the name of a member")
    if not cursor.take("]"):
        cursor.wrong("']'")
    members = tuple(found[0].split("."))
    if not all(members) or len(members) > MAX_DEPTH:
        cursor.wrong("names of members, separated by '.'", begin)
    return members
