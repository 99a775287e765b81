"""The door of feeds into the context, with state and history behind it: every backend takes everything once, and late things late."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.context.intake import StoreIntake
from cityhub.history.lake_history import LakeHistory
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import BOOKMARKS, DEAD_LETTERS, DeadLetter, EntityUpdate, Window, Write

ID = "urn:ngsi-ld:Meter:1"
LEVEL, TYPE = "https://example.org/level", "https://example.org/Meter"


def update(value: Any, second: int | None = None, **members: Any) -> EntityUpdate:
    instance = {"type": "Property", "value": value, **members}
    if second is not None:
        instance["observedAt"] = f"2026-01-01T00:00:{second:02}.000000Z"
    return EntityUpdate(ID, [TYPE], {LEVEL: [instance]})


def letter(body: bytes = b"?") -> DeadLetter:
    return DeadLetter("meters", "it is no JSON", "decode", body, "json", {"topic": ["a"]}, "2026-01-01T00:00:00.000000Z")


@pytest.fixture
def intake(store: Any) -> StoreIntake:
    return StoreIntake(store)


async def values(history: LakeHistory) -> list[Any]:
    [attributes] = await history.read("", [ID], Window())
    return [instance["value"] for instance in attributes.get(LEVEL, ())]


async def current(store: Any) -> Any:
    return (await store.fetch("", ID))["attrs"][LEVEL][0]["value"]


async def test_newer_is_state_and_older_is_history(intake: StoreIntake, store: Any, history: LakeHistory) -> None:
    assert await intake.take("", [update(1, 10), update(3, 30), update(2, 20)]) == ["written", "written", "late"]
    assert await intake.take("", [update(0, 5)]) == ["late"]
    assert await current(store) == 3
    assert await values(history) == [0, 1, 2, 3]


async def test_what_comes_again_is_there_once(intake: StoreIntake, store: Any, history: LakeHistory) -> None:
    batch = [update(1, 10), update(3, 30), update(2, 20)]
    await intake.take("", batch)
    position = store.last()
    assert await intake.take("", [update(3, 30)], redelivered=True) == ["same"]
    assert store.last() == position, "something was written"
    assert await intake.take("", batch, redelivered=True) == ["late", "same", "late"]
    assert await values(history) == [1, 2, 3]
    assert await intake.take("", [update(4, 30)]) == ["written"], "another value of the same moment is a correction"


async def test_without_a_time_only_what_comes_again_is_the_same(intake: StoreIntake, store: Any) -> None:
    assert await intake.take("", [update("on"), update("on")]) == ["written", "written"]
    assert await intake.take("", [update("on")], redelivered=True) == ["same"]
    assert await intake.take("", [update("off")], redelivered=True) == ["written"]
    assert await intake.take("", [update(True)], redelivered=True) == ["written"]
    assert await intake.take("", [update(1)], redelivered=True) == ["written"], "true is not 1"


async def test_flags_do_not_make_it_another_value(intake: StoreIntake) -> None:
    await intake.take("", [update(1, 10)])
    flags = {"https://example.org/quality": [{"type": "Property", "value": ["duplicate"]}]}
    assert await intake.take("", [update(1, 10, attrs=flags)]) == ["same"]


async def test_datasets_and_types_are_kept_apart(intake: StoreIntake, store: Any) -> None:
    a, b = update(1, 10, datasetId="urn:a"), update(2, 5, datasetId="urn:b")
    assert await intake.take("", [a, b, EntityUpdate(ID, ["https://example.org/Pump"], {})]) == ["written"] * 3
    entity = await store.fetch("", ID)
    assert entity["type"] == [TYPE, "https://example.org/Pump"]
    assert [instance["value"] for instance in entity["attrs"][LEVEL]] == [1, 2]
    assert await intake.take("", [update(0, 9, datasetId="urn:a"), update(3, 6, datasetId="urn:b")]) == ["late", "written"]


async def test_letters_and_bookmarks_go_along(intake: StoreIntake, store: Any) -> None:
    assert await intake.take("", [update(1, 1)], [letter(), letter(), letter(b"!")], [("meters", {"row": 7})]) == ["written"]
    assert await intake.take("", [], [letter()], redelivered=True) == []
    assert len(await store.records("", DEAD_LETTERS)) == 3
    assert (await store.fetch("", "meters", BOOKMARKS))["row"] == 7


async def test_what_cannot_be_kept_is_refused_and_nothing_of_it_is_there(intake: StoreIntake, store: Any) -> None:
    with pytest.raises(CityHubError):
        await intake.take("", [update(1, 1), update(2**70, 2)], bookmarks=[("meters", {"row": 7})])
    assert await store.fetch("", ID) is None and await store.fetch("", "meters", BOOKMARKS) is None


async def test_text_that_a_database_keeps_or_not_never_stops_the_feed(intake: StoreIntake) -> None:
    for value in ("a\0b", "\ud800"):
        try:
            [result] = await intake.take("", [update(value, 1)])
        except CityHubError as error:
            result = error
        assert result == "written" or (isinstance(result, CityHubError) and not isinstance(result, StoreUnavailable)), result
    assert await intake.take("", [update(1, 5)]) == ["written"]


async def test_many_late_entities_are_journalled_together(intake: StoreIntake, store: Any, history: LakeHistory) -> None:
    def of(number: int, second: int) -> EntityUpdate:
        return EntityUpdate(f"{ID}-{number}", [TYPE], update(second, second).attributes)

    await intake.take("", [of(number, 9) for number in range(1200)])
    position = store.last()
    assert await intake.take("", [of(number, 3) for number in range(1200)]) == ["late"] * 1200
    assert store.last() == position + 3
    [attributes] = await history.read("", [f"{ID}-1199"], Window())
    assert [instance["value"] for instance in attributes[LEVEL]] == [3, 9]


async def test_a_clock_that_is_ahead_does_not_stop_the_others(intake: StoreIntake, store: Any, history: LakeHistory) -> None:
    def ahead(value: int, day: int) -> EntityUpdate:
        return EntityUpdate(ID, [TYPE], {LEVEL: [{"type": "Property", "value": value, "observedAt": f"2199-01-{day:02}T00:00:00.000000Z"}]})

    assert await intake.take("", [update(1, 10), ahead(90, 1), update(2, 20)]) == ["written", "late", "written"]
    assert await current(store) == 2
    assert await values(history) == [1, 2, 90]
    await store.write("", [Write(ID, lambda before, now: (None, None))])
    assert await intake.take("", [ahead(91, 2), ahead(92, 3), update(3, 30)]) == ["written", "written", "written"]
    assert await current(store) == 3, "a right time takes the place of a wrong one"
