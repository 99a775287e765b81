"""The NGSI-LD examples of the Smart Data Models go in by every door and come out the same."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.faults.hub import Hub

pytestmark = pytest.mark.slow

API = "/ngsi-ld/v1"


def examples(pattern: str) -> list[Path]:
    """The example files; the package itself is not imported, as that loads its whole data base."""
    spec = find_spec("pysmartdatamodels")
    assert spec is not None
    assert spec.origin
    return sorted(Path(spec.origin).parent.glob(f"**/examples/{pattern}"))


def document(path: Path) -> dict[str, Any]:
    """An example without its @context, which is on the internet and does not change what is said."""
    read: dict[str, Any] = orjson.loads(path.read_bytes())
    read.pop("@context", None)
    return read


def normalized() -> list[dict[str, Any]]:
    """The normalized examples, with their slips of the pen mended (see the test of the model)."""
    found = [document(path) for path in examples("example-normalized.jsonld")]
    for one in found:
        one["template__date"]["type"] = "Property"
        one["template__email"]["type"] = "Property"
        target = one["template__relationship"].pop("value")
        one["template__relationship"] |= {"type": "Relationship", "object": target}
    return found


def key_values() -> list[dict[str, Any]]:
    """The key-value examples, each with an id of its own."""
    found = [document(path) for path in (*examples("example.json"), *examples("example.jsonld"))]
    return [{**one, "id": f"{one['id']}:{place}"} for place, one in enumerate(found)]


async def call(session: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> tuple[int, Any]:
    async with session.request(method, url, json=body) as response:
        return response.status, await response.json(content_type=None) if await response.read() else None


@pytest.mark.parametrize("door", ["create", "replace", "batch create", "batch upsert"])
@pytest.mark.parametrize("form", ["normalized", "keyValues", "concise"])
async def test_examples_come_out_the_same(hub: Hub, door: str, form: str) -> None:
    documents = normalized() if form == "normalized" else key_values()
    assert documents
    entities = f"{hub.url}{API}/entities"
    asked = "" if form == "normalized" else f"?options={form}"
    async with aiohttp.ClientSession() as session:
        for one in documents:
            sent = copy.deepcopy(one)
            await _send(session, hub, door, asked if form == "keyValues" else "", sent)
            status, found = await call(session, "GET", f"{entities}/{one['id']}{asked}")
            assert (status, found) == (200, one)
            status, page = await call(session, "GET", f"{entities}?type={one['type']}&id={one['id']}&{asked.removeprefix('?')}".rstrip("&"))
            assert (status, page) == (200, [one])


async def _send(session: aiohttp.ClientSession, hub: Hub, door: str, options: str, one: dict[str, Any]) -> None:
    entities, batch = f"{hub.url}{API}/entities", f"{hub.url}{API}/entityOperations"
    if door == "create":
        # Create Entity takes normalized and concise entities; key-values are for the doors with options.
        status, told = await call(session, "POST", entities, one) if not options else await call(session, "POST", f"{batch}/create{options}", [one])
    elif door == "replace":
        assert (await call(session, "POST", entities, {"id": one["id"], "type": one["type"]}))[0] == 201
        status, told = await call(session, "PUT", f"{entities}/{one['id']}{options}", one)
    elif door == "batch create":
        status, told = await call(session, "POST", f"{batch}/create{options}", [one])
    else:
        status, told = await call(session, "POST", f"{batch}/upsert{options}", [one])
    assert status in (201, 204), told
