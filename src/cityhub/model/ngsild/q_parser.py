"""Reading the text of a query into its tree.

Beyond the grammar of the clause it takes `!name` (the attribute is not there), values without quotes where they are
words or URIs, blanks between tokens, and names that are IRIs or percent-encoded.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, NoReturn, cast
from urllib.parse import unquote

from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.ngsild.q_tree import (
    ENTITY_MEMBERS,
    INSTANCE_MEMBERS,
    AllTrue,
    AnyTrue,
    Equal,
    Exists,
    Hop,
    InRange,
    Kind,
    Like,
    Missing,
    Node,
    Ordered,
    Path,
    Value,
)
from cityhub.model.ngsild.q_values import date_of, moment_of, time_of
from cityhub.model.ngsild.terms import Terms

MAX_LENGTH: Final = 20_000
"""Longest query, in characters."""
MAX_DEPTH: Final = 64
"""How deep parentheses, braces and paths may be nested."""

_BLANKS: Final = re.compile(r"[ \t]*")
_IRI_NAME: Final = re.compile(r"""(?:https?://|urn:)[^\s=!<>~;|(){}\[\],"]+""")
_NAME: Final = re.compile(r"(?:[^\W\d_]|%[0-9A-Fa-f]{2})(?:[\w\-]|%[0-9A-Fa-f]{2})*(?::[^\W\d_][\w\-]*)?")
_PLAIN_NAME: Final = re.compile(r"[^\W\d_][\w\-]*")
_TYPE_HINT: Final = re.compile(r"\s*([^\W\d_][\w\-]*(?:,[^\W\d_][\w\-]*)*):")
_MEMBERS: Final = re.compile(r"""[^\[\](){};|"]+""")
_OPERATOR: Final = re.compile(r"!~=|~=|==|!=|>=|<=|>|<")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?=\.\.|[;|,)\s]|$)", re.ASCII)
_BARE: Final = re.compile(r"""(?:(?!\.\.)[^\s;|,()"<>=!~{}\[\]\\^`]|=(?![=]))+""")
_DECIMAL_COMMA: Final = re.compile(r"(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d,\d{1,9}(?:Z|[+\-]\d\d:?\d\d)", re.ASCII)
_WORD: Final = re.compile(r"[\w.+\-@%$*&']+")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_TYPED: Final = frozenset({"objectType", "valueType"})  # members of an instance whose values are IRIs


class Reader:
    """One pass over the text of one query."""

    def __init__(self, text: str, terms: Terms, expand_values: frozenset[str], json_keys: frozenset[str], where: str) -> None:
        self.text = text
        self.terms = terms
        self.expand_values = expand_values
        self.json_keys = json_keys
        self.where = where
        self.at = 0

    def read(self) -> Node:
        """The tree of the whole text. Raises BadRequestData, TooComplexQuery."""
        if len(self.text) > MAX_LENGTH:
            raise TooComplexQuery(f"'{self.where}' has {len(self.text)} characters; {MAX_LENGTH} are the most")
        node = self._either(0)
        self._blanks()
        if self.at < len(self.text):
            self._wrong("';', '|' or the end")
        return node

    def read_path(self) -> Path:
        """The attribute path that is the whole text. Raises BadRequestData, TooComplexQuery."""
        path = self._path()
        self._blanks()
        if self.at < len(self.text):
            self._wrong("the end of a name or path")
        return path

    # structure: either -> both -> term

    def _either(self, depth: int) -> Node:
        options = [self._both(depth)]
        while self._take("|"):
            options.append(self._both(depth))
        return _joined(AnyTrue, options)

    def _both(self, depth: int) -> Node:
        terms = [self._term(depth)]
        while self._take(";"):
            terms.append(self._term(depth))
        return _joined(AllTrue, terms)

    def _term(self, depth: int) -> Node:
        if self._take("("):
            if depth >= MAX_DEPTH:
                raise TooComplexQuery(f"'{self.where}' is nested more than {MAX_DEPTH} levels deep")
            node = self._either(depth + 1)
            if not self._take(")"):
                self._wrong("')', ';' or '|'")
            return node
        if self._take("!"):
            return Missing(self._path())
        return self._comparison(self._path())

    # attribute paths

    def _path(self) -> Path:
        hops: list[Hop] = []
        types: tuple[str, ...] = ()
        words = [self._name(inside=False)]
        while self._take("{"):
            if len(hops) >= MAX_DEPTH:
                raise TooComplexQuery(f"'{self.where}' follows more than {MAX_DEPTH} relationships")
            types = self._type_hint()
            hops.append(Hop(words[0], self.terms.expand(words[0]), types))
            words = [self._name(inside=True)]
        while self.text.startswith(".", self.at) and not self.text.startswith("..", self.at):
            self.at += 1
            words.append(self._name(inside=bool(hops)))
            if len(words) > MAX_DEPTH:
                raise TooComplexQuery(f"'{self.where}' has a path of more than {MAX_DEPTH} names")
        members = self._members()
        for _ in hops:
            if not self._take("}"):
                self._wrong("'}'")
        raw = words[0] in self.json_keys
        return Path(
            words=tuple(words),
            names=tuple(self._expanded(word, place) for place, word in enumerate(words)),
            members=members,
            member_names=members if raw else tuple(self._member_name(member) for member in members),
            hops=tuple(hops),
        )

    def _expanded(self, word: str, place: int) -> str:
        if word in (INSTANCE_MEMBERS if place else ENTITY_MEMBERS):
            return word
        return self.terms.expand(word)

    def _member_name(self, member: str) -> str:
        if member in ("id", "type", "@id", "@type"):
            return member.removeprefix("@")
        return self.terms.expand(member) if _PLAIN_NAME.fullmatch(member) else member

    def _name(self, *, inside: bool) -> str:
        self._blanks()
        found = (None if inside else _IRI_NAME.match(self.text, self.at)) or (_PLAIN_NAME if inside else _NAME).match(
            self.text, self.at
        )
        if found is None:
            self._wrong("the name of an attribute")
        self.at = found.end()
        return unquote(found[0]) if "%" in found[0] else found[0]

    def _type_hint(self) -> tuple[str, ...]:
        """The types before a ':' inside braces; none where there is no hint."""
        found = _TYPE_HINT.match(self.text, self.at)
        if found is None:
            return ()
        self.at = found.end()
        return tuple(self.terms.expand(name) for name in found[1].split(","))

    def _members(self) -> tuple[str, ...]:
        if not self._take("["):
            return ()
        found = _MEMBERS.match(self.text, self.at)
        if found is None:
            self._wrong("the name of a member")
        self.at = found.end()
        if not self._take("]"):
            self._wrong("']'")
        members = tuple(found[0].split("."))
        if not all(members) or len(members) > MAX_DEPTH:
            self.at = found.start()
            self._wrong("names of members, separated by '.'")
        return members

    # comparisons

    def _comparison(self, path: Path) -> Node:
        self._blanks()
        found = _OPERATOR.match(self.text, self.at)
        if found is None:
            return Exists(path)
        self.at = found.end()
        sign = found[0]
        if sign in ("~=", "!~="):
            pattern, text = self._pattern()
            return Like(path, pattern, text, negated=sign == "!~=")
        if sign in ("==", "!="):
            return self._equality(path, negated=sign == "!=")
        value = self._value(path)
        if value.kind in ("bare", "boolean"):
            self.at -= len(value.text)
            self._wrong(f"a number, a quoted text, a date or a time after '{sign}'")
        return Ordered(path, sign, value)  # type: ignore[arg-type]  # the remaining signs are its four

    def _equality(self, path: Path, *, negated: bool) -> Node:
        values = [self._value(path)]
        if self.text.startswith("..", self.at):
            self.at += 2
            high = self._value(path)
            if _family(values[0]) != _family(high) or _family(high) is None:
                self.at -= len(high.text)
                self._wrong("the upper end of a range, of the same kind as the lower one")
            return InRange(path, values[0], high, negated)
        while self._take(","):
            values.append(self._value(path))
        return Equal(path, tuple(values), negated)

    def _value(self, path: Path) -> Value:
        self._blanks()
        if self.text.startswith('"', self.at):
            return self._quoted(path)
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            return self._number(number[0])
        found = _DECIMAL_COMMA.match(self.text, self.at) or _BARE.match(self.text, self.at)
        text = found[0] if found else ""
        value = _bare_value(text)
        if value is None:
            self._wrong("a value: a number, a quoted text, a date, a time, true, false or a URI")
        self.at += len(text)
        return self._with_forms(path, value)

    def _quoted(self, path: Path) -> Value:
        found = _STRING.match(self.text, self.at)
        if found is None:
            self._wrong("a quoted text that ends with '\"'")
        try:
            text = json.loads(found[0], strict=False)
            text.encode()
        except ValueError:
            self._wrong("a quoted text as JSON writes it")
        self.at = found.end()
        return self._with_forms(path, Value("text", text, found[0]))

    def _number(self, text: str) -> Value:
        whole = text.lstrip("-").isdigit()
        number: float = int(text) if whole and len(text) <= 400 else float(text)
        if not math.isfinite(number) or abs(number) > 1.7e308:
            self._wrong("a number that fits into 64-bit floating point")
        self.at += len(text)
        return Value("number", number, text)

    def _with_forms(self, path: Path, value: Value) -> Value:
        """The value with the texts that it stands for."""
        if value.kind in ("number", "boolean"):
            return value
        forms: tuple[str, ...] = (value.text if value.kind == "moment" else value.value,)
        if value.kind in ("text", "bare") and value.value:
            if path.words[0] in self.expand_values or path.names[-1] in _TYPED or path.names == ("type",):
                forms = (self.terms.expand(value.value),)
            elif path.members and path.members[-1] in ("type", "@type"):
                forms = (value.value, self.terms.expand(value.value))
        return Value(value.kind, value.value, value.text, forms)

    def _pattern(self) -> tuple[str, str]:
        """A pattern and how it was written: in quotes (only the quote is escaped), or up to the end of the term."""
        self._blanks()
        found = _STRING.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            return found[0][1:-1].replace('\\"', '"'), found[0]
        start = self.at
        self.at = _pattern_end(self.text, start)
        if self.at == start or self.text[start] == '"':
            self.at = start
            self._wrong("a pattern")
        return self.text[start : self.at], self.text[start : self.at]

    # tokens

    def _blanks(self) -> None:
        self.at = cast("re.Match[str]", _BLANKS.match(self.text, self.at)).end()

    def _take(self, sign: str) -> bool:
        self._blanks()
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def _wrong(self, expected: str) -> NoReturn:
        rest = self.text[self.at : self.at + 20]
        found = f"found {rest!r}" if rest else "the text ends"
        raise BadRequestData(f"'{self.where}' is wrong at character {self.at + 1}: expected {expected}; {found}")


def _joined(join: type[AllTrue | AnyTrue], nodes: list[Node]) -> Node:
    """One node, or the join of several; joins of the same sort are made one."""
    if len(nodes) == 1:
        return nodes[0]
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.terms if isinstance(node, join) else (node,))
    return join(tuple(flat))


def _family(value: Value) -> Kind | None:
    """Values of one family can be the two ends of a range."""
    return None if value.kind in ("bare", "boolean") else value.kind


def _bare_value(text: str) -> Value | None:
    """What a value without quotes is; None for what it cannot be."""
    if text in ("true", "false"):
        return Value("boolean", text == "true", text)
    for kind, read in (("moment", moment_of), ("date", date_of), ("time", time_of)):
        form = read(text)
        if form is not None:
            return Value(cast("Kind", kind), form, text)
    if _WORD.fullmatch(text) or _URI.fullmatch(text):
        return Value("bare", text, text)
    return None


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
