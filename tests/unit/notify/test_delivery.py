"""Messages over HTTP: against a real receiver that answers, fails, dies and comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import orjson
import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Receiver as To
from cityhub.notify import lane as lanes
from cityhub.notify.delivery import MessageDelivery
from cityhub.web.addresses import AddressPolicy
from tests.unit.notify.conftest import Listener
from tests.unit.notify.receiver import Receiver


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BACKOFF_S", (0.05, 0.1))


async def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def body(number: int) -> bytes:
    return orjson.dumps({"n": number})


async def test_messages_go_out_in_order_over_one_kept_connection(
    delivery: MessageDelivery, receiver: Receiver, listener: Listener
) -> None:
    headers = (("Content-Type", "application/json"), ("Link", "<http://c>"), ("X-Token", "é"))
    lane = delivery.open(To(receiver.url("/a%20b?x=1&y=%2F"), headers), listener)
    for number in range(50):
        assert lane.put(body(number), number)
    assert [got["n"] for got in await receiver.wait(50)] == list(range(50))
    await until(lambda: listener.done == list(range(50)))
    path, sent, _ = receiver.got[0]
    assert path == "/a%20b?x=1&y=%2F"
    assert sent["host"] == f"127.0.0.1:{receiver.port}"
    assert sent["content-type"] == "application/json" and sent["link"] == "<http://c>"
    assert sent["user-agent"].startswith("CityHub/")
    assert receiver.connections == 1
    assert all(reason == "" for _, reason in listener.answers)


async def test_a_passing_failure_is_tried_again_and_keeps_the_order(
    delivery: MessageDelivery, receiver: Receiver, listener: Listener
) -> None:
    receiver.answer = lambda number: (503, 0, 429, 200)[number - 1] if number < 4 else 200
    lane = delivery.open(To(receiver.url()), listener)
    for number in range(3):
        lane.put(body(number), number)
    await until(lambda: listener.done == [0, 1, 2])
    assert [got["n"] for _, _, got in receiver.got] == [0, 0, 0, 0, 1, 2]
    # A kept connection that closes without an answer is nobody's failure: that message went out again at once.
    assert [first for token, first in listener.attempts if token == 0] == [True, False, False]
    assert [reason for token, reason in listener.answers if token == 0][-1] == ""


async def test_what_the_receiver_refuses_is_given_up_at_once(delivery: MessageDelivery, receiver: Receiver, listener: Listener) -> None:
    receiver.answer = lambda number: 404 if number == 1 else 302 if number == 2 else 204
    lane = delivery.open(To(receiver.url()), listener)
    for number in range(3):
        lane.put(body(number), number)
    await until(lambda: listener.done == [0, 1, 2])
    assert listener.answers == [(0, "the receiver answered 404"), (1, "the receiver answered 302"), (2, "")]


async def test_none_is_lost_when_the_receiver_dies_and_comes_back(
    delivery: MessageDelivery, receiver: Receiver, listener: Listener
) -> None:
    lane = delivery.open(To(receiver.url()), listener)
    lane.put(body(0), 0)
    await until(lambda: listener.done == [0])
    await receiver.stop()
    for number in range(1, 20):
        assert lane.put(body(number), number)
    await until(lambda: len(listener.answers) > 2)
    assert listener.done == [0]
    await receiver.start()
    await until(lambda: listener.done == list(range(20)))
    assert [got["n"] for _, _, got in receiver.got] == list(range(20))


async def test_one_dead_and_one_silent_receiver_do_not_delay_another(
    delivery: MessageDelivery, receiver: Receiver, listener: Listener
) -> None:
    silent, dead = Receiver(), Receiver()
    await silent.start()
    await dead.start()
    await dead.stop()
    silent.answer = lambda number: None
    others = [delivery.open(To(one.url(), timeout_s=120), Listener()) for one in (silent, dead) for _ in range(50)]
    for other in others:
        for number in range(20):
            other.put(body(number), number)
    await silent.wait(50)
    lane = delivery.open(To(receiver.url()), listener)
    began = time.monotonic()
    for number in range(500):
        lane.put(body(number), number)
    await until(lambda: len(listener.done) == 500)
    assert time.monotonic() - began < 60
    for other in others:
        other.close()
    await silent.stop()


async def test_a_silent_receiver_is_waited_for_no_longer_than_it_asked(
    delivery: MessageDelivery, receiver: Receiver, listener: Listener
) -> None:
    receiver.answer = lambda number: None if number == 1 else 200
    lane = delivery.open(To(receiver.url(), timeout_s=0.1), listener)
    lane.put(body(0), 0)
    await until(lambda: listener.done == [0])
    assert [reason for _, reason in listener.answers] == ["no answer within 0.1 s", ""]


async def test_a_connection_that_the_receiver_closed_meanwhile_costs_nothing(
    delivery: MessageDelivery, receiver: Receiver, listener: Listener
) -> None:
    receiver.idle_close = True
    lane = delivery.open(To(receiver.url()), listener)
    for number in range(10):
        lane.put(body(number), number)
        await until(lambda count=number + 1: len(listener.done) == count)
    assert {reason for _, reason in listener.answers} == {""}
    assert [got["n"] for _, _, got in receiver.got] == list(range(10))


async def test_a_full_lane_says_so_and_calls_when_there_is_room(
    delivery: MessageDelivery, receiver: Receiver, listener: Listener
) -> None:
    await receiver.stop()
    lane = delivery.open(To(receiver.url()), listener)
    taken = 0
    while lane.put(body(taken), taken):
        taken += 1
    assert taken == lanes.MAX_WAITING == lane.waiting()
    assert listener.was_ready == 0
    await receiver.start()
    await until(lambda: len(listener.done) == taken)
    assert listener.was_ready == 1
    assert lane.put(body(taken), taken)


async def test_a_cooldown_drops_what_comes_while_it_lasts(delivery: MessageDelivery, receiver: Receiver, listener: Listener) -> None:
    receiver.answer = lambda number: 500 if number == 1 else 200
    lane = delivery.open(To(receiver.url(), cooldown_s=1.5), listener)
    lane.put(body(0), 0)
    await until(lambda: listener.done == [0])
    lane.put(body(1), 1)
    await until(lambda: listener.done == [0, 1])
    assert len(receiver.got) == 1 and len(listener.attempts) == 1
    await asyncio.sleep(1.6)
    lane.put(body(2), 2)
    await until(lambda: listener.done == [0, 1, 2])
    assert [got["n"] for _, _, got in receiver.got] == [0, 2]


async def test_addresses_that_policy_forbids_are_never_called(receiver: Receiver, listener: Listener) -> None:
    strict = AddressPolicy(())
    delivery = MessageDelivery(strict, strict)
    for uri in (receiver.url(), f"http://localhost:{receiver.port}/", f"mqtt://127.0.0.1:{receiver.port}/t"):
        delivery.open(To(uri, timeout_s=2), listener).put(b"{}", uri)
    await until(lambda: len(listener.done) == 3)
    assert all("not public" in reason for _, reason in listener.answers)
    assert receiver.connections == 0
    await delivery.close()


async def test_a_header_cannot_smuggle_another_one_in(delivery: MessageDelivery, receiver: Receiver, listener: Listener) -> None:
    delivery.open(To(receiver.url(), (("X", "a\r\nY: b"),)), listener).put(b"{}", 1)
    await until(lambda: listener.done == [1])
    assert "line breaks" in listener.answers[0][1]
    assert not receiver.got


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "nobody.invalid", "x..y"])
async def test_a_host_that_is_none_ends_the_attempt(delivery: MessageDelivery, listener: Listener, host: str) -> None:
    lane = delivery.open(To(f"http://{host}/"), listener)
    lane.put(b"{}", 1)
    await until(lambda: bool(listener.answers))
    assert listener.answers[0][1]
    lane.close()


def test_an_unknown_scheme_is_refused() -> None:
    async def check() -> None:
        policy = AddressPolicy(())
        with pytest.raises(BadRequestData, match="http, https, mqtt or mqtts"):
            MessageDelivery(policy, policy).open(To("ftp://x/y"), Listener())

    asyncio.run(check())
