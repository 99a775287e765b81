"""Conditions narrow and never lose: whatever the entities and the condition, `find` gives what looking at each one gives."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.model.condition import AllOf, AnyOf, Anything, Condition, HasAttribute, IdIn, IdPrefix, InBox, ScopeUnder, TypeIs, ValueIn
from cityhub.model.indexing import satisfies
from tests.contract.store.city import change, delete, entity, ids, put

TYPES = ["urn:t:A", "urn:t:B", "urn:t:C"]
ATTRIBUTES = ["https://example.org/a", "https://example.org/b", "https://example.org/水"]
SCOPES = ["/x", "/x/y", "/x/y/z", "/xy", "/w"]
IDS = [f"urn:{head}{tail}" for head in ("a", "b", "ab") for tail in ("", "1", "\U0010ffff", "\ue000", "%")]
MEMBERS = ["m", "n"]

numbers = st.one_of(
    st.integers(-3, 3), st.sampled_from([0.5, -0.0, 1e300, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 1e-300])
)
texts = st.one_of(st.text("ab\x00\x01水\uffff\U0010ffff", max_size=4), st.sampled_from(["2026-01-01T00:00:00Z", "x" * 1200, "x" * 1199 + "y"]))
scalars = st.one_of(numbers, texts, st.booleans(), st.none())
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=2)), max_leaves=5
)
degrees = st.sampled_from([-180.0, -179.999999, -0.1, 0.0, 0.1, 108.7654321, 108.7654322, 179.999999, 180.0])
latitudes = st.sampled_from([-90.0, -1.0, 0.0, 29.5000001, 29.5000002, 90.0])
points = st.builds(lambda lon, lat: {"type": "Point", "coordinates": [lon, lat]}, degrees, latitudes)
lines = st.builds(
    lambda first, second: {"type": "LineString", "coordinates": [first, second]},
    st.tuples(degrees, latitudes).map(list), st.tuples(degrees, latitudes).map(list),
)  # fmt: skip
properties = st.builds(lambda value: {"type": "Property", "value": value}, values)
with_children = st.builds(
    lambda value, child, name: {"type": "Property", "value": value, "attrs": {name: [{"type": "Property", "value": child}]}},
    values, values, st.sampled_from(ATTRIBUTES),
)  # fmt: skip
places = st.builds(lambda value: {"type": "GeoProperty", "value": value}, st.one_of(points, lines))
instances = st.one_of(
    st.lists(st.one_of(properties, with_children), min_size=1, max_size=2), st.lists(places, min_size=1, max_size=2)
).map(lambda found: [{**one, "datasetId": f"urn:{n}"} if n else one for n, one in enumerate(found)])
entities = st.builds(
    lambda id, types, attrs, scope: entity(id, attrs, types, **({"scope": scope} if scope else {})),
    st.sampled_from(IDS),
    st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True),
    st.dictionaries(st.sampled_from(ATTRIBUTES), instances, max_size=3),
    st.lists(st.sampled_from(SCOPES), max_size=2, unique=True),
)

paths = st.lists(st.sampled_from([*MEMBERS, *ATTRIBUTES]), max_size=2).map(tuple)
ranges = st.one_of(st.tuples(numbers | st.none(), numbers | st.none()), st.tuples(texts | st.none(), texts | st.none()))
leaves: st.SearchStrategy[Condition] = st.one_of(
    st.just(Anything()),
    st.lists(st.sampled_from(IDS), max_size=3).map(lambda found: IdIn(tuple(found))),
    st.sampled_from(["", "urn:a", "urn:ab", "urn:a\U0010ffff", "urn:\U0010ffff", "v"]).map(IdPrefix),
    st.sampled_from(TYPES).map(TypeIs),
    st.sampled_from(ATTRIBUTES).map(HasAttribute),
    st.builds(lambda name, ends, path: ValueIn(name, ends[0], ends[1], path), st.sampled_from(ATTRIBUTES), ranges, paths),
    st.builds(
        lambda name, lons, lats: InBox(name, min(lons), min(lats), max(lons), max(lats)),
        st.sampled_from(ATTRIBUTES), st.tuples(degrees, degrees), st.tuples(latitudes, latitudes),
    ),
    st.sampled_from([*SCOPES, "/", "/x/"]).map(ScopeUnder),
)  # fmt: skip
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda found: AllOf(tuple(found))), st.lists(inner, max_size=3).map(lambda found: AnyOf(tuple(found)))
    ),
    max_leaves=6,
)

_tenants = itertools.count()


async def fill(store: Any, population: list[dict[str, Any]]) -> tuple[str, dict[str, dict[str, Any]]]:
    """A new tenant with the entities; of those with the same id the last one stays, in the place of the first."""
    tenant = f"t{next(_tenants)}"
    await store.write(tenant, [put(one) for one in population])
    return tenant, {one["id"]: one for one in population}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(population=st.lists(entities, max_size=12), condition=conditions)
async def test_find_is_looking_at_each(store: Any, population: list[dict[str, Any]], condition: Condition) -> None:
    tenant, expected = await fill(store, population)
    wanted = [id for id, one in expected.items() if satisfies(condition, one)]
    assert await ids(store, tenant, condition) == wanted
    assert await ids(store, tenant, condition, matches=lambda found: satisfies(condition, found)) == wanted
    assert [one["id"] async for block in store.scan(tenant, condition) for one in block] == wanted
    page = await store.find(tenant, condition, None, offset=1, limit=2, count=True)
    assert ([one["id"] for one in page.entities], page.count) == (wanted[1:3], len(wanted))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    population=st.lists(entities, min_size=1, max_size=8), later=st.lists(st.tuples(entities, st.booleans()), max_size=6), condition=conditions
)
async def test_indexes_follow_changes(store: Any, population: list[Any], later: list[Any], condition: Condition) -> None:
    tenant, expected = await fill(store, population)
    for one, stays in later:
        if stays:
            expected[one["id"]] = one
        elif one["id"] in expected:
            del expected[one["id"]]
        await store.write(tenant, [put(one) if stays else delete(one["id"])])
    wanted = [id for id, one in expected.items() if satisfies(condition, one)]
    assert await ids(store, tenant, condition) == wanted


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(population=st.lists(entities, min_size=1, max_size=8), ends=ranges, path=paths)
async def test_value_indexes_lose_nothing(indexed_store: Any, population: list[Any], ends: Any, path: tuple[str, ...]) -> None:
    """With an index on every path that was ever asked for."""
    tenant, expected = await fill(indexed_store, population)
    for name in ATTRIBUTES:
        condition = ValueIn(name, ends[0], ends[1], path)
        wanted = [id for id, one in expected.items() if satisfies(condition, one)]
        for _ in range(2):
            assert await ids(indexed_store, tenant, condition) == wanted
    some = next(iter(expected))
    await indexed_store.write(tenant, [change(some, a=7)])
    assert some in await ids(indexed_store, tenant, ValueIn(ATTRIBUTES[0], 7, 7))


@pytest.fixture
async def indexed_store(
    backend: str, open_store: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> AsyncIterator[Any]:
    """A store that indexes a path of values as soon as one search could have used it."""
    if backend == "sqlite":
        monkeypatch.setattr("cityhub.storage.sqlite_search.PROBE", 0)
        store = await open_store()
    else:
        from cityhub.storage.postgres import open_postgres

        store = await open_postgres(request.getfixturevalue("store_database"), clock, wasted=1)
    yield store
    await store.close()
