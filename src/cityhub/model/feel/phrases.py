"""Expressions that begin with a word of their own: if, for, some, every, function."""

from __future__ import annotations

from collections.abc import Callable

from cityhub.model.feel.lexer import NAME, SIGN
from cityhub.model.feel.names import joined, spelled
from cityhub.model.feel.nodes import For, FunctionLiteral, If, Iteration, Literal, Node, Parameter, Quantified, TypeNode
from cityhub.model.feel.type_grammar import type_at
from cityhub.model.feel.words import Words

Inner = Callable[[Words], Node]


def phrase(words: Words, inner: Inner) -> Node | None:
    """The phrase that begins here, or none; `inner` reads an expression in it."""
    token, ahead = words.here, words.ahead()
    if token.kind != NAME:
        return None
    if token.text == "if":
        return _if(words, inner)
    if token.text == "for" and ahead.kind == NAME:
        return _for(words, inner)
    if token.text in ("some", "every") and ahead.kind == NAME:
        return _quantified(words, inner)
    if token.text == "function" and ahead.kind == SIGN and ahead.text == "(":
        return _function(words, inner)
    return None


def _if(words: Words, inner: Inner) -> Node:
    words.take()
    condition = inner(words)
    words.expect_word("then")
    yes = inner(words)
    words.expect_word("else")
    return If(condition, yes, inner(words))


def _for(words: Words, inner: Inner) -> Node:
    words.take()
    words.names.enter(("partial",))
    iterations = _iterations(words, inner, "return")
    body = inner(words)
    words.names.leave()
    return For(iterations, body)


def _quantified(words: Words, inner: Inner) -> Node:
    every = words.take().text == "every"
    words.names.enter()
    iterations = _iterations(words, inner, "satisfies")
    body = inner(words)
    words.names.leave()
    return Quantified(every, iterations, body)


def _iterations(words: Words, inner: Inner, last: str) -> tuple[Iteration, ...]:
    iterations: list[Iteration] = []
    while True:
        name, words.position = joined(words.tokens, words.position)
        type_node = _type(words)
        words.expect_word("in")
        source = inner(words)
        end = inner(words) if words.accept("..") else None
        iterations.append(Iteration(name, source, end, type_node))
        words.names.declare(name)
        if not words.accept(","):
            break
    words.expect_word(last)
    return tuple(iterations)


def _function(words: Words, inner: Inner) -> Node:
    words.position += 2
    parameters: list[Parameter] = []
    while not words.accept(")"):
        begin = words.position
        while words.here.kind == NAME or (words.here.kind == SIGN and not words.at_any((":", ",", ")"))):
            words.take()
        if begin == words.position:
            raise words.wrong("the name of a parameter")
        parameters.append(Parameter(spelled(words.tokens[begin : words.position]), _type(words)))
        if not words.at(")"):
            words.expect(",")
    words.names.enter(parameter.name for parameter in parameters)
    external = words.at_word("external")
    if external:
        words.take()
    body = inner(words)
    words.names.leave()
    return FunctionLiteral(tuple(parameters), Literal(None) if external else body, external)


def _type(words: Words) -> TypeNode | None:
    return type_at(words) if words.accept(":") else None
