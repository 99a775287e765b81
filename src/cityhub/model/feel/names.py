"""Names with spaces and signs in them: which words of a text make one name."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from cityhub.model.feel.errors import FeelSyntaxError
from cityhub.model.feel.lexer import NAME, Token, tokens_of

KEYWORDS: Final = frozenset({"and", "or", "between", "in", "instance", "then", "else", "return", "satisfies"})
"""Words that end a name whose parts nobody declared."""
LITERALS: Final = frozenset({"true", "false", "null", "if", "for", "some", "every"})
"""Words that are no names where an expression begins."""


class Names:
    """The names that are known where the text is read, in scopes that come and go."""

    def __init__(self, names: Collection[str] = ()) -> None:
        self._scopes: list[dict[str, list[tuple[tuple[str, ...], str]]]] = []
        self.enter(names)

    def enter(self, names: Iterable[str] = ()) -> None:
        """Opens a scope within those that are open."""
        self._scopes.append({})
        for name in names:
            self.declare(name)

    def leave(self) -> None:
        """Closes the scope that was opened last."""
        self._scopes.pop()

    def declare(self, name: str) -> None:
        """Makes a name known in the innermost scope; a name that has characters of no word is reached by `get value` only."""
        try:
            words = tuple(token.text for token in tokens_of(name)[:-1])
        except FeelSyntaxError:
            return
        if words:
            self._scopes[-1].setdefault(words[0], []).append((words, name))

    def longest(self, tokens: list[Token], position: int) -> tuple[str, int]:
        """The longest known name that begins at a word, and the word behind it; ("", position) without one."""
        name, end = "", position
        first = tokens[position].text
        for scope in self._scopes:
            for words, known in scope.get(first, ()):
                stop = position + len(words)
                if stop > end and stop < len(tokens) and all(t.text == w for t, w in zip(tokens[position:stop], words, strict=True)):
                    name, end = known, stop
        return name, end


def joined(tokens: list[Token], position: int, stop: frozenset[str] = KEYWORDS) -> tuple[str, int]:
    """The name that adjacent words make, one space between them, and the word behind it.

    >>> joined(tokens_of("rain  amount * 2"), 0)
    ('rain amount', 2)
    """
    end = position + 1
    while tokens[end].kind == NAME and tokens[end].text not in stop:
        end += 1
    return " ".join(token.text for token in tokens[position:end]), end


def spelled(tokens: list[Token]) -> str:
    """The name that words make with the spaces that are written between them, each run of them one space."""
    parts: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.end < token.start:
            parts.append(" ")
        parts.append(token.text)
    return "".join(parts)
