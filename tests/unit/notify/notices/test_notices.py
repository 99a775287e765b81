"""From a notice to messages: who hears of it, by which channel, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cityhub.model.ports import Notice
from tests.unit.notify.notices.conftest import ANN, LI, WANG, MailHouse, Pager

QIANJIANG = Path(__file__).parents[4] / "districts/qianjiang"
RAISED = Notice(
    "urn:ngsi-ld:Alert:7#red", "urn:rule:flood", "alert",
    {"title": {"zh": "阿蓬江洪水", "en": "Flood of the Apeng"}, "event": {"zh": "洪水", "en": "Flood"}, "grade": "red",
     "description": {"zh": "水位 5.1 m", "en": "level 5.1 m"}, "issued": "2026-11-23T06:00:00Z", "subject": "urn:gauge:1"},
    posts=["command"], departments=[("urn:ngsi-ld:Organization:water", "leader")], people=[ANN.id], urgent=True, link="/alerts/7",
)  # fmt: skip


async def test_a_notice_becomes_a_message_for_each_person_and_channel(make_hub: Callable[..., Any]) -> None:
    pager = Pager()
    hub = await make_hub(pager, folder=QIANJIANG)
    await hub.ask(RAISED)
    messages = await hub.messages(key=RAISED.key)
    assert {(one["person"], one["channel"], one["state"]) for one in messages} == {
        (ANN.id, "screen", "sent"), (WANG.id, "screen", "sent"), (LI.id, "screen", "sent"), (LI.id, "sms", "sent"),
    }  # fmt: skip
    assert [parcel.address for parcel in pager.sent] == ["13812345678"]
    assert pager.sent[0].link == "http://hub.example/centre/alerts/7"
    by_person = {one["person"]: one for one in messages}
    assert "洪水" in by_person[WANG.id]["text"]
    assert "2026-11-23 14:00" in by_person[WANG.id]["text"], "times are the district's"
    assert "Flood" in by_person[ANN.id]["text"]
    (by_telephone,) = await hub.messages(channel="sms")
    assert (by_telephone["to"], by_telephone["why"], by_telephone["receipt"]) == ("138****5678", "urn:rule:flood", "r1")
    assert "13812345678" not in str(await hub.messages())


async def test_the_same_key_is_told_once(make_hub: Callable[..., Any]) -> None:
    pager = Pager()
    hub = await make_hub(pager)
    await hub.ask(RAISED)
    await hub.ask(RAISED)
    assert len(pager.sent) == 1
    assert len(await hub.messages()) == 4
    await hub.ask(RAISED, tenant="other")
    assert len(pager.sent) == 2, "another tenant's notice is another one"


async def test_what_nobody_can_hear_is_in_the_ledger_and_can_be_told_later(make_hub: Callable[..., Any]) -> None:
    hub = await make_hub()
    await hub.ask(Notice("k", "urn:rule:1", "alert", {"level": 3}, posts=["night"]))
    (dead,) = await hub.messages(state="dead")
    assert dead["detail"] == "nobody is on duty at 'night'"
    async with hub.client() as client:
        refused = await client.post(f"/api/notices/{dead['id']}/replay")
        assert (refused.status_code, refused.json()["detail"]) == (409, "Still nobody can hear of it: nobody is on duty at 'night'")
        hub.duty.posts["night"] = [LI.id]
        assert (await client.post(f"/api/notices/{dead['id']}/replay", json={"note": "李 came"})).status_code == 200
    await hub.settled()
    assert [(one["person"], one["state"]) for one in await hub.messages(channel="screen")] == [(LI.id, "sent")]
    assert "李 came" in (await hub.messages(key="k"))[-1]["detail"]


async def test_who_was_told_reads_and_the_notice_is_acknowledged(make_hub: Callable[..., Any]) -> None:
    hub = await make_hub()
    await hub.ask(RAISED)
    async with hub.client(WANG) as wang, hub.client(LI) as li:
        mine = (await wang.get("/api/notices/mine")).json()
        assert (mine["count"], mine["notices"][0]["key"]) == (1, RAISED.key)
        id = mine["notices"][0]["id"]
        assert (await li.post(f"/api/notices/{id}/read")).status_code == 403
        assert not hub.service.notices.acknowledged(RAISED.key)
        assert (await wang.post(f"/api/notices/{id}/read")).json()["state"] == "read"
        assert (await wang.get("/api/notices/mine")).json()["count"] == 0
        assert (await li.get("/api/notices/mine")).json()["count"] == 1
    assert hub.service.notices.acknowledged(RAISED.key)
    assert not hub.service.notices.acknowledged("another")


async def test_an_open_screen_sees_a_message_at_once(make_hub: Callable[..., Any]) -> None:
    hub = await make_hub()
    screen = hub.service.screens.open(WANG.id, 0)
    assert b'event: ready\ndata: {"unread":0}' in await anext(screen)
    await hub.ask(RAISED)
    shown = await anext(screen)
    assert b"event: notice" in shown
    assert RAISED.key.encode() in shown
    (message,) = await hub.messages(person=WANG.id)
    assert message["state"] == "delivered"
    await screen.aclose()
    assert hub.service.screens.count == 0


async def test_e_mail_over_tls(make_hub: Callable[..., Any], mail: MailHouse) -> None:
    hub = await make_hub(mail.channel(), folder=QIANJIANG)
    await hub.ask(RAISED)
    (message,) = await hub.messages(channel="email", person=WANG.id)
    assert (message["state"], message["to"]) == ("sent", "w****@example.org"), message
    letter = next(one for one in mail.box.letters if one["To"] == "wang@example.org")
    assert letter["Message-ID"] == f"<{message['id']}@cityhub.example>"
    assert "洪水" in letter["Subject"]
    assert "http://hub.example/centre/alerts/7" in letter.get_content()  # type: ignore[attr-defined]
    assert sorted(one["To"] for one in mail.box.letters) == ["li@example.org", "wang@example.org"]


async def test_an_unknown_template_says_the_values(make_hub: Callable[..., Any]) -> None:
    hub = await make_hub()
    await hub.ask(Notice("k", "w", "none-such", {"level": 4.5}, people=[WANG.id]))
    (message,) = await hub.messages(person=WANG.id, channel="screen")
    assert "level: 4.5" in message["text"]
    assert message["detail"] == "there is no template 'none-such'"
