"""What every history does, behind the port. The lake is asked before and after its tail was laid down."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.history.lake_history import LakeHistory
from cityhub.model.condition import AllOf, AnyOf, Anything, HasAttribute, IdIn, IdPrefix, TypeIs, ValueIn
from cityhub.model.entity import NULL
from cityhub.model.errors import NotFound
from cityhub.model.ngsild import merge
from cityhub.model.ngsild.parse import Fragment
from cityhub.model.ports import Evolution, Window, Write
from tests.contract.history.conftest import Site

E1, E2 = "urn:ngsi-ld:Sensor:1", "urn:ngsi-ld:Pump:2"
SPEED, NAME = "https://a/speed", "https://a/name"
DEFAULT = frozenset(("@none",))


def at(minute: int) -> str:
    return f"2026-01-01T00:{minute:02}:00.000000Z"


def measured(value: Any, minute: int, dataset: str | None = None) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": at(minute), **({"datasetId": dataset} if dataset else {})}


@pytest.fixture(params=["tail", "tables"])
async def filled(history: LakeHistory, site: Site, request: pytest.FixtureRequest) -> LakeHistory:
    series = [*(measured(minute, minute) for minute in range(10)), *(measured(100 + minute, minute, "urn:d:1") for minute in range(3))]
    assert await history.put("", E1, ["Sensor"], {"a": series, "b": [measured("x", 30)]}, create=True)
    assert await history.put("", E2, ["Pump", "Sensor"], {"a": [measured(1, 1)]}, create=True)
    if request.param == "tables":
        site.lake.catch_up()
        site.lake.flush()
    return history


async def values(history: LakeHistory, window: Window, name: str = "a", id: str = E1) -> list[Any]:
    [attrs] = await history.read("", [id], window)
    return [instance["value"] for instance in attrs.get(name, [])]


async def known(history: LakeHistory, id: str) -> Evolution:
    [found] = await history.entities("", [id])
    return found


# -- Windows -----------------------------------------------------------------------------------------------------------


async def test_windows_are_closed_at_the_beginning_and_open_at_the_end(filled: LakeHistory) -> None:
    assert await values(filled, Window(start=at(3), end=at(6), bounded=True, datasets=DEFAULT)) == [3, 4, 5]
    assert await values(filled, Window(start=at(8), bounded=True)) == [8, 9]
    assert await values(filled, Window(end=at(1), bounded=True)) == [0, 100]
    assert await values(filled, Window(datasets=frozenset(("urn:d:1",)))) == [100, 101, 102]
    assert await values(filled, Window(datasets=frozenset(("urn:d:unknown",)))) == []
    assert await values(filled, Window(limit=2, datasets=DEFAULT)) == [0, 1]
    assert await values(filled, Window(latest=True, limit=2)) == [8, 9]
    assert await values(filled, Window(attributes=frozenset(("b",)))) == []
    assert await values(filled, Window(property="createdAt", start=at(0), bounded=True), "b") == ["x"]
    assert await values(filled, Window(property="deletedAt", bounded=True)) == []
    assert (await filled.read("", ["urn:x:1", E2, E2], Window()))[0] == {}


async def test_pages_have_what_a_page_can_need(filled: LakeHistory) -> None:
    first, second = await filled.read("", [E1, E2], Window(bounded=True, start=at(0)), page=4)
    assert [one["value"] for one in first["a"]] == [0, 100, 1, 101]
    assert [one["value"] for one in second["a"]] == [1]
    assert first["b"] == []
    [attrs] = await filled.read("", [E1], Window(latest=True, limit=3), page=2)
    assert [one["value"] for one in attrs["a"]] == [8, 9]
    [attrs] = await filled.read("", [E1], Window(), page=100)
    assert len(attrs["a"]) == 13


async def test_only_instances_near_a_range_when_they_are_asked_for(filled: LakeHistory) -> None:
    assert await values(filled, Window(near=(ValueIn("a", 8.0, None),), datasets=DEFAULT)) == [8, 9]
    assert await values(filled, Window(near=(ValueIn("a", 8.0, None),)), "b") == ["x"]


async def test_a_measurement_that_is_sent_again_is_not_kept_twice(history: LakeHistory, site: Site) -> None:
    await create(site, speed=measured(5, 1))
    for value, minute in ((6, 2), (5, 1), (6, 2), (7, 3)):
        await change(site, Fragment({SPEED: [measured(value, minute)]}))
    for window in (Window(), Window(limit=3), Window(latest=True, limit=3), Window(bounded=True, start=at(0))):
        assert await values(history, window, SPEED) == [5, 6, 7]
    assert [len(one[SPEED]) for one in await history.read("", [E1], Window(), page=2)] == [3]
    assert [len(one[SPEED]) for one in await history.read("", [E1], Window(), page=1)] == [2]


# -- What clients write --------------------------------------------------------------------------------------------------


async def test_an_instance_takes_the_place_of_one_observed_at_the_same_time(filled: LakeHistory) -> None:
    assert not await filled.put("", E2, ["Valve"], {"a": [measured(7, 1), measured(8, 1, "urn:d:1")]}, create=False)
    [after] = await filled.read("", [E2], Window())
    assert [one["value"] for one in after["a"]] == [7, 8]
    assert (await known(filled, E2)).types == ["Pump", "Sensor", "Valve"]


async def test_instances_without_a_time_of_observation_are_all_kept(history: LakeHistory) -> None:
    plain = {"type": "Property", "value": 1}
    await history.put("", E1, ["T"], {"a": [plain, plain]}, create=True)
    assert await values(history, Window()) == [1, 1]
    assert await values(history, Window(bounded=True)) == []


async def test_modifies_and_deletes_single_instances(filled: LakeHistory) -> None:
    [attrs] = await filled.read("", [E1], Window(datasets=DEFAULT))
    first, second = attrs["a"][0]["instanceId"], attrs["a"][1]["instanceId"]
    await filled.modify("", E1, "a", first, lambda instance: {**instance, "value": 42, "observedAt": at(59)})
    await filled.delete_instance("", E1, "a", second)
    assert await values(filled, Window(datasets=DEFAULT)) == [2, 3, 4, 5, 6, 7, 8, 9, 42]
    [after] = await filled.read("", [E1], Window())
    assert after["a"][-1]["instanceId"] == first
    assert after["a"][-1]["createdAt"] == attrs["a"][0]["createdAt"] < after["a"][-1]["modifiedAt"]
    for id, name, instance in ((E1, "a", second), (E1, "b", first), (E1, "a", "urn:x:1"), ("urn:x:9", "a", first), (E1, "c", first)):
        with pytest.raises(NotFound):
            await filled.delete_instance("", id, name, instance)
        with pytest.raises(NotFound):
            await filled.modify("", id, name, instance, lambda instance: instance)


async def test_deletes_attributes_by_dataset_and_whole_entities(filled: LakeHistory) -> None:
    with pytest.raises(NotFound):
        await filled.delete_attribute("", E1, "a", "urn:d:2", False)
    await filled.delete_attribute("", E1, "a", None, False)
    assert await values(filled, Window()) == [100, 101, 102]
    await filled.delete_attribute("", E1, "a", None, True)
    assert await values(filled, Window()) == []
    with pytest.raises(NotFound):
        await filled.delete_attribute("", E1, "a", None, True)
    await filled.delete_entity("", E1)
    assert await filled.entities("", [E1]) == []
    for refused in (filled.delete_entity("", E1), filled.put("", E1, [], {}, create=False)):
        with pytest.raises(NotFound):
            await refused


async def test_ids_of_removed_instances_do_not_come_back(history: LakeHistory, site: Site) -> None:
    seen = set()
    for _ in range(3):
        await history.put("", E1, ["T"], {"a": [measured(1, 1)]}, create=True)
        [attrs] = await history.read("", [E1], Window())
        assert attrs["a"][0]["instanceId"] not in seen
        seen.add(attrs["a"][0]["instanceId"])
        await history.delete_entity("", E1)
        await site.restart()


async def test_tenants_do_not_see_each_other_and_go_whole(filled: LakeHistory) -> None:
    assert await filled.entities("north", [E1]) == []
    assert [block async for block in filled.scan("north", Anything())] == []
    with pytest.raises(NotFound):
        await filled.delete_entity("north", E1)
    await filled.put("north", E1, ["T"], {"a": [measured(1, 1)]}, create=True)
    await filled.drop_tenant("")
    assert await filled.entities("", [E1, E2]) == []
    assert len(await filled.entities("north", [E1])) == 1


# -- Scans ---------------------------------------------------------------------------------------------------------------


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
async def test_scans_by_ids_and_types(filled: LakeHistory, condition: Any, found: list[str]) -> None:
    for window in (None, Window()):
        blocks: list[list[Evolution]] = [block async for block in filled.scan("", condition, window)]
        assert [one.id for block in blocks for one in block] == found


@pytest.mark.parametrize(
    ("condition", "window", "found"),
    [
        (Anything(), Window(start=at(2), bounded=True), [E1]),
        (Anything(), Window(start=at(1), bounded=True), [E1, E2]),
        (HasAttribute("a"), Window(start=at(10), bounded=True), []),
        (HasAttribute("b"), Window(start=at(10), bounded=True), [E1]),
        (Anything(), Window(attributes=frozenset(("b",))), [E1]),
        (ValueIn("a", 2.0, 3.0), Window(end=at(2), bounded=True), []),
        (ValueIn("a", 2.0, 3.0), Window(), [E1]),
        (ValueIn("b", "x", "x"), Window(), [E1]),
        (ValueIn("b", "y", None), Window(), []),
        (Anything(), Window(start=at(0), bounded=True, property="deletedAt"), []),
    ],
)
async def test_scans_by_what_is_in_a_window(filled: LakeHistory, condition: Any, window: Window, found: list[str]) -> None:
    for whole in (True, False):
        blocks = [block async for block in filled.scan("", condition, window, whole=whole)]
        assert [one.id for block in blocks for one in block] == found


async def test_scans_in_blocks_and_ends_early(history: LakeHistory, site: Site) -> None:
    documents = [{"id": f"urn:e:{number:04}", "type": ["T"], "attrs": {}} for number in range(2_100)]
    await site.store.write("", [Write(one["id"], lambda now, at, one=one: (merge.create(one, at), None)) for one in documents])
    blocks = [[one.id for one in block] async for block in history.scan("", TypeIs("T"))]
    assert [len(block) for block in blocks] == [1000, 1000, 100]
    assert [id for block in blocks for id in block] == [one["id"] for one in documents]
    scan = history.scan("", TypeIs("T"))
    assert len(await anext(scan)) == 1000
    await scan.aclose()


# -- What the context says -----------------------------------------------------------------------------------------------


def entity(**attrs: Any) -> dict[str, Any]:
    return {"id": E1, "type": ["https://a/Sensor"], "attrs": {f"https://a/{name}": [instance] for name, instance in attrs.items()}}


async def create(site: Site, **attrs: Any) -> None:
    assert await site.store.write("", [Write(E1, lambda now, at: (merge.create(entity(**attrs), at), None))]) == [None]


async def change(site: Site, fragment: Fragment) -> None:
    await site.store.write("", [Write(E1, lambda now, at: (merge.append_attributes(now or {}, fragment, at)[0], None))])


async def test_every_write_becomes_an_instance_and_every_deletion_a_mark(site: Site, history: LakeHistory) -> None:
    await create(site, speed={"type": "Property", "value": 1}, name={"type": "LanguageProperty", "languageMap": {"en": "a"}})
    await change(site, Fragment({SPEED: [{"type": "Property", "value": 2}]}))
    await change(site, Fragment({}, expires_at="2030-01-01T00:00:00.000000Z"))
    await site.store.write("", [Write(E1, lambda now, at: (merge.delete_attribute(now or {}, NAME, None, False, at), None))])
    assert await values(history, Window(), SPEED) == [1, 2]
    [gone] = await history.read("", [E1], Window(property="deletedAt"))
    assert [(mark["type"], mark["languageMap"]) for mark in gone[NAME]] == [("LanguageProperty", NULL)]
    assert SPEED not in gone
    await site.store.write("", [Write(E1, lambda now, at: (None, None))])
    assert (await known(history, E1)).deleted_at is not None
    await create(site, speed={"type": "Property", "value": 3})
    assert (await known(history, E1)).deleted_at is None
    assert await values(history, Window(), SPEED) == [1, 2, 3]


async def test_the_scope_is_kept_as_a_property(site: Site, history: LakeHistory) -> None:
    await site.store.write("", [Write(E1, lambda now, at: (merge.create({**entity(), "scope": ["/Old"]}, at), None))])
    await change(site, Fragment({}, scope=["/New"]))
    [attrs] = await history.read("", [E1], Window())
    assert [one["value"] for one in attrs["scope"]] == [["/Old"], ["/New"]]
    assert all(one["observedAt"] == one["modifiedAt"] for one in attrs["scope"])


async def test_other_datasets_of_a_changed_attribute_are_not_repeated(site: Site, history: LakeHistory) -> None:
    first = [{"type": "Property", "value": 1}, {"type": "Property", "value": 10, "datasetId": "urn:d:1"}]
    await site.store.write("", [Write(E1, lambda now, at: (merge.create({**entity(), "attrs": {SPEED: first}}, at), None))])
    await change(site, Fragment({SPEED: [{"type": "Property", "value": 2}]}))
    assert sorted(await values(history, Window(), SPEED)) == [1, 2, 10]


async def test_what_expires_leaves_neither_instances_nor_marks(site: Site, history: LakeHistory) -> None:
    expiring = {"type": "Property", "value": 1, "expiresAt": "2026-11-23T06:05:10.000000Z"}
    await create(site, speed=expiring, name={"type": "Property", "value": "x"})
    assert await values(history, Window(), SPEED) == [1]
    site.clock.pass_seconds(20)
    await site.store.expire()
    for property in ("observedAt", "deletedAt", "modifiedAt"):
        [attrs] = await history.read("", [E1], Window(property=property))
        assert SPEED not in attrs


async def test_a_question_sees_what_was_acknowledged_before_it(site: Site, history: LakeHistory) -> None:
    await create(site, speed=measured(0, 0))
    for count in range(1, 40):
        await change(site, Fragment({SPEED: [measured(count, count)]}))
        assert await values(history, Window(latest=True, limit=1), SPEED) == [count]
        if count % 13 == 0:
            site.lake.flush()


async def test_what_was_in_memory_only_comes_again_and_nothing_twice(site: Site, history: LakeHistory) -> None:
    await create(site, speed=measured(0, 0))
    for count in range(1, 10):
        await change(site, Fragment({SPEED: [{"type": "Property", "value": count}]}))
        await values(history, Window(), SPEED)
        if count % 3 == 0:
            site.lake.flush()
        if count % 4 == 0:
            await site.restart()
    assert await values(history, Window(property="modifiedAt"), SPEED) == list(range(10))
