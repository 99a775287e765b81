"""The text of $filter and $orderby as a tree.

Source: OGC 18-088, 9.3.3.5 (built-in operators and functions); OASIS OData 4.0 ABNF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from cityhub.model.errors import BadRequestData

MAX_LENGTH: Final = 8_000
"""Characters of one expression."""
MAX_DEPTH: Final = 60
"""How deep parentheses and calls may nest."""
MAX_PARTS: Final = 500
"""Words, numbers and signs in one expression."""


class Expression(msgspec.Struct, frozen=True):
    """A part of an expression."""


class Literal(Expression, frozen=True):
    """A value. `kind`: "null", "boolean", "number", "text", "time" (also dates and intervals), "clock", "duration", "geography"."""

    value: Any
    kind: str


class Path(Expression, frozen=True):
    """A property, through links where there are some: ("Datastream", "Thing", "name")."""

    parts: tuple[str, ...]


class Call(Expression, frozen=True):
    """A function, or an operator ("eq", "and", "not", "neg", "add") with its operands."""

    name: str
    arguments: tuple[Expression, ...]


_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<special>(?:geography|duration)'(?:[^']|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+ -]\d\d:?\d\d)?)?
        (?:/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?)
    | (?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<word>[@$A-Za-z_\u0080-\uffff][\w.@]*(?:/[@$A-Za-z_\u0080-\uffff][\w.@-]*)*)
    | (?P<sign>[(),-])
    )""",
    re.VERBOSE,
)
_LEVELS: Final = (("or",), ("and",), ("eq", "ne"), ("gt", "ge", "lt", "le", "in"), ("add", "sub"), ("mul", "div", "mod"))
OPERATORS: Final = frozenset(word for level in _LEVELS for word in level)
FUNCTIONS: Final[dict[str, tuple[int, ...]]] = {
    "substringof": (2,), "endswith": (2,), "startswith": (2,), "contains": (2,), "length": (1,), "indexof": (2,), "substring": (2, 3),
    "tolower": (1,), "toupper": (1,), "trim": (1,), "concat": (2,),
    "year": (1,), "month": (1,), "day": (1,), "hour": (1,), "minute": (1,), "second": (1,), "fractionalseconds": (1,), "date": (1,),
    "time": (1,), "totaloffsetminutes": (1,), "now": (0,), "mindatetime": (0,), "maxdatetime": (0,),
    "round": (1,), "floor": (1,), "ceiling": (1,),
    "geo.distance": (2,), "geo.length": (1,), "geo.intersects": (2,),
    "st_equals": (2,), "st_disjoint": (2,), "st_touches": (2,), "st_within": (2,), "st_overlaps": (2,), "st_crosses": (2,),
    "st_intersects": (2,), "st_contains": (2,), "st_relate": (3,),
}  # fmt: skip
"""How many arguments each function takes."""


def parse(text: str, now: str) -> Expression:
    """The tree of an expression; now() is a time already. Raises BadRequestData with the place of what is wrong."""
    return _Parser(text, "$filter", now).whole()


def parse_order(text: str, now: str) -> list[tuple[Expression, bool]]:
    """The expressions of $orderby, each with whether it is descending. Raises BadRequestData."""
    return _Parser(text, "$orderby", now).order()


def paths_in(expression: Expression) -> Iterator[Path]:
    """All paths in an expression."""
    if isinstance(expression, Path):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from paths_in(argument)


def conjuncts(expression: Expression | None) -> list[Expression]:
    """The parts that must all hold for the expression to hold."""
    if isinstance(expression, Call) and expression.name == "and":
        return [part for argument in expression.arguments for part in conjuncts(argument)]
    return [] if expression is None else [expression]


class _Parser:
    def __init__(self, text: str, option: str, now: str) -> None:
        self._option = option
        self._now = now
        if len(text) > MAX_LENGTH:
            raise BadRequestData(f"'{option}' may have at most {MAX_LENGTH} characters; it has {len(text)}")
        self._tokens = _tokens(text, option)
        self._at = 0
        self._depth = 0

    def whole(self) -> Expression:
        found = self._level(0)
        self._end()
        return found

    def order(self) -> list[tuple[Expression, bool]]:
        found: list[tuple[Expression, bool]] = []
        while True:
            expression = self._level(0)
            kind, word = self._peek()
            descending = kind == "word" and word == "desc"
            if kind == "word" and word in ("asc", "desc"):
                self._at += 1
            found.append((expression, descending))
            if self._peek() != ("sign", ","):
                self._end()
                return found
            self._at += 1

    def _end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong("an operator (eq, ne, gt, ge, lt, le, and, or, ...) or the end")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "the end")

    def _wrong(self, right: str) -> BadRequestData:
        return BadRequestData(f"'{self._option}': {right} was expected instead of '{self._peek()[1][:50]}' (word {self._at + 1})")

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        found = self._level(level + 1)
        while self._peek()[0] == "word" and self._peek()[1] in _LEVELS[level]:
            name = self._peek()[1]
            self._at += 1
            if name == "in":
                found = Call("in", (found, *self._arguments()))
            else:
                found = Call(name, (found, self._level(level + 1)))
        return found

    def _unary(self) -> Expression:
        kind, word = self._peek()
        if (kind, word) in (("word", "not"), ("sign", "-")):
            self._at += 1
            return Call("not" if word == "not" else "neg", (self._deeper(self._unary),))
        return self._primary()

    def _deeper(self, read: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadRequestData(f"'{self._option}' may nest at most {MAX_DEPTH} deep")
        found = read()
        self._depth -= 1
        return found

    def _primary(self) -> Expression:
        kind, word = self._peek()
        if (kind, word) == ("sign", "("):
            self._at += 1
            inner: Expression = self._deeper(lambda: self._level(0))
            self._expect(")")
            return inner
        if kind == "word":
            return self._word(word)
        if kind in ("sign", "end"):
            raise self._wrong("a value, a property or a function")
        self._at += 1
        return _literal(kind, word, self._option)

    def _word(self, word: str) -> Expression:
        if word in OPERATORS:
            raise self._wrong("a value, a property or a function")
        self._at += 1
        if word in ("true", "false"):
            return Literal(word == "true", "boolean")
        if word == "null":
            return Literal(None, "null")
        if self._peek() == ("sign", "("):
            return self._call(word)
        return Path(tuple(word.split("/")))

    def _call(self, name: str) -> Expression:
        if name not in FUNCTIONS:
            self._at -= 1
            raise self._wrong(f"a function that is known ({', '.join(FUNCTIONS)})")
        arguments = self._arguments()
        if len(arguments) not in FUNCTIONS[name]:
            wanted = " or ".join(map(str, FUNCTIONS[name]))
            raise BadRequestData(f"'{self._option}': {name} takes {wanted} arguments, not {len(arguments)}")
        return Literal(self._now, "time") if name == "now" else Call(name, tuple(arguments))

    def _arguments(self) -> list[Expression]:
        self._expect("(")
        found: list[Expression] = []
        while self._peek() != ("sign", ")"):
            if found:
                self._expect(",")
            found.append(self._deeper(lambda: self._level(0)))
        self._at += 1
        return found

    def _expect(self, sign: str) -> None:
        if self._peek() != ("sign", sign):
            raise self._wrong(f"'{sign}'")
        self._at += 1


def _tokens(text: str, option: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadRequestData(f"'{option}' cannot be read at character {at + 1}: '{text[at : at + 30]}'. Texts stand in single quotes")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
        if len(found) > MAX_PARTS:
            raise BadRequestData(f"'{option}' may have at most {MAX_PARTS} words")
    return found


def _literal(kind: str, word: str, option: str) -> Literal:
    if kind == "number":
        number = float(word)
        return Literal(int(word) if word.isdigit() and len(word) < 16 else number, "number")
    if kind == "text":
        return Literal(word[1:-1].replace("''", "'"), "text")
    if kind == "special":
        name, _, rest = word.partition("'")
        return Literal(rest[:-1].replace("''", "'"), name)
    return Literal(word.replace(" ", "+"), kind)
