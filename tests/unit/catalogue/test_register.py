"""Datasets come by themselves, people's edits stay, and both survive."""

from __future__ import annotations

import msgspec
import pytest

from cityhub.catalogue.model import Dataset
from cityhub.catalogue.register import DATASETS
from cityhub.model.errors import AlreadyExists, NoSuchTenant, NotFound
from cityhub.model.ports import ENTITIES, Write
from tests.unit.catalogue.conftest import SDM, WATER, WEATHER, City, entity


async def dataset(around: City, name: str) -> Dataset:
    around.forget()
    found = (await around.catalogue.register.contents("")).datasets.find(name)
    assert found is not None, name
    return found


async def test_each_type_and_feed_is_a_dataset_with_what_the_district_says(around: City) -> None:
    contents = await around.catalogue.register.contents("")
    assert {"weather-observed", "water-observed", "village", "organization", "feed-weather"} <= {one.name for one in contents.datasets.all}
    weather = await dataset(around, "weather-observed")
    assert weather.title == {"zh": "乡镇气象观测", "en": "Township weather"}
    assert contents.agencies.find(weather.owner).title["zh"] == "区气象局"
    assert (weather.share, weather.open, weather.cycle, weather.simulated) == ("unconditional", True, "realtime", True)
    assert [field.name for field in weather.fields] == ["id", "name", "location", "precipitation", "temperature", "observed_at", "simulated"]
    temperature = next(field for field in weather.fields if field.name == "temperature")
    assert (temperature.type, temperature.unit, temperature.title["zh"]) == ("number", "CEL", "气温")
    assert {rule.kind for rule in weather.rules} == {"complete", "unique", "between", "fresh"}
    assert weather.upstream == [(await dataset(around, "feed-weather")).id]
    power = await dataset(around, "ac-measurement")
    assert (power.open, power.grade) == (False, "important")


async def test_nothing_is_written_when_nothing_changed(around: City) -> None:
    await around.catalogue.register.contents("")
    before = around.store.last()
    around.forget()
    await around.catalogue.register.contents("")
    assert around.store.last() == before


async def test_edits_stay_while_the_automatic_part_goes_on(around: City) -> None:
    register = around.catalogue.register
    weather = await dataset(around, "weather-observed")
    edited = await register.change("", msgspec.structs.replace(weather, title={"zh": "天气"}, open=False, tags=["新"]))
    assert edited.modified > weather.modified
    await around.put([entity(WEATHER, 7, {f"{SDM}Weather/windSpeed": (3.0, "MTS")})])
    again = await dataset(around, "weather-observed")
    assert (again.title, again.open, again.tags) == ({"zh": "天气"}, False, ["新"])
    assert "windSpeed" in {field.name for field in again.fields}
    # Only what differs is kept as an edit.
    stored = await around.store.fetch("", weather.id, DATASETS)
    assert set(stored["edits"]) == {"title", "open", "tags"}
    await register.remove("", again)
    assert (await dataset(around, "weather-observed")).title["zh"] == "乡镇气象观测"


async def test_saying_nothing_new_changes_nothing(around: City) -> None:
    weather = await dataset(around, "weather-observed")
    before = around.store.last()
    assert await around.catalogue.register.change("", weather) == weather
    assert around.store.last() == before


async def test_edits_of_distributions(around: City) -> None:
    register = around.catalogue.register
    weather = await dataset(around, "weather-observed")
    own = msgspec.structs.replace(weather.distributions[0], id="own", name="说明", url="https://data.example/x.pdf", format="PDF")
    kept = [own, *(item for item in weather.distributions if item.format != "XLSX")]
    await register.change("", msgspec.structs.replace(weather, distributions=kept))
    again = await dataset(around, "weather-observed")
    assert [item.format for item in again.distributions] == ["PDF", "CSV", "JSON", "GeoJSON", "NGSI-LD"]


async def test_what_is_gone_goes_unless_people_worked_on_it(around: City) -> None:
    water, weather = await dataset(around, "water-observed"), await dataset(around, "weather-observed")
    await around.catalogue.register.change("", msgspec.structs.replace(water, title={"zh": "水位（改）"}))
    ids = [f"urn:ngsi-ld:{type}:{number}" for type in ("WaterObserved", "WeatherObserved") for number in range(3)]
    await around.store.write("", [Write(id, lambda current, at: (None, None), ENTITIES) for id in ids])
    around.forget()
    contents = await around.catalogue.register.contents("")
    assert contents.datasets.find(weather.id) is None
    assert contents.datasets.find(water.id).available is False
    await around.put([entity(WATER, 1, {f"{SDM}Environment/waterLevel": (1.0, "MTR")})])
    back = await dataset(around, "water-observed")
    assert (back.available, back.title) == (True, {"zh": "水位（改）"})


async def test_names_are_unique(around: City) -> None:
    register = around.catalogue.register
    await register.create("", Dataset(id="one", name="mine"))
    with pytest.raises(AlreadyExists):
        await register.create("", Dataset(id="two", name="mine"))
    with pytest.raises(AlreadyExists):
        await register.change("", msgspec.structs.replace(await dataset(around, "weather-observed"), name="mine"))
    with pytest.raises(NotFound):
        await register.change("", Dataset(id="nobody", name="nobody"))
    with pytest.raises(NoSuchTenant):
        await register.contents("nowhere")


async def test_an_automatic_name_that_is_taken_gets_a_number(around: City) -> None:
    await around.catalogue.register.create("", Dataset(id="one", name="pier"))
    await around.put([entity("https://example.org/Pier", 1, {"https://example.org/length": (3.0, "MTR")})])
    assert (await dataset(around, "pier")).id == "one"
    assert (await dataset(around, "pier-2")).origin.key == "https://example.org/Pier"


async def test_tenants_have_catalogues_of_their_own_and_few_are_kept_in_memory(around: City) -> None:
    register = around.catalogue.register
    for number in range(40):
        await around.store.create_tenant(f"t{number}")
        await register.create(f"t{number}", Dataset(id="own", name=f"of-{number}"))
    assert len(register._contents) <= 32
    assert [one.name for one in (await register.contents("t0")).datasets.all] == ["of-0"]
    assert (await register.contents("")).datasets.find("own") is None
    assert {"", "t0", "t39"} <= set(register.in_use())
