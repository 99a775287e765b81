"""From a draft to the end: who may do what, what is refused and in which words, and what is signed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from cityhub.model.errors import Conflict
from cityhub.rules.cap.reading import read_message
from cityhub.rules.cap.signing import verified_message
from cityhub.rules.warnings.warning import content_of
from tests.unit.rules.warnings.conftest import FENGJIA, METEOROLOGY, PEOPLE, WATER, ZHUOSHUI, City, rain

LEADER = "meteorology-leader"


async def drafted(city: City, by: str = "meteorology-duty", **changes: Any) -> str:
    answer = await city.ask("POST", "/api/warnings", rain(**changes), by)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def released(city: City, **changes: Any) -> str:
    id = await drafted(city, **changes)
    answer = await city.ask("POST", f"/api/warnings/{id}/release", {"why": "checked"}, LEADER)
    assert answer.status_code == 200, answer.text
    return id


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    for word in words:
        assert word in answer.json()["detail"], answer.text


async def test_a_released_warning_is_signed_public_and_in_two_languages(city: City) -> None:
    id = await released(city)
    shown = (await city.ask("GET", f"/api/warnings/{id}")).json()
    assert shown["state"] == "released"
    assert [(step["what"], step["by"].rpartition(":")[2], step["why"]) for step in shown["steps"]] == [
        ("drafted", "meteorology-duty", ""), ("released", LEADER, "checked")]  # fmt: skip
    public = await city.ask("GET", f"/cap/{shown['identifier']}", by="")
    assert public.headers["content-type"].startswith("application/cap+xml")
    assert "immutable" in public.headers["cache-control"]
    message = verified_message(public.content, city.warnings.register._signer().certificate)
    assert (message.msg_type, message.scope, message.sender) == ("Alert", "Public", "meteorology.500114.cityhub.example")
    assert message.sent == "2026-07-01T08:30:00+08:00"
    assert [(info.language, info.event, info.severity, info.urgency) for info in message.info] == [
        ("zh-CN", "暴雨", "Severe", "Immediate"), ("en", "Rainstorm", "Severe", "Immediate")]  # fmt: skip
    assert [area.area_desc for area in message.info[0].area] == ["濯水镇", "冯家街道"]
    assert message.info[0].area[0].geocode[0].value == "500114112000"
    assert (await city.ask("GET", f"/api/warnings/{id}/cap")).content == public.content


async def test_who_drafted_may_not_release(city: City) -> None:
    id = await drafted(city, by=LEADER)
    refused(await city.ask("POST", f"/api/warnings/{id}/release", {}, LEADER), 403, "Four eyes", "somebody else")
    id = await drafted(city)
    await city.ask("PUT", f"/api/warnings/{id}", rain(grade="red"), LEADER)
    refused(await city.ask("POST", f"/api/warnings/{id}/release", {}, LEADER), 403, "drafted or changed")


@pytest.mark.parametrize(("by", "words"), [
    ("", ("no person that the hub knows",)),
    ("water-resources-leader", ("its own people", "water-resources")),
    ("meteorology-handler-1", ("has not the role 'releaser'",)),
])  # fmt: skip
async def test_only_the_issuing_body_releases(city: City, by: str, words: tuple[str, ...]) -> None:
    id = await drafted(city)
    refused(await city.ask("POST", f"/api/warnings/{id}/release", {}, by), 403, *words)
    assert (await city.ask("GET", f"/api/warnings/{id}")).json()["state"] == "draft"


async def test_weather_warnings_are_the_observatorys(city: City) -> None:
    id = await drafted(city, issuer=WATER)
    answer = await city.ask("POST", f"/api/warnings/{id}/release", {}, "water-resources-leader")
    refused(answer, 403, "may not release warnings of Rainstorm to the public", "气象法 第二十二条", METEOROLOGY)
    assert answer.json()["rule"] == "气象法 第二十二条"


FLOOD = {"event": "flood", "issuer": WATER, "headline": {"zh": "洪水橙色预警", "en": "Flood orange warning"}}
BULLETIN = {"issuer": "重庆市水文监测总站", "number": "洪水预警〔2026〕12号", "issuedAt": "2026-07-01T08:00:00+08:00"}


async def test_no_flood_forecast_of_its_own_goes_to_the_public(city: City) -> None:
    """Chongqing's hydrology ordinance, article 20 (CQT-04)."""
    id = await drafted(city, by="water-resources-duty", **FLOOD)
    answer = await city.ask("POST", f"/api/warnings/{id}/release", {}, "water-resources-leader")
    refused(answer, 403, "only as the bulletin of a body that may release it", "CQT-04", "《重庆市水文条例》第二十条", "Restricted or Private")
    assert answer.json()["rule"] == "CQT-04"
    strange = {**BULLETIN, "issuer": "某某论坛"}
    await city.ask("PUT", f"/api/warnings/{id}", rain(**FLOOD, bulletin=strange), "water-resources-duty")
    refused(await city.ask("POST", f"/api/warnings/{id}/release", {}, "water-resources-leader"), 403, "CQT-04")


async def test_a_flood_bulletin_is_passed_on_and_agencies_are_told(city: City) -> None:
    id = await drafted(city, by="water-resources-duty", **FLOOD, bulletin=BULLETIN)
    answer = await city.ask("POST", f"/api/warnings/{id}/release", {}, "water-resources-leader")
    assert answer.status_code == 200, answer.text
    message = read_message((await city.ask("GET", f"/api/warnings/{id}/cap")).content)
    assert message.source == "重庆市水文监测总站 洪水预警〔2026〕12号"
    own = await drafted(city, by="water-resources-duty", **FLOOD, scope="Restricted", restriction="区防汛抗旱指挥部成员单位")
    answer = await city.ask("POST", f"/api/warnings/{own}/release", {}, "water-resources-leader")
    assert answer.status_code == 200, answer.text
    feed = (await city.ask("GET", "/cap/feed", by="")).text
    assert f"500114-{id}" in feed
    assert f"500114-{own}" not in feed
    refused(await city.ask("GET", f"/cap/500114-{own}", by=""), 404)
    assert (await city.ask("GET", f"/api/warnings/{own}/cap")).status_code == 200


async def test_an_update_takes_the_place_and_names_what_was_before(city: City) -> None:
    first = await released(city)
    answer = await city.ask("POST", f"/api/warnings/{first}/update", rain(grade="red", why="more rain"))
    second = answer.json()["id"]
    assert (await city.ask("GET", f"/api/warnings/{first}")).json()["state"] == "released"
    answer = await city.ask("POST", f"/api/warnings/{second}/release", {}, LEADER)
    assert answer.status_code == 200, answer.text
    old = (await city.ask("GET", f"/api/warnings/{first}")).json()
    assert (old["state"], old["followedBy"], old["steps"][-1]["what"]) == ("updated", second, "updated")
    assert len(old["impact"]["townships"]) == len(old["places"]) == old["townships"] == 2  # whole, though memory has it no more
    assert city.warnings.register.get(first).places == []
    message = read_message((await city.ask("GET", f"/api/warnings/{second}/cap")).content)
    assert message.msg_type == "Update"
    assert [one.identifier for one in message.references] == [f"500114-{first}"]
    assert message.references[0].sent == old["sent"]
    assert message.incidents == [old["incident"]]
    assert f"500114-{first}" not in (await city.ask("GET", "/cap/feed", by="")).text
    refused(await city.ask("POST", f"/api/warnings/{first}/update", rain()), 409, "is updated")


async def test_a_warning_is_taken_back_at_once_with_a_reason(city: City) -> None:
    id = await released(city)
    refused(await city.ask("POST", f"/api/warnings/{id}/cancel", {}, LEADER), 400, "'why' must say why")
    refused(await city.ask("POST", f"/api/warnings/{id}/cancel", {"why": "x"}, "water-resources-leader"), 403)
    answer = await city.ask("POST", f"/api/warnings/{id}/cancel", {"why": "a gauge was wrong"}, LEADER)
    assert answer.json()["state"] == "cancelled"
    end = read_message((await city.ask("GET", f"/cap/{answer.json()['cancelledBy']}", by="")).content)
    assert (end.msg_type, end.info[0].response_type, end.info[0].headline) == ("Cancel", ["AllClear"], "解除暴雨橙色预警")
    assert [one.identifier for one in end.references] == [f"500114-{id}"]
    assert (await city.ask("GET", f"/cap/500114-{id}", by="")).status_code == 200  # what was said stays
    assert f"500114-{id}-end" in (await city.ask("GET", "/cap/feed", by="")).text
    refused(await city.ask("POST", f"/api/warnings/{id}/cancel", {"why": "again"}, LEADER), 409, "is cancelled")


async def test_a_warning_expires(city: City) -> None:
    id = await released(city)
    city.clock.moment = city.clock.moment.replace(hour=6, minute=29)
    await city.warnings.sweep()
    assert (await city.ask("GET", f"/api/warnings/{id}")).json()["state"] == "released"
    city.clock.moment = city.clock.moment.replace(minute=30)
    assert f"500114-{id}" not in (await city.ask("GET", "/cap/feed", by="")).text
    await city.warnings.sweep()
    await city.warnings.sweep()
    shown = (await city.ask("GET", f"/api/warnings/{id}")).json()
    assert (shown["state"], [step["what"] for step in shown["steps"]]) == ("expired", ["drafted", "released", "expired"])


async def test_a_rejected_draft_goes_nowhere(city: City) -> None:
    id = await drafted(city)
    refused(await city.ask("POST", f"/api/warnings/{id}/reject", {}), 400, "'why'")
    assert (await city.ask("POST", f"/api/warnings/{id}/reject", {"note": "radar shows nothing"})).json()["state"] == "rejected"
    refused(await city.ask("POST", f"/api/warnings/{id}/release", {}, LEADER), 409, "is rejected")
    refused(await city.ask("PUT", f"/api/warnings/{id}", rain()), 409, "is rejected")


async def test_two_releases_at_once_give_one_message(city: City) -> None:
    id = await drafted(city)
    register, by = city.warnings.register, PEOPLE + LEADER
    results = await asyncio.gather(*(register.release(id, by, "now") for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in results].count(Conflict) == 4
    assert len([one for _, one in await city.store.records("", "warning_message") if one["warning"] == id]) == 1


async def test_an_update_that_comes_too_late_changes_nothing(city: City) -> None:
    first = await released(city)
    register = city.warnings.register
    second = await register.update(first, content_of(rain(grade="red")), PEOPLE + "meteorology-duty", "")
    stale = register.get(first)
    await register.cancel(first, PEOPLE + LEADER, "wrong")
    register._warnings[first] = stale  # as in a hub that has not heard of the cancelling yet
    with pytest.raises(Conflict, match="changed by somebody else"):
        await register.release(second.id, PEOPLE + LEADER, "")
    assert (await city.store.fetch("", second.id, "warning") or {})["state"] == "draft"
    assert await city.store.fetch("", f"500114-{second.id}", "warning_message") is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"event": "meteor"}, "'event' is 'meteor'; right would be one of rainstorm"),
    ({"issuer": "urn:ngsi-ld:Organization:500114:archives"}, "issues no warnings"),
    ({"headline": {"zh": "只有中文"}}, "'headline.en'"),
    ({"where": {}}, "'where' must have"),
    ({"where": {"entities": ["urn:ngsi-ld:Township:none"]}}, "does not know"),
    ({"where": {"geometry": {"type": "Polygon", "coordinates": [[[108, 29], [109, 30], [109, 29], [108, 30], [108, 29]]]}}}, "cross itself"),
    ({"where": {"geometry": {"type": "Polygon", "coordinates": [[[29, 108], [30, 108], [30, 109], [29, 108]]]}}}, "in this order"),
    ({"where": {"entities": [ZHUOSHUI], "bufferM": -1}}, "bufferM"),
    ({"expires": "2026-06-30T00:00:00Z"}, "earlier than 'expires'"),
    ({"expires": "tomorrow"}, "'expires' is 'tomorrow'"),
    ({"scope": "Restricted"}, "'restriction' must say"),
    ({"grade": "purple"}, "purple"),
    ({"surprise": 1}, "surprise"),
]


async def test_a_draft_that_cannot_be_right_is_refused(city: City) -> None:
    for changes, words in WRONG:
        refused(await city.ask("POST", "/api/warnings", rain(**changes)), 400, words)
    assert (await city.ask("GET", "/api/warnings")).json() == {"warnings": [], "count": 0}


async def test_warnings_are_listed_and_survive_a_restart(city: City) -> None:
    first, second = await released(city), await drafted(city, where={"entities": [FENGJIA]})
    listed = (await city.ask("GET", "/api/warnings?state=draft")).json()
    assert ([one["id"] for one in listed["warnings"]], listed["count"]) == ([second], 1)
    city.warnings.register._warnings.clear()
    await city.warnings.register.load()
    assert {one["id"] for one in (await city.ask("GET", "/api/warnings")).json()["warnings"]} == {first, second}


async def test_a_draft_is_shown_unsigned_and_as_no_warning(city: City) -> None:
    id = await drafted(city)
    answer = await city.ask("GET", f"/api/warnings/{id}/cap")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["signed"] is False
    assert answer.json()["message"]["info"][1]["headline"] == "Rainstorm orange warning"


async def test_if_match_holds_for_changes(city: City) -> None:
    id = await drafted(city)
    tag = (await city.ask("GET", f"/api/warnings/{id}")).headers["etag"]
    assert (await city.ask("PUT", f"/api/warnings/{id}", rain(grade="red"), **{"If-Match": tag})).status_code == 200
    refused(await city.ask("PUT", f"/api/warnings/{id}", rain(), **{"If-Match": tag}), 412, "version 2")
