"""Choosing one language of a LanguageProperty.

Source: GS CIM 009 clause 4.15; RFC 4647 clause 3.4 (lookup); RFC 9110 clause 12.5.4 (weights).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.names import is_language

MAX_RANGES = 50


@lru_cache(maxsize=512)
def parse_languages(text: str) -> tuple[str, ...]:
    """The language ranges of a `lang` parameter, lower case, best first; of equal weight the first named first.

    >>> parse_languages("fr;q=0.2, nl;q=0.9, en")
    ('en', 'nl', 'fr')
    """
    weighted: list[tuple[float, str]] = []
    for item in text.split(","):
        tag, _, weight = item.partition(";")
        tag, quality = tag.strip(), _weight(weight, text)
        if tag != "*" and not is_language(tag):
            raise BadRequestData(f"'lang' must be language tags such as 'zh,en;q=0.8,*', not {text!r:.200}")
        if quality > 0:
            weighted.append((quality, tag.lower()))
    if len(weighted) > MAX_RANGES:
        raise BadRequestData(f"'lang' must name at most {MAX_RANGES} languages")
    return tuple(tag for _, tag in sorted(weighted, key=lambda pair: -pair[0]))


def _weight(text: str, whole: str) -> float:
    text = text.strip()
    if not text:
        return 1.0
    name, _, number = text.partition("=")
    try:
        quality = float(number)
    except ValueError:
        quality = -1.0
    if name.strip() != "q" or not 0.0 <= quality <= 1.0:
        raise BadRequestData(f"'lang' must have weights such as ';q=0.8' between 0 and 1, not {whole!r:.200}")
    return quality


def choose(language_map: dict[str, Any], ranges: tuple[str, ...]) -> str:
    """The key of a languageMap (not empty) that serves the ranges best; without a match '@none', 'en' or the first key."""
    keys = {key.lower(): key for key in language_map}
    for wanted in ranges:
        if wanted == "*":
            return next(iter(language_map))
        tag = wanted
        while tag:
            if tag in keys:
                return keys[tag]
            tag = tag.rpartition("-")[0]
        for lower, key in keys.items():
            if lower.startswith(f"{wanted}-"):
                return key
    for fallback in ("@none", "en"):
        if fallback in keys:
            return keys[fallback]
    return next(iter(language_map))
