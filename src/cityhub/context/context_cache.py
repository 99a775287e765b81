"""Term maps in memory, and how often each stored @context was used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
import orjson

from cityhub.model.jsonld import TermMap

MAX_MAPS: Final = 500
MAX_TERMS: Final = 200_000

_LONG_KEY: Final = 512


class Usage:
    """How often and when a stored @context was last used; `saved` is the number that the store knows."""

    __slots__ = ("hits", "last", "saved")

    def __init__(self, hits: int = 0) -> None:
        self.hits = hits
        self.saved = hits
        self.last: datetime | None = None

    def count(self, now: datetime) -> None:
        """Records one use."""
        self.hits += 1
        self.last = now


class CachedMap(msgspec.Struct, frozen=True):
    """A term map with the moment (seconds since 1970) from when it must be made anew, and the @contexts that it draws on."""

    terms: TermMap
    expires: float
    uses: tuple[Usage, ...]


def cache_key(context: Any, tenant: str | None = None) -> Hashable:
    """What an @context is kept under: its URL or its JSON, per tenant when it draws on the tenant's own @contexts."""
    key: str | bytes
    if isinstance(context, str):
        key = context
    else:
        key = orjson.dumps(context)
        if len(key) > _LONG_KEY:
            key = sha256(key).digest()
    return key if tenant is None else (tenant, key)


class MapCache:
    """The term maps that were used last, bounded by number and by the terms in them."""

    def __init__(self) -> None:
        self._maps: OrderedDict[Hashable, CachedMap] = OrderedDict()
        self._terms = 0

    def get(self, key: Hashable) -> CachedMap | None:
        """The map of a key, fresh or not."""
        found = self._maps.get(key)
        if found is not None:
            self._maps.move_to_end(key)
        return found

    def put(self, key: Hashable, entry: CachedMap) -> None:
        """Keeps a map, and lets go of the ones that were not used for the longest time."""
        self._drop(key)
        self._maps[key] = entry
        self._terms += entry.terms.size
        while len(self._maps) > 1 and (len(self._maps) > MAX_MAPS or self._terms > MAX_TERMS):
            self._drop(next(iter(self._maps)))

    def forget(self, usage: Usage) -> None:
        """Lets go of every map that draws on a stored @context."""
        for key in [key for key, entry in self._maps.items() if usage in entry.uses]:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        entry = self._maps.pop(key, None)
        if entry is not None:
            self._terms -= entry.terms.size
