"""What the information model needs of a JSON-LD @context."""

from __future__ import annotations

from typing import Any, Protocol


class Terms(Protocol):
    """Names in both directions under one @context; both directions are memoised by whoever provides them."""

    def expand(self, term: str) -> str:
        """The IRI of a type or attribute name (a term, a compact IRI or an IRI)."""

    def compact(self, iri: str) -> str:
        """The shortest name of a type or attribute; the IRI itself where the @context has none."""

    def expand_value(self, value: Any) -> Any:
        """A vocabulary value (text or list of texts) with its terms as IRIs."""

    def compact_value(self, value: Any) -> Any:
        """A vocabulary value (IRI or list of IRIs) with its IRIs as terms."""

    def expand_iri(self, value: str) -> str:
        """An identifier with its prefix resolved."""

    def compact_iri(self, value: str) -> str:
        """An identifier, shortened by a prefix of the @context."""
