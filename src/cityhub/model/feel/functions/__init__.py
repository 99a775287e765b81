"""The built-in functions, a family in each module."""

from __future__ import annotations

from cityhub.model.feel.functions import aggregates, contexts, conversion, lists, moments, numeric, ranges, strings
from cityhub.model.feel.library import Library


def standard_library() -> Library:
    """All built-in functions of DMN 1.5 by name."""
    library: Library = {}
    for family in (conversion, numeric, strings, lists, aggregates, contexts, moments, ranges):
        family.add_to(library)
    return library
