"""Files in a watched folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityhub.ingest.message import Message, Settled, TroubleAtSource
from cityhub.ingest.protocols.folder import Connector, Settings, connect
from cityhub.model.errors import Forbidden
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings


def made(kept: Kept, folder: Path, allowed: Path | None = None, **source: Any) -> Connector:
    settings = msgspec.convert({"folder": str(folder), "every_s": 0.05, **source}, Settings)
    return connect(feed("folder", format="csv"), settings, surroundings(kept, folders=(str(allowed or folder),)))


async def test_each_file_is_taken_once_and_moved(tmp_path: Path) -> None:
    kept = Kept()
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / ".hidden.csv").write_text("no")
    (tmp_path / "notes.txt").write_text("no")
    (tmp_path / "link.csv").symlink_to("/etc/hostname")
    async with running(made(kept, tmp_path, names="*.csv"), kept):
        await kept.count(1)
        (tmp_path / "b.csv").write_text("x\n2\n")
        await kept.until((tmp_path / "done" / "b.csv").exists)
        (tmp_path / "b.csv").write_text("x\n3\n")  # the same name with new content
        await kept.until((tmp_path / "done" / "b.1.csv").exists)
        await asyncio.sleep(0.2)
    assert [(message.about["path"], message.body) for message in kept.messages] == [("a.csv", b"x\n1\n"), ("b.csv", b"x\n2\n"), ("b.csv", b"x\n3\n")]
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["a.csv", "b.1.csv", "b.csv"]


async def test_remembered_files_stay_and_are_not_taken_again(tmp_path: Path) -> None:
    kept = Kept()
    file = tmp_path / "a.csv"
    file.write_text("1")
    for _ in range(2):  # the second run begins with the bookmark
        async with running(made(kept, tmp_path, after="remember"), kept):
            await kept.count(1)
            await asyncio.sleep(0.25)
        assert len(kept.messages) == 1
        os.utime(file, (1, 1))
    async with running(made(kept, tmp_path, after="remember"), kept):
        file.write_text("2")
        await kept.count(2)
    assert file.exists() and [message.body for message in kept.messages] == [b"1", b"2"]


async def test_a_file_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    kept = Kept()
    file = (tmp_path / "slow.csv").open("wb", buffering=0)
    async with running(made(kept, tmp_path, every_s=0.1), kept):
        for _ in range(20):
            file.write(b"x" * 10)
            await asyncio.sleep(0.03)
        assert kept.messages == []
        file.close()
        await kept.count(1)
    assert len(kept.messages[0].body) == 200


async def test_what_cannot_be_taken_goes_to_failed(tmp_path: Path) -> None:
    class Refusing(Kept):
        async def put(self, message: Message) -> Settled:
            await super().put(message)
            return Settled(refused=["no number"])

    kept = Refusing()
    (tmp_path / "bad.csv").write_text("x")
    (tmp_path / "large.csv").write_text("x" * 200)
    async with running(made(kept, tmp_path, max_bytes=100), kept):
        await kept.until(lambda: sum(1 for _ in tmp_path.glob("failed/*")) == 2)
    assert len(kept.messages) == 1
    assert any("bring it in as an import" in detail for _, detail in kept.states)


async def test_nothing_is_lost_while_the_hub_is_away(tmp_path: Path) -> None:
    kept = Kept()
    kept.away = True
    (tmp_path / "a.csv").write_text("1")
    with pytest.raises(TroubleAtSource):
        await made(kept, tmp_path).run(kept)
    assert (tmp_path / "a.csv").exists()


async def test_a_folder_that_is_not_there_now_may_come(tmp_path: Path) -> None:
    with pytest.raises(TroubleAtSource, match="No such file"):
        await made(Kept(), tmp_path / "none", tmp_path).run(Kept())


def test_only_allowed_folders(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to("/etc")
    for path in (Path("/etc"), tmp_path / "in" / "out", tmp_path / "in" / ".."):
        with pytest.raises(Forbidden, match="feed_folders"):
            made(Kept(), path, tmp_path / "in")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"folder": "here"}, Settings)
