"""Which reports are proposed as the same: measured on pairs made up for it."""

from __future__ import annotations

from tests.unit.cases.desk.site import MONDAY, Site

SAME = [
    ("part.streetlight", "解放路路灯不亮", "解放路口路灯坏了不亮", 15), ("event.rubbish", "河滨路堆放大量垃圾", "河滨路边垃圾堆放无人清理", 40),
    ("part.manhole", "新华大道井盖缺失很危险", "新华大道的井盖缺失", 10), ("event.pipe-burst", "水管爆裂路面全是水", "路面水管爆裂漏水严重", 80),
    ("event.noise", "工地夜间施工噪声扰民", "夜间工地施工噪音太大", 100), ("event.flooding", "隧道口积水车辆无法通行", "隧道口积水很深无法通行", 60),
    ("part.tree", "大树倒伏压在人行道上", "人行道上有大树倒伏", 20), ("event.parking", "消防通道违停车辆", "车辆违停占用消防通道", 30),
]  # fmt: skip
OTHER = [
    ("part.streetlight", "解放路路灯不亮", "路灯杆被撞歪斜需要扶正", 35), ("event.rubbish", "河滨路堆放大量垃圾", "装修建渣倾倒在绿化带", 70),
    ("part.manhole", "新华大道井盖缺失很危险", "雨水篦子堵塞冒臭气", 25), ("event.noise", "工地夜间施工噪声扰民", "广场舞音响声音太大", 150),
    ("part.tree", "大树倒伏压在人行道上", "枯枝挂在电线上", 35), ("event.parking", "消防通道违停车辆", "校门口接送学生拥堵", 50),
]  # fmt: skip
DEGREE_M = 96_900.0  # of longitude, at 29.5 degrees north


async def opened(site: Site, kind: str, title: str, east_m: float, later_h: float = 0.0) -> str:
    site.clock.moment = MONDAY
    site.clock.pass_by(hours=later_h)
    place = {"location": {"type": "Point", "coordinates": [108.7 + east_m / DEGREE_M, 29.5]}}
    case: str = (await site.open(kind=kind, title=title, place=place))["id"]
    return case


async def proposed(site: Site, id: str) -> list[str]:
    return [one["id"] for one in (await site.ask("GET", f"/api/cases/{id}/duplicates"))["duplicates"]]


async def test_pairs_are_told_apart(site: Site) -> None:
    found = []
    for place, (kind, one, other, metres) in enumerate([*SAME, *OTHER]):
        first = await opened(site, kind, one, place * 5_000)
        second = await opened(site, kind, other, place * 5_000 + metres, 1)
        found.append(await proposed(site, second) == [first])
    assert found[: len(SAME)].count(True) == len(SAME), found
    assert found[len(SAME) :].count(True) <= 1, found


async def test_what_is_far_or_long_ago_or_of_another_kind_is_not_proposed(site: Site) -> None:
    title = "河滨路堆放大量垃圾"
    first = await opened(site, "event.rubbish", title, 0)
    await opened(site, "event.rubbish", title, 200)  # the radius is 80 m
    await opened(site, "event.rubbish", title, 0, 49)  # the span is 48 h
    await opened(site, "event.road-dirt", title, 0)
    assert await proposed(site, first) == []
    near = await opened(site, "event.rubbish", title, 79, 47)
    assert await proposed(site, first) == [near]


async def test_nothing_is_merged_alone(site: Site) -> None:
    for _ in range(2):
        await opened(site, "event.rubbish", "河滨路堆放大量垃圾", 0)
    assert (await site.ask("GET", "/api/cases"))["count"] == 2
