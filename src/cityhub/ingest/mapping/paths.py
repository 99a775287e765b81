"""Plain paths, texts and their sums: what is needed of FEEL until `cityhub.model.feel` is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from cityhub.model.errors import BadRequestData

_STEP: Final = re.compile(r"\s*(?:\.\s*)?([^\W\d]\w*)|\s*\[\s*(-?\d+)\s*\]")
_PART: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|[^+"]+?)\s*(?:\+|$)')


class Expression:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = [_part(found.group(1)) for found in _PART.finditer(text) if found.group(1).strip()]
        if not self._parts:
            raise BadRequestData(f"'{text}' is not an expression")

    def __call__(self, context: Mapping[str, Any]) -> Any:
        if len(self._parts) == 1:
            return self._parts[0](context)
        values = [part(context) for part in self._parts]
        try:
            return "".join(values) if all(type(value) is str for value in values) else sum(values)
        except TypeError:
            return None

    def evaluate(self, context: Mapping[str, Any]) -> tuple[Any, list[str]]:
        return self(context), []


def compile_expression(text: str, names: Collection[str] = ()) -> Expression:
    """An expression of a text. Raises BadRequestData."""
    return Expression(text)


def _part(text: str) -> Callable[[Mapping[str, Any]], Any]:
    if text[0] == '"':
        literal = text[1:-1]
        return lambda context: literal
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        value = float(text)
        return lambda context: value
    steps: list[str | int] = []
    end = 0
    while end < len(text) and (found := _STEP.match(text, end)):
        steps.append(found.group(1) or int(found.group(2)) - 1)
        end = found.end()
    if end < len(text):
        raise BadRequestData(f"'{text}' is not a path")
    return lambda context: _follow(context, steps)


def _follow(value: Any, steps: list[str | int]) -> Any:
    try:
        for step in steps:
            value = value[step]
        return value
    except (KeyError, IndexError, TypeError):
        return None
