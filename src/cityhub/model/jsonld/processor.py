"""Term definitions of an @context with rare features, by a complete JSON-LD 1.1 processor (pyld)."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

from pyld import ContextResolver
from pyld.jsonld import KEYWORDS, JsonLdError, JsonLdProcessor

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.jsonld.core import CORE_TERMS, is_core_url
from cityhub.model.jsonld.definitions import UncommonError, check_object
from cityhub.model.jsonld.sources import MAX_DEPTH, MAX_DOCUMENTS, MAX_TERMS, Loader, absolute_url, context_of

_CORE: Final[dict[str, Any]] = {**CORE_TERMS, "@vocab": DEFAULT_VOCAB}
_KEYWORD_LIKE: Final = re.compile(r"@[a-zA-Z]+")


def process(context: Any, load: Loader) -> tuple[dict[str, str | None], set[str]]:
    """The terms of a user @context on top of the core @context: the IRI of each, and which of them are prefixes.

    A reverse term has no IRI of its own and is given as None.

    Raises:
        BadRequestData: When the @context is invalid, loops or passes a bound.
        ContextUnavailable: When a document cannot be had.
    """
    contexts = [_CORE, *(_CORE if item is None else _absolute(item) for item in _flatten(context, 0))]
    mappings = _mappings(contexts, _Documents(load))
    if len(mappings) > MAX_TERMS:
        raise BadRequestData(f"The @context defines more than {MAX_TERMS} terms")
    iris = {term: None if mapping is None or mapping["reverse"] else mapping["@id"] for term, mapping in mappings.items()}
    return iris, {term for term, mapping in mappings.items() if mapping and mapping["_prefix"]}


def _flatten(context: Any, depth: int) -> list[Any]:
    if depth > MAX_DEPTH:
        raise BadRequestData(f"The @context is nested more than {MAX_DEPTH} levels deep")
    if not isinstance(context, list):
        return [context]
    return [inner for item in context for inner in _flatten(item, depth + 1)]


def _absolute(item: Any) -> Any:
    if isinstance(item, str):
        return absolute_url(item, "")
    if isinstance(item, dict):
        item = _checked(item)
        if isinstance(item.get("@import"), str):
            return {**item, "@import": absolute_url(item["@import"], "")}
    return item


def _checked(item: dict[str, Any]) -> dict[str, Any]:
    """The object without terms that look like keywords of a later JSON-LD, which are to be ignored; its form is checked."""
    with contextlib.suppress(UncommonError):
        check_object(item)
    return {term: value for term, value in item.items() if not _is_reserved(term) and not _is_reserved(_target(value))}


def _target(value: Any) -> Any:
    return value.get("@id", value.get("@reverse")) if isinstance(value, dict) else value


def _is_reserved(text: Any) -> bool:
    return isinstance(text, str) and text not in KEYWORDS and _KEYWORD_LIKE.fullmatch(text) is not None


def _mappings(contexts: list[Any], documents: _Documents) -> dict[str, Any]:
    options = {
        "base": "",
        "processingMode": "json-ld-1.1",
        "documentLoader": documents,
        "contextResolver": ContextResolver({}, documents, MAX_DEPTH),
    }
    processor = JsonLdProcessor()
    try:
        active = processor.process_context(processor._get_initial_context(options), contexts, options)
    except JsonLdError as error:
        raise _cause(error) from None
    except CityHubError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise BadRequestData("The @context is not valid JSON-LD 1.1") from None
    mappings: dict[str, Any] = active["mappings"]
    return mappings


def _cause(error: JsonLdError) -> CityHubError:
    innermost: BaseException | None = error
    while innermost is not None:
        if isinstance(innermost, CityHubError):
            return innermost
        innermost = getattr(innermost, "cause", None) or innermost.__cause__
    text = str(error.args[0]) if error.args else "unknown fault"
    return BadRequestData(f"The @context is not valid JSON-LD 1.1: {text[:300]}")


class _Documents:
    """A document loader for pyld over ours."""

    def __init__(self, load: Loader) -> None:
        self._load = load
        self._count = 0

    def __call__(self, url: str, options: Any = None) -> dict[str, Any]:
        self._count += 1
        if self._count > MAX_DOCUMENTS:
            raise BadRequestData(f"The @context draws on more than {MAX_DOCUMENTS} documents")
        document = {"@context": {}} if is_core_url(url) else self._load(url)
        items = [_checked(item) if isinstance(item, dict) else item for item in _flatten(context_of(document, url), 0)]
        context = items[0] if len(items) == 1 else items
        return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": {"@context": context}}
