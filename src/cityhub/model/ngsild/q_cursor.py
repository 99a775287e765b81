"""A place in the text of a query."""

from __future__ import annotations

import re
from typing import Final, NoReturn, cast

from cityhub.model.errors import BadRequestData

MAX_DEPTH: Final = 64
"""How deep parentheses, braces and paths may be nested."""
_BLANKS: Final = re.compile(r"[ \t]*")


class Cursor:
    """Reads a text from left to right; blanks between tokens do not count.

    Attributes:
        text: The whole text.
        where: What to call the text in messages.
        at: How many characters were read.
    """

    __slots__ = ("at", "text", "where")

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self.at = 0

    def blanks(self) -> None:
        """Goes on to the next token."""
        self.at = cast("re.Match[str]", _BLANKS.match(self.text, self.at)).end()

    def take(self, sign: str) -> bool:
        """Whether the next token is this sign, which is then read."""
        self.blanks()
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def starts(self, sign: str) -> bool:
        """Whether this sign comes next, at once."""
        return self.text.startswith(sign, self.at)

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What comes next, at once, if it follows the pattern; it is then read."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def finish(self, expected: str) -> None:
        """Raises BadRequestData unless everything was read."""
        self.blanks()
        if self.at < len(self.text):
            self.wrong(expected)

    def wrong(self, expected: str, at: int | None = None) -> NoReturn:
        """Raises BadRequestData: what stands here (or at another place) is not what is expected."""
        at = self.at if at is None else at
        rest = self.text[at : at + 20]
        found = f"found {rest!r}" if rest else "the text ends"
        raise BadRequestData(f"'{self.where}' is wrong at character {at + 1}: expected {expected}; {found}")
