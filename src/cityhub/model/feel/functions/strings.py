"""Functions of texts.

Source: OMG DMN 1.5, 10.3.4.3, table 73.
"""

from __future__ import annotations

from typing import Any

from cityhub.model.feel.bounds import MAX_STRING, Exceeded
from cityhub.model.feel.environment import Run
from cityhub.model.feel.functions.patterns import compiled, replacement
from cityhub.model.feel.library import Library, declare
from cityhub.model.feel.numbers import Number, truncated
from cityhub.model.feel.values import Rejected


def substring(text: str, start: Number, length: Number | None = None) -> str:
    """The characters from a place on, counted from 1, or from the end when negative."""
    begin = truncated(start)
    count = len(text) if length is None else truncated(length)
    if begin == 0 or abs(begin) > len(text) or count < 1:
        raise Rejected("a substring starts at a character of the text and has at least one")
    first = begin - 1 if begin > 0 else len(text) + begin
    return text[first : first + count]


def substring_before(text: str, match: str) -> str:
    """What stands before the first occurrence, "" where there is none."""
    before, found, _ = text.partition(match) if match else ("", "", "")
    return before if found else ""


def substring_after(text: str, match: str) -> str:
    """What stands behind the first occurrence, "" where there is none."""
    return text.partition(match)[2] if match else text


def replace(run: Run, text: str, pattern: str, new: str, flags: str | None = None) -> str:
    """The text with every occurrence of a pattern replaced; `$1` in the replacement is the first group."""
    found = compiled(pattern, flags or "")
    if found.search("") is not None:
        raise Rejected("the pattern matches the empty text")
    parts = replacement(new, found.groups, literal="q" in (flags or ""))
    pieces: list[str] = []
    size = position = 0
    for match in found.finditer(text):
        run.charge(4)
        piece = text[position : match.start()] + "".join(part if isinstance(part, str) else match.group(part) or "" for part in parts)
        pieces.append(piece)
        position, size = match.end(), size + len(piece)
        if size > MAX_STRING:
            raise Exceeded(f"a text has more than {MAX_STRING} characters")
    return "".join([*pieces, text[position:]])


def matches(text: str, pattern: str, flags: str | None = None) -> bool:
    """Whether a pattern occurs in the text."""
    return compiled(pattern, flags or "").search(text) is not None


def split(text: str, delimiter: str) -> list[str]:
    """The parts between the occurrences of a pattern."""
    found = compiled(delimiter)
    parts: list[str] = []
    position = 0
    for match in found.finditer(text):
        if match.end() > match.start():
            parts.append(text[position : match.start()])
            position = match.end()
    return [*parts, text[position:]]


def join(texts: list[Any], delimiter: str | None = None, prefix: str | None = None, suffix: str | None = None) -> str:
    """The texts of a list in one, null ones left out."""
    kept = [text for text in texts if text is not None]
    if any(type(text) is not str for text in kept):
        raise Rejected("'string join' joins texts")
    if sum(map(len, kept)) + len(delimiter or "") * len(kept) > MAX_STRING:
        raise Exceeded(f"a text has more than {MAX_STRING} characters")
    return (prefix or "") + (delimiter or "").join(kept) + (suffix or "")


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    declare(library, "substring(string: string, start position: number, length: number?=)", substring)
    declare(library, "string length(string: string)", len)
    declare(library, "upper case(string: string)", str.upper)
    declare(library, "lower case(string: string)", str.lower)
    declare(library, "substring before(string: string, match: string)", substring_before)
    declare(library, "substring after(string: string, match: string)", substring_after)
    declare(library, "replace(input: string, pattern: string, replacement: string, flags: string?=)", replace, runs=True)
    declare(library, "contains(string: string, match: string)", str.__contains__)
    declare(library, "starts with(string: string, match: string)", str.startswith)
    declare(library, "ends with(string: string, match: string)", str.endswith)
    declare(library, "matches(input: string, pattern: string, flags: string?=)", matches)
    declare(library, "split(string: string, delimiter: string)", split)
    declare(library, "string join(list: list, delimiter: string?=)", join)
    declare(library, "string join(list: list, delimiter: string?, prefix: string?, suffix: string?)", join)
