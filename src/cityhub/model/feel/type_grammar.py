"""How types are written: `number`, `list<string>`, `context<a: number>`, `function<number> -> string`, `days and time duration`."""

from __future__ import annotations

from typing import Final

from cityhub.model.feel.lexer import NAME, SIGN
from cityhub.model.feel.names import spelled
from cityhub.model.feel.nodes import TypeNode
from cityhub.model.feel.words import Words

_LONG: Final = (("date", "and", "time"), ("days", "and", "time", "duration"), ("years", "and", "months", "duration"))


def type_at(words: Words) -> TypeNode:
    """The type that is written here; the place moves behind it."""
    words.deeper()
    node = _generic(words, _type_name(words))
    words.nesting -= 1
    return node


def _type_name(words: Words) -> str:
    for parts in _LONG:
        tokens = words.tokens[words.position : words.position + len(parts)]
        if tuple(token.text for token in tokens) == parts:
            words.position += len(parts)
            return " ".join(parts)
    if words.here.kind != NAME:
        raise words.wrong("the name of a type")
    begin = words.position
    known, end = words.names.longest(words.tokens, begin)
    words.position = begin + 1
    while words.at(".") and words.ahead().kind == NAME:
        words.position += 2
    if known and end > words.position:
        words.position = end
        return known
    return spelled(words.tokens[begin : words.position])


def _generic(words: Words, name: str) -> TypeNode:
    if name == "function":
        parts = _angle(words)
        return TypeNode("function", parts, result=type_at(words) if words.accept("->") else None)
    if name == "context" and words.at("<"):
        words.take()
        members: list[tuple[str, TypeNode]] = []
        while not words.accept(">"):
            member = _member_name(words)
            members.append((member, type_at(words)))
            if not words.at(">"):
                words.expect(",")
        return TypeNode("context", members=tuple(members))
    return TypeNode(name, _angle(words) if name in ("list", "range") else ())


def _angle(words: Words) -> tuple[TypeNode, ...]:
    if not words.accept("<"):
        return ()
    parts: list[TypeNode] = []
    while not words.accept(">"):
        parts.append(type_at(words))
        if not words.at(">"):
            words.expect(",")
    return tuple(parts)


def _member_name(words: Words) -> str:
    begin = words.position
    while not words.at(":"):
        if words.here.kind not in (NAME, SIGN) or words.at_any((",", ">")):
            raise words.wrong("the name of a member and ':'")
        words.position += 1
    name = spelled(words.tokens[begin : words.position])
    words.position += 1
    return name
