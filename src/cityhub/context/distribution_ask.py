"""A query over entities as requests to one source, no wider than what the source registered.

Source: GS CIM 009 V1.9.1, clauses 4.3.6.1, 5.7.2.4, 6.4.3.2 and 6.23.3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from cityhub.context.distribution_write import type_text
from cityhub.context.registered import EntityInfo, Registration
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.geo import GeoQuery
from cityhub.model.ngsild.selector import EntitySelector


class Group(msgspec.Struct, frozen=True):
    """Entities to ask a source for.

    Attributes:
        types: A type selection as text; "" for any.
        ids: Their ids; None for any.
        pattern: What their ids look like; None for anything.
    """

    types: str = ""
    ids: tuple[str, ...] | None = None
    pattern: str | None = None

    def parameters(self) -> dict[str, str]:
        """As query parameters."""
        out = {"type": self.types} if self.types else {}
        if self.ids is not None:
            out["id"] = ",".join(self.ids)
        elif self.pattern is not None:
            out["idPattern"] = self.pattern
        return out

    def selector(self) -> dict[str, Any]:
        """As an EntitySelector (5.2.33)."""
        out: dict[str, Any] = {"type": self.types or "*"}
        if self.ids is not None:
            out["id"] = self.ids[0] if len(self.ids) == 1 else list(self.ids)
        elif self.pattern is not None:
            out["idPattern"] = self.pattern
        return out


def groups_for(registration: Registration, wanted: EntityQuery, terms: TermMap) -> list[Group]:
    """The entities that the query and the registration have in common."""
    by_kind: dict[tuple[str, str | None, bool], list[str]] = {}
    for group in _common(registration, wanted, terms):
        by_kind.setdefault((group.types, group.pattern, group.ids is not None), []).extend(group.ids or ())
    return [
        Group(types, tuple(dict.fromkeys(ids)) if has_ids else None, pattern) for (types, pattern, has_ids), ids in by_kind.items()
    ]


def _common(registration: Registration, wanted: EntityQuery, terms: TermMap) -> Iterator[Group]:
    selectors = wanted.selectors or (EntitySelector(),)
    for item in registration.information:
        if not item.shares(wanted.attributes):
            continue
        for selector in selectors:
            if not item.entities:
                yield _as_asked(selector, terms)
            for one in item.entities:
                if one.meets((selector,)):
                    yield _narrowed(selector, one, terms)


def _as_asked(selector: EntitySelector, terms: TermMap) -> Group:
    types = type_text(selector.types, terms) if selector.types is not None else ""
    return Group(types, tuple(sorted(selector.ids)) if selector.ids is not None else None, selector.id_pattern)


def _narrowed(selector: EntitySelector, one: EntityInfo, terms: TermMap) -> Group:
    names = sorted(terms.compact(name) for name in one.types)
    types = names[0] if len(names) == 1 else f"({';'.join(names)})"
    if one.id is not None:
        return Group(types, (one.id,))
    if selector.ids is not None:
        return Group(types, tuple(sorted(id for id in selector.ids if one.has(id, None))))
    return Group(types, None, selector.id_pattern or one.pattern)


def filters(wanted: EntityQuery, terms: TermMap) -> dict[str, str]:
    """The filters by value, place and scope as query parameters."""
    out: dict[str, str] = {}
    if wanted.q is not None:
        out["q"] = wanted.q.unparse(terms)
    if wanted.geo is not None:
        geo = geo_document(wanted.geo, terms)
        out |= {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in geo.items()}
    if wanted.scope is not None:
        out["scopeQ"] = wanted.scope.text
    return out


def filter_members(wanted: EntityQuery, terms: TermMap) -> dict[str, Any]:
    """The same filters as members of a Query document (5.2.23)."""
    out: dict[str, Any] = {}
    if wanted.q is not None:
        out["q"] = wanted.q.unparse(terms)
    if wanted.geo is not None:
        out["geoQ"] = geo_document(wanted.geo, terms)
    if wanted.scope is not None:
        out["scopeQ"] = wanted.scope.text
    return out


def geo_document(geo: GeoQuery, terms: TermMap) -> dict[str, Any]:
    """A geoquery as a document (5.2.13)."""
    relation = geo.relation
    if geo.at_most_m is not None:
        relation += f";maxDistance=={geo.at_most_m:g}"
    if geo.at_least_m is not None:
        relation += f";minDistance=={geo.at_least_m:g}"
    reference = geo.reference
    return {
        "georel": relation, "geometry": reference["type"], "coordinates": reference["coordinates"],
        "geoproperty": terms.compact(geo.attribute),
    }  # fmt: skip
