"""From text to tree: the grammar of FEEL, by the binding power of its operators.

Source: OMG DMN 1.5, 10.3.1.2, with the forms of 1.3 and 1.4.
"""

from __future__ import annotations

from typing import Final

from cityhub.model.feel.errors import FeelSyntaxError
from cityhub.model.feel.lexer import END, NAME, NUMBER, SIGN
from cityhub.model.feel.names import KEYWORDS, joined, spelled
from cityhub.model.feel.nodes import (
    Arithmetic,
    Between,
    Call,
    Comparison,
    Conjunction,
    Disjunction,
    Filter,
    In,
    InstanceOf,
    Negation,
    Node,
    Path,
    UnaryComparison,
    UnaryTests,
)
from cityhub.model.feel.phrases import phrase
from cityhub.model.feel.primaries import primary
from cityhub.model.feel.type_grammar import type_at
from cityhub.model.feel.words import Words

_OR, _AND, _COMPARE, _ADD, _MULTIPLY, _POWER = 1, 2, 3, 4, 5, 6
_POWERS: Final = {"+": _ADD, "-": _ADD, "*": _MULTIPLY, "/": _MULTIPLY, "**": _POWER}
_COMPARISONS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})


def expression_of(words: Words) -> Node:
    """The expression that the whole text is."""
    node = expression(words)
    if words.here.kind != END:
        raise words.wrong("an operator or the end")
    return node


def unary_tests_of(words: Words) -> UnaryTests:
    """The unary tests that the whole text is: `-`, `not(...)`, or tests with commas between."""
    if words.at("-") and words.ahead().kind == END:
        return UnaryTests((), False)
    if words.at_word("not") and words.ahead().text == "(":
        begin = words.position
        words.position += 2
        tests = _tests(words)
        words.expect(")")
        if words.here.kind == END:
            return UnaryTests(tests, True)
        words.position = begin
    tests = _tests(words)
    if words.here.kind != END:
        raise words.wrong("',' or the end")
    return UnaryTests(tests, False)


def expression(words: Words, power: int = 0) -> Node:
    """The expression that begins here, of operators that bind at least as strongly as `power`."""
    words.deeper()
    left = phrase(words, expression) or _operators(words, _prefix(words), power)
    words.nesting -= 1
    return left


def _operators(words: Words, left: Node, power: int) -> Node:
    while True:
        token = words.here
        if token.kind == SIGN and token.text in _POWERS and _POWERS[token.text] > power:
            words.take()
            left = Arithmetic(token.text, left, expression(words, _POWERS[token.text]))
        elif token.kind == SIGN and token.text in _COMPARISONS and power < _COMPARE:
            words.take()
            left = Comparison(token.text, left, expression(words, _COMPARE))
        elif token.kind == NAME and token.text in KEYWORDS:
            further = _keyword(words, left, power)
            if further is None:
                return left
            left = further
        else:
            return left


def _keyword(words: Words, left: Node, power: int) -> Node | None:
    word = words.here.text
    if word == "and" and power < _AND:
        return Conjunction(_chain(words, left, word, _AND))
    if word == "or" and power < _OR:
        return Disjunction(_chain(words, left, word, _OR))
    if power >= _COMPARE or word not in ("between", "in", "instance"):
        return None
    words.take()
    if word == "between":
        low = expression(words, _COMPARE)
        words.expect_word("and")
        return Between(left, low, expression(words, _COMPARE))
    if word == "in":
        return In(left, _in_tests(words))
    words.expect_word("of")
    return InstanceOf(left, type_at(words))


def _chain(words: Words, first: Node, word: str, power: int) -> tuple[Node, ...]:
    operands = [first]
    while words.at_word(word):
        words.take()
        operands.append(expression(words, power))
    return tuple(operands)


def _in_tests(words: Words) -> tuple[Node, ...]:
    if words.at("("):
        begin = words.position
        words.take()
        try:
            tests = _tests(words)
            words.expect(")")
            if not words.at_any((".", "[", "+", "-", "*", "/", "**", "(")):
                return tests
        except FeelSyntaxError:
            pass
        words.position = begin
    return (expression(words, _COMPARE),)


def _tests(words: Words) -> tuple[Node, ...]:
    nesting = words.nesting
    tests = [expression(words)]
    while words.accept(","):
        tests.append(expression(words))
    words.nesting = nesting
    return tuple(tests)


def _prefix(words: Words) -> Node:
    if words.at("-"):
        words.take()
        words.deeper()
        node: Node = Negation(_prefix(words))
        words.nesting -= 1
        return node
    if words.at_any(_COMPARISONS):
        operator = words.take().text
        return UnaryComparison(operator, expression(words, _COMPARE))
    return _postfix(words, primary(words, expression))


def _postfix(words: Words, node: Node) -> Node:
    while words.here.kind == SIGN:
        if words.at("."):
            words.take()
            node = Path(node, _member(words))
        elif words.at("["):
            filtered = _filter(words, node)
            if filtered is None:
                return node
            node = filtered
        elif words.at("("):
            node = _call(words, node)
        else:
            return node
    return node


def _filter(words: Words, source: Node) -> Node | None:
    """`source[...]`, or none where the bracket is the open end of an interval: `]1..5[`."""
    begin, nesting = words.position, words.nesting
    words.take()
    words.names.enter(("item",))
    try:
        condition = expression(words)
        words.expect("]")
        return Filter(source, condition)
    except FeelSyntaxError:
        if not words.open_interval:
            raise
        words.position, words.nesting = begin, nesting
        return None
    finally:
        words.names.leave()


def _member(words: Words) -> str:
    if words.here.kind != NAME:
        raise words.wrong("the name of a member")
    name, end = words.members.longest(words.tokens, words.position)
    plain, plain_end = joined(words.tokens, words.position)
    name, words.position = (plain, plain_end) if plain_end > end else (name, end)
    return name


def _call(words: Words, function: Node) -> Node:
    words.take()
    if words.accept(")"):
        return Call(function, ())
    names: list[str] = []
    arguments: list[Node] = []
    while True:
        name = _argument_name(words)
        if bool(name) != (len(names) == len(arguments)) and arguments:
            raise words.wrong("arguments that all have a name, or none")
        if name:
            names.append(name)
        arguments.append(expression(words))
        if words.accept(")"):
            break
        words.expect(",")
    if names and len(names) != len(arguments):
        raise words.wrong("arguments that all have a name, or none")
    return Call(function, tuple(arguments), tuple(names))


def _argument_name(words: Words) -> str:
    end = words.position
    while words.tokens[end].kind in (NAME, NUMBER) or (end > words.position and words.tokens[end].text in ("'", "-", "+", "*", "/")):
        end += 1
    if end == words.position or words.tokens[end].text != ":" or words.tokens[end].kind != SIGN:
        return ""
    name = spelled(words.tokens[words.position : end])
    words.position = end + 1
    return name
