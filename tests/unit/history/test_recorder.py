"""The journal's reader that keeps the history: once, in any order of arrival, after any crash."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.history import recorder as recorder_module
from cityhub.history.recorder import NAME, Recorder
from cityhub.history.recording import happening_of
from cityhub.history.sqlite_history import SqliteHistory, open_history
from cityhub.model.change import Change, attribute_changes
from cityhub.model.entity import NULL
from cityhub.model.ngsild import merge
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ports import Happening, Window, Write
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import SqliteStore

E1 = "urn:ngsi-ld:Sensor:1"
SPEED, NAME_ = "https://a/speed", "https://a/name"


def entity(**attrs: Any) -> dict[str, Any]:
    return {"id": E1, "type": ["https://a/Sensor"], "attrs": {f"https://a/{name}": [instance] for name, instance in attrs.items()}}


def measured(value: Any, minute: int) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": f"2026-01-01T00:{minute:02}:00.000000Z"}


async def create(store: SqliteStore, document: dict[str, Any]) -> None:
    assert await store.write("", [Write(E1, lambda now, at: (merge.create(document, at), None))]) == [None]


async def change(store: SqliteStore, fragment: Fragment) -> None:
    await store.write("", [Write(E1, lambda now, at: (merge.append_attributes(now or {}, fragment, at)[0], None))])


def values(attrs: dict[str, list[dict[str, Any]]], name: str = SPEED) -> list[Any]:
    return [instance.get("value") for instance in attrs.get(name, [])]


async def test_every_write_becomes_an_instance_and_every_deletion_a_mark(store: SqliteStore, history: SqliteHistory, recorder: Recorder) -> None:
    await create(store, entity(speed={"type": "Property", "value": 1}, name={"type": "LanguageProperty", "languageMap": {"en": "a"}}))
    await change(store, Fragment({SPEED: [{"type": "Property", "value": 2}]}))
    await change(store, Fragment({}, expires_at="2030-01-01T00:00:00.000000Z"))
    await store.write("", [Write(E1, lambda now, at: (merge.delete_attribute(now or {}, NAME_, None, False, at), None))])
    await recorder.caught_up()
    [attrs] = await history.read("", [E1], Window())
    assert values(attrs) == [1, 2]
    [gone] = await history.read("", [E1], Window(property="deletedAt"))
    assert [(mark["type"], mark["languageMap"]) for mark in gone[NAME_]] == [("LanguageProperty", NULL)]
    assert SPEED not in gone
    assert len(attrs[NAME_]) == 1
    await store.write("", [Write(E1, lambda now, at: (None, None))])
    await recorder.caught_up()
    found = await history.entity("", E1)
    assert found is not None and found.deleted_at is not None
    await create(store, entity(speed={"type": "Property", "value": 3}))
    await recorder.caught_up()
    found = await history.entity("", E1)
    assert found is not None and found.deleted_at is None
    [attrs] = await history.read("", [E1], Window())
    assert values(attrs) == [1, 2, 3]


async def test_the_scope_is_kept_as_a_property(store: SqliteStore, history: SqliteHistory, recorder: Recorder) -> None:
    await create(store, {**entity(), "scope": ["/Old"]})
    await change(store, Fragment({}, scope=["/New"]))
    await recorder.caught_up()
    [attrs] = await history.read("", [E1], Window())
    assert values(attrs, "scope") == [["/Old"], ["/New"]]
    assert all(one["observedAt"] == one["modifiedAt"] for one in attrs["scope"])


async def test_other_datasets_of_a_changed_attribute_are_not_repeated(store: SqliteStore, history: SqliteHistory, recorder: Recorder) -> None:
    first = [{"type": "Property", "value": 1}, {"type": "Property", "value": 10, "datasetId": "urn:d:1"}]
    await create(store, {**entity(), "attrs": {SPEED: first}})
    await change(store, Fragment({SPEED: [{"type": "Property", "value": 2}]}))
    await recorder.caught_up()
    [attrs] = await history.read("", [E1], Window())
    assert sorted(values(attrs)) == [1, 2, 10]


async def test_what_expires_leaves_neither_instances_nor_marks(store: SqliteStore, history: SqliteHistory, recorder: Recorder, clock: Any) -> None:
    expiring = {"type": "Property", "value": 1, "expiresAt": "2026-11-23T06:05:10.000000Z"}
    await create(store, entity(speed=expiring, name={"type": "Property", "value": "x"}))
    await recorder.caught_up()
    assert values((await history.read("", [E1], Window()))[0]) == [1]
    clock.pass_seconds(20)
    await store.expire()
    await recorder.caught_up()
    for property in ("observedAt", "deletedAt", "modifiedAt"):
        [attrs] = await history.read("", [E1], Window(property=property))
        assert SPEED not in attrs
    assert await history.expire() == 1


async def test_a_query_sees_what_was_acknowledged_before_it(store: SqliteStore, history: SqliteHistory, recorder: Recorder) -> None:
    await create(store, entity(speed=measured(0, 0)))
    for count in range(1, 30):
        await change(store, Fragment({SPEED: [measured(count, count)]}))
        await recorder.caught_up()
        [attrs] = await history.read("", [E1], Window(latest=True, limit=1))
        assert values(attrs) == [count]


async def test_it_goes_on_where_it_ended_and_the_journal_keeps_what_it_needs(tmp_path: Path, store: SqliteStore, history: SqliteHistory, clock: Any) -> None:
    first = Recorder(store, history)
    await first.start()
    await create(store, entity(speed=measured(0, 0)))
    await first.caught_up()
    await first.stop()
    await change(store, Fragment({SPEED: [measured(1, 1)]}))
    await store.compact()
    second = Recorder(store, history)
    await second.start()
    await second.caught_up()
    assert values((await history.read("", [E1], Window()))[0]) == [0, 1]
    assert (await store.readers())[NAME] <= second.position
    await second.stop()
    assert (await store.readers())[NAME] == second.position == store.last()


async def test_a_history_that_is_ahead_of_its_journal_goes_on(store: SqliteStore, history: SqliteHistory) -> None:
    await history.append([], 1_000)
    recorder = Recorder(store, history)
    await recorder.start()
    await create(store, entity(speed=measured(5, 5)))
    await recorder.caught_up()
    assert values((await history.read("", [E1], Window()))[0]) == [5]
    await recorder.stop()


async def test_changes_that_the_journal_lost_are_skipped(store: SqliteStore, history: SqliteHistory) -> None:
    await store.position("other")
    await create(store, entity(speed=measured(1, 1)))
    await change(store, Fragment({SPEED: [measured(2, 2)]}))
    await store.advance("other", store.last())
    await store.compact()
    await history.follow(0)
    recorder = Recorder(store, history)
    await recorder.start()
    await asyncio.wait_for(recorder.caught_up(), 10)
    assert recorder.position == store.last()
    await recorder.stop()


# -- Properties ----------------------------------------------------------------------------------------------------------


def journal(readings: list[tuple[int, int]]) -> list[Change]:
    """Changes that set a value observed at a minute, one after the other."""
    changes, before = [], None
    for position, (minute, value) in enumerate(readings, 1):
        at = f"2026-11-23T07:00:{position:02}.000000Z"
        after = merge.create(entity(speed=measured(value, minute)), at)
        changes.append(Change(position, "entity", "", E1, "updated" if before else "created", at, after, before, attribute_changes(before, after)))
        before = after
    return changes


async def recorded(deliveries: list[list[Change]]) -> list[tuple[Any, ...]]:
    """What is in a fresh history after deliveries of changes, by time of observation."""
    with tempfile.TemporaryDirectory() as folder:
        history = open_history(Path(folder), SystemClock())
        for delivery in deliveries:
            happenings = [happening for one in delivery if (happening := happening_of(one)) is not None]
            await history.append(happenings, delivery[-1].position)
        [attrs] = await history.read("", [E1], Window())
        await history.close()
        return [(one["observedAt"], one["value"]) for one in attrs.get(SPEED, [])]


READINGS = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 3)), min_size=1, max_size=12, unique_by=lambda reading: reading[0])


@settings(max_examples=25, deadline=None)
@given(READINGS, st.randoms(use_true_random=False))
def test_late_data_give_the_same_history(readings: list[tuple[int, int]], random_: random.Random) -> None:
    late = list(readings)
    random_.shuffle(late)
    assert asyncio.run(recorded([journal(readings)])) == asyncio.run(recorded([journal(late)]))


@settings(max_examples=25, deadline=None)
@given(READINGS, st.data())
def test_redelivery_changes_nothing(readings: list[tuple[int, int]], data: st.DataObject) -> None:
    changes = journal(readings)
    cut = data.draw(st.integers(1, len(changes)))
    again = data.draw(st.integers(0, cut - 1))
    once = asyncio.run(recorded([changes]))
    assert asyncio.run(recorded([changes[:cut], changes[again:cut], *([changes[cut:]] if changes[cut:] else []), changes])) == once


async def test_a_measurement_that_is_sent_again_is_not_kept_twice() -> None:
    assert await recorded([journal([(1, 5), (2, 6), (1, 5)])]) == await recorded([journal([(1, 5), (2, 6)])])


WRITER = """
import asyncio, sys
from pathlib import Path
from cityhub.history.sqlite_history import open_history
from cityhub.model.ports import Happening
from cityhub.model.time import SystemClock
async def main():
    history = open_history(Path(sys.argv[1]), SystemClock())
    position = history.position() or 0
    while True:
        batch = [Happening("", "urn:e:1", "2026-11-23T07:00:00.000000Z", ["T"], False, [("a", {"type": "Property", "value": position + n})])
                 for n in range(1, 8)]
        position += 7
        await history.append(batch, position)
        print(position, flush=True)
asyncio.run(main())
"""


async def kept(folder: Path) -> tuple[int | None, dict[str, list[Any]]]:
    history = open_history(folder, SystemClock())
    [attrs] = await history.read("", ["urn:e:1"], Window())
    await history.close()
    return history.position(), attrs


def test_killed_at_any_moment_data_and_position_agree(tmp_path: Path) -> None:
    acknowledged = 0
    for pause in (0.02, 0.05, 0.01, 0.08):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd(), env={"PYTHONPATH": "src"})
        assert process.stdout is not None
        acknowledged = max(acknowledged, int(process.stdout.readline()))
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout.read().split("\n")[:-1]:
            acknowledged = max(acknowledged, int(line))
        process.wait()
        process.stdout.close()
        position, attrs = asyncio.run(kept(tmp_path))
        assert position is not None and position >= acknowledged
        assert values(attrs, "a") == list(range(1, position + 1))


async def test_one_batch_is_there_whole_or_not_at_all(history: SqliteHistory) -> None:
    good = Happening("", E1, "2026-11-23T07:00:00.000000Z", ["T"], False, [("a", {"type": "Property", "value": 1})])
    bad = Happening("", E1, "2026-11-23T07:00:00.000000Z", ["T"], False, [("a", {"type": "Property", "value": object()})])
    try:
        await history.append([good, bad], 5)
    except TypeError:
        pass
    else:
        raise AssertionError("a value that is no JSON must be refused")
    assert history.position() is None
    assert await history.entity("", E1) is None
    await history.append([good], 5)
    assert values((await history.read("", [E1], Window()))[0], "a") == [1]


async def write_until_recorded(store: SqliteStore, recorder: Recorder, linger_s: float) -> None:
    """Writes without a pause in which the recorder would see that nothing comes any more, until it has written all the same."""
    begun = recorder.position
    async with asyncio.timeout(20):
        value = 0
        while recorder.position == begun:
            value += 1
            await change(store, Fragment({SPEED: [{"type": "Property", "value": value}]}))
            await asyncio.sleep(linger_s / 100)


async def test_it_writes_after_a_while_though_changes_keep_coming(
    store: SqliteStore, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "LINGER_S", 1.0)
    monkeypatch.setattr(recorder_module, "REST_S", 0.2)
    await create(store, entity(speed=measured(1, 1)))
    await write_until_recorded(store, recorder, 1.0)


async def test_it_writes_when_many_changes_wait(store: SqliteStore, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "LINGER_S", 1.0)
    monkeypatch.setattr(recorder_module, "REST_S", 3600.0)
    monkeypatch.setattr(recorder_module, "REST_CHANGES", 30)
    await create(store, entity(speed=measured(1, 1)))
    await write_until_recorded(store, recorder, 1.0)


async def test_who_asks_ends_its_rest(store: SqliteStore, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "LINGER_S", 3600.0)
    await create(store, entity(speed=measured(1, 1)))
    await asyncio.sleep(0.05)
    assert recorder.position == 0
    async with asyncio.timeout(10):
        await recorder.caught_up()
    assert recorder.position == 1
