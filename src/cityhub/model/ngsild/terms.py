"""What the information model needs of a JSON-LD @context; `cityhub.model.jsonld.TermMap` is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Terms(Protocol):
    """Names in both directions under one @context; both directions are memoised by whoever provides them."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Terms that stand for keywords, such as {"kind": "@type"}; nearly always empty."""

    def expand(self, term: str) -> str:
        """The IRI of a term, a compact IRI or an IRI."""

    def expand_name(self, term: str) -> str:
        """The IRI of a name of a type or attribute. Raises BadRequestData when the name is not legal."""

    def compact(self, iri: str) -> str:
        """The shortest name of a type or attribute; the IRI itself where the @context has none."""

    def expand_value(self, value: Any) -> Any:
        """The value of a Property with the names of its members expanded."""

    def compact_value(self, value: Any) -> Any:
        """The way back from `expand_value`."""

    def expand_iri(self, value: Any) -> Any:
        """The value of a VocabProperty, a term or a list of terms, expanded."""

    def compact_iri(self, value: Any) -> Any:
        """The way back from `expand_iri`."""
