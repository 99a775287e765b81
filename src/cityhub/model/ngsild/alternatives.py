"""Alternatives of conjunctions: the form that type selections and scope queries share.

`a,(b;c)|d` is: a, or both b and c, or d. ',' and '|' mean "or". The grammar has "and" (';') inside parentheses only;
without them it is taken to bind closer than "or", as in the query language. Beyond the grammar, parentheses may also
hold an "or", as the conformance suite of the standard has it: `(a|b)`.

Source: GS CIM 009 clauses 4.17 and 4.19.
"""

from __future__ import annotations

import re
from typing import Final

from cityhub.model.errors import BadRequestData, TooComplexQuery

MAX_LENGTH: Final = 20_000
"""Longest text, in characters."""
MAX_ALTERNATIVES: Final = 1_000
"""Most alternatives, once parentheses are resolved."""
_TOKEN: Final = re.compile(r"[,|();&]|[^,|();&]+")


def read_alternatives(text: str, where: str) -> list[list[str]]:
    """The alternatives, each a list of what must hold together.

    Raises BadRequestData for empty parts or unbalanced parentheses, TooComplexQuery for more than `MAX_LENGTH` characters
    or `MAX_ALTERNATIVES` alternatives.
    """
    if len(text) > MAX_LENGTH:
        raise TooComplexQuery(f"'{where}' has {len(text)} characters; {MAX_LENGTH} are the most")
    tokens = [token for token in (token.strip() for token in _TOKEN.findall(text)) if token]
    reader = _Reader([*tokens, ""], where, text)
    found = reader.either(inside=False)
    if reader.token:
        raise reader.wrong()
    return found


class _Reader:
    """One pass over the tokens; the last one is "", the end."""

    def __init__(self, tokens: list[str], where: str, text: str) -> None:
        self._tokens = tokens
        self._where = where
        self._text = text
        self._at = 0

    @property
    def token(self) -> str:
        return self._tokens[self._at]

    def either(self, *, inside: bool) -> list[list[str]]:
        """Alternatives up to the end, or inside parentheses up to the closing one."""
        found = self._together(inside=inside)
        while self.token in (",", "|"):
            self._at += 1
            found += self._together(inside=inside)
        return found

    def _together(self, *, inside: bool) -> list[list[str]]:
        found = self._part(inside=inside)
        while self.token in (";", "&"):
            self._at += 1
            more = self._part(inside=inside)
            if len(found) * len(more) > MAX_ALTERNATIVES:
                raise TooComplexQuery(f"'{self._where}' has more than {MAX_ALTERNATIVES} alternatives")
            found = [[*one, *other] for one in found for other in more]
        return found

    def _part(self, *, inside: bool) -> list[list[str]]:
        token = self.token
        if token == "(" and not inside:
            self._at += 1
            found = self.either(inside=True)
            if self.token != ")":
                raise self.wrong()
            self._at += 1
            return found
        if token in ("", *",|();&"):
            raise self.wrong()
        self._at += 1
        return [[token]]

    def wrong(self) -> BadRequestData:
        """The error at the present token."""
        return BadRequestData(f"'{self._where}' must be alternatives like 'a', 'a,b' or '(a;b)|c', not {self._text!r:.200}")
