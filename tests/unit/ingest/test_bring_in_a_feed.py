"""The page docs/bring-in-a-feed.md does what it says: its files, its commands in their order, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.publish as publish
import pytest

from cityhub.ingest.gateway.compiling import compile_feed
from cityhub.ingest.register.definition import read_definition
from tests.unit.ingest.pages import Page, running

PAGE = Page("bring-in-a-feed.md")
FEEDS = sorted(name for name in PAGE.files if name.endswith(".yaml"))


@pytest.fixture
def hub(tmp_path: Path, mosquitto: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A hub beside the page's files, in which the example hosts are replaced by those of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEED_RAIN_PASSWORD", "not asked for by this broker")
    PAGE.lay_out(tmp_path)
    rain = PAGE.files["rain.yaml"].replace("host: broker.example\n", f"host: 127.0.0.1\n  port: {mosquitto}\n")
    (tmp_path / "rain.yaml").write_text(rain, "utf-8")
    with running() as url:
        yield url


@pytest.mark.parametrize("name", FEEDS)
def test_each_feed_is_whole(name: str) -> None:
    compile_feed(read_definition(PAGE.files[name].encode()), lambda term: f"https://example.org/{term}")


def test_the_commands_answer_as_the_page_says(hub: str, mosquitto: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert PAGE.run(capfd) == 3
    asyncio.run(_rain_arrives(hub, mosquitto))


async def _rain_arrives(url: str, port: int) -> None:
    """A message of the first example, sent by a real broker, becomes an entity."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        await _until(client, "/api/feeds/rain", lambda shown: shown["status"]["state"] == "running")
        payload = PAGE.files["rain-sample.json"].replace("1.2", "201")
        await asyncio.to_thread(publish.single, "city/rain/R1", payload, 1, hostname="127.0.0.1", port=port)
        found = await _until(client, "/ngsi-ld/v1/entities/urn:ngsi-ld:RainGauge:R1", lambda entity: "precipitation" in entity)
        assert (found["precipitation"]["value"], found["precipitation"]["quality"]["value"]) == (201, ["range"])


async def _until(client: httpx.AsyncClient, path: str, holds: Any) -> Any:
    shown: Any = None
    for _ in range(400):
        answer = await client.get(path)
        shown = answer.json()
        if answer.status_code == 200 and holds(shown):
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(shown)
