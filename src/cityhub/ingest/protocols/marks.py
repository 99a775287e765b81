"""Where in a source reading stands: values found by their path, compared, and set back a little for what comes late."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cityhub.ingest.protocols.timetable import moment
from cityhub.model.errors import BadRequestData
from cityhub.model.feel import compile_expression

Path = Callable[[Any], Any]
_STEP: Final = re.compile(r"\.?([^.\[\]()+*/<>=,\"]+)|\[(-?\d{1,9})\]")
_PLACE: Final = re.compile(r"\{(watermark|from|to|page|offset|size|cursor)\}")


def path_of(text: str) -> Path:
    """What finds the value at a path such as `data.items[1].time` (as in FEEL: positions count from 1, -1 is the last,
    a member of a list is the list of its items' members). "" finds all of it, an absent member None. Raises BadRequestData.
    """
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise BadRequestData(f"'{text[:200]}' must be a path such as 'data.items' or 'links[1].href'")
        steps.append(match[1].strip() if match[1] is not None else int(match[2]))
        position = match.end()

    def find(value: Any) -> Any:
        for step in steps:
            value = _item(value, step) if isinstance(step, int) else _member(value, step)
        return value

    return find


def finder(text: str) -> Path:
    """What finds the value of a path, or of any other FEEL expression over the members of an object (`record` is all of it).

    Raises BadRequestData when it is neither.
    """
    try:
        return path_of(text)
    except BadRequestData:
        expression = compile_expression(text)
    return lambda value: expression({**value, "record": value} if isinstance(value, dict) else {"record": value})


def _item(value: Any, position: int) -> Any:
    items = value if isinstance(value, list) else [value]
    index = position - 1 if position > 0 else position
    return items[index] if position and -len(items) <= index < len(items) else None


def _member(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, list):
        return [_member(item, name) for item in value]
    return None


def order(value: Any) -> tuple[int, Any]:
    """What a watermark is compared by: numbers by size, times by moment, other texts by their characters."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, value
    text = str(value)
    try:
        return (1, moment(text).timestamp()) if text[4:5] == "-" else (2, text)
    except (ValueError, OverflowError):
        return 2, text


def highest(values: Iterable[Any]) -> Any:
    """The greatest of some values, None when there is none. Values of the kind that most have are compared; others do not count."""
    ranked = [(order(value), value) for value in values if value is not None and not isinstance(value, (dict, list))]
    if not ranked:
        return None
    kinds = [key[0] for key, _ in ranked]
    kind = max(set(kinds), key=kinds.count)
    return max((pair for pair in ranked if pair[0][0] == kind), key=lambda pair: pair[0])[1]


def set_back(value: Any, by: float) -> Any:
    """A watermark earlier by so many seconds (a number: by so much); other texts stay as they are."""
    if not by or value is None:
        return value
    kind, _ = order(value)
    if kind == 0:
        return value - by
    if kind == 1:
        return time_text(moment(str(value)) - timedelta(seconds=by))
    return value


def time_text(when: datetime) -> str:
    """A time as RFC 3339 UTC text."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def fill(template: Any, values: dict[str, Any]) -> Any:
    """A template with `{watermark}`, `{from}`, `{to}`, `{page}`, `{offset}`, `{size}`, `{cursor}` filled in.

    A text that is one placeholder becomes its value, number or text. A member or item whose placeholder has no value is left out.
    """
    if isinstance(template, dict):
        filled = {name: fill(part, values) for name, part in template.items()}
        return {name: part for name, part in filled.items() if part is not None}
    if isinstance(template, list):
        return [part for part in (fill(part, values) for part in template) if part is not None]
    if not isinstance(template, str):
        return template
    names = _PLACE.findall(template)
    if any(values.get(name) is None for name in names):
        return None
    if names and template == "{" + names[0] + "}":
        return values[names[0]]
    return _PLACE.sub(lambda match: str(values[match[1]]), template)
