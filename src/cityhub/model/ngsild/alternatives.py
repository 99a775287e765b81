"""Alternatives of conjunctions: the form that type selections and scope queries share.

`a,(b;c)|d` is: a, or both b and c, or d. ',' and '|' mean "or"; "and" (';') stands only inside parentheses.

Source: GS CIM 009 clauses 4.17 and 4.19.
"""

from __future__ import annotations

import re
from typing import Final

from cityhub.model.errors import BadRequestData, TooComplexQuery

MAX_LENGTH: Final = 20_000
"""Longest text, in characters."""
_TOKEN: Final = re.compile(r"[,|();&]|[^,|();&]+")


def read_alternatives(text: str, where: str) -> list[list[str]]:
    """The alternatives, each a list of what must hold together.

    Raises BadRequestData for empty parts, unbalanced parentheses or an "and" outside of them; TooComplexQuery for
    more than `MAX_LENGTH` characters.
    """
    if len(text) > MAX_LENGTH:
        raise TooComplexQuery(f"'{where}' has {len(text)} characters; {MAX_LENGTH} are the most")
    alternatives: list[list[str]] = []
    tokens = [token for token in (token.strip() for token in _TOKEN.findall(text)) if token]
    at = 0
    while True:
        group, at = _group(tokens, at, text, where)
        alternatives.append(group)
        if at == len(tokens):
            return alternatives
        if tokens[at] not in ",|":
            raise _wrong(text, where)
        at += 1


def _group(tokens: list[str], at: int, text: str, where: str) -> tuple[list[str], int]:
    """One alternative and where it ends."""
    if tokens[at : at + 1] != ["("]:
        return [_part(tokens, at, text, where)], at + 1
    parts = [_part(tokens, at + 1, text, where)]
    at += 2
    while tokens[at : at + 1] in ([";"], ["&"]):
        parts.append(_part(tokens, at + 1, text, where))
        at += 2
    if tokens[at : at + 1] != [")"]:
        raise _wrong(text, where)
    return parts, at + 1


def _part(tokens: list[str], at: int, text: str, where: str) -> str:
    if at >= len(tokens) or tokens[at] in ",|();&":
        raise _wrong(text, where)
    return tokens[at]


def _wrong(text: str, where: str) -> BadRequestData:
    return BadRequestData(f"'{where}' must be alternatives like 'a', 'a,b' or '(a;b)|c', not {text!r:.200}")
