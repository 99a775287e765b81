"""Which texts may name a type or an attribute.

Source: ETSI GS CIM 009 V1.9.1, clause 4.6.2.
"""

from __future__ import annotations

import re
from typing import Final

from cityhub.model.errors import BadRequestData

MAX_NAME_LENGTH: Final = 2048

_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x1f]+")
_ABSOLUTE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*|_):\S*")


def is_absolute(text: str) -> bool:
    """Whether a text has the form of an absolute IRI or a blank node identifier ('scheme:rest' without white space)."""
    return _ABSOLUTE.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a text is a letter followed by letters, numbers and '_', with or without such a prefix, or an absolute IRI.

    >>> is_name("水位_1"), is_name("ex:level"), is_name("https://example.org/level"), is_name("wasser stand")
    (True, True, True, False)
    """
    prefix, colon, name = text.partition(":")
    if _is_simple(prefix) and (not colon or _is_simple(name)):
        return len(text) <= MAX_NAME_LENGTH
    return len(text) <= MAX_NAME_LENGTH and _IRI.fullmatch(text) is not None


def check_name(term: str) -> None:
    """Raises BadRequestData unless the term may name a type or an attribute. Source: GS CIM 009 clause 4.6.2."""
    if not isinstance(term, str) or not is_name(term):
        shown = str(term)[:80]
        raise BadRequestData(f"'{shown}' is not a valid name: use letters, numbers and '_', beginning with a letter, or a full IRI")


def _is_simple(text: str) -> bool:
    return text[:1].isalpha() and text.replace("_", "a").isalnum()
