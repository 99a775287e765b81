"""Term definitions of an @context, by our own rules for the common forms of JSON-LD 1.1.

Common are: prefixes, terms as text or as {"@id", "@type", "@container", "@language"}, "@vocab", "@base", "@language",
"@version", null, arrays and URLs. Anything else raises `UncommonError` and is left to a complete processor
(`cityhub.model.jsonld.processor`).

Source: W3C JSON-LD 1.1 API, sections 4.1 (context processing), 4.2 (create term definition) and 5.2 (IRI expansion).
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld.core import CORE_TERMS, is_core_url
from cityhub.model.jsonld.names import is_absolute
from cityhub.model.jsonld.sources import MAX_DEPTH, MAX_DOCUMENTS, MAX_TERMS, Loader, absolute_url, context_of

CORE_PREFIXES: Final = frozenset({"ngsi-ld", "geojson"})

_CONTEXT_KEYWORDS: Final = frozenset({"@vocab", "@base", "@language", "@version"})
_TERM_KEYWORDS: Final = frozenset({"@id", "@type", "@container", "@language"})
_CONTAINERS: Final = frozenset({"@list", "@set", "@index", "@language", "@id", "@type", "@graph"})
_GEN_DELIMS: Final = ":/?#[]@"
_KEYWORD_LIKE: Final = re.compile(r"@[a-zA-Z]+")
_HAS_IRI_FORM: Final = re.compile(r".*(?::[^:]|/)", re.DOTALL)


class UncommonError(Exception):
    """The @context uses a feature that this module leaves to a complete processor."""


class Definitions:
    """The terms of an @context on top of the core @context.

    Attributes:
        iris: The IRI (or keyword) of each term; None for a term that is mapped to null.
        prefixes: The terms that may stand before ':' in a compact IRI.
    """

    def __init__(self, load: Loader) -> None:
        self._load = load
        self._documents = 0
        self._reset()

    def _reset(self) -> None:
        self.iris: dict[str, str | None] = dict(CORE_TERMS)
        self.prefixes: set[str] = set(CORE_PREFIXES)
        self.vocab: str | None = DEFAULT_VOCAB

    def add(self, context: Any, base: str = "", chain: tuple[str, ...] = (), depth: int = 0) -> None:
        """Adds a local @context of any form; later definitions replace earlier ones.

        Raises:
            BadRequestData: When the @context is invalid, loops or passes a bound.
            ContextUnavailable: When a document cannot be had.
            UncommonError: When it needs a complete processor.
        """
        if depth > MAX_DEPTH:
            raise BadRequestData(f"The @context is nested more than {MAX_DEPTH} levels deep")
        if isinstance(context, dict):
            self._add_object(context)
        elif isinstance(context, str):
            self._add_url(context, base, chain, depth)
        elif isinstance(context, list):
            for item in context:
                self.add(item, base, chain, depth + 1)
        elif context is None:
            self._reset()
        else:
            raise BadRequestData("An '@context' must be a URL, an object, null or an array of these")

    def _add_url(self, reference: str, base: str, chain: tuple[str, ...], depth: int) -> None:
        url = absolute_url(reference, base)
        if is_core_url(url):
            return
        if url in chain:
            raise BadRequestData(f"The @context loops: {' -> '.join([*chain, url])}")
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            raise BadRequestData(f"The @context draws on more than {MAX_DOCUMENTS} documents")
        self.add(context_of(self._load(url), url), url, (*chain, url), depth + 1)

    def _add_object(self, local: dict[str, Any]) -> None:
        check_object(local)
        if len(self.iris) + len(local) > MAX_TERMS:
            raise BadRequestData(f"The @context defines more than {MAX_TERMS} terms")
        if local.get("@version", 1.1) != 1.1:
            raise BadRequestData("'@version' in the @context must be 1.1")
        if "@vocab" in local:
            self._set_vocab(local["@vocab"])
        done: dict[str, bool] = {}
        for term in local:
            if term not in _CONTEXT_KEYWORDS:
                self._define(term, local, done)

    def _set_vocab(self, value: Any) -> None:
        if value is None:
            self.vocab = None
            return
        vocab = self._expand(value, {}, {}) if isinstance(value, str) and value else None
        if vocab is None or not is_absolute(vocab):
            raise BadRequestData("'@vocab' in the @context must be an absolute IRI or null")
        self.vocab = vocab

    def _define(self, term: str, local: dict[str, Any], done: dict[str, bool]) -> None:
        if term in done:
            if done[term]:
                return
            raise BadRequestData(f"The definition of '{term}' in the @context depends on itself")
        if not term:
            raise BadRequestData("A term of the @context must not be empty")
        if term[0] == "@":
            raise UncommonError
        done[term] = False
        self.iris.pop(term, None)
        self.prefixes.discard(term)
        value = local[term]
        definition = value if isinstance(value, dict) else {"@id": value}
        iri = self._iri_of(term, definition, local, done)
        self._check_coercion(term, definition, local, done)
        self.iris[term] = iri
        if not isinstance(value, dict) and iri and ":" not in term[1:] and (iri[-1] in _GEN_DELIMS or iri.startswith("_:")):
            self.prefixes.add(term)
        done[term] = True

    def _iri_of(self, term: str, definition: dict[str, Any], local: dict[str, Any], done: dict[str, bool]) -> str | None:
        reference = definition.get("@id", term)
        if reference is None:
            return None
        if not isinstance(reference, str) or not reference:
            raise BadRequestData(f"'@id' of '{term}' in the @context must be a text that is not empty, or null")
        if reference == term:
            return self._own_iri(term, local, done)
        if reference[0] == "@":
            raise UncommonError
        iri = self._expand(reference, local, done)
        if iri is None or not is_absolute(iri):
            raise BadRequestData(f"'{term}' in the @context is mapped to '{reference}', which is not an absolute IRI")
        if _HAS_IRI_FORM.match(term) and self._expand(term, local, {**done, term: True}) != iri:
            raise BadRequestData(f"'{term}' in the @context has the form of an IRI and must be mapped to the same IRI")
        return iri

    def _own_iri(self, term: str, local: dict[str, Any], done: dict[str, bool]) -> str:
        colon = term.find(":")
        if colon > 0:
            prefix, suffix = term[:colon], term[colon + 1 :]
            if prefix in local:
                self._define(prefix, local, done)
            mapped = self.iris.get(prefix, f"{prefix}:")
            if mapped is None:
                raise BadRequestData(f"'{term}' in the @context has the prefix '{prefix}', which is mapped to null")
            return mapped + suffix
        if self.vocab is None:
            raise BadRequestData(f"'{term}' in the @context needs an '@id'")
        return self.vocab + term

    def _check_coercion(self, term: str, definition: dict[str, Any], local: dict[str, Any], done: dict[str, bool]) -> None:
        if "@type" in definition:
            kind = definition["@type"]
            if isinstance(kind, str) and kind not in ("@id", "@vocab", "@json", "@none"):
                kind = self._expand(kind, local, done)
                kind = kind if kind is not None and is_absolute(kind) and not kind.startswith("_:") else None
            if not isinstance(kind, str):
                raise BadRequestData(f"'@type' of '{term}' in the @context must be an absolute IRI, '@id', '@vocab', '@json' or '@none'")
        containers = definition.get("@container", [])
        for container in containers if isinstance(containers, list) else [containers]:
            if not isinstance(container, str) or container not in _CONTAINERS:
                raise BadRequestData(f"'@container' of '{term}' in the @context must be one of {', '.join(sorted(_CONTAINERS))}")

    def _expand(self, text: str, local: dict[str, Any], done: dict[str, bool]) -> str | None:
        if _KEYWORD_LIKE.fullmatch(text):
            raise UncommonError
        if text in local and not done.get(text):
            self._define(text, local, done)
        if text in self.iris:
            return self.iris[text]
        prefix, colon, suffix = text.partition(":")
        if colon and prefix:
            if prefix == "_" or suffix.startswith("//"):
                return text
            if prefix in local and not done.get(prefix):
                self._define(prefix, local, done)
            if prefix in self.prefixes:
                return f"{self.iris[prefix]}{suffix}"
            if is_absolute(text):
                return text
        return text if self.vocab is None else self.vocab + text


def check_form(context: Any, depth: int = 0) -> None:
    """Checks an @context as far as that can be done without the documents that it names.

    Raises:
        BadRequestData: When it is nested too deep, is no URL, object, null or array of these, or an object in it is invalid.
    """
    if depth > MAX_DEPTH:
        raise BadRequestData(f"The @context is nested more than {MAX_DEPTH} levels deep")
    if isinstance(context, list):
        for item in context:
            check_form(item, depth + 1)
    elif isinstance(context, str):
        absolute_url(context, "")
    elif isinstance(context, dict):
        with contextlib.suppress(UncommonError):
            check_object(context)
    elif context is not None:
        raise BadRequestData("An '@context' must be a URL, an object, null or an array of these")


def check_object(local: dict[str, Any]) -> None:
    """Checks the form of one @context object.

    Raises:
        BadRequestData: For scoped @contexts, which clause 5.5.7 forbids, and for definitions that are no text, object or null.
        UncommonError: When a complete processor is needed.
    """
    uncommon = False
    for term, value in local.items():
        if isinstance(value, dict):
            if "@context" in value:
                raise BadRequestData(f"'{term}' has a scoped @context; a user @context must not contain one")
            uncommon = uncommon or not _TERM_KEYWORDS.issuperset(value)
        elif term[:1] == "@":
            uncommon = uncommon or term not in _CONTEXT_KEYWORDS
        elif value is not None and not isinstance(value, str):
            raise BadRequestData(f"The definition of '{term}' in the @context must be a text, an object or null")
    if uncommon:
        raise UncommonError
