"""The status document: rates, lags, and the state of feeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cityhub.model.ports import Write
from cityhub.model.time import to_text
from cityhub.model.vocabulary import FEED, ITEM_COUNT, NAME, SIMULATED, STATE, UPDATE_PERIOD
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.status import About, ChangeRate, StatusSources, feed_state, status_document

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


def feed(age_s: float | None, period_s: float | None = 5.0) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        NAME: [{"type": "LanguageProperty", "languageMap": {"zh": "气象（模拟）", "en": "Weather (simulated)"}}],
        SIMULATED: [{"type": "Property", "value": True}],
        ITEM_COUNT: [{"type": "Property", "value": 30}],
    }
    if period_s is not None:
        attributes[UPDATE_PERIOD] = [{"type": "Property", "value": period_s}]
    if age_s is not None:
        attributes[STATE] = [{"type": "Property", "value": "playing", "observedAt": to_text(NOW - timedelta(seconds=age_s))}]
    return {"id": "urn:ngsi-ld:Feed:x:weather", "type": [FEED], "attrs": attributes, "createdAt": to_text(NOW)}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(tmp_path, FixedClock())
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("age_s", "period_s", "word"),
    [(4.0, 5.0, "live"), (14.9, 1.0, "live"), (15.1, 1.0, "late"), (29.0, 10.0, "live"), (31.0, 10.0, "late"), (None, 5.0, "silent"), (None, None, "recorded")],
)
def test_state_of_a_feed(age_s: float | None, period_s: float | None, word: str) -> None:
    assert feed_state(feed(age_s, period_s), NOW)["state"] == word


def test_clock_that_runs_behind_gives_no_negative_age() -> None:
    assert feed_state(feed(-3.0), NOW)["age_s"] == 0.0


def test_feed_entity_of_any_shape_is_shown() -> None:
    bare = {"id": "urn:x", "type": [FEED], "attrs": {}, "createdAt": to_text(NOW)}
    assert feed_state(bare, NOW) == {
        "id": "urn:x", "name": {}, "simulated": False, "entities": 0, "lastAt": None, "age_s": None, "period_s": None, "state": "recorded",
    }


async def test_rate_looks_at_the_last_seconds_and_the_last_minute() -> None:
    now, last = [1000.0], [500]
    rate = ChangeRate(lambda: last[0], lambda: now[0])
    assert (rate.per_second(), rate.last_minute()) == (0.0, 0)
    for _ in range(120):
        now[0] += 1.0
        last[0] += 40
        await rate.sample()
    assert rate.per_second() == pytest.approx(40.0)
    assert rate.last_minute() == pytest.approx(2400, abs=80)
    for _ in range(20):
        now[0] += 1.0
        await rate.sample()
    assert rate.per_second() == 0.0
    assert rate.last_minute() == pytest.approx(1600, abs=80)


async def test_document(store: SqliteStore) -> None:
    await store.write("", [Write("urn:ngsi-ld:Feed:x:weather", lambda old, now: (feed(4.0), None))])
    await store.position("history")
    await store.write("", [Write("urn:ngsi-ld:Feed:x:weather", lambda old, now: (feed(2.0), None))])

    async def count() -> int:
        return 1

    about = About("0.1.0", "SQLite", "500114", {"zh": "重庆市黔江区"}, {"zh": "黔江"})
    sources = StatusSources(
        about, store, store, count, store.readers, ChangeRate(store.last, lambda: 0.0), lambda: 3, FixedClock(), NOW - timedelta(hours=1)
    )
    document = await status_document(sources)
    assert document["at"] == "2026-11-23T06:00:00.000000Z"
    assert document["startedAt"] == "2026-11-23T05:00:00.000000Z"
    assert document["entities"] == {"count": 1}
    assert document["journal"] == {"position": 2, "readers": [{"name": "history", "position": 1, "lag": 1}]}
    assert document["streams"] == 3
    assert document["district"]["shortName"] == {"zh": "黔江"}
    (line,) = document["feeds"]
    assert line["name"]["zh"] == "气象（模拟）"
    assert (line["state"], line["age_s"], line["entities"], line["simulated"]) == ("live", 2.0, 30, True)
