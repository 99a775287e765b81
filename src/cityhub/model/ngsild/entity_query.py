"""What a request, a Query document or a subscription asks for, as one test of an entity.

Source: GS CIM 009 clauses 5.2.12, 5.2.13, 5.2.23, 5.7.2 and 6.4.3.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cityhub.model.condition import Condition, HasAttribute
from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.jsonld.names import is_name
from cityhub.model.ngsild.geo import GeoQuery, parse_geo_query
from cityhub.model.ngsild.patterns import MAX_PATTERNS
from cityhub.model.ngsild.q import Query, parse_q
from cityhub.model.ngsild.q_condition import all_of, any_of
from cityhub.model.ngsild.q_match import Linked, Predicate, all_true, any_true
from cityhub.model.ngsild.q_tree import ENTITY_MEMBERS
from cityhub.model.ngsild.scope import ScopeQuery, parse_scope_q
from cityhub.model.ngsild.selector import EntitySelector, parse_type_selection, read_ids, read_selector
from cityhub.model.ngsild.terms import Terms

GEO_MEMBERS: Final = ("georel", "geometry", "coordinates")
MAX_SELECTORS: Final = 1_000
"""Most selectors, and most names in a list of attributes."""


class EntityQuery:
    """All filters of one query; immutable.

    Attributes:
        selectors: Groups of entities, one of which must select an entity; empty: every entity.
        attributes: Attributes (IRIs), one of which an entity must have; empty: none is asked for.
        q: The query by values, or None.
        geo: The geoquery, or None.
        scope: The scope query, or None.
        csf: The context source filter over registrations, or None; entities are not asked for it.
        matches: Whether an entity passes all filters. No term that follows a relationship holds: see `with_links`.
        condition: A condition that every matching entity satisfies.
    """

    __slots__ = ("attributes", "condition", "csf", "geo", "matches", "q", "scope", "selectors")

    def __init__(
        self,
        selectors: tuple[EntitySelector, ...] = (),
        attributes: frozenset[str] = frozenset(),
        q: Query | None = None,
        geo: GeoQuery | None = None,
        scope: ScopeQuery | None = None,
        csf: Query | None = None,
    ) -> None:
        self.csf = csf
        self.selectors = selectors
        self.attributes = attributes
        self.q = q
        self.geo = geo
        self.scope = scope
        self.condition: Condition = all_of(
            [
                *([any_of([selector.condition for selector in selectors])] if selectors else ()),
                *([any_of([HasAttribute(name) for name in sorted(attributes)])] if attributes else ()),
                *(part.condition for part in (q, geo, scope) if part is not None),
            ]
        )
        self.matches: Predicate = self._predicate(q.matches if q else None)

    def with_links(self, linked: Linked) -> Predicate:
        """Whether an entity passes all filters, where `linked` finds the entity that a relationship points to."""
        return self._predicate(self.q.with_links(linked)) if self.q else self.matches

    def among(self, ids: Iterable[str]) -> EntityQuery | None:
        """The same query over these entities only; None when its selectors exclude all of them."""
        some = frozenset(ids)
        selectors: list[EntitySelector] = []
        for selector in self.selectors or (EntitySelector(),):
            chosen = frozenset(id for id in some if selector.selects_id(id))
            if chosen:
                selectors.append(EntitySelector(chosen, None, selector.types))
        return EntityQuery(tuple(selectors), self.attributes, self.q, self.geo, self.scope, self.csf) if selectors else None

    @property
    def every_type(self) -> bool:
        """Whether "*" was given as type, which limits the operation to the local scope."""
        return any(selector.types is not None and selector.types.alternatives is None for selector in self.selectors)

    def require_narrow(self, *, local: bool, ids_suffice: bool = False) -> None:
        """Raises BadRequestData if it is too wide for an operation that asks other sources as well.

        Types, attributes, a query with an attribute that is not the system's, or a geoquery make it narrow enough;
        ids alone do only where `ids_suffice`. Source: GS CIM 009 clause 5.7.2.4.
        """
        narrow = local or bool(self.attributes) or self.geo is not None or (self.q is not None and bool(self.q.attributes))
        narrow = narrow or any(selector.types is not None for selector in self.selectors)
        if ids_suffice:
            narrow = narrow or any(selector.ids is not None for selector in self.selectors)
        if not narrow:
            raise BadRequestData(
                "The query is too wide: give at least one of type, attrs, q (with an attribute) and georel, or set local to true"
            )

    def require_links(self, level: int) -> None:
        """Raises BadRequestData if `q` follows more relationships than linked entities are retrieved (0: none are).

        Source: GS CIM 009 clause 5.7.2.4.
        """
        if self.q is not None and self.q.depth > level:
            raise BadRequestData(
                f"The query is too deep: 'q' follows {self.q.depth} relationships one after the other;"
                f" with 'join' and 'joinLevel' as given, {level} are followed"
            )

    def _predicate(self, by_value: Predicate | None) -> Predicate:
        tests: list[Predicate] = []
        if len(self.selectors) == 1:
            tests.append(self.selectors[0].matches)
        elif self.selectors:
            tests.append(any_true([selector.matches for selector in self.selectors]))
        if self.attributes:
            tests.append(lambda entity: not self.attributes.isdisjoint(entity["attrs"]))
        tests.extend(part.matches for part in (self.scope, self.geo) if part is not None)
        if by_value is not None:
            tests.append(by_value)
        return tests[0] if len(tests) == 1 else all_true(tests)


def query_from_parameters(parameters: Mapping[str, str], terms: Terms) -> EntityQuery:
    """The query of URL parameters, percent-decoded.

    They are id, idPattern, type, attrs, q, georel, geometry, coordinates, geoproperty, scopeQ, csf,
    expandValues and jsonKeys; others are not looked at. Raises BadRequestData for a parameter that does not follow its clause,
    TooComplexQuery for one that is too long or too deep. Source: GS CIM 009 clause 6.4.3.2.
    """
    selectors: tuple[EntitySelector, ...] = ()
    if not parameters.keys().isdisjoint(("id", "idPattern", "type")):
        ids = parameters.get("id")
        selectors = (
            EntitySelector(
                None if ids is None else read_ids(ids.split(",")),
                parameters.get("idPattern"),
                parse_type_selection(parameters["type"], terms) if "type" in parameters else None,
            ),
        )
    attributes = parameters.get("attrs")
    return EntityQuery(
        selectors,
        frozenset() if attributes is None else _attributes(attributes.split(","), terms),
        _q(parameters, terms),
        _geo(parameters, terms, "the geoquery"),
        _scope(parameters),
        _csf(parameters, terms),
    )


def query_from_document(document: Mapping[str, Any], terms: Terms) -> EntityQuery:
    """The query of a Query document (entities, attrs, q, geoQ, scopeQ, csf, expandValues, jsonKeys).

    Raises BadRequestData, TooComplexQuery. Source: GS CIM 009 clause 5.2.23.
    """
    attributes = document.get("attrs")
    return EntityQuery(
        _selectors(document.get("entities"), terms),
        frozenset() if attributes is None else _attributes(attributes, terms),
        _q(document, terms),
        _geo_document(document.get("geoQ"), terms),
        _scope(document),
        _csf(document, terms),
    )


def query_from_subscription(document: Mapping[str, Any], terms: Terms) -> EntityQuery:
    """What the entities of a Subscription document must be like (entities, q, geoQ, scopeQ, csf, expandValues, jsonKeys).

    Watched attributes are no part of it: they say when to look, not what to find.
    Raises BadRequestData, TooComplexQuery. Source: GS CIM 009 clause 5.2.12.
    """
    return EntityQuery(
        _selectors(document.get("entities"), terms),
        frozenset(),
        _q(document, terms),
        _geo_document(document.get("geoQ"), terms),
        _scope(document),
        _csf(document, terms),
    )


def _selectors(documents: Any, terms: Terms) -> tuple[EntitySelector, ...]:
    if documents is None:
        return ()
    if type(documents) is not list or not documents or len(documents) > MAX_SELECTORS:
        raise BadRequestData(f"'entities' must be a list of at most {MAX_SELECTORS} selectors, not empty")
    if sum(type(document) is dict and "idPattern" in document for document in documents) > MAX_PATTERNS:
        raise TooComplexQuery(f"'entities' has more than {MAX_PATTERNS} patterns")
    return tuple(read_selector(document, terms) for document in documents)


def _attributes(names: Any, terms: Terms) -> frozenset[str]:
    """Attributes (IRIs) of a list of names; the system's own are left out, since every entity has them."""
    if type(names) is not list or not names or len(names) > MAX_SELECTORS:
        raise BadRequestData(f"'attrs' must be a list of at most {MAX_SELECTORS} names of attributes, not empty")
    for name in names:
        if type(name) is not str or not is_name(name):
            raise BadRequestData(f"'attrs' has {name!r:.100}, which is not the name of an attribute")
    return frozenset(terms.expand(name) for name in names if name not in ENTITY_MEMBERS)


def _q(document: Mapping[str, Any], terms: Terms) -> Query | None:
    text = document.get("q")
    if text is None:
        return None
    if type(text) is not str:
        raise BadRequestData("'q' must be a text such as 'speed>50'")
    expand_values, json_keys = _names(document, "expandValues"), _names(document, "jsonKeys")
    return parse_q(text, terms, expand_values=expand_values, json_keys=json_keys)


def _csf(document: Mapping[str, Any], terms: Terms) -> Query | None:
    text = document.get("csf")
    if text is None:
        return None
    if type(text) is not str:
        raise BadRequestData("'csf' must be a text such as 'sourceType==\"sensor\"'")
    return parse_q(text, terms, where="csf")


def _names(document: Mapping[str, Any], member: str) -> Iterable[str]:
    """The names of a comma-separated list (a list of texts is as good)."""
    value = document.get(member)
    names = value.split(",") if type(value) is str else value
    if names is None:
        return ()
    if type(names) is not list or not all(type(name) is str and is_name(name) for name in names):
        raise BadRequestData(f"'{member}' must be a comma-separated list of names of attributes")
    return names


def _scope(document: Mapping[str, Any]) -> ScopeQuery | None:
    text = document.get("scopeQ")
    if text is None:
        return None
    if type(text) is not str:
        raise BadRequestData("'scopeQ' must be a text such as '/Madrid/#'")
    return parse_scope_q(text)


def _geo_document(document: Any, terms: Terms) -> GeoQuery | None:
    if document is None:
        return None
    if type(document) is not dict:
        raise BadRequestData("'geoQ' must be an object with georel, geometry and coordinates")
    unknown = document.keys() - {*GEO_MEMBERS, "geoproperty", "type", "@type"}
    if unknown:
        raise BadRequestData(f"'geoQ' has the unknown member {min(unknown)!r:.100}")
    geo = _geo(document, terms, "'geoQ'")
    if geo is None:
        raise BadRequestData("'geoQ' must be an object with georel, geometry and coordinates")
    return geo


def _geo(members: Mapping[str, Any], terms: Terms, where: str) -> GeoQuery | None:
    missing = [name for name in GEO_MEMBERS if members.get(name) is None]
    geoproperty = members.get("geoproperty")
    if len(missing) == len(GEO_MEMBERS) and geoproperty is None:
        return None
    if missing:
        raise BadRequestData(f"{where[0].upper()}{where[1:]} is incomplete: it needs {' and '.join(missing)} as well")
    return parse_geo_query(members["georel"], members["geometry"], members["coordinates"], geoproperty, terms)
