"""Queries over registrations: which sources may have what a consumer is looking for.

Source: GS CIM 009 V1.9.1, clauses 5.10.2 and 6.8.3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cityhub.context.registered import Registration
from cityhub.context.registration import Record
from cityhub.model.entity import NGSI_LD
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_parameters
from cityhub.model.ngsild.geo import GeoQuery
from cityhub.model.ngsild.q import parse_q
from cityhub.model.ngsild.temporal import TemporalQuery, parse_temporal_query
from cityhub.model.ngsild.terms import Terms

FILTERS: Final = frozenset((
    "id", "type", "idPattern", "attrs", "q", "csf", "georel", "geometry", "coordinates", "geoproperty", "timerel", "timeAt",
    "endTimeAt", "timeproperty", "scopeQ",
))  # fmt: skip
_NARROWING: Final = ("id", "idPattern", "type", "attrs", "q", "csf", "georel", "scopeQ")
_SPACES: Final = {f"{NGSI_LD}{name}": name for name in ("location", "observationSpace", "operationSpace")}

Test = Callable[[Registration], bool]


class RegistrationQuery:
    """A query over registrations that was read; immutable.

    Attributes:
        wanted: Which entities the sources should have.
    """

    __slots__ = ("_tests", "wanted")

    def __init__(self, wanted: EntityQuery, tests: list[Test]) -> None:
        self.wanted = wanted
        self._tests = tests

    def matches(self, registration: Registration) -> bool:
        """Whether the source may have what is wanted."""
        found, _ = registration.meeting(self.wanted.selectors, self.wanted.attributes)
        return found and all(test(registration) for test in self._tests)


def parse_registration_query(parameters: Mapping[str, str], terms: Terms) -> RegistrationQuery:
    """The query of URL parameters; empty ones count as absent.

    Raises BadRequestData for a parameter that does not follow its clause, or when nothing narrows the query.
    """
    given = {name: value for name, value in parameters.items() if value}
    if not any(name in given for name in _NARROWING):
        raise BadRequestData(f"The query is too wide: give at least one of {', '.join(_NARROWING)}")
    wanted = query_from_parameters({name: value for name, value in given.items() if name != "q"}, terms)
    tests: list[Test] = []
    for name in ("q", "csf"):
        if name in given:
            tests.append(source_filter(given[name], terms, name))
    if wanted.scope is not None:
        scope = wanted.scope
        tests.append(lambda registration: scope.matches(registration.record))
    if wanted.geo is not None:
        tests.append(geo_test(wanted.geo))
    asks_time = any(name in given for name in ("timerel", "timeAt", "endTimeAt"))
    tests.append(time_test(parse_temporal_query(given)) if asks_time else is_current)
    return RegistrationQuery(wanted, tests)


def source_filter(text: str, terms: Terms, where: str = "csf") -> Test:
    """The test of a context source filter, a query over the properties of a registration. Raises BadRequestData."""
    matches = parse_q(text, terms, where=where).over_documents()
    return lambda registration: matches(registration.record)


def is_current(registration: Registration) -> bool:
    """Whether the source has latest information: it names no interval (5.10.2.4)."""
    return "observationInterval" not in registration.record and "managementInterval" not in registration.record


def time_test(asked: TemporalQuery) -> Test:
    """Whether the source has information of the time that is asked for."""
    name = "observationInterval" if asked.time_property == "observedAt" else "managementInterval"

    def test(registration: Registration) -> bool:
        interval = registration.record.get(name)
        if interval is None:
            return False
        start = moment.read(interval["startAt"], name)
        end = moment.read(interval["endAt"], name) if "endAt" in interval else "~"
        return (asked.end is None or start <= asked.end) and (asked.start is None or end >= asked.start)

    return test


def geo_test(geo: GeoQuery) -> Test:
    """Whether the place of a registration stands in the relation, or may contain something that does."""
    name = _SPACES.get(geo.attribute, geo.attribute)
    possible = geo if geo.relation in ("near", "disjoint") else GeoQuery("intersects", geo.reference, geo.attribute)

    def test(registration: Registration) -> bool:
        place = _geometry(registration.record, name)
        return place is not None and (geo.matches_geometry(place) or possible.matches_geometry(place))

    return test


def _geometry(record: Record, name: str) -> dict[str, Any] | None:
    value = record.get(name)
    if type(value) is dict and value.get("type") == "GeoProperty":
        value = value.get("value")
    return value if type(value) is dict and "coordinates" in value else None
