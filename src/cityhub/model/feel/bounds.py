"""What an evaluation may cost: every door of the language has a bound."""

from __future__ import annotations

from typing import Final

MAX_TEXT: Final = 20_000
"""Characters of an expression."""
MAX_NESTING: Final = 60
"""Expressions within expressions; also the length of an unbroken chain of one operator is bounded by MAX_DEPTH."""
MAX_DEPTH: Final = 200
"""Height of the tree that is made of an expression."""
MAX_CALLS: Final = 60
"""Functions that have been called and have not answered yet."""
MAX_STEPS: Final = 200_000
"""Steps of an evaluation: a turn of a loop, half a call, an item that is made or looked at, 64 characters."""
MAX_STRING: Final = 1_000_000
"""Characters of a text that an evaluation makes."""
MAX_LIST: Final = 100_000
"""Items of a list that an evaluation makes."""
MAX_VALUE_DEPTH: Final = 100
"""Lists and contexts within each other that are written as JSON."""
MAX_PATTERN: Final = 1_000
"""Characters of a regular expression."""


class Exceeded(Exception):
    """An evaluation went beyond a bound; it is abandoned as a whole and its value is null."""
