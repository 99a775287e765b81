"""How a request is to be read."""

from __future__ import annotations

from cityhub.model.ngsild.terms import Terms


class Reading:
    """The settings under which attributes are read.

    Args:
        terms: The @context.
        nulls: Whether the NGSI-LD Null may ask for the removal of attributes, instances and members.
        partial: Whether an attribute may say only what changes: its type and value may be missing (then they are
            missing in the instance too, and a bare value does not say of which type it is).
        deep: Whether that goes on in sub-attributes, and the NGSI-LD Null may also stand inside values.
        simplified: Whether the document is in the simplified representation.
    """

    __slots__ = ("deep", "nulls", "partial", "simplified", "terms")

    def __init__(
        self,
        terms: Terms,
        *,
        nulls: bool = False,
        partial: bool = False,
        deep: bool = False,
        simplified: bool = False,
    ) -> None:
        self.terms = terms
        self.deep = deep
        self.nulls = nulls
        self.partial = partial
        self.simplified = simplified
