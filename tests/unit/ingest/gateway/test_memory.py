"""What the checks of a feed remember outlasts the gateway: kept, bounded, recalled for the same checks only."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cityhub.hub import Hub, build
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway.compiling import compile_feed
from cityhub.ingest.gateway.memory import MAX_FILE, UNUSED_S, Memory
from cityhub.ingest.gateway.outlet import Outlet
from cityhub.ingest.gateway.running import RunningFeeds
from cityhub.ingest.gateway.surroundings import Place
from cityhub.ingest.gateway.words import FeedOrder
from cityhub.ingest.message import Message
from cityhub.ingest.quality import Quality, checks_of
from cityhub.model.ports import EntityUpdate
from cityhub.settings import Settings
from cityhub.web.wire_client import WireClient
from tests.unit.ingest.gateway.conftest import METER, meters, until

AT = "2026-01-01T00:00:{:02}.000000Z"


def feed(**changes: Any) -> Feed:
    document = {"id": "meters", "protocol": "mqtt", "entities": [METER], "checks": {"level": {"jump": 0.1}}, **changes}
    return msgspec.convert(document, Feed)


def checks(feed: Feed) -> Quality:
    return checks_of(feed, lambda name: f"urn:n:{name}")


def flags(quality: Quality, value: float, second: int, meter: str = "1") -> Any:
    """The flags of a value of a meter; None when it has none."""
    instance: Any = {"type": "Property", "value": value, "observedAt": AT.format(second)}
    [update] = quality.flag([EntityUpdate(f"urn:m:{meter}", ["urn:n:Meter"], {"urn:n:level": [instance]})], AT.format(59))
    attributes = update.attributes["urn:n:level"][0].get("attrs")
    return attributes["urn:n:quality"][0]["value"] if attributes else None


async def kept(data: Path, of: Feed) -> Quality:
    """Checks that remember a value, which is kept."""
    quality = checks(of)
    flags(quality, 1.0, 1)
    await Memory(data).keep(of, quality)
    return quality


def recalled(data: Path, of: Feed) -> Quality:
    quality = checks(of)
    Memory(data).recall(of, quality)
    return quality


async def test_what_was_kept_is_remembered_for_the_same_checks(tmp_path: Path) -> None:
    before = await kept(tmp_path, feed())
    assert recalled(tmp_path, feed(title={"en": "Meters"}, version=2)).snapshot() == before.snapshot()
    assert flags(recalled(tmp_path, feed()), 50.0, 2) == ["jump"]
    assert flags(checks(feed()), 50.0, 2) is None
    scaled = {**METER, "attributes": {"level": {"value": "level", "scale": 100}}}
    for other in (feed(checks={"level": {"jump": 0.2}}), feed(entities=[scaled]), feed(tenant="b"), feed(id="others")):
        assert recalled(tmp_path, other).snapshot()["things"] == {}


async def test_a_message_that_comes_again_after_a_restart_is_no_duplicate(tmp_path: Path) -> None:
    before = await kept(tmp_path, feed())
    assert flags(before, 1.0, 1) == ["duplicate"]
    assert flags(recalled(tmp_path, feed()), 1.0, 1) is None


@pytest.mark.parametrize("content", [b"", b"no zlib", None])
async def test_a_broken_file_is_told_and_passed_over(tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    await kept(tmp_path, feed())
    file = tmp_path / "gateway" / "meters.quality"
    file.write_bytes(file.read_bytes()[:-7] if content is None else content)
    with caplog.at_level(logging.WARNING):
        assert recalled(tmp_path, feed()).snapshot()["things"] == {}
    assert "they begin anew" in caplog.text
    assert flags(await kept(tmp_path, feed()), 50.0, 2) == ["jump"]
    assert flags(recalled(tmp_path, feed()), 50.0, 2) == ["jump"]


async def test_a_file_is_bounded_and_has_those_that_spoke_last(tmp_path: Path) -> None:
    quality, chance = checks(feed(checks={"level": {"jump": 0.1, "stuck_s": 1}})), random.Random(1)
    of = feed(checks={"level": {"jump": 0.1, "stuck_s": 1}})
    for number in range(20_000):
        flags(quality, chance.random(), 1, f"{chance.getrandbits(900):x}-{number}")
    flags(quality, 2**70, 1, "beyond msgpack")
    flags(quality, 1.0, 1, "last")
    await Memory(tmp_path).keep(of, quality)
    [file] = (tmp_path / "gateway").iterdir()
    assert MAX_FILE / 4 < file.stat().st_size <= MAX_FILE
    things = list(recalled(tmp_path, of).snapshot()["things"])
    assert 1_000 < len(things) < 20_000 and things[-1] == "urn:m:last"
    assert things[-2].endswith("-19999")  # the one between cannot be written


async def test_the_file_of_a_feed_that_is_no_more_goes_in_time(tmp_path: Path) -> None:
    await kept(tmp_path, feed())
    await kept(tmp_path, feed(id="others"))
    old = time.time() - UNUSED_S - 10
    os.utime(tmp_path / "gateway" / "others.quality", (old, old))
    Memory(tmp_path)
    assert [file.name for file in (tmp_path / "gateway").iterdir()] == ["meters.quality"]


async def test_it_is_written_down_again_and_again(tmp_path: Path) -> None:
    hub = WireClient("hub", tmp_path / "nobody.sock", patience_s=0.1)
    feeds = RunningFeeds(Outlet(hub), Place(Settings(data=tmp_path), hub, {}), compile_feed, Memory(tmp_path))
    own = feed(protocol="http", entities=[{**METER, "id": '"urn:m:1"'}])
    names = {"Meter": "urn:n:Meter", "level": "urn:n:level", "quality": "urn:n:quality"}
    await feeds.arrange([FeedOrder(own, names)])
    keeping = asyncio.create_task(feeds.keep(0.05))
    message = Message(b'{"level": 1.0, "at": "2026-01-01T00:00:01Z"}', received_at=AT.format(59))
    pushing = asyncio.create_task(feeds.push("meters", message, True))
    file = tmp_path / "gateway" / "meters.quality"
    await until(file.exists)
    written = file.stat().st_mtime_ns
    await asyncio.sleep(0.2)
    assert file.stat().st_mtime_ns == written  # nothing came since
    for task in (keeping, pushing):
        task.cancel()
    await asyncio.gather(keeping, pushing, return_exceptions=True)
    await feeds.stop()


# -- With the gateway's real process -----------------------------------------------------------------------------------


async def say(client: httpx.AsyncClient, level: float, second: int) -> Any:
    """The flags that a pushed value gets."""
    body = {"level": level, "at": AT.format(second)}
    answer = await client.post("/api/feeds/meters/messages", json=body)
    assert answer.status_code == 200 and answer.json()["written"] == 1, answer.text
    found = (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Meter:1")).json()["level"]
    assert found["value"] == level
    return found.get("quality", {}).get("value")


def pushed(**changes: Any) -> dict[str, Any]:
    own = {**METER, "id": '"urn:ngsi-ld:Meter:1"'}
    return meters(1) | {"protocol": "http", "source": {}, "entities": [own], "checks": {"level": {"jump": 0.1}}} | changes


def in_process(hub: Hub) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(hub.application), base_url="http://127.0.0.1", timeout=90)


async def test_a_jump_over_an_orderly_end_is_seen(tmp_path: Path) -> None:
    for second, expected in ((1, None), (2, ["jump"])):
        hub = await build(Settings(data=tmp_path, dev=True, feeds=False))
        await hub.start()
        try:
            async with in_process(hub) as client:
                if second == 1:
                    assert (await client.post("/api/feeds", json=pushed())).status_code == 201
                await until(lambda: hub.gateway.states().get("meters"))  # noqa: B023
                assert await say(client, 100.0 * second, second) == expected
        finally:
            await hub.stop()
        assert (tmp_path / "gateway" / "meters.quality").is_file()


async def test_after_a_kill_what_was_written_down_before_is_remembered(hub: Hub, client: httpx.AsyncClient, tmp_path: Path) -> None:
    assert (await client.post("/api/feeds", json=pushed())).status_code == 201
    await until(lambda: hub.gateway.states().get("meters"))
    assert await say(client, 1.0, 1) is None
    changed = await client.put("/api/feeds/meters", json=pushed(title={"en": "Meters"}))  # the former version writes down, this one recalls
    assert changed.status_code < 300, changed.text
    await until((tmp_path / "gateway" / "meters.quality").is_file)
    assert await say(client, 1.05, 2) is None  # not written down yet: lost with the process
    first = hub.gateway.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: hub.gateway.pid not in (None, first))
    assert await say(client, 90.0, 3) == ["jump"]
