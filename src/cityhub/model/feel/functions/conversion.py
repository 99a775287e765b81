"""Functions between kinds of values: `string`, `number`, `not`, `is`.

Source: OMG DMN 1.5, 10.3.4.1, 10.3.4.2, 10.3.4.12.
"""

from __future__ import annotations

import re
from decimal import DecimalException
from typing import Any, Final

from cityhub.model.feel import temporal_text
from cityhub.model.feel.calendar import lifted
from cityhub.model.feel.environment import Run
from cityhub.model.feel.library import Library, declare
from cityhub.model.feel.numbers import CONTEXT, NUMBERS, plain
from cityhub.model.feel.numbers import write as write_number
from cityhub.model.feel.temporal import Date, DateTime, Duration, Months, Time
from cityhub.model.feel.values import Range, Rejected

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TEMPORAL: Final = frozenset({Date, Time, DateTime, Duration, Months})
_DEEPEST: Final = 32


def text_of(run: Run, value: Any) -> str | None:
    """The text of a value; null of null."""
    return None if value is None else value if type(value) is str else _written(run, value, 0)


def _written(run: Run, value: Any, depth: int) -> str:
    run.charge(1)
    value = lifted(value)
    kind = type(value)
    if depth > _DEEPEST:
        raise Rejected(f"a text is made of values at most {_DEEPEST} deep")
    if kind is bool or value is None:
        return "null" if value is None else "true" if value else "false"
    if kind in NUMBERS:
        return write_number(value)
    if kind in _TEMPORAL:
        text = temporal_text.write(value)
        return text if not depth else f'@"{text}"'
    if kind is str:
        return _quoted(value)
    if kind is list:
        return "[" + ", ".join(_written(run, item, depth + 1) for item in value) + "]"
    if kind is dict:
        return "{" + ", ".join(f"{_key(key)}: {_written(run, item, depth + 1)}" for key, item in value.items()) + "}"
    if kind is Range:
        return _range(run, value, depth + 1)
    raise Rejected("a function has no text")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _key(key: str) -> str:
    return key if re.fullmatch(r"[^\W\d]\w*(?: \w+)*", key) else _quoted(key)


def _range(run: Run, span: Range, depth: int) -> str:
    if span.operator:
        end = span.high if span.operator in ("<", "<=") else span.low
        return f"({span.operator} {_written(run, end, depth)})"
    low, high = _written(run, span.low, depth), _written(run, span.high, depth)
    return f"{'[' if span.low_included else '('}{low}..{high}{']' if span.high_included else ')'}"


def number_of(text: str, grouping: str | None = None, point: str | None = None) -> Any:
    """The number that a text writes, with these signs between groups of digits and before the fraction."""
    if grouping not in (None, " ", ",", ".") or point not in (None, ",", ".") or (grouping is not None and grouping == point):
        raise Rejected("groups are parted by ' ', ',' or '.', the fraction by ',' or '.', by another one than the groups")
    plain_text = text.replace(grouping, "") if grouping else text
    plain_text = plain_text.replace(point, ".") if point else plain_text
    if not _NUMBER.fullmatch(plain_text) or len(plain_text) > 400 or (point == "," and "." in text.replace(grouping or "", "")):
        raise Rejected(f"'{text:.60}' is no number")
    try:
        return plain(int(plain_text)) if plain_text.lstrip("+-").isdigit() else CONTEXT.create_decimal(plain_text)
    except DecimalException as error:
        raise Rejected(f"'{text:.60}' is no number of 34 digits") from error


def same(left: Any = None, right: Any = None) -> bool:
    """Whether two values are the same in kind and in every part: a time of another zone is another one."""
    left, right = lifted(left), lifted(right)
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if type(left) is list:
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    if type(left) is dict:
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    declare(library, "string(from: any)", text_of, runs=True)
    declare(library, "number(from: string, grouping separator: string?=, decimal separator: string?=)", number_of)
    declare(library, "number(from: number)", lambda value: value)
    declare(library, "not(negand: any)", lambda value: not value if type(value) is bool else None)
    declare(library, "is(value1: any=, value2: any=)", same, deep=True)
