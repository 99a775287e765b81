"""Whatever parameters come, no action and no door fails."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cityhub.catalogue.ckan_api import CkanApi
from tests.unit.catalogue.conftest import City
from tests.unit.catalogue.test_doors import client

WORDS = st.sampled_from([
    "weather-observed", "mine", "Mine!", "", "*:*", "title:x", "(", "name asc", "name", "true", "0", "-1", "5", "99999999999999", "\x00", "水位", "[]",
    '["a"]', "{}", "depends_on", "water-bureau",
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "key", "value", "url", "type", "object"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = st.sampled_from([
    "id", "name", "title", "notes", "q", "fq", "fq_list", "sort", "rows", "start", "limit", "offset", "facet.field", "facet.limit", "facet.mincount",
    "owner_org", "extras", "tags", "tag_string", "groups", "resources", "state", "private", "package_id", "resource_id", "filters", "fields", "query",
    "records_format", "subject", "object", "type", "order", "organization", "organization_id", "metadata_modified", "all_fields", "sql", "order_by",
    "size", "url", "image_url", "description", "include_datasets", "relationships_as_subject", "organizations", "groups", "id2", "distinct", "license_id",
])  # fmt: skip
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=6)


@pytest.mark.timeout(250)
async def test_no_action_fails(around: City) -> None:
    api: Any = next(route.handler for route in around.catalogue.routes() if route.path == "/api/3/action/{action}")
    known: CkanApi = api.__self__
    actions = sorted([*known._reading, *known._writing])
    loop = asyncio.get_running_loop()
    async with client(around) as caller:

        def ask(action: str, parameters: dict[str, Any]) -> None:
            body = orjson.dumps(parameters, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
            asking = caller.post(f"/api/3/action/{action}", content=body, headers={"content-type": "application/json"})
            answer = asyncio.run_coroutine_threadsafe(asking, loop).result(20)
            assert answer.status_code < 500 or answer.status_code == 501, (action, parameters, answer.text[:500])
            assert orjson.loads(answer.content) is not None

        @given(st.sampled_from([*actions, "datastore_search_sql"]), PARAMETERS)
        @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def some(action: str, parameters: dict[str, Any]) -> None:
            parameters = {name: value for name, value in parameters.items() if _fits(value)}
            ask(action, parameters)

        await asyncio.to_thread(some)
        assert (await caller.get("/catalog.jsonld")).status_code == 200


def _fits(value: Any) -> bool:
    """Whether it can be written as JSON by a client at all."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@pytest.mark.timeout(250)
async def test_no_edit_fails(around: City) -> None:
    loop = asyncio.get_running_loop()
    members = st.sampled_from(["title", "description", "share", "open", "fields", "rules", "distributions", "bbox", "themes", "tags", "period_s", "extras", "licence"])
    async with client(around) as caller:

        @given(st.dictionaries(members, VALUES, max_size=4))
        @example({"distributions": 1.5})
        @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def some(edits: dict[str, Any]) -> None:
            edits = {name: value for name, value in edits.items() if _fits(value)}
            asking = caller.patch("/api/catalogue/datasets/village", content=orjson.dumps(edits))
            answer = asyncio.run_coroutine_threadsafe(asking, loop).result(20)
            assert answer.status_code in (200, 400), (edits, answer.text[:500])

        await asyncio.to_thread(some)
        # Whatever was accepted can be shown in every form.
        for path in ("/api/catalogue/datasets/village", "/dataset/village.ttl", "/dataset/village.xml", "/api/3/action/package_show?id=village"):
            assert (await caller.get(path)).status_code == 200, path
