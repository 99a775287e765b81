"""One attribute of a mapping: from an expression to an instance in the internal form of `cityhub.model.entity`."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

from cityhub.ingest.feed import AttributeMapping
from cityhub.ingest.mapping.datums import TO_CGCS2000
from cityhub.ingest.mapping.names import Names
from cityhub.ingest.mapping.numbers import Number, curve, number, straight
from cityhub.ingest.mapping.places import geometry
from cityhub.ingest.mapping.problems import Unfit
from cityhub.ingest.mapping.units import code_of, conversion
from cityhub.model.entity import NULL, VALUE_KEY
from cityhub.model.errors import BadRequestData
from cityhub.model.feel import to_json
from cityhub.model.ngsild.attribute_value import read_value
from cityhub.model.ngsild.values import LEAST, MOST

Reader = Callable[[Any], Any]
"""From the value of an expression to the value of an attribute. Raises Unfit."""
_NUMERIC: Final = ("Property", "ListProperty")


def reader_of(mapping: AttributeMapping, names: Names) -> Reader:
    """What reads the values of an attribute. Raises Unfit when the mapping contradicts itself."""
    if mapping.datum != "CGCS2000" and mapping.kind != "GeoProperty":
        raise Unfit("'datum' is for a GeoProperty only")
    change = _change(mapping)
    if change is not None and mapping.kind not in _NUMERIC:
        raise Unfit(f"'unit', 'scale', 'table' and 'decimals' are for numbers, not for a {mapping.kind}")
    if mapping.kind == "GeoProperty":
        move = TO_CGCS2000[mapping.datum]
        return lambda value: geometry(to_json(value), move)
    if mapping.kind == "Property":
        return _plain(names) if change is None else _number(change)
    return _checked(mapping.kind, names, change)


def unit_code(mapping: AttributeMapping) -> str:
    """What the attribute's 'unitCode' is; "" for none. Raises Unfit."""
    unit = mapping.to or mapping.unit
    return code_of(unit) if unit else ""


def _change(mapping: AttributeMapping) -> Callable[[Number], Number] | None:
    """Calibration, conversion and rounding in one; None where numbers are not meant."""
    if mapping.to and not mapping.unit:
        raise Unfit("'to' needs 'unit', the unit of the source")
    scale, offset = conversion(mapping.unit, mapping.to) if mapping.to else (1.0, 0.0)
    if mapping.table:
        if mapping.scale != 1.0 or mapping.offset != 0.0:
            raise Unfit("'table' takes the place of 'scale' and 'offset'; leave those out")
        steps = [curve(mapping.table), straight(scale, offset)]
    else:
        if not (isfinite(mapping.scale) and isfinite(mapping.offset)):
            raise Unfit("'scale' and 'offset' must be finite numbers")
        steps = [straight(mapping.scale * scale, mapping.offset * scale + offset)]
    if mapping.decimals is not None:
        steps.append(_rounding(mapping.decimals))
    todo = [step for step in steps if step is not None]
    if len(todo) <= 1:
        return todo[0] if todo else (lambda value: value) if mapping.unit else None
    first, *rest = todo

    def change(value: Number) -> Number:
        value = first(value)
        for step in rest:
            value = step(value)
        return value

    return change


def _rounding(decimals: int) -> Callable[[Number], Number]:
    if not -12 <= decimals <= 12:
        raise Unfit("'decimals' must be from -12 to 12")
    return (lambda value: round(value, decimals)) if decimals > 0 else (lambda value: int(round(value, decimals)))


def _number(change: Callable[[Number], Number]) -> Reader:
    def read(value: Any) -> Any:
        kind = type(value)
        if kind is list:
            return [change(number(item)) for item in value]
        found = change(value if kind is float or kind is int else number(value))
        if not -1e308 <= found <= 1e308:
            raise Unfit(f"{found} is not a finite number")
        return found

    return read


def _plain(names: Names) -> Reader:
    def read(value: Any) -> Any:
        kind = type(value)
        if kind is float:
            if isfinite(value):
                return value
        elif kind is int:
            if LEAST <= value <= MOST:
                return value
        elif kind is bool or (kind is str and value != NULL):
            return value
        return _read("Property", to_json(value), names)

    return read


def _checked(kind: str, names: Names, change: Callable[[Number], Number] | None) -> Reader:
    wrap: Reader = _texts_by_language if kind == "LanguageProperty" else _in_list if kind.startswith("List") else to_json
    numbers = None if change is None else _number(change)

    def read(value: Any) -> Any:
        value = wrap(value)
        return _read(kind, value if numbers is None else numbers(value), names)

    return read


def _in_list(value: Any) -> Any:
    plain = to_json(value)
    return plain if type(plain) is list else [plain]


def _texts_by_language(value: Any) -> Any:
    return {"@none": value} if type(value) is str else to_json(value)


def _read(kind: str, value: Any, names: Names) -> Any:
    try:
        return read_value(kind, value, names, "value")
    except BadRequestData as error:
        raise Unfit(error.detail.removeprefix("'value' ")) from None


def value_key(mapping: AttributeMapping) -> str:
    """The member of an instance that holds the value."""
    return VALUE_KEY[mapping.kind]
