"""The term map of an @context: short names to IRIs and back.

Every user @context is read on top of the core @context, and the core @context wins for its own terms, as if it
stood first and last. Hence terms that nobody defines belong to the default vocabulary of the core @context; a
"@vocab" of the user's serves the definitions beside it.

Source: ETSI GS CIM 009 V1.9.1, clauses 4.4, 5.5.5 and 5.5.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from hashlib import sha256
from typing import Any, Final

import orjson

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld.core import CORE_NAMES, CORE_TERMS, CORE_URL, is_core_url
from cityhub.model.jsonld.definitions import CORE_PREFIXES, Definitions, UncommonError
from cityhub.model.jsonld.names import check_name, is_absolute
from cityhub.model.jsonld.sources import Loader, no_documents
from cityhub.model.jsonld.values import rename

MAX_MEMO: Final = 4096
MAX_MEMO_KEY: Final = 256

_KEYWORD_KEYS: Final = {"@id": "id", "@type": "type"}


class _Memo(dict[str, str]):
    """Results of a pure function of one text, bounded."""

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[str], str]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: str) -> str:
        result = self._compute(key)
        if len(key) <= MAX_MEMO_KEY:
            if len(self) >= MAX_MEMO:
                self.clear()
            self[key] = result
        return result


class TermMap:
    """The terms of one @context. Immutable to its users, so one map may serve many requests at once.

    Attributes:
        source: The @context as the user gave it, without the core; None when it is only the core @context.
        link: The single URL for a Link header; None when the @context is no single URL.
        key: Digest of the source and of all definitions; equal keys mean equal expansion and compaction.
        aliases: User terms that stand for keywords, such as {"kind": "@type"}; nearly always empty.
    """

    __slots__ = ("_compacted", "_expanded", "_iris", "_key_names", "_key_terms", "_names", "_prefixes", "_terms", "aliases", "key",
                 "link", "source")  # fmt: skip

    def __init__(self, source: Any, iris: Mapping[str, str | None], prefixes: set[str]) -> None:
        self.source = source
        self.link = CORE_URL if source is None else _single_url(source)
        self._iris = {term: iri for term, iri in iris.items() if term not in CORE_TERMS}
        self.aliases = {term: iri for term, iri in self._iris.items() if iri is not None and iri[0] == "@"}
        self._prefixes = {term: CORE_TERMS[term] for term in CORE_PREFIXES}
        self._prefixes |= {term: iri for term, iri in self._iris.items() if iri and term in prefixes}
        self._terms = self._inverse()
        self.key = sha256(orjson.dumps([source, self._iris, self._prefixes], option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
        self._expanded = _Memo(self._expand)
        self._names = _Memo(self._expand_name)
        self._compacted = _Memo(self._compact)
        self._key_names = _Memo(self._expand_key)
        self._key_terms = _Memo(self._compact_key)

    @property
    def definitions(self) -> tuple[dict[str, str | None], list[str]]:
        """What another process needs to make the same map: the IRIs of terms, and which terms are prefixes."""
        return self._iris, [term for term in self._prefixes if term not in CORE_PREFIXES]

    @property
    def size(self) -> int:
        """How many terms the user's @context defines."""
        return len(self._iris)

    def with_link(self, url: str) -> TermMap:
        """The same map with a URL for Link headers."""
        other = copy(self)
        other.link = url
        return other

    def expand(self, term: str) -> str:
        """The IRI of a term, compact IRI or IRI. Raises BadRequestData when it stands for a keyword or for nothing."""
        return self._expanded[term]

    def expand_name(self, term: str) -> str:
        """The IRI of the name of a type or attribute. Raises BadRequestData when the name is not legal (clause 4.6.2)."""
        return self._names[term]

    def compact(self, iri: str) -> str:
        """The shortest term of an IRI, else its rest after the default vocabulary, else prefix and rest, else the IRI."""
        return self._compacted[iri]

    def expand_value(self, value: Any) -> Any:
        """The value of a Property with the keys of its objects expanded; see `cityhub.model.jsonld.values`."""
        kind = type(value)
        return rename(value, self._key_names.__getitem__) if kind is dict or kind is list else value

    def compact_value(self, value: Any) -> Any:
        """The way back from `expand_value`."""
        kind = type(value)
        return rename(value, self._key_terms.__getitem__) if kind is dict or kind is list else value

    def expand_iri(self, value: Any) -> Any:
        """The value of a VocabProperty: a term or an array of terms, expanded. Anything else raises BadRequestData."""
        if isinstance(value, str):
            return self._expanded[value]
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return [self._expanded[item] for item in value]
        raise BadRequestData("The value of a VocabProperty must be a text or an array of texts")

    def compact_iri(self, value: Any) -> Any:
        """The way back from `expand_iri`."""
        return [self._compacted[item] for item in value] if isinstance(value, list) else self._compacted[value]

    def _inverse(self) -> dict[str, str]:
        terms: dict[str, str] = {}
        for term, iri in self._iris.items():
            if iri is not None and iri[0] != "@":
                known = terms.get(iri)
                if known is None or (len(term), term) < (len(known), known):
                    terms[iri] = term
        return terms

    def _lookup(self, term: str) -> str | None:
        if term in CORE_TERMS:
            return CORE_TERMS[term]
        if term in self._iris:
            return self._iris[term]
        prefix, colon, suffix = term.partition(":")
        if colon and prefix:
            if prefix == "_" or suffix.startswith("//"):
                return term
            if prefix in self._prefixes:
                return self._prefixes[prefix] + suffix
            if is_absolute(term):
                return term
        return DEFAULT_VOCAB + term

    def _expand(self, term: str) -> str:
        iri = None if not term or term[0] == "@" else self._lookup(term)
        if iri is None or iri[0] == "@":
            stands_for = "a keyword" if iri or term[:1] == "@" else "nothing"
            raise BadRequestData(f"'{term[:80]}' stands for {stands_for} under the @context and cannot be a name")
        return iri

    def _expand_name(self, term: str) -> str:
        check_name(term)
        return self._expand(term)

    def _compact(self, iri: str) -> str:
        term = CORE_NAMES.get(iri) or self._terms.get(iri)
        if term is not None:
            return term
        if iri.startswith(DEFAULT_VOCAB) and len(iri) > len(DEFAULT_VOCAB):
            rest = iri[len(DEFAULT_VOCAB) :]
            if rest[0] != "@" and self._lookup(rest) == iri:
                return rest
        candidates = [
            f"{prefix}:{iri[len(start) :]}" for prefix, start in self._prefixes.items() if iri.startswith(start) and len(iri) > len(start)
        ]
        legal = [candidate for candidate in candidates if self._lookup(candidate) == iri]
        return min(legal, key=lambda candidate: (len(candidate), candidate)) if legal else iri

    def _expand_key(self, key: str) -> str:
        if not key or key[0] == "@":
            return _KEYWORD_KEYS.get(key, key)
        iri = self._lookup(key)
        if iri is None:
            return key
        return _KEYWORD_KEYS.get(iri, key) if iri[0] == "@" else iri

    def _compact_key(self, key: str) -> str:
        return self._compact(key) if ":" in key else key


def _single_url(source: Any) -> str | None:
    items = source if isinstance(source, list) else [source]
    return items[0] if len(items) == 1 and isinstance(items[0], str) else None


def without_core(context: Any) -> Any:
    """A user's @context as given but without core @contexts at its top level; None when nothing is left."""
    if isinstance(context, str):
        return None if is_core_url(context.strip()) else context
    if isinstance(context, list):
        rest = [item for item in context if not (isinstance(item, str) and is_core_url(item.strip()))]
        return rest or None
    return None if context == {} else context


def term_map(context: Any, load: Loader | Mapping[str, Any] = no_documents) -> TermMap:
    """The term map of a user's @context.

    Args:
        context: A URL, an object, or an array of both; None for the core @context alone.
        load: Where the documents of URLs come from: a function, or documents by URL.

    Raises:
        BadRequestData: When the @context is invalid, has scoped @contexts, loops or passes a bound.
        ContextUnavailable: When a document cannot be had.
    """
    source = without_core(context)
    if source is None:
        return CORE
    loader = _from_mapping(load) if isinstance(load, Mapping) else load
    try:
        definitions = Definitions(loader)
        definitions.add(source)
        return TermMap(source, definitions.iris, definitions.prefixes)
    except UncommonError:
        # Imported here: few @contexts need it, and the start of every hub would take a tenth longer.
        from cityhub.model.jsonld.processor import process

        return TermMap(source, *process(source, loader))
    except RecursionError:
        raise BadRequestData("The definitions of the @context depend on each other over too many steps") from None


def _from_mapping(documents: Mapping[str, Any]) -> Loader:
    def load(url: str) -> Any:
        return documents[url] if url in documents else no_documents(url)

    return load


CORE: Final = TermMap(None, {}, set())
"""The core @context alone."""
