"""Reading the values of a query: numbers, texts, booleans, times, URIs, patterns.

Beyond the grammar of the clause a word needs no quotes where it is compared for equality, and a pattern none where it
ends with its term.

Source: GS CIM 009 clause 4.9; RFC 8259.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from typing import Final, cast

from cityhub.model.ngsild.q_cursor import Cursor
from cityhub.model.ngsild.q_tree import Kind, Path, Value
from cityhub.model.ngsild.q_values import date_of, moment_of, time_of
from cityhub.model.ngsild.terms import Terms

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?=\.\.|[;|,)\s]|$)", re.ASCII)
_DIGITS: Final = 400  # of the longest integer that is kept exactly
_BARE: Final = re.compile(r"""(?:(?!\.\.)[^\s;|,()"<>=!~{}\[\]\\^`]|=(?!=))+""")
_DECIMAL_COMMA: Final = re.compile(r"(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d,\d{1,9}(?:Z|[+\-]\d\d:?\d\d)", re.ASCII)
_WORD: Final = re.compile(r"[\w.+\-@%$*&']+")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_TYPED: Final = frozenset({"objectType", "valueType"})  # members of an instance whose values are IRIs
_TIMES: Final = (("moment", moment_of), ("date", date_of), ("time", time_of))


def read_value(cursor: Cursor, terms: Terms, path: Path, expand_values: Collection[str] = ()) -> Value:
    """The value that comes next and that a path is compared with. Raises BadRequestData."""
    cursor.blanks()
    if cursor.starts('"'):
        value = _quoted(cursor)
    else:
        number = _NUMBER.match(cursor.text, cursor.at)
        if number is not None:
            return _number(cursor, number[0])
        found = _DECIMAL_COMMA.match(cursor.text, cursor.at) or _BARE.match(cursor.text, cursor.at)
        bare = _bare(found[0] if found else "")
        if bare is None:
            cursor.wrong("a value: a number, a quoted text, a date, a time, true, false or a URI")
        cursor.at += len(bare.text)
        value = bare
    forms = _forms(value, terms, path, expand_values)
    return Value(value.kind, value.value, value.text, forms) if forms else value


def read_pattern(cursor: Cursor) -> tuple[str, str]:
    """A pattern and how it was written: in quotes (only the quote is escaped), or up to the end of its term."""
    cursor.blanks()
    begin = cursor.at
    found = cursor.match(_STRING)
    if found is not None:
        return found[0][1:-1].replace('\\"', '"'), found[0]
    end = _pattern_end(cursor.text, begin)
    if end == begin or cursor.starts('"'):
        cursor.wrong("a pattern")
    cursor.at = end
    return cursor.text[begin:end], cursor.text[begin:end]


def _quoted(cursor: Cursor) -> Value:
    begin = cursor.at
    found = cursor.match(_STRING)
    if found is None:
        cursor.wrong("a quoted text that ends with '\"'")
    try:
        text = json.loads(found[0], strict=False)
        text.encode()
    except ValueError:
        cursor.wrong("a quoted text as JSON writes it", begin)
    return Value("text", text, found[0])


def _number(cursor: Cursor, text: str) -> Value:
    whole = text.lstrip("-").isdigit()
    number: float = int(text) if whole and len(text) <= _DIGITS else float(text)
    if not math.isfinite(number) or abs(number) > 1.7e308:
        cursor.wrong("a number that fits into 64-bit floating point")
    cursor.at += len(text)
    return Value("number", number, text)


def _bare(text: str) -> Value | None:
    """What a value without quotes is; None for what it cannot be."""
    if text in ("true", "false"):
        return Value("boolean", text == "true", text)
    for kind, read in _TIMES:
        form = read(text)
        if form is not None:
            return Value(cast("Kind", kind), form, text)
    return Value("bare", text, text) if _WORD.fullmatch(text) or _URI.fullmatch(text) else None


def _forms(value: Value, terms: Terms, path: Path, expand_values: Collection[str]) -> tuple[str, ...]:
    """The texts that a target may be to be equal to a value."""
    if value.kind == "boolean":
        return ()
    if value.kind in ("text", "bare") and value.value:
        if path.words[0] in expand_values or path.names[-1] in _TYPED or path.names == ("type",):
            return (terms.expand(value.value),)
        if path.members and path.members[-1] in ("type", "@type"):
            return (value.value, terms.expand(value.value))
    return (value.text if value.kind == "moment" else value.value,)


def _pattern_end(text: str, at: int) -> int:
    """Where a pattern without quotes ends: before a ';', '|' or ')' that stands outside its own groups and classes."""
    depth, in_class = 0, False
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 1
        elif in_class:
            in_class = letter != "]"
        elif letter == "[":
            in_class = True
        elif letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif letter in ";|)" and not depth:
            break
        at += 1
    return min(at, len(text))
