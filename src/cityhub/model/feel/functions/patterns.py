"""Regular expressions in bounded time: RE2's, as near to XPath's as they go.

No look-ahead, no back references, no subtraction of character classes: such a pattern is rejected.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import re2

from cityhub.model.feel.bounds import MAX_PATTERN
from cityhub.model.feel.values import Rejected

_FLAGS: Final = frozenset("smixq")
_MEMORY: Final = 1 << 20


@lru_cache(maxsize=512)
def compiled(pattern: str, flags: str = "") -> Any:
    """The pattern, ready to search with; Rejected when it is none, or a flag is not one of s, m, i, x, q."""
    if len(pattern) > MAX_PATTERN:
        raise Rejected(f"a pattern has at most {MAX_PATTERN} characters")
    if not set(flags) <= _FLAGS:
        raise Rejected(f"the flags are s, m, i, x and q, not '{flags}'")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.case_sensitive = "i" not in flags
    text = re.escape(pattern) if "q" in flags else re.sub(r"[\t\n\r ]", "", pattern) if "x" in flags else pattern
    inner = "".join(flag for flag in "sm" if flag in flags)
    try:
        return re2.compile(f"(?{inner}:{text})" if inner else text, options)
    except re2.error as error:
        raise Rejected(f"'{pattern:.80}' is no pattern: {error}") from error


def replacement(text: str, groups: int, *, literal: bool = False) -> list[str | int]:
    """A replacement's parts: texts, and numbers of groups written `$1`; Rejected where a `$` or `\\` stands for nothing."""
    if literal:
        return [text]
    parts: list[str | int] = []
    position = 0
    for found in re.finditer(r"\$(\d+)|\\([\\$])|[\\$]", text):
        parts.append(text[position : found.start()])
        position = found.end()
        if found[1]:
            position = _group(parts, found, groups)
        elif found[2]:
            parts.append(found[2])
        else:
            raise Rejected("in a replacement '$' stands before the number of a group, '\\' before '$' or '\\'")
    parts.append(text[position:])
    return parts


def _group(parts: list[str | int], found: re.Match[str], groups: int) -> int:
    digits = found[1]
    while len(digits) > 1 and int(digits) > groups:
        digits = digits[:-1]
    parts.append(int(digits) if int(digits) <= groups else "")
    return found.start() + 1 + len(digits)
