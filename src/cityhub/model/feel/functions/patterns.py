"""Regular expressions of XPath in bounded time: written anew for RE2.

Back references and the subtraction of character classes (`[A-Z-[OI]]`) are not there: RE2 has no such thing, and with back
references no bound of time would hold.

Source: W3C XQuery and XPath Functions 3.1, 5.6.1; XML Schema 1.1 part 2, appendix G.
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
_SPACES: Final = frozenset(" \t\n\r")
_BLOCKS: Final = {
    "BasicLatin": r"\x{0}-\x{7F}",
    "Latin-1Supplement": r"\x{80}-\x{FF}",
    "Greek": r"\x{370}-\x{3FF}",
    "Cyrillic": r"\x{400}-\x{4FF}",
    "CJKSymbolsandPunctuation": r"\x{3000}-\x{303F}",
    "CJKUnifiedIdeographs": r"\x{4E00}-\x{9FFF}",
}
_ESCAPES: Final = {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "s": r" \t\n\r",
    "S": r"\x{0}-\x{8}\x{B}\x{C}\x{E}-\x{1F}\x{21}-\x{10FFFF}",
    "w": r"\p{L}\p{M}\p{N}\p{S}",
    "W": r"\p{P}\p{Z}\p{C}",
    "i": r"\p{L}_:",
    "c": r"\p{L}\p{M}\p{N}_:.\-",
}
"""What stands for many characters, as it is written within a class."""


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
    text = re.escape(pattern) if "q" in flags else _Translation(pattern, flags).text()
    inner = "".join(flag for flag in "sm" if flag in flags)
    try:
        return re2.compile(f"(?{inner}:{text})" if inner else text, options)
    except re2.error as error:
        raise Rejected(f"'{pattern:.80}' is no pattern: {error}") from error


class _Translation:
    """A pattern of XPath as one of RE2."""

    def __init__(self, pattern: str, flags: str) -> None:
        self._pattern = pattern
        self._dot = "." if "s" in flags else r"[^\n\r]"
        self._free = "x" in flags
        self._place = 0
        self._in_class = False

    def text(self) -> str:
        parts: list[str] = []
        while self._place < len(self._pattern):
            sign = self._pattern[self._place]
            self._place += 1
            parts.append(self._escape() if sign == "\\" else self._sign(sign))
        return "".join(parts)

    def _sign(self, sign: str) -> str:
        if self._in_class:
            if sign == "[":
                raise Rejected("character classes are not taken from each other here; right would be one class without '-['")
            self._in_class = sign != "]"
            return sign
        if self._free and sign in _SPACES:
            return ""
        if sign == "[":
            self._in_class = True
            return self._class_start()
        return self._dot if sign == "." else sign

    def _class_start(self) -> str:
        if self._pattern.startswith("]", self._place) or self._pattern.startswith("^]", self._place):
            raise Rejected("a character class has at least one character")
        return "["

    def _escape(self) -> str:
        while self._free and not self._in_class and self._pattern[self._place : self._place + 1] in _SPACES:
            self._place += 1
        if self._place >= len(self._pattern):
            raise Rejected("a pattern does not end with a single '\\'")
        sign = self._pattern[self._place]
        self._place += 1
        if sign.isdigit():
            raise Rejected("back references are not there")
        if sign in "pP":
            return self._category(sign)
        if sign in _ESCAPES:
            return _ESCAPES[sign] if self._in_class else f"[{_ESCAPES[sign]}]"
        if sign in "nrt" or not sign.isalnum():
            return f"\\{sign}"
        raise Rejected(f"'\\{sign}' stands for nothing in a pattern")

    def _category(self, sign: str) -> str:
        name, closed, _ = self._pattern[self._place :].partition("}")
        if not name.startswith("{") or not closed:
            raise Rejected(f"behind '\\{sign}' stands a category: '\\p{{L}}'")
        self._place += len(name) + 1
        category = name[1:].translate({ord(space): None for space in _SPACES}) if self._free else name[1:]
        if not category.startswith("Is"):
            return f"\\{sign}{{{category}}}"
        block = _BLOCKS.get(category[2:])
        if block is None or (sign == "P" and self._in_class):
            raise Rejected(f"the block '{category}' is not known here; it has: {', '.join(_BLOCKS)}")
        return block if self._in_class else f"[{'^' if sign == 'P' else ''}{block}]"


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
