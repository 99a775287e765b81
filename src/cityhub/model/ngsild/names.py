"""Identifiers, scopes and language tags: what may be written where. `is_name` is that of `cityhub.model.jsonld`.

Source: GS CIM 009 clauses 4.5.1 (identifiers: RFC 3986, RFC 3987), 4.18 (scopes), 4.6.5 (languages).
"""

from __future__ import annotations

import re
from typing import Any

from cityhub.model.entity import NULL
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld.names import is_name as is_name

_LEVELS = re.compile(r"/?[^\W\d_]\w*(?:/[^\W\d_]\w*)*")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_PLAIN = r"!#$&-;=?-Z_a-z~\[\]@"
# RFC 3987 allows letters of all scripts. What cannot be seen (controls, blanks, fillers, direction marks, variation
# selectors, private use, noncharacters) would make two identifiers look the same and is refused.
_UNSEEN = (
    "\x80-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0xE0000, 0x10000))
    + "\U000e0000-\U0010ffff"
)
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:[{_PLAIN}]+(?:%[0-9A-Fa-f]{{2}}[{_PLAIN}]*)*")
_IRI = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:(?:[{_PLAIN}]|[^\x00-\x7f{_UNSEEN}]|%[0-9A-Fa-f]{{2}})+")

MAX_IDENTIFIER = 2048
"""Longest identifier, in characters."""


def is_uri(value: Any) -> bool:
    """Whether a value is a URI (or IRI of visible characters) that may identify something; the NGSI-LD Null may not."""
    return (
        type(value) is str
        and len(value) <= MAX_IDENTIFIER
        and (_URI if value.isascii() else _IRI).fullmatch(value) is not None
        and value != NULL
    )


def is_language(tag: Any) -> bool:
    """Whether a key of a languageMap is a language tag or '@none'."""
    return type(tag) is str and (tag == "@none" or _LANGUAGE.fullmatch(tag) is not None)


def texts(value: Any, where: str) -> list[str]:
    """One text or a list of texts as a list without repetitions. Raises BadRequestData for anything else or for none."""
    if type(value) is str and value:
        return [value]
    if type(value) is list and value and all(type(item) is str and item for item in value):
        return list(dict.fromkeys(value))
    raise BadRequestData(f"'{where}' must be a text or a list of texts, not empty")


def read_scope(value: Any) -> list[str]:
    """The scopes of a 'scope' member, each with its leading '/'.

    Raises BadRequestData unless each is like '/Madrid/Gardens': levels of letters, digits and '_' that begin with a letter.
    """
    scopes = texts(value, "scope")
    for scope in scopes:
        if len(scope) > MAX_IDENTIFIER or _LEVELS.fullmatch(scope) is None:
            raise BadRequestData(f"'scope' has {scope!r}; levels are letters, digits and '_', as in '/Madrid/Gardens'")
    return list(dict.fromkeys(scope if scope[0] == "/" else f"/{scope}" for scope in scopes))
