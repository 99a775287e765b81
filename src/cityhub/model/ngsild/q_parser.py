"""Reading the text of a query into its tree.

Beyond the grammar of the clause it takes `!name` (the attribute is not there) and blanks between tokens; see also
`q_paths` and `q_literals`.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from cityhub.model.errors import TooComplexQuery
from cityhub.model.ngsild.q_cursor import MAX_DEPTH, Cursor
from cityhub.model.ngsild.q_literals import read_pattern, read_value
from cityhub.model.ngsild.q_paths import read_path
from cityhub.model.ngsild.q_tree import AllTrue, AnyTrue, Equal, Exists, InRange, Like, Missing, Node, Ordered, Path, Value
from cityhub.model.ngsild.terms import Terms

MAX_LENGTH: Final = 20_000
"""Longest query, in characters."""
_OPERATOR: Final = re.compile(r"!~=|~=|==|!=|>=|<=|>|<")


class Reader:
    """One pass over the text of one query: alternatives of conjunctions of terms."""

    __slots__ = ("_cursor", "_expand_values", "_json_keys", "_terms")

    def __init__(self, text: str, terms: Terms, expand_values: Collection[str], json_keys: Collection[str], where: str) -> None:
        self._cursor = Cursor(text, where)
        self._terms = terms
        self._expand_values = expand_values
        self._json_keys = json_keys

    def read(self) -> Node:
        """The tree of the whole text. Raises BadRequestData, TooComplexQuery."""
        length = len(self._cursor.text)
        if length > MAX_LENGTH:
            raise TooComplexQuery(f"'{self._cursor.where}' has {length} characters; {MAX_LENGTH} are the most")
        node = self._either(0)
        self._cursor.finish("';', '|' or the end")
        return node

    def _either(self, depth: int) -> Node:
        options = [self._both(depth)]
        while self._cursor.take("|"):
            options.append(self._both(depth))
        return _joined(AnyTrue, options)

    def _both(self, depth: int) -> Node:
        terms = [self._term(depth)]
        while self._cursor.take(";"):
            terms.append(self._term(depth))
        return _joined(AllTrue, terms)

    def _term(self, depth: int) -> Node:
        cursor = self._cursor
        if cursor.take("("):
            if depth >= MAX_DEPTH:
                raise TooComplexQuery(f"'{cursor.where}' is nested more than {MAX_DEPTH} levels deep")
            node = self._either(depth + 1)
            if not cursor.take(")"):
                cursor.wrong("')', ';' or '|'")
            return node
        if cursor.take("!"):
            return Missing(self._path())
        return self._comparison(self._path())

    def _comparison(self, path: Path) -> Node:
        self._cursor.blanks()
        found = self._cursor.match(_OPERATOR)
        if found is None:
            return Exists(path)
        sign = found[0]
        if sign in ("~=", "!~="):
            pattern, text = read_pattern(self._cursor)
            return Like(path, pattern, text, negated=sign == "!~=")
        if sign in ("==", "!="):
            return self._equality(path, negated=sign == "!=")
        value = self._value(path)
        if not value.comparable:
            self._cursor.wrong(f"a number, a quoted text, a date or a time after '{sign}'", self._cursor.at - len(value.text))
        return Ordered(path, sign, value)  # type: ignore[arg-type]  # the remaining signs are its four

    def _equality(self, path: Path, *, negated: bool) -> Node:
        values = [self._value(path)]
        if self._cursor.starts(".."):
            self._cursor.at += 2
            high = self._value(path)
            if values[0].kind != high.kind or not high.comparable:
                self._cursor.wrong("the upper end of a range, of the same kind as the lower one", self._cursor.at - len(high.text))
            return InRange(path, values[0], high, negated)
        while self._cursor.take(","):
            values.append(self._value(path))
        return Equal(path, tuple(values), negated)

    def _path(self) -> Path:
        return read_path(self._cursor, self._terms, self._json_keys)

    def _value(self, path: Path) -> Value:
        return read_value(self._cursor, self._terms, path, self._expand_values)


def _joined(join: type[AllTrue | AnyTrue], nodes: list[Node]) -> Node:
    """One node, or the join of several; joins of the same sort are made one."""
    if len(nodes) == 1:
        return nodes[0]
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.terms if isinstance(node, join) else (node,))
    return join(tuple(flat))
