"""Every door of the built hub, as nobody: only the short list of public ones opens."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cityhub.hub import Hub, build
from cityhub.settings import Settings
from cityhub.web.http import Route

PUBLIC = {"/", "/pages/{name}", "/centre", "/centre/{rest:path}", "/health", "/ready", "/api/openapi.json", "/cap/feed", "/cap/{identifier}"}
"""What anybody may see: the pages' files, the description of the doors, whether the hub lives, and the warnings to the public."""
OPEN_DATA = re.compile(
    r"/open-data(/.*)?|/catalog(\..*)?|/dataset/\{name\}|/api/catalogue/(datasets|words)(/.*)?|/api/(3/)?action/\{action\}"
)
"""The catalogue's reading doors: a stranger sees there what providers have opened to residents, and nothing else."""
OPEN311 = re.compile(r"/open311/v2/.*")
"""Residents' doors: anybody reads what residents reported, without names, and reports."""
READ_BY_POST = re.compile(r"/api/(3/)?action/\{action\}")
"""CKAN's clients read by POST as well."""
BY_TOKEN = {"/api/notices/receipts/{channel}"}
"""Doors of machines that cannot sign in; they ask for a token of their own, so that a stranger is refused there too."""
STRANGERS = [
    ("192.0.2.1", {"Host": "localhost"}),
    ("127.0.0.1", {"Host": "hub.example"}),
    ("127.0.0.1", {"Host": "localhost", "Origin": "https://page.example"}),
    ("127.0.0.1", {"Host": "localhost", "X-Forwarded-For": "192.0.2.1"}),
]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = await build(Settings(data=tmp_path, feeds=False))
    yield made
    await made.stop()


async def knock(hub: Hub, route: Route, peer: str, headers: dict[str, str]) -> int:
    """The status that the door gives to a caller who sends a body that may be read."""
    path = re.sub(r"\{[^}]*\}", "urn:ngsi-ld:Nothing:1", route.path)
    transport = httpx.ASGITransport(hub.application, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        return (await client.request(route.method, path, content=None if route.method in ("GET", "DELETE") else b"{}")).status_code


@pytest.mark.parametrize(("peer", "headers"), STRANGERS, ids=["another machine", "another name", "another page", "a proxy"])
async def test_a_stranger_passes_the_public_doors_only(hub: Hub, peer: str, headers: dict[str, str]) -> None:
    answers = {(route.method, route.path): await knock(hub, route, peer, headers) for route in hub.application.router.routes}
    opened = {door for door, status in answers.items() if status != 401}
    catalogue = {(method, path) for method, path in opened if OPEN_DATA.fullmatch(path)}
    open311 = {(method, path) for method, path in opened if OPEN311.fullmatch(path)}
    assert {path for method, path in open311 if method != "GET"} == {"/open311/v2/requests.json", "/open311/v2/requests.xml"}
    assert opened - catalogue - open311 == {("GET", path) for path in PUBLIC}
    assert {path for method, path in catalogue if method != "GET" and not READ_BY_POST.fullmatch(path)} == set()
    for action in ("package_create", "package_update", "package_patch", "package_delete", "organization_create", "datastore_search_sql"):
        assert answers["POST", f"/api/3/action/{action}"] == 401, action
    for door in (("GET", "/metrics"), ("GET", "/api/status"), ("GET", "/api/stream"), ("GET", "/api/hub/flow")):
        assert answers[door] == 401, door  # it is there, and shut


async def test_every_permission_is_named_by_subject_and_deed(hub: Hub) -> None:
    for route in hub.application.router.routes:
        named = re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z]+", route.permission)
        public = route.path in PUBLIC | BY_TOKEN or OPEN_DATA.fullmatch(route.path) or OPEN311.fullmatch(route.path)
        assert public if route.permission == "public" else named, f"{route.method} {route.path}: '{route.permission}'"
        assert route.path not in PUBLIC or route.permission == "public", f"{route.method} {route.path}: '{route.permission}'"


async def test_the_local_user_is_let_in(hub: Hub) -> None:
    """So that the refusals above are about who asks."""
    answers = {route.path: await knock(hub, route, "127.0.0.1", {}) for route in hub.application.router.routes if route.path in (
        "/metrics", "/api/status", "/api/hub/flow", "/api/hub/journal", "/ngsi-ld/v1/types")}  # fmt: skip
    assert set(answers.values()) == {200}
    assert len(answers) == 5
