"""Duty over HTTP: plans without gaps, swaps that both agree to, handovers that both sign, escalation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from cityhub.model.ports import WaitingAlert
from cityhub.model.time import to_text
from tests.unit.cases.duty.conftest import START, Hub

QIANJIANG = Path(__file__).parents[4] / "districts/qianjiang"
A, B, C = (f"urn:ngsi-ld:Person:{name}" for name in "abc")
POST: dict[str, Any] = {
    "id": "centre", "title": {"zh": "值班室", "en": "Duty room"}, "department": "urn:ngsi-ld:Organization:centre",
    "rotation": {"since": "2026-07-01", "shifts": ["08:00-20:00", "20:00-08:00"], "teams": [[A], [B]]},
}  # fmt: skip


async def add(hub: Hub, **changes: Any) -> None:
    answer = await hub.ask("POST", "/posts", json={**POST, **changes})
    assert answer.status_code == 201, answer.text


def at(hours: float) -> str:
    return to_text(START + timedelta(hours=hours))


def shift(start: float, end: float, *people: str) -> dict[str, Any]:
    return {"from": at(start), "to": at(end), "people": list(people)}


async def test_who_is_on_duty(hub: Hub) -> None:
    await add(hub)
    now = (await hub.ask("GET", "/now")).json()
    assert (now["posts"][0]["people"], now["posts"][0]["names"]) == ([A], {A: "a"})
    assert now["posts"][0]["until"] == "2026-07-01T12:00:00.000000Z"
    assert hub.duty.rota.on_duty("centre", at(11)) == [B]
    assert hub.duty.rota.on_duty("no-such-post", at(0)) == []


async def test_a_roster_with_a_gap_is_refused_and_the_gap_is_named(hub: Hub) -> None:
    await add(hub)
    span = {"from": at(0), "to": at(24)}
    refused = await hub.ask("PUT", "/rosters/centre", params=span, json={"shifts": [shift(0, 8, A), shift(9, 24, B)]})
    assert refused.status_code == 409
    assert "nobody is there from 2026-07-01 18:00 to 2026-07-01 19:00" in refused.json()["detail"]
    made = await hub.ask("PUT", "/rosters/centre", params=span, json={"shifts": [shift(0, 8, A), shift(8, 24, C)]})
    assert (made.status_code, made.json()["gaps"]) == (200, [])
    assert hub.duty.rota.on_duty("centre", at(8)) == [C]
    assert hub.duty.rota.on_duty("centre", at(25)) == [A], "the rotation goes on behind what was planned"


async def test_nobody_is_in_two_places(hub: Hub) -> None:
    await add(hub)
    await add(hub, id="other", rotation=None, cover=[{"hours": "10:00-12:00"}])
    refused = await hub.ask("PUT", "/rosters/other", json={"shifts": [shift(0, 2, A)]})
    assert refused.status_code == 409
    assert refused.json()["detail"] == f"'{A}' would be in two places: at 'other' and at 'centre' from 2026-07-01 10:00 to 2026-07-01 12:00"
    twice = await hub.ask("PUT", "/rosters/other", json={"shifts": [shift(0, 2, C), shift(1, 2, C)]})
    assert (twice.status_code, "two places" in twice.json()["detail"]) == (409, True)
    assert (await hub.ask("PUT", "/rosters/other", json={"shifts": [shift(0, 2, C)]})).status_code == 200
    rotation = {"since": "2026-07-01", "shifts": ["00:00-24:00"], "teams": [[B]]}
    both = await hub.ask("POST", "/posts", json={**POST, "id": "third", "rotation": rotation})
    assert (both.status_code, "two places" in both.json()["detail"]) == (409, True)
    with_gap = await hub.ask("POST", "/posts", json={**POST, "id": "third", "rotation": {**rotation, "shifts": ["10:00-16:00"], "teams": [[C]]}})
    assert (with_gap.status_code, "has a gap" in with_gap.json()["detail"]) == (409, True)


async def test_bad_plans_are_refused(hub: Hub) -> None:
    await add(hub)
    for body, said in (
        ({"shifts": [shift(0, 8, "urn:nobody")]}, "must be the id of a person who works here"),
        ({"shifts": [shift(8, 0, A)]}, "'from' must be before 'to'"),
        ({"shifts": [{"from": "2026-07-01T00:00:00", "to": at(8), "people": [A]}]}, "with their offset"),
        ({"shifts": [{"from": at(0), "people": [A]}]}, "'shifts' must be a list"),
        ({"shifts": []}, "'from' and 'to' must say which span"),
        ({"shifts": [shift(0, 24 * 500, A)]}, "not more than 400 days"),
    ):
        answer = await hub.ask("PUT", "/rosters/centre", json=body)
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True), answer.text
    assert (await hub.ask("PUT", "/rosters/none", json={"shifts": [shift(0, 8, A)]})).status_code == 404


async def test_the_standing_check_tells_of_a_gap_before_it_comes_and_again_when_it_is_near(hub: Hub) -> None:
    await add(hub, rotation=None)
    span = {"from": at(0), "to": at(72)}
    assert (await hub.ask("PUT", "/rosters/centre", params=span, json={"shifts": [shift(0, 72, A)]})).status_code == 200
    await hub.duty.standing.check()
    await hub.duty.standing.check()
    (notice,) = hub.asked.notices.values()
    assert (notice.urgent, notice.departments, notice.values["from"]) == (False, [("urn:ngsi-ld:Organization:centre", "leader")], at(72))
    gaps = (await hub.ask("GET", "/gaps")).json()
    assert (gaps["count"], gaps["gaps"][0]["from"]) == (1, at(72))
    hub.go_on(hours=60)
    await hub.duty.standing.check()
    assert [one.urgent for one in hub.asked.notices.values()][-1] is True


async def test_who_has_left_leaves_a_gap(hub: Hub) -> None:
    await add(hub)
    hub.people.of.pop(B)
    assert hub.duty.rota.on_duty("centre", at(11)) == []
    assert (await hub.ask("GET", "/gaps")).json()["count"] == 14


async def test_a_swap_counts_when_both_have_agreed(hub: Hub) -> None:
    await add(hub)
    swap = {"give": {"post": "centre", "start": at(-2), "person": A}, "to": B, "take": {"post": "centre", "start": at(10), "person": B}}
    assert (await hub.ask("POST", "/swaps", "c", json=swap)).status_code == 403
    made = await hub.ask("POST", "/swaps", "a", json=swap)
    assert (made.status_code, made.json()["waitsFor"]) == (201, B)
    id = made.json()["id"]
    assert hub.duty.rota.on_duty("centre", at(0)) == [A]
    assert (await hub.ask("POST", f"/swaps/{id}/agree", "a")).status_code == 403
    agreed = await hub.ask("POST", f"/swaps/{id}/agree", "b")
    assert (agreed.status_code, agreed.json()["state"]) == (200, "agreed"), agreed.text
    assert (hub.duty.rota.on_duty("centre", at(0)), hub.duty.rota.on_duty("centre", at(11))) == ([B], [A])
    assert (await hub.ask("POST", f"/swaps/{id}/agree", "b")).status_code == 409
    assert (await hub.ask("POST", "/swaps", "a", json={**swap, "give": {**swap["give"], "start": at(5)}})).status_code == 404


async def test_a_handover_is_signed_by_both_and_cannot_be_changed(hub: Hub) -> None:
    await add(hub)
    hub.go_on(hours=9.5)
    assert (await hub.ask("POST", "/handovers", "c", json={"post": "centre", "told": "x"})).status_code == 403
    begun = await hub.ask("POST", "/handovers", "a", json={"post": "centre", "told": "三号闸门漏水，已报修"})
    assert begun.status_code == 201, begun.text
    one = begun.json()
    assert (one["from"], one["to"], one["state"], [sign["person"] for sign in one["signatures"]]) == ([A], [B], "begun", [A])
    assert [notice.people for notice in hub.asked.notices.values()] == [[B]]
    assert (await hub.ask("POST", f"/handovers/{one['id']}/sign", "c", json={})).status_code == 403
    assert (await hub.ask("POST", f"/handovers/{one['id']}/sign", "b", json={"hash": "0" * 64})).status_code == 409
    signed = (await hub.ask("POST", f"/handovers/{one['id']}/sign", "b", json={"hash": one["hash"]})).json()
    assert (signed["state"], signed["whole"], len(signed["signatures"])) == ("signed", True, 2)
    listed = (await hub.ask("GET", "/handovers")).json()
    assert (listed["count"], listed["handovers"][0]["id"]) == (1, one["id"])
    again = type(hub.duty.handovers)(hub.store, hub.duty.rota, hub.duty.matters, hub.asked, hub.clock)
    await again.load()
    assert await again.page(10, 0) == await hub.duty.handovers.page(10, 0), "a restart knows them"
    record = await hub.store.fetch("", one["id"], "duty_handover")
    assert record is not None
    forged = orjson.loads(orjson.dumps(record).replace("漏水".encode(), "正常".encode()))
    from cityhub.model.ports import Write

    await hub.store.write("", [Write(one["id"], lambda current, at: (forged, None), "duty_handover")])
    assert (await hub.ask("GET", f"/handovers/{one['id']}")).json()["whole"] is False


def waiting(number: int, grade: str = "red", rule: str = "flood") -> WaitingAlert:
    return WaitingAlert("", f"urn:ngsi-ld:Alert:{number}", rule, 1, grade, at(0), {"zh": "洪水"}, {"zh": "水位 5 m"}, "urn:gauge:1")


async def test_what_nobody_acknowledges_goes_up_the_chain_step_by_step_once(hub: Hub) -> None:
    chain = {
        "id": "default", "title": {"zh": "上报", "en": "Up"}, "minutes": {"red": 5, "yellow": 30},
        "steps": [[{"post": "centre"}], [{"department": "urn:ngsi-ld:Organization:centre", "role": "leader"}]],
    }  # fmt: skip
    assert (await hub.ask("POST", "/escalations", json=chain)).status_code == 201
    hub.waiting.alerts = [waiting(1), waiting(2, "yellow"), waiting(3, "blue")]
    told = []
    for minutes in (4, 2, 1, 4, 60):
        hub.go_on(minutes=minutes)
        await hub.duty.escalation.check()
        told.append([key.removeprefix("urn:ngsi-ld:Alert:")[0] + key[-1] for key in hub.asked.notices])
    assert told == [[], ["11"], ["11"], ["11", "12"], ["11", "12", "21", "22"]]
    first, second, *_ = hub.asked.notices.values()
    assert (first.posts, first.departments, first.urgent, first.values["minutes"]) == (["centre"], [], True, 5)
    assert second.departments == [("urn:ngsi-ld:Organization:centre", "leader")]
    again = type(hub.duty.escalation)(hub.store, hub.waiting, hub.asked, hub.clock, None)
    await again.load()
    await again.check()
    assert len(hub.asked.notices) == 4, "after a restart what was told is not told again"


async def test_a_chain_that_cannot_be_right_is_refused(hub: Hub) -> None:
    good: dict[str, Any] = {"id": "default", "title": {"zh": "上", "en": "Up"}, "minutes": {"red": 5}, "steps": [[{"post": "centre"}]]}
    for changes, said in (
        ({"minutes": {"purple": 1}}, "'minutes' must have"), ({"minutes": {"red": 0}}, "'minutes' must have"), ({"steps": []}, "'steps' must"),
        ({"steps": [[{}]]}, "either 'post'"), ({"rules": ["r"]}, "'rules' must"), ({"id": "other"}, "'rules' must"),
    ):  # fmt: skip
        answer = await hub.ask("POST", "/escalations", json={**good, **changes})
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True), answer.text
