"""The feed files of a district's folder: taken when they change, and never over what an operator changed."""

from __future__ import annotations

from pathlib import Path

from cityhub.ingest.feed import Feed
from cityhub.ingest.register.feeds import feed_files
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.versioned import Deed
from tests.unit.ingest.register.conftest import Hub
from tests.unit.ingest.register.test_feed_api import YAML

BY = Deed("zhang")


async def load(hub: Hub, content: bytes) -> DistrictFiles[Feed]:
    folder: Path = hub.folder / "feeds"
    folder.mkdir(exist_ok=True)
    (folder / "rain.yaml").write_bytes(content)
    files = feed_files(hub.folder, hub.registers.feeds)
    await files.load()
    return files


async def test_a_file_is_taken_once_and_again_when_it_changed(hub: Hub) -> None:
    feeds = hub.registers.feeds
    await load(hub, YAML)
    await load(hub, YAML)
    assert feeds.get("rain").version == 1
    await load(hub, YAML + b"interval_s: 60\n")
    assert (feeds.get("rain").version, feeds.get("rain").interval_s) == (2, 60.0)


async def test_what_an_operator_changed_stays(hub: Hub) -> None:
    feeds = hub.registers.feeds
    await load(hub, YAML)
    mine = feeds.get("rain")
    await feeds.replace(type(mine)(**{name: getattr(mine, name) for name in mine.__struct_fields__} | {"owner": "water"}), BY)
    files = await load(hub, YAML + b"interval_s: 60\n")
    assert files.differing == {"rain": "feeds/rain.yaml"}
    assert (feeds.get("rain").owner, feeds.get("rain").interval_s) == ("water", 0.0)


async def test_a_stopped_feed_takes_its_file_and_stays_stopped(hub: Hub) -> None:
    feeds = hub.registers.feeds
    await load(hub, YAML)
    await feeds.switch("rain", False, BY)
    await load(hub, YAML + b"interval_s: 60\n")
    assert (feeds.get("rain").enabled, feeds.get("rain").interval_s) == (False, 60.0)
    await feeds.switch("rain", True, BY)
    await load(hub, YAML + b"interval_s: 90\n")
    assert (feeds.get("rain").enabled, feeds.get("rain").interval_s) == (True, 90.0)


async def test_a_deleted_feed_comes_back_only_with_another_file(hub: Hub) -> None:
    feeds = hub.registers.feeds
    await load(hub, YAML)
    await feeds.delete("rain", BY)
    await load(hub, YAML)
    assert feeds.all() == []
    await load(hub, YAML + b"interval_s: 60\n")
    assert feeds.get("rain").version == 3


async def test_a_file_that_cannot_be_taken_keeps_no_other_out(hub: Hub) -> None:
    (hub.folder / "feeds").mkdir()
    (hub.folder / "feeds/a.yaml").write_text("id: Wrong Name\nprotocol: mqtt")
    files = await load(hub, YAML)
    assert list(files.faults) == ["a.yaml"]
    assert [feed.id for feed in hub.registers.feeds.all()] == ["rain"]
