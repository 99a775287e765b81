"""The names of a feed's @context as the model reads values with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld.values import rename

_KEYWORDS: Final = {"id": "id", "type": "type", "@id": "id", "@type": "type"}


class Names:
    """One direction of a @context: names to IRIs. It is a `cityhub.model.ngsild.terms.Terms` as far as reading needs it.

    Args:
        expand: The IRI of a name. Raises BadRequestData when the name is not legal.
    """

    def __init__(self, expand: Callable[[str], str]) -> None:
        self.expand = self.expand_name = expand

    @property
    def aliases(self) -> Mapping[str, str]:
        """None."""
        return {}

    def expand_value(self, value: Any) -> Any:
        """The value of a Property with the names of its members expanded."""
        return rename(value, self._key) if type(value) is dict or type(value) is list else value

    def _key(self, key: str) -> str:
        if key in _KEYWORDS or not key or key[0] == "@":
            return _KEYWORDS.get(key, key)
        try:
            return self.expand(key)
        except BadRequestData:  # data that look like a key; no name of the @context
            return key

    def expand_iri(self, value: Any) -> Any:
        """The value of a VocabProperty, a term or a list of terms, expanded."""
        return [self.expand(item) for item in value] if type(value) is list else self.expand(value)

    def compact(self, iri: str) -> str:
        """The IRI itself."""
        return iri

    def compact_value(self, value: Any) -> Any:
        """The value itself."""
        return value

    def compact_iri(self, value: Any) -> Any:
        """The value itself."""
        return value
