"""Open311 GeoReport v2 as a client sees it: what it finds, what it may say, what it learns of others, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.cases.open311.open311_api import Around, Open311Api
from cityhub.cases.open311.pace import SPAN_S, Pace
from cityhub.model.errors import TooManyRequests
from cityhub.model.jsonld import CORE
from cityhub.model.ports import Write
from cityhub.web.application import Application
from tests.unit.cases.desk.site import CHECKER, DISPATCHER, URBAN, Site, open_site

REPORT = {
    "service_code": "event.rubbish", "lat": "29.53", "long": "108.78", "description": "河边有一堆垃圾，电话 13812345678",
    "first_name": "小明", "last_name": "王", "phone": "13912345678", "email": "wang@example.org",
}  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


class Door:
    """The desk with its public doors, asked from another machine."""

    def __init__(self, site: Site, pace: Pace) -> None:
        self.site = site
        around = Around(
            site.cases.desk, site.cases.attachments, site.store, site.clock, pace, "https://hub.example", "500114", (108.3, 29.0, 109.4, 29.9)
        )
        application = Application(Open311Api(around).routes(), LoopbackAccess(), 20_000_000)
        transport = httpx.ASGITransport(application, client=("192.0.2.7", 1))
        self.client = httpx.AsyncClient(transport=transport, base_url="https://hub.example/open311/v2")

    async def report(self, expect: int = 200, files: Any = None, **changes: Any) -> Any:
        fields = {name: value for name, value in {**REPORT, **changes}.items() if value is not None}
        answer = await self.client.post("/requests.json", data=fields, files=files)
        assert answer.status_code == expect, answer.text
        return answer.json()[0]

    async def requests(self, **query: str) -> list[Any]:
        answer = await self.client.get("/requests.json", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json())


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_site(tmp_path) as site:
        made = Door(site, Pace(100, 1000))
        yield made
        await made.client.aclose()


async def test_a_client_finds_its_way(door: Door) -> None:
    found = (await door.client.get("/discovery.json")).json()
    assert found["endpoints"][0]["url"] == "https://hub.example/open311/v2"
    services = (await door.client.get("/services.json")).json()
    rubbish = next(service for service in services if service["service_code"] == "event.rubbish")
    assert (rubbish["type"], rubbish["metadata"]) == ("realtime", False)
    kinds = door.site.cases.district.kinds.values()
    assert {service["service_code"] for service in services} == {kind.id for kind in kinds if kind.open_to_residents}
    assert any(not kind.open_to_residents for kind in kinds)
    document = ElementTree.fromstring((await door.client.get("/services.xml")).content)
    assert document.tag == "services" and len(document.findall("service/service_code")) == len(services)
    assert (await door.client.get("/services/event.rubbish.json")).json() == {"service_code": "event.rubbish", "attributes": []}


async def test_a_report_becomes_a_case_and_is_followed(door: Door) -> None:
    made = await door.report(files=[("media", ("photo.png", PNG, "image/png"))])
    id = made["service_request_id"]
    case = await door.site.ask("GET", f"/api/cases/urn:ngsi-ld:Case:{id}", by=DISPATCHER)
    assert (case["kind"], case["source"]["kind"], case["files"][0]["type"]) == ("event.rubbish", "resident", "image/png")
    shown = (await door.requests())[0]
    assert (shown["service_request_id"], shown["status"], shown["description"], shown["lat"]) == (id, "open", None, 29.53)
    for element, outcome, by in (
        ("accept", "accept", DISPATCHER), ("dispatch", "dispatch", DISPATCHER), ("handle", "done", door.site.handler(URBAN)),
        ("feedback", "done", door.site.handler(URBAN)), ("check", "pass", CHECKER), ("close", "close", DISPATCHER),
    ):  # fmt: skip
        await door.site.do(case, element, outcome, by)
        if element == "accept":
            assert (await door.requests())[0]["description"] == "河边有一堆垃圾，电话 ＊＊＊"
    (closed,) = await door.requests(status="closed")
    assert (closed["service_request_id"], closed["status"]) == (id, "closed")
    assert await door.requests(status="open") == []
    assert (await door.client.get(f"/requests/{id}.json")).json()[0]["status_notes"] == "已结案"
    document = ElementTree.fromstring((await door.client.get(f"/requests/{id}.xml")).content)
    assert document.findtext("request/service_request_id") == id
    assert (await door.client.get(f"/tokens/{id}.json")).json() == [{"service_request_id": id, "token": id}]


async def test_it_says_who_is_in_charge_by_name(door: Door) -> None:
    name = {"type": "LanguageProperty", "languageMap": {"zh": "区城市管理局", "en": "Urban Management"}}
    entity = {"id": URBAN, "type": ["urn:t:Organization"], "attrs": {CORE.expand("name"): [name]}, "createdAt": "x", "modifiedAt": "x"}
    await door.site.store.write("", [Write(URBAN, lambda current, at: (entity, None))])
    await door.report()
    assert [one["agency_responsible"] for one in await door.requests()] == ["区城市管理局"]


async def test_nobody_learns_who_reported(door: Door) -> None:
    await door.report(description="请打 0236-7922345 或 wang@example.org，身份证 500239199001011234")
    seen = str(await door.requests()) + (await door.client.get("/requests.xml")).text
    assert not any(word in seen for word in ("小明", "13912345678", "wang@", "500239199001011234", "7922345"))


async def test_what_staff_and_alerts_open_is_not_there(door: Door) -> None:
    case = await door.site.open()
    assert await door.requests() == []
    id = case["id"].rpartition(":")[2]
    assert (await door.client.get(f"/requests/{id}.json")).status_code == 404
    assert await door.requests(service_request_id=id) == []


async def test_the_same_report_again_is_the_same_case(door: Door) -> None:
    photo = [("media", ("photo.png", PNG, "image/png"))]
    first, again = await door.report(files=photo), await door.report(files=photo)
    other = await door.report(description="河边有一堆建筑垃圾")
    assert first == again != other
    assert len(await door.requests()) == 2


async def test_selection(door: Door) -> None:
    early = (await door.report(description="先看到的"))["service_request_id"]
    door.site.clock.pass_by(days=10)
    late = (await door.report(description="后看到的", service_code="part.road"))["service_request_id"]
    assert [one["service_request_id"] for one in await door.requests()] == [late, early]
    assert [one["service_request_id"] for one in await door.requests(service_code="part.road")] == [late]
    assert [one["service_request_id"] for one in await door.requests(end_date="2026-03-05T00:00:00Z")] == [early]
    assert [one["service_request_id"] for one in await door.requests(service_request_id=f"{early},nothing")] == [early]
    door.site.clock.pass_by(days=85)
    assert [one["service_request_id"] for one in await door.requests()] == [late]


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"service_code": None}, 400, "service_code"),
        ({"service_code": "moon"}, 404, "GET services"),
        ({"service_code": "emergency.flood"}, 404, "GET services"),
        ({"description": ""}, 400, "description"),
        ({"description": "x" * 4001}, 400, "4000"),
        ({"description": "看 http://a.example http://b.example http://c.example"}, 400, "advertising"),
        ({"description": "a\x00b"}, 400, "control"),
        ({"lat": None, "long": None}, 400, "address_string"),
        ({"lat": "29.5", "long": None}, 400, "'lat' and 'long'"),
        ({"lat": "nan"}, 400, "-90 to 90"),
        ({"lat": "39.9", "long": "116.4"}, 400, "outside this district"),
        ({"email": "nobody"}, 400, "email"),
        ({"phone": "call me"}, 400, "phone"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
async def test_what_is_no_report_is_refused_with_the_reason(door: Door, changes: dict[str, Any], status: int, named: str) -> None:
    refused = await door.report(status, **changes)
    assert refused["code"] == status and named in refused["description"]
    assert await door.requests() == []


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 400),
        (b"description=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"attribute[%d]=1" % number for number in range(100)), "application/x-www-form-urlencoded", 400),
        (b"x" * 16_000_001, "multipart/form-data; boundary=x", 413),
    ],
    ids=["json", "broken", "no boundary", "not UTF-8", "too many fields", "too large"],
)
async def test_broken_bodies_are_refused(door: Door, content: bytes, media_type: str, status: int) -> None:
    answer = await door.client.post("/requests.xml", content=content, headers={"content-type": media_type})
    assert answer.status_code == status
    assert ElementTree.fromstring(answer.content).findtext("error/code") == str(status)


async def test_a_file_that_is_no_photograph_is_refused_with_its_report(door: Door) -> None:
    await door.report(415, files=[("media", ("run.exe", b"MZ" + bytes(100), "image/png"))])
    assert await door.requests() == []


async def test_wrong_questions(door: Door) -> None:
    for path, status in (
        ("/requests.json?status=lost", 400), ("/requests.json?start_date=yesterday", 400), ("/requests.json?colour=red", 400),
        ("/requests.json?jurisdiction_id=elsewhere.example", 404), ("/requests/none.json", 404), ("/services/none.xml", 404), ("/requests/x", 404),
    ):  # fmt: skip
        assert (await door.client.get(path)).status_code == status, path


async def test_one_address_reports_so_often_and_no_more(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        door = Door(site, Pace(2, 100))
        for number in range(2):
            await door.report(description=f"第 {number} 处垃圾")
        refused = await door.report(429, description="第三处垃圾")
        assert "an hour" in refused["description"]
        await door.report(description="第 0 处垃圾")  # is known already, and costs nothing
        await door.client.aclose()


def test_an_hour_passes() -> None:
    now = [0.0]
    pace = Pace(1, 2, lambda: now[0])
    pace.check("a")
    pace.check("b")
    with pytest.raises(TooManyRequests, match="Altogether"):
        pace.check("c")
    now[0] = SPAN_S - 1
    with pytest.raises(TooManyRequests, match="From one address"):
        pace.check("a")
    now[0] = SPAN_S
    pace.check("a")
