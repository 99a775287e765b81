"""What follows the journal leaves nothing out, whoever else follows it at the same time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson

from cityhub.history.lake.following import Following
from cityhub.model.history_events import Backfill, document_of
from cityhub.model.ports import HISTORY_EVENTS


def entry(position: int, *, backfill: bool = False) -> tuple[Any, ...]:
    after = orjson.dumps(document_of(Backfill("x.parquet", 1)) if backfill else {"id": str(position)})
    collection = HISTORY_EVENTS if backfill else "import"
    return (position, collection, "", str(position), "created", "2026-01-01T00:00:00.000000Z", after, None, b"", "")


def test_a_backfill_that_another_thread_is_about_to_take_is_not_passed_over() -> None:
    journal = [entry(11), entry(12, backfill=True), entry(13)]
    following: Any = Following.__new__(Following)
    following._ahead = []
    following._batch = 100
    following._standing = SimpleNamespace(state=SimpleNamespace(position=10))
    following._source = SimpleNamespace(read=lambda after, limit: [one for one in journal if one[0] > after])
    assert [one[0] for one in following._next()] == [11]
    following._standing.state.position = 11
    assert [one[0] for one in following._next()] == [12]  # the first thread goes to take it in, which takes its time
    assert [one[0] for one in following._next()] == [12]  # the second must not go on behind it
    following._standing.state.position = 12
    assert [one[0] for one in following._next()] == [13]
