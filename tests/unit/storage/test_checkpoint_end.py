"""A store that closes while its log is being moved does end."""

from __future__ import annotations

import threading
from pathlib import Path

import apsw
import pytest

from cityhub.storage import sqlite_checkpoint
from cityhub.storage.sqlite_checkpoint import PAGES, Checkpoints


def test_the_thread_ends_when_it_is_told_while_it_moves_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()

    def move(connection: apsw.Connection) -> None:
        began.set()
        assert go_on.wait(60)

    monkeypatch.setattr(sqlite_checkpoint, "move", move)
    path = tmp_path / "store.sqlite"
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    checkpoints = Checkpoints(str(path))
    checkpoints.start()
    checkpoints._grown(connection, "main", PAGES)
    assert began.wait(60)
    ending = threading.Thread(target=checkpoints.stop, daemon=True)
    ending.start()
    assert checkpoints._stopping.wait(60)
    go_on.set()
    ending.join(60)
    assert not checkpoints.is_alive()
    connection.close()
