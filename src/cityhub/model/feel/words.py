"""The words of a text one after the other, and what is right where another one stands."""

from __future__ import annotations

from collections.abc import Collection

from cityhub.model.feel.bounds import MAX_NESTING, MAX_TEXT
from cityhub.model.feel.errors import FeelSyntaxError
from cityhub.model.feel.lexer import END, NAME, SIGN, Token, tokens_of
from cityhub.model.feel.names import Names


class Words:
    """A place in the words of a text.

    Attributes:
        names: The variables that are known there.
        members: The members of contexts that are known there.
        open_interval: How many intervals are being read whose end may be a "[".
    """

    def __init__(self, text: str, names: Names, members: Names) -> None:
        if len(text) > MAX_TEXT:
            raise FeelSyntaxError(text[:MAX_TEXT], MAX_TEXT, f"an expression has at most {MAX_TEXT} characters")
        self.text = text
        self.tokens = tokens_of(text)
        self.position = 0
        self.nesting = 0
        self.open_interval = 0
        self.names = names
        self.members = members

    @property
    def here(self) -> Token:
        """The word at this place."""
        return self.tokens[self.position]

    def ahead(self, words: int = 1) -> Token:
        """The word some words further, or the end."""
        return self.tokens[min(self.position + words, len(self.tokens) - 1)]

    def at(self, sign: str) -> bool:
        """Whether a sign stands here."""
        token = self.tokens[self.position]
        return token.kind == SIGN and token.text == sign

    def at_any(self, signs: Collection[str]) -> bool:
        """Whether one of the signs stands here."""
        token = self.tokens[self.position]
        return token.kind == SIGN and token.text in signs

    def at_word(self, word: str) -> bool:
        """Whether a keyword stands here."""
        token = self.tokens[self.position]
        return token.kind == NAME and token.text == word

    def take(self) -> Token:
        """The word at this place; the place moves behind it."""
        token = self.tokens[self.position]
        if token.kind != END:
            self.position += 1
        return token

    def accept(self, sign: str) -> bool:
        """Whether a sign stands here; if so the place moves behind it."""
        if self.at(sign):
            self.position += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        """Moves behind a sign that must stand here."""
        if not self.accept(sign):
            raise self.wrong(f"'{sign}'")

    def expect_word(self, word: str) -> None:
        """Moves behind a keyword that must stand here."""
        if not self.at_word(word):
            raise self.wrong(f"'{word}'")
        self.position += 1

    def wrong(self, right: str) -> FeelSyntaxError:
        """The error that something else stands here than what would be right."""
        token = self.here
        found = "the expression ends" if token.kind == END else f"here is '{self.text[token.start : token.end][:40]}'"
        return FeelSyntaxError(self.text, token.start, f"{found}; right would be {right}")

    def deeper(self) -> None:
        """Goes one expression deeper."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise FeelSyntaxError(self.text, self.here.start, f"at most {MAX_NESTING} expressions stand within each other")
