"""Units: what a text of a mapping means, its UN/CEFACT code, and the straight line from one unit to another.

UCUM is read by ucumvert and calculated by pint, both loaded when a unit is not in the table of usual ones or a conversion is asked for.

Source: UCUM 2.2; UN/CEFACT Recommendation 20.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final
from unicodedata import normalize

from cityhub.ingest.mapping.problems import Unfit, shown
from cityhub.ingest.mapping.unit_codes import CODE_OF, UCUM_OF

if TYPE_CHECKING:
    from ucumvert import PintUcumRegistry

_LONGEST: Final = 64
_ALONE: Final = re.compile(r"(^|[./(])\{[^{}]*\}")
_ANNOTATION: Final = re.compile(r"\{[^{}]*\}")
_COLLOQUIAL: Final = str.maketrans({"μ": "u", "µ": "u", "Ω": "Ohm", "·": ".", "*": ".", "^": None, "⁄": "/"})


def code_of(unit: str) -> str:
    """What 'unitCode' says of a unit: its UN/CEFACT code, or its UCUM code where the table has none.

    Raises Unfit when it is neither a UCUM code nor a known UN/CEFACT code.

    >>> code_of("Cel"), code_of("mm/h"), code_of("A97"), code_of("kg/hm2")
    ('CEL', 'H67', 'A97', 'kg/hm2')
    """
    ucum = _ucum(unit)
    return CODE_OF.get(ucum) or ucum


@lru_cache(maxsize=256)
def conversion(source: str, target: str) -> tuple[float, float]:
    """Scale and offset from one unit to another: target = source * scale + offset.

    Raises Unfit when one of them is unknown, when they measure different things, or when the way is not a straight line (decibels).

    >>> conversion("m/s", "km/h")
    (3.6, 0.0)
    """
    there, here = _ucum(source), _ucum(target)
    if there == here:
        return 1.0, 0.0
    from pint.errors import DimensionalityError

    registry, one, other = _registry(), _parsed(there, source), _parsed(here, target)
    try:
        at = [_neat(float(registry.Quantity(value, one).to(other).magnitude)) for value in (0.0, 1.0, 1000.0)]
    except DimensionalityError:
        raise Unfit(f"{shown(source)} and {shown(target)} measure different things and cannot be converted") from None
    except Exception as error:  # logarithms of nothing
        raise Unfit(f"{shown(source)} cannot be converted to {shown(target)}: {error}") from None
    # The slope is taken over a long way, where the offset costs no digits of it.
    scale = _neat((at[2] - at[0]) / 1000.0)
    if abs(at[1] - at[0] - scale) > 1e-9 * max(abs(at[0]), abs(scale)):
        raise Unfit(f"from {shown(source)} to {shown(target)} is not a straight line; convert it in the expression")
    return scale, at[0]


def _neat(value: float) -> float:
    """A factor without the dust of a calculation in binary."""
    return float(f"{value:.13g}")


def _ucum(unit: str) -> str:
    """The UCUM code of a text that is one, or is a UN/CEFACT code."""
    if unit in CODE_OF:
        return unit
    known = UCUM_OF.get(unit)
    if known is None:
        _parsed(unit, unit)
    return known or unit


def _parsed(ucum: str, written: str) -> Any:
    """The unit as pint has it."""
    plain = _ANNOTATION.sub("", _ALONE.sub(r"\g<1>1", ucum))
    try:
        if not plain or len(plain) > _LONGEST:
            raise ValueError
        return _registry().from_ucum(plain).units if plain != "1" else _registry().Unit("")
    except Exception:  # the parser's own family, and whatever a hostile text brings about
        usual = normalize("NFKC", written).replace("°C", "Cel").translate(_COLLOQUIAL)
        hint = f"; did you mean '{usual}'?" if usual != written and len(usual) <= _LONGEST else ""
        raise Unfit(f"{shown(written)} is not a unit: write a UCUM code ('Cel', 'mm/h') or a UN/CEFACT code ('CEL', 'H67'){hint}") from None


@cache
def _registry() -> PintUcumRegistry:
    """All units, read once in a process when somebody needs them; it takes about half a second and 30 MB."""
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
