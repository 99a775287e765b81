"""Values as they are written, names, lists, contexts and intervals.

Source: OMG DMN 1.5, 10.3.1.2.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import DecimalException
from typing import Final

from cityhub.model.feel.lexer import NAME, NUMBER, SIGN, STRING
from cityhub.model.feel.names import KEYWORDS, LITERALS, joined, spelled
from cityhub.model.feel.nodes import ContextLiteral, Interval, ListLiteral, Literal, Name, Node
from cityhub.model.feel.numbers import CONTEXT
from cityhub.model.feel.temporal_text import literal
from cityhub.model.feel.words import Words

Inner = Callable[[Words], Node]
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


def primary(words: Words, inner: Inner) -> Node:
    """The value, name or bracket that begins here; `inner` reads an expression in it."""
    token = words.here
    if token.kind == NUMBER:
        return _number(words)
    if token.kind == STRING:
        words.take()
        return Literal(token.text)
    if token.kind == NAME:
        return _name(words)
    if token.text == "(":
        return _parenthesis(words, inner)
    if token.text in ("[", "]") and token.kind == SIGN:
        return _bracket(words, inner)
    if token.text == "{":
        return _context(words, inner)
    if token.text == "@" and words.ahead().kind == STRING:
        words.take()
        return Literal(literal(words.take().text))
    raise words.wrong("a value, a name or '('")


def _number(words: Words) -> Node:
    text = words.here.text
    try:
        number = int(text) if text.isdigit() and len(text) < 35 else CONTEXT.create_decimal(text)
    except DecimalException as error:
        raise words.wrong("a number between -10 ** 6145 and 10 ** 6145") from error
    words.take()
    return Literal(number)


def _name(words: Words) -> Node:
    known, end = words.names.longest(words.tokens, words.position)
    word = words.here.text
    if word in _CONSTANTS and end <= words.position + 1:
        words.take()
        return Literal(_CONSTANTS[word])
    if (word in KEYWORDS or word in LITERALS) and not known:
        raise words.wrong("a value or a name")
    plain, plain_end = joined(words.tokens, words.position)
    name, words.position = (plain, plain_end) if plain_end > end else (known, end)
    return Name(name)


def _parenthesis(words: Words, inner: Inner) -> Node:
    words.take()
    low = inner(words)
    if words.at(".."):
        return _interval(words, inner, low, low_included=False)
    words.expect(")")
    return low


def _bracket(words: Words, inner: Inner) -> Node:
    closed = words.take().text == "["
    if closed and words.accept("]"):
        return ListLiteral(())
    items = [inner(words)]
    if words.at(".."):
        return _interval(words, inner, items[0], low_included=closed)
    if not closed:
        raise words.wrong("'..' of an interval")
    while words.accept(","):
        items.append(inner(words))
    words.expect("]")
    return ListLiteral(tuple(items))


def _interval(words: Words, inner: Inner, low: Node, *, low_included: bool) -> Node:
    words.expect("..")
    words.open_interval += 1
    high = inner(words)
    words.open_interval -= 1
    if not words.at_any(("]", ")", "[")):
        raise words.wrong("']', ')' or '['")
    return Interval(low, high, low_included, words.take().text == "]")


def _context(words: Words, inner: Inner) -> Node:
    words.take()
    entries: list[tuple[str, Node]] = []
    words.names.enter()
    while not words.accept("}"):
        key = _key(words)
        if any(key == other for other, _ in entries):
            raise words.wrong(f"each key once; '{key}' is there already")
        words.expect(":")
        entries.append((key, inner(words)))
        words.names.declare(key)
        words.members.declare(key)
        if not words.at("}"):
            words.expect(",")
    words.names.leave()
    return ContextLiteral(tuple(entries))


def _key(words: Words) -> str:
    if words.here.kind == STRING:
        return words.take().text
    begin = words.position
    while not words.at(":"):
        if words.here.kind not in (NAME, NUMBER, SIGN) or words.at_any((",", "}", "{")):
            raise words.wrong("a key and ':'")
        words.position += 1
    if words.position == begin:
        raise words.wrong("a key")
    return spelled(words.tokens[begin : words.position])
