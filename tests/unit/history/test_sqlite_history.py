"""The history's own operations on a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cityhub.history.sqlite_history import SqliteHistory, open_history
from cityhub.model.condition import AllOf, AnyOf, Anything, IdIn, IdPrefix, TypeIs
from cityhub.model.errors import NotFound
from cityhub.model.ports import Evolution, Window
from cityhub.model.time import SystemClock

E1, E2 = "urn:ngsi-ld:Sensor:1", "urn:ngsi-ld:Pump:2"


def at(minute: int) -> str:
    return f"2026-01-01T00:{minute:02}:00.000000Z"


def measured(value: Any, minute: int, dataset: str | None = None) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": at(minute), **({"datasetId": dataset} if dataset else {})}


@pytest.fixture
async def filled(history: SqliteHistory) -> SqliteHistory:
    series = [*(measured(minute, minute) for minute in range(10)), *(measured(100 + minute, minute, "urn:d:1") for minute in range(3))]
    assert await history.put("", E1, ["Sensor"], {"a": series, "b": [measured("x", 30)]}, create=True)
    assert await history.put("", E2, ["Pump", "Sensor"], {"a": [measured(1, 1)]}, create=True)
    return history


async def values(history: SqliteHistory, window: Window, name: str = "a", id: str = E1) -> list[Any]:
    [attrs] = await history.read("", [id], window)
    return [instance["value"] for instance in attrs.get(name, [])]


async def test_windows_are_closed_at_the_beginning_and_open_at_the_end(filled: SqliteHistory) -> None:
    default = frozenset(("@none",))
    assert await values(filled, Window(start=at(3), end=at(6), bounded=True, datasets=default)) == [3, 4, 5]
    assert await values(filled, Window(start=at(8), bounded=True)) == [8, 9]
    assert await values(filled, Window(end=at(1), bounded=True)) == [0, 100]
    assert await values(filled, Window(datasets=frozenset(("urn:d:1",)))) == [100, 101, 102]
    assert await values(filled, Window(datasets=frozenset(("urn:d:unknown",)))) == []
    assert await values(filled, Window(limit=2, datasets=default)) == [0, 1]
    assert await values(filled, Window(latest=True, limit=2)) == [8, 9]
    assert await values(filled, Window(attributes=frozenset(("b",)))) == []
    assert await values(filled, Window(property="createdAt", start=at(0), bounded=True), "b") == ["x"]
    assert await values(filled, Window(property="deletedAt", bounded=True)) == []
    assert (await filled.read("", ["urn:x:1", E2], Window()))[0] == {}


async def test_an_instance_takes_the_place_of_one_observed_at_the_same_time(filled: SqliteHistory) -> None:
    [before] = await filled.read("", [E2], Window())
    assert not await filled.put("", E2, ["Valve"], {"a": [measured(7, 1), measured(8, 1, "urn:d:1")]}, create=False)
    [after] = await filled.read("", [E2], Window())
    assert [one["value"] for one in after["a"]] == [7, 8]
    assert after["a"][0]["instanceId"] == before["a"][0]["instanceId"]
    assert after["a"][0]["createdAt"] == before["a"][0]["createdAt"] < after["a"][0]["modifiedAt"]
    found = await filled.entity("", E2)
    assert found is not None and found.types == ["Pump", "Sensor", "Valve"]


async def test_instances_without_a_time_of_observation_are_all_kept(history: SqliteHistory) -> None:
    plain = {"type": "Property", "value": 1}
    await history.put("", E1, ["T"], {"a": [plain, plain]}, create=True)
    assert await values(history, Window()) == [1, 1]
    assert await values(history, Window(bounded=True)) == []


async def test_modifies_and_deletes_single_instances(filled: SqliteHistory) -> None:
    [attrs] = await filled.read("", [E1], Window(datasets=frozenset(("@none",))))
    first, second = attrs["a"][0]["instanceId"], attrs["a"][1]["instanceId"]
    await filled.modify("", E1, "a", first, lambda instance: {**instance, "value": 42, "observedAt": at(59)})
    await filled.delete_instance("", E1, "a", second)
    assert await values(filled, Window(datasets=frozenset(("@none",)))) == [2, 3, 4, 5, 6, 7, 8, 9, 42]
    [attrs] = await filled.read("", [E1], Window())
    assert attrs["a"][-1]["instanceId"] == first
    for id, name, instance in ((E1, "a", second), (E1, "b", first), (E1, "a", "urn:x:1"), ("urn:x:9", "a", first), (E1, "c", first)):
        with pytest.raises(NotFound):
            await filled.delete_instance("", id, name, instance)
        with pytest.raises(NotFound):
            await filled.modify("", id, name, instance, lambda instance: instance)


async def test_an_instance_modified_into_another_one_becomes_one_with_it(filled: SqliteHistory) -> None:
    [attrs] = await filled.read("", [E1], Window(datasets=frozenset(("@none",))))
    await filled.modify("", E1, "a", attrs["a"][0]["instanceId"], lambda instance: {**instance, "value": 5, "observedAt": at(5)})
    assert await values(filled, Window(datasets=frozenset(("@none",)))) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


async def test_deletes_attributes_by_dataset_and_whole_entities(filled: SqliteHistory) -> None:
    with pytest.raises(NotFound):
        await filled.delete_attribute("", E1, "a", "urn:d:2", False)
    await filled.delete_attribute("", E1, "a", None, False)
    assert await values(filled, Window()) == [100, 101, 102]
    await filled.delete_attribute("", E1, "a", None, True)
    assert await values(filled, Window()) == []
    with pytest.raises(NotFound):
        await filled.delete_attribute("", E1, "a", None, True)
    await filled.delete_entity("", E1)
    assert await filled.entity("", E1) is None
    for refused in (filled.delete_entity("", E1), filled.put("", E1, [], {}, create=False)):
        with pytest.raises(NotFound):
            await refused


async def test_ids_of_removed_instances_do_not_come_back(tmp_path: Path) -> None:
    seen = set()
    for _ in range(3):
        history = open_history(tmp_path, SystemClock())
        await history.put("", E1, ["T"], {"a": [measured(1, 1)]}, create=True)
        [attrs] = await history.read("", [E1], Window())
        assert attrs["a"][0]["instanceId"] not in seen
        seen.add(attrs["a"][0]["instanceId"])
        await history.delete_entity("", E1)
        await history.close()


async def test_tenants_do_not_see_each_other(filled: SqliteHistory) -> None:
    assert await filled.entity("north", E1) is None
    assert [block async for block in filled.scan("north", Anything())] == []
    with pytest.raises(NotFound):
        await filled.delete_entity("north", E1)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Anything(), [E1, E2]),
        (TypeIs("Sensor"), [E1, E2]),
        (TypeIs("Pump"), [E2]),
        (TypeIs("Unknown"), []),
        (IdIn((E2, "urn:x:1")), [E2]),
        (IdPrefix("urn:ngsi-ld:S"), [E1]),
        (AllOf((TypeIs("Sensor"), IdIn((E1,)))), [E1]),
        (AnyOf((TypeIs("Pump"), IdIn((E1,)))), [E1, E2]),
        (AnyOf(()), []),
    ],
)
async def test_scans_by_ids_and_types(filled: SqliteHistory, condition: Any, found: list[str]) -> None:
    blocks: list[list[Evolution]] = [block async for block in filled.scan("", condition)]
    assert [one.id for block in blocks for one in block] == found


async def test_scans_in_blocks(history: SqliteHistory) -> None:
    for number in range(450):
        await history.put("", f"urn:e:{number}", ["T"], {}, create=True)
    blocks = [[one.id for one in block] async for block in history.scan("", TypeIs("T"))]
    assert [len(block) for block in blocks] == [200, 200, 50]
    assert [id for block in blocks for id in block] == [f"urn:e:{number}" for number in range(450)]
