"""Conditional requests: entity tags, and what If-None-Match and If-Match say of them.

A tag is made of the time of the entity's last change, which no two of its versions share, and of a mark of the
representation. If-Match looks at the former only: whoever read a version in any representation may change that version.

Source: RFC 9110, clauses 8.8.3, 13.1.1 and 13.1.2.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from cityhub.model.errors import InvalidRequest

_TAG = re.compile(r'\s*(W/)?"([!#-~\x80-\xff]*)"\s*')
MAX_TAGS = 100


def entity_tag(version: str, *representation: str) -> str:
    """The ETag of a version ('2026-11-23T06:05:00.123456Z') in a representation."""
    return f'"{version}.{_mark(representation)}"'


@lru_cache(maxsize=1024)
def _mark(representation: tuple[str, ...]) -> str:
    return blake2b("\n".join(representation).encode(), digest_size=5).hexdigest()


def is_unmodified(if_none_match: str, tag: str) -> bool:
    """Whether the caller has this representation already (weak comparison). Raises InvalidRequest."""
    return (tag in if_none_match and any(tag == f'"{known}"' for _, known in _tags(if_none_match))) or if_none_match.strip() == "*"


def matching_versions(if_match: str | None) -> frozenset[str] | None:
    """The versions of which one must be present for a change; None: any. Weak tags match none. Raises InvalidRequest."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(tag.rpartition(".")[0] for weak, tag in _tags(if_match) if not weak)


def _tags(text: str) -> list[tuple[str, str]]:
    tags: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None or len(tags) >= MAX_TAGS or (found.end() < len(text) and text[found.end()] != ","):
            raise InvalidRequest(f'A conditional header must be * or at most {MAX_TAGS} tags like "abc" with \',\' between them')
        tags.append((found[1] or "", found[2]))
        at = found.end() + 1
    return tags
