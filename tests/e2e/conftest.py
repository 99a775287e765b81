"""What tests in a browser share: a hub with its feeds, and Debian's Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import CHROMIUM
from tests.e2e.hub_process import ROOT, RunningHub, running_hub


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --screens, which writes the pictures of docs/screens anew."""
    parser.addoption("--screens", action="store_true", help="write the screenshots of docs/screens anew")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub whose eight live feeds have spoken."""
    with running_hub(tmp_path_factory.mktemp("data")) as hub:
        hub.wait_until(lambda status: sum(feed["state"] == "live" for feed in status["feeds"]) == 8 and hub.devices_spoke())
        yield hub


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def screens(request: pytest.FixtureRequest) -> Path | None:
    """Where screenshots go; None unless they are asked for."""
    folder = ROOT / "docs" / "screens"
    if not request.config.getoption("--screens", default=False):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return folder
