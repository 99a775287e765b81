"""Sending: nothing twice, nothing lost, nobody woken without need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cityhub.model.ports import Notice
from cityhub.notify.notices.channels.channel import Outcome, Parcel
from cityhub.notify.notices.dispatch import PAUSES_S
from cityhub.notify.notices.policy import Policy
from cityhub.registers.versioned import Deed
from tests.unit.notify.notices.conftest import LI, WANG, Pager


def notice(number: int = 1, *people: Any, **changes: Any) -> Notice:
    made = Notice(f"k{number}", "w", "none", {"number": number}, people=[one.id for one in people or (LI,)])
    return msgspec.structs.replace(made, **changes)


async def crash(hub: Any) -> None:
    """Ends a hub as a kill would: what is under way is never written down."""
    service = hub.service
    tasks = [*service._tasks, *(task for under_way in service.dispatch._under_way.values() for task in under_way.values())]
    service._tasks = []
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await hub.store.close()


async def until_it_is_asked(pager: Pager) -> None:
    async with asyncio.timeout(20):
        while not pager.sent:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_kill_on_the_way_leaves_a_doubt_and_no_second_message(make_hub: Callable[..., Any], urgent: bool) -> None:
    first, email = Pager("sms"), Pager("email")
    first.hold = asyncio.Event()
    hub = await make_hub(first)
    await policy(hub, ordinary=["screen", "sms"], urgent=["screen", "sms"])
    await hub.store.write("", [hub.service.notices.write(notice(urgent=urgent))])
    await until_it_is_asked(first)
    await crash(hub)
    second = Pager("sms")
    hub = await make_hub(second, email)
    await hub.settled()
    (message,) = await hub.messages(channel="sms")
    assert (message["state"], message["detail"]) == ("doubtful", "the hub ended while the message was on its way")
    assert second.sent == []
    assert [parcel.address for parcel in email.sent] == (["li@example.org"] if urgent else []), "the next channel, if it is urgent"
    async with hub.client() as client:
        if urgent:
            assert (await client.post(f"/api/notices/{message['id']}/arrived", json={"note": "he rang"})).json()["state"] == "delivered"
        else:
            assert (await client.post(f"/api/notices/{message['id']}/replay")).status_code == 200
            await hub.settled()
            assert len(second.sent) == 1, "a person decided so"
        assert (await client.post(f"/api/notices/{message['id']}/replay")).status_code == 409


async def test_what_a_receiver_knows_by_its_id_is_sent_again_after_a_kill(make_hub: Callable[..., Any]) -> None:
    li = {"webhook": "https://robot.example"}
    first, second = Pager("webhook", repeatable=True), Pager("webhook", repeatable=True)
    first.hold = asyncio.Event()
    hub = await make_hub(first)
    hub.people.of[LI.id] = msgspec.structs.replace(LI, contacts=li)
    await hub.store.write("", [hub.service.notices.write(notice())])
    await until_it_is_asked(first)
    await crash(hub)
    hub = await make_hub(second)
    hub.people.of[LI.id] = msgspec.structs.replace(LI, contacts=li)
    hub.clock.go_on(seconds=PAUSES_S[0])
    await hub.settled()
    assert [parcel.id for parcel in second.sent] == [first.sent[0].id]
    assert (await hub.messages(channel="webhook"))[0]["state"] == "sent"


async def test_a_notice_that_was_asked_for_before_a_kill_is_told_after_it(make_hub: Callable[..., Any]) -> None:
    hub = await make_hub()
    for task in hub.service._tasks:
        task.cancel()
    await hub.store.write("", [hub.service.notices.write(notice())])
    await crash(hub)
    hub = await make_hub()
    await hub.settled()
    assert [one["channel"] for one in await hub.messages()] == ["screen"]


async def test_a_passing_fault_is_tried_again_later_and_later_and_then_given_up(make_hub: Callable[..., Any]) -> None:
    pager = Pager("email")
    pager.outcome = lambda parcel: Outcome("failed", "nobody listens", again=True)
    hub = await make_hub(pager)
    await hub.ask(notice())
    for attempt, pause_s in enumerate(PAUSES_S, 1):
        (message,) = await hub.messages(channel="email")
        assert (message["state"], message["attempts"], len(pager.sent)) == ("failed", attempt, attempt)
        hub.clock.go_on(seconds=pause_s - 1)
        await hub.settled()
        assert len(pager.sent) == attempt, "not yet"
        hub.clock.go_on(seconds=1)
        await hub.settled()
    (message,) = await hub.messages(channel="email", state="dead")
    assert message["detail"] == "nobody listens"
    pager.outcome = lambda parcel: Outcome("sent")
    async with hub.client() as client:
        await client.post(f"/api/notices/{message['id']}/replay")
    await hub.settled()
    assert (await hub.messages(channel="email"))[0]["state"] == "sent"


async def test_an_urgent_message_that_fails_goes_by_the_next_channel_once(make_hub: Callable[..., Any]) -> None:
    text, email = Pager("sms"), Pager("email")
    text.outcome = lambda parcel: Outcome("failed", "no such number")
    hub = await make_hub(text, email)
    await policy(hub, urgent=["screen", "sms"])
    await hub.ask(notice(urgent=True))
    await hub.settled()
    (dead,) = await hub.messages(channel="sms")
    (other,) = await hub.messages(channel="email")
    assert (dead["state"], other["state"], other["insteadOf"]) == ("dead", "sent", dead["id"])
    assert len(email.sent) == 1


async def policy(hub: Any, **changes: Any) -> None:
    await hub.service.texts.policies.replace(msgspec.structs.replace(Policy(), **changes), Deed("test"))


async def test_quiet_hours_keep_ordinary_messages_until_the_morning(make_hub: Callable[..., Any]) -> None:
    pager = Pager("email")
    hub = await make_hub(pager)
    hub.clock.go_on(hours=9)  # 23:05 of the district's time
    await hub.ask(notice(1))
    await hub.ask(notice(2, urgent=True))
    await hub.ask(notice(3, people=[], posts=["command"]))
    assert [parcel.key for parcel in pager.sent] == ["k2", "k3"], "the urgent one, and to who is on duty"
    (waiting,) = await hub.messages(key="k1", channel="email")
    assert (waiting["state"], waiting["dueAt"]) == ("queued", "2026-11-23T23:30:00.000000Z")
    assert (await hub.messages(key="k1", channel="screen"))[0]["state"] == "sent", "a screen wakes nobody"
    hub.clock.go_on(hours=8, minutes=26)
    await hub.settled()
    assert [parcel.key for parcel in pager.sent] == ["k2", "k3", "k1"]


async def test_what_is_above_the_quota_comes_in_one_digest(make_hub: Callable[..., Any]) -> None:
    pager = Pager("email")
    hub = await make_hub(pager)
    await policy(hub, person_per_hour=3)
    for number in range(7):
        await hub.ask(notice(number))
    await hub.ask(notice(7, urgent=True))
    assert [parcel.key for parcel in pager.sent] == ["k0", "k1", "k2", "k7"], "urgent ones go on"
    gathered = await hub.messages(state="gathered")
    assert sorted(one["key"] for one in gathered) == ["k3", "k4", "k5", "k6"]
    hub.clock.go_on(minutes=56)
    await hub.settled()
    digest = pager.sent[-1]
    assert len(pager.sent) == 5
    assert "4 条" in digest.subject
    assert all(f"none: k{number}" in digest.text for number in range(3, 7))
    (kept,) = await hub.messages(why="quota")
    assert (kept["state"], kept["id"], kept["text"]) == ("sent", gathered[0]["gatheredIn"], digest.text)
    await hub.ask(notice(8))
    assert pager.sent[-1].key == "k8", "another hour"


async def test_the_quota_of_a_channel_ends_with_the_day(make_hub: Callable[..., Any]) -> None:
    pager = Pager("email")
    hub = await make_hub(pager)
    await policy(hub, channel_per_day={"email": 2})
    await hub.ask(notice(1, LI, WANG))
    await hub.ask(notice(2, LI, WANG))
    assert len(pager.sent) == 2
    hub.clock.go_on(hours=10)
    await hub.settled()
    digests = pager.sent[2:]
    assert [(one.person, one.why) for one in digests] == [(LI.id, "quota"), (WANG.id, "quota")]
    await crash(hub)
    other = Pager("email")
    hub = await make_hub(other)
    await hub.ask(notice(3))
    assert other.sent == [], "a restart does not forget what left today"


async def test_the_urgent_go_first(make_hub: Callable[..., Any]) -> None:
    pager = Pager("email")
    hub = await make_hub(pager)
    for task in hub.service._tasks:
        task.cancel()
    people = [msgspec.structs.replace(LI, id=f"urn:p:{number}") for number in range(40)]
    hub.people.of |= {one.id: one for one in people}
    writes = [hub.service.notices.write(notice(1, *people)), hub.service.notices.write(notice(2, urgent=True))]
    await hub.store.write("", writes)
    await hub.service.expander.step()
    await hub.settled()
    assert pager.sent[0].key == "k2"
    assert len(pager.sent) == 41


async def test_who_has_left_gets_nothing_more(make_hub: Callable[..., Any]) -> None:
    pager = Pager("email")
    hub = await make_hub(pager)
    hub.clock.go_on(hours=9)
    await hub.ask(notice())
    hub.people.of[LI.id] = msgspec.structs.replace(LI, active=False)
    hub.clock.go_on(hours=9)
    await hub.settled()
    assert pager.sent == []
    assert (await hub.messages(channel="email"))[0]["state"] == "dead"


async def test_the_ledger_is_bounded(make_hub: Callable[..., Any]) -> None:
    def broken(parcel: Parcel) -> Outcome:
        raise RuntimeError("a fault in the channel")

    pager = Pager("email")
    hub = await make_hub(pager)
    hub.service.ledger._keep = 3
    for number in range(4):
        await hub.ask(notice(number))
    pager.outcome = broken
    await hub.ask(notice(4))
    assert (await hub.messages(key="k4", channel="email"))[0]["state"] == "doubtful", "a channel that fails loses nothing"
    await hub.service.sweep()
    left = await hub.messages()
    assert sorted({one["channel"] for one in left}) == ["email", "screen"]
    assert [one["key"] for one in left if one["channel"] == "email"] == ["k4"], "what ended went; what is unread or in doubt stays"
    for one in left:
        async with hub.client(LI) as client:
            await client.post(f"/api/notices/{one['id']}/read")
    await hub.service.sweep()
    assert len(await hub.messages()) == 3
