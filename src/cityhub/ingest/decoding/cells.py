"""Numbers among texts: which text of a table, of XML or of a pattern is a number."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

_WHOLE: Final = re.compile(r"[+-]?(?:0|[1-9]\d{0,14})", re.ASCII)
_BROKEN: Final = re.compile(r"[+-]?(?:0|[1-9]\d{0,14})?\.\d{1,17}(?:[eE][+-]?\d{1,3})?|[+-]?[1-9]\d{0,14}[eE][+-]\d{1,3}", re.ASCII)


def cell(text: str) -> str | int | float:
    """The number that a text is, else the text. Full-width digits count.

    Not a number are texts with leading zeros, with more than 15 digits, or with an exponent that could be a letter of a code: they name
    things.

    >>> cell("12.50"), cell("－３"), cell("007"), cell("500114001002003001"), cell("12E5")
    (12.5, -3, '007', '500114001002003001', '12E5')
    """
    plain = text if text.isascii() else normalize("NFKC", text).replace("\u2212", "-")
    if _WHOLE.fullmatch(plain):
        return int(plain)
    if _BROKEN.fullmatch(plain):
        found = float(plain)
        return found if abs(found) <= 1e308 else text
    return text
