"""Schemathesis over the hub's own OpenAPI document: whatever comes, the hub never fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck

from tests.e2e.hub_process import RunningHub, running_hub

EXAMPLES = 12
"""Requests of one operation."""
PATIENCE_S = 60.0
"""One answer may take so long on a slow machine."""
ENDLESS = ("/api/stream", "/api/notices/stream")
NAMED = (501, 502, 504, 508)
"""What the standard has for what others did not do: an @context or a context source that cannot be reached."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(tmp_path_factory.mktemp("hub"), "--no-feeds") as hub:
        yield hub


@pytest.mark.filterwarnings("ignore")
def test_no_request_makes_the_hub_fail(hub: RunningHub) -> None:
    schema: Any = schemathesis.openapi.from_dict(httpx.get(f"{hub.url}/api/openapi.json", timeout=60).json())
    session = requests.Session()
    failures: list[str] = []
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 60
    for operation in operations:
        if operation.path not in ENDLESS:
            _try(operation, hub.url, session, failures)
    assert not failures, "\n".join(failures)
    assert hub.get("/health").status_code == 200


def _try(operation: Any, url: str, session: requests.Session, failures: list[str]) -> None:
    @hypothesis.given(case=operation.as_strategy())
    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def answered(case: Any) -> None:
        began = time.monotonic()
        response = case.call(base_url=url, session=session, timeout=PATIENCE_S)
        assert response.status_code < 500 or response.status_code in NAMED, f"{response.status_code} {response.text[:300]}"
        assert time.monotonic() - began < PATIENCE_S

    try:
        answered()
    except Exception as error:
        failures.append(f"{operation.method.upper()} {operation.path}: {error}"[:1500])
