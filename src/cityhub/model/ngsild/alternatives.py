"""Alternatives of conjunctions: the form that type selections and scope queries share.

`a,(b;c)|d` is: a, or both b and c, or d. ',' and '|' mean "or". The grammar has "and" (';') inside parentheses only;
without them it is taken to bind closer than "or", as in the query language.

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

    Raises BadRequestData for empty parts or unbalanced parentheses, TooComplexQuery for more than `MAX_LENGTH` characters.
    """
    if len(text) > MAX_LENGTH:
        raise TooComplexQuery(f"'{where}' has {len(text)} characters; {MAX_LENGTH} are the most")
    tokens = [token for token in (token.strip() for token in _TOKEN.findall(text)) if token]
    tokens.append("")  # the end
    alternatives: list[list[str]] = [[]]
    at, inside = 0, False
    while True:
        if tokens[at] == "(" and not inside:
            inside = True
            at += 1
        if tokens[at] in ("", *",|();&"):
            break
        alternatives[-1].append(tokens[at])
        at += 1
        if tokens[at] == ")" and inside:
            inside = False
            at += 1
        if tokens[at] in (",", "|") and not inside:
            alternatives.append([])
        elif tokens[at] not in (";", "&"):
            if tokens[at] == "" and not inside:
                return alternatives
            break
        at += 1
    raise BadRequestData(f"'{where}' must be alternatives like 'a', 'a,b' or '(a;b)|c', not {text!r:.200}")
