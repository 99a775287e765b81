"""Regular expressions in queries: linear in time, and what they tell an index.

Source: GS CIM 009 clauses 4.9 (patternOp) and 5.2.33 (idPattern): a value matches if the expression finds a place in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import re2

from cityhub.model.errors import BadRequestData

MAX_PATTERN: Final = 1_000
"""Longest pattern, in characters."""
MAX_PATTERNS: Final = 50
"""Most patterns of one query."""
_MAX_MEMORY: Final = 2 << 20  # bytes that one compiled pattern may take while it is matched
_PUNCTUATION: Final = frozenset(r".^$*+?()[]{}|\-:/_#@!%&=,;'\"~<> ")
_SPECIAL: Final = frozenset(".^$*+?()[]{}|\\")


def compile_pattern(pattern: str, where: str) -> Callable[[str], Any]:
    """The search function of a pattern: something true for each text in which the pattern is found.

    Raises BadRequestData for what is not a regular expression: also for look-around and back-references, which no
    linear-time matcher can offer, and for patterns that grow too large when they are compiled.
    """
    if len(pattern) > MAX_PATTERN:
        raise BadRequestData(f"'{where}' has a pattern of {len(pattern)} characters; {MAX_PATTERN} are the most")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        search: Callable[[str], Any] = re2.compile(pattern, options).search
    except re2.error as wrong:
        reason = wrong.args[0] if wrong.args else wrong
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise BadRequestData(
            f"'{where}' has the pattern {pattern!r}, which is not a regular expression that can be matched in linear time"
            f" (look-around and back-references are not offered): {reason}"
        ) from None
    return search


def literal_head(pattern: str) -> str:
    r"""The text with which every match begins; empty when the pattern does not say.

    >>> literal_head("^urn:ngsi-ld:Vehicle:A\\.1.*"), literal_head("Vehicle"), literal_head("^ab*"), literal_head("^a|b")
    ('urn:ngsi-ld:Vehicle:A.1', '', 'a', '')
    """
    if not pattern.startswith("^") or "|" in pattern:
        return ""
    head: list[str] = []
    at = 1
    while at < len(pattern):
        letter = pattern[at]
        width = 1
        if letter == "\\" and pattern[at + 1 : at + 2] in _PUNCTUATION and pattern[at + 1 : at + 2]:
            letter, width = pattern[at + 1], 2
        elif letter in _SPECIAL:
            break
        if pattern[at + width : at + width + 1] in ("*", "?", "{"):
            break
        head.append(letter)
        at += width
    return "".join(head)
