"""JSON values inside attributes: what may be stored.

Source: GS CIM 009 clauses 4.5.0 (NGSI-LD Null), 4.6.5, 5.5.4.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from cityhub.model.entity import NULL
from cityhub.model.errors import BadRequestData

MAX_DEPTH = 64
"""How deep JSON may be nested inside an attribute; sub-attributes count."""
LEAST, MOST = -(2**63), 2**64 - 1
"""The integers that JSON readers keep."""


def check_value(value: Any, where: str, *, nulls: bool = False, raw: bool = False, depth: int = 0) -> None:
    """Raises BadRequestData for what cannot be a value.

    That is the JSON null and the NGSI-LD Null (`nulls` lets the latter pass inside a merge fragment, `raw` lets both
    pass: the content of a JsonProperty is nobody's business), nesting beyond `MAX_DEPTH`, and numbers that JSON
    readers do not keep.
    """
    kind = type(value)
    if kind is str:
        if value == NULL and not nulls and not raw:
            raise BadRequestData(f"'{where}' must not have the NGSI-LD Null ('{NULL}') as value here")
    elif kind is int:
        if not LEAST <= value <= MOST:
            raise BadRequestData(f"'{where}' has an integer of more than 64 bits")
    elif kind is float:
        if not isfinite(value):
            raise BadRequestData(f"'{where}' has a number that is not finite")
    elif kind is dict or kind is list:
        if depth >= MAX_DEPTH:
            raise BadRequestData(f"'{where}' is nested more than {MAX_DEPTH} levels deep")
        # A merge does not go on into lists, so nothing in them can be removed.
        nulls = nulls and kind is dict
        for item in value.values() if kind is dict else value:
            if type(item) is not bool:
                check_value(item, where, nulls=nulls, raw=raw, depth=depth + 1)
    elif value is None and not raw:
        raise BadRequestData(f"'{where}' must not have null as value; only the content of a JsonProperty may")
