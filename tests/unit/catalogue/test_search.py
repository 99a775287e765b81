"""People find datasets by the words that they use."""

from __future__ import annotations

import msgspec
import pytest

from cityhub.catalogue.search import TextIndex
from tests.unit.catalogue.conftest import City


async def found(around: City, question: str) -> list[str]:
    contents = await around.catalogue.register.contents("")
    names = {dataset.id: dataset.name for dataset in contents.datasets.all}
    return [names[id] for id, _ in TextIndex(contents).search(question)]


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("气象", "weather-observed"), ("天气", "weather-observed"), ("今天天气怎么样", "weather-observed"), ("水位", "water-observed"),
        ("河里的水情", "water-observed"), ("空气质量", "air-quality-observed"), ("雾霾", "air-quality-observed"), ("PM2.5", "air-quality-observed"),
        ("堵车", "traffic-flow-observed"), ("哪里堵车", "traffic-flow-observed"), ("景区有多少游客", "crowd-flow-observed"),
        ("用电", "ac-measurement"), ("电力负荷", "ac-measurement"), ("村委会名单", "village"), ("部门与单位", "organization"),
        ("区气象局", "weather-observed"), ("traffic", "traffic-flow-observed"), ("water level", "water-observed"), ("Weather", "weather-observed"),
    ],
)  # fmt: skip
async def test_the_first_answer_is_the_right_one(around: City, question: str, first: str) -> None:
    assert (await found(around, question))[:1] == [first]


async def test_a_synonym_ranks_below_the_word_itself(around: City) -> None:
    assert "weather-observed" in await found(around, "下雨")
    assert "weather-observed" in await found(around, "降水")
    contents = await around.catalogue.register.contents("")
    index = TextIndex(contents)
    assert dict(index.search("降水"))[contents.datasets.find("weather-observed").id] > dict(index.search("下雨"))[
        contents.datasets.find("weather-observed").id
    ]


async def test_what_nobody_has_is_not_found(around: City) -> None:
    assert await found(around, "") == []
    assert await found(around, "火星车") == []
    assert await found(around, "zzzz") == []


async def test_words_of_fields_and_national_words_count(around: City) -> None:
    assert "weather-observed" in await found(around, "temperature")
    assert set(await found(around, "不予共享")).isdisjoint({"weather-observed"})
    assert "weather-observed" in await found(around, "无条件共享")
    assert await found(around, "x" * 10_000) == []


async def test_the_index_follows_every_change(around: City) -> None:
    register, viewers = around.catalogue.register, around.catalogue._viewers
    seen = await viewers.whole("")
    weather = seen.find("weather-observed")
    assert await seen.search("磁悬浮") == {}
    await register.change("", msgspec.structs.replace(weather, title={"zh": "磁悬浮列车"}))
    seen = await viewers.whole("")
    assert list(await seen.search("磁悬浮")) == [weather.id]
    agency = seen.contents.agencies.find("meteorology")
    await register.change("", msgspec.structs.replace(agency, title={"zh": "云雾管理处"}))
    seen = await viewers.whole("")
    assert list(await seen.search("云雾管理处")) == [weather.id]
    await register.remove("", seen.find("weather-observed"))
    seen = await viewers.whole("")
    assert await seen.search("磁悬浮") == {}
