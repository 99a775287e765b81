"""Which texts may name a type or an attribute.

The standard allows a letter followed by letters, numbers and '_', and says that anything else *should* be refused.
Published Smart Data Models also use '-' and '.' inside a name and '_' before it ("P-TOT", "_value"); these are
accepted, everything else is refused.

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
    """Whether a text is a letter or '_' followed by letters, numbers and '_-.', with or without a prefix, or an absolute IRI.

    >>> is_name("水位_1"), is_name("ex:level"), is_name("https://example.org/level"), is_name("wasser stand")
    (True, True, True, False)
    """
    prefix, colon, name = text.partition(":")
    if len(text) > MAX_NAME_LENGTH:
        return False
    if colon:
        return (prefix[:1].isalpha() and _is_simple(prefix) and _is_simple(name)) or _IRI.fullmatch(text) is not None
    return _is_simple(prefix)


def check_name(term: str) -> None:
    """Raises BadRequestData unless the term may name a type or an attribute. Source: GS CIM 009 clause 4.6.2."""
    if not isinstance(term, str) or not is_name(term):
        shown = str(term)[:80]
        right = "use letters, numbers, '_', '-' and '.', beginning with a letter or '_', or a full IRI"
        raise BadRequestData(f"'{shown}' is not a valid name: {right}")


def _is_simple(text: str) -> bool:
    if text.isalnum():
        return text[0].isalpha()
    start = text.lstrip("_")
    return start[:1].isalpha() and start.replace("_", "a").replace("-", "a").replace(".", "a").isalnum()
