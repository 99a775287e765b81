"""Each channel against something real on the other side."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import orjson
import paho.mqtt.client as mqtt
import pytest
from aiohttp import web
from paho.mqtt.enums import CallbackAPIVersion

from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Notice
from cityhub.notify.notices.channels.channel import Parcel
from cityhub.notify.notices.channels.mqtt import MqttChannel
from cityhub.notify.notices.channels.sms import SmsChannel
from cityhub.notify.notices.channels.sms_gateway import read_gateway
from cityhub.notify.notices.channels.webhook import WebhookChannel, hub_key
from cityhub.web.addresses import AddressPolicy
from cityhub.web.outbound import HttpOutbound
from tests.unit.notify.notices.conftest import LI, WANG, MailHouse, SetClock

NUMBER = "13812345678"


def parcel(address: str, **changes: Any) -> Parcel:
    made = Parcel("a" * 32, address, LI.id, LI.name, "zh", "洪水", "水位 5 m", True, "key", "why", "http://hub.example/x", "2026-11-23T06:05:00Z")
    return msgspec.structs.replace(made, **changes)


class Receiver:
    """An HTTP receiver that answers as told and remembers what came."""

    def __init__(self) -> None:
        self.got: list[tuple[web.Request, bytes]] = []
        self.answer: Callable[[], web.StreamResponse] = lambda: web.json_response({"code": "0", "msgid": f"g{len(self.got)}"})
        self.hang = False
        self.url = ""

    async def open(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", self._take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.got.append((request, await request.read()))
        if self.hang and request.transport is not None:
            request.transport.abort()
        return self.answer()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def outbound() -> AsyncIterator[HttpOutbound]:
    made = HttpOutbound(AddressPolicy(loopback_allowed=True))
    yield made
    await made.close()


async def test_a_webhook_is_signed_and_keeps_its_key(receiver: Receiver, outbound: HttpOutbound, tmp_path: Path) -> None:
    channel = WebhookChannel(outbound, hub_key(tmp_path / "key"), SetClock())
    assert (await channel.send(parcel(receiver.url))).end == "sent"
    receiver.answer = lambda: web.Response(status=503)
    again = await channel.send(parcel(receiver.url))
    assert (again.end, again.again) == ("failed", True)
    receiver.answer = lambda: web.Response(status=410)
    assert (await channel.send(parcel(receiver.url))).again is False
    for request, body in receiver.got:
        assert request.headers["Idempotency-Key"] == "a" * 32
        signed = request.headers["CityHub-Timestamp"].encode() + b"." + body
        wanted = hmac.new(channel.key_of(receiver.url).encode(), signed, sha256).hexdigest()
        assert request.headers["CityHub-Signature"] == f"v1={wanted}"
    assert orjson.loads(receiver.got[0][1])["text"] == "水位 5 m"
    assert channel.key_of(receiver.url) != channel.key_of("https://other.example/hook"), "nobody can sign for another"
    assert hub_key(tmp_path / "key") == hub_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


async def test_a_receiver_that_is_gone_keeps_nobody_waiting(receiver: Receiver, outbound: HttpOutbound) -> None:
    channel = WebhookChannel(outbound, b"k", SetClock())
    receiver.hang = True
    assert (await channel.send(parcel(receiver.url))).again is True
    again = await channel.send(parcel(receiver.url))
    assert (again.end, again.again, again.reason, len(receiver.got)) == (
        "failed", True, "the receiver could not be reached a moment ago", 1,
    )  # fmt: skip


async def test_a_webhook_to_an_inner_address_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    guarded = HttpOutbound(AddressPolicy())
    outcome = await WebhookChannel(guarded, b"k", SetClock()).send(parcel(receiver.url))
    await guarded.close()
    assert (outcome.end, "not public" in outcome.reason, receiver.got) == ("failed", True, [])


GATEWAY = """
url: "{url}"
headers: {{Authorization: "Bearer {{env.SMS_TOKEN}}"}}
json: {{mobile: "{{to}}", content: "{{text}}", extra: {{id: "{{id}}", urgent: "{{urgent}}"}}}}
secrets: [SMS_TOKEN]
success: 'status = 200 and body.code = "0"'
again: 'body.code = "busy"'
receipt: body.msgid
timeout_s: 2
receipts: {{token: SMS_RECEIPTS, each: body.reports, id: msgid, state: 'if stat = "DELIVRD" then "delivered" else "failed"', detail: stat}}
"""
ENVIRONMENT = {"SMS_TOKEN": "s3cret", "SMS_RECEIPTS": "t0ken"}


def sms(receiver: Receiver, outbound: HttpOutbound) -> SmsChannel:
    return SmsChannel(read_gateway(GATEWAY.format(url=receiver.url).encode(), ENVIRONMENT), outbound, ENVIRONMENT)


async def test_a_text_message_goes_through_the_operators_gateway(receiver: Receiver, outbound: HttpOutbound) -> None:
    channel = sms(receiver, outbound)
    sent = await channel.send(parcel(NUMBER, text='他说 "好" {x}'))
    assert (sent.end, sent.receipt) == ("sent", "g1"), sent
    request, body = receiver.got[0]
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert orjson.loads(body) == {"mobile": NUMBER, "content": '他说 "好" {x}', "extra": {"id": "a" * 32, "urgent": "true"}}


async def test_what_a_gateway_may_have_taken_without_saying_so_is_unknown(receiver: Receiver, outbound: HttpOutbound) -> None:
    channel = sms(receiver, outbound)
    for answer, end, again in (
        (lambda: web.json_response({"code": "busy"}), "failed", True),
        (lambda: web.json_response({"code": "7", "mobile": NUMBER}), "failed", False),
        (lambda: web.Response(status=500), "unknown", False),
    ):
        receiver.answer = answer
        outcome = await channel.send(parcel(NUMBER))
        assert (outcome.end, outcome.again) == (end, again), outcome
        assert NUMBER not in outcome.reason
    receiver.hang = True
    assert (await channel.send(parcel(NUMBER))).end == "unknown"
    await receiver.close()
    outcome = await channel.send(parcel(NUMBER))
    assert (outcome.end, outcome.again) == ("failed", True), "nobody was there to take it"


async def test_a_gateway_that_takes_forms(receiver: Receiver, outbound: HttpOutbound) -> None:
    content = f'url: "{receiver.url}"\nform: {{phone: "{{to}}", msg: "{{text}}"}}\nquery: {{n: "{{id}}"}}'
    channel = SmsChannel(read_gateway(content.encode(), {}), outbound, {})
    assert (await channel.send(parcel(NUMBER))).end == "sent"
    request, body = receiver.got[0]
    assert (parse_qs(body.decode()), request.query["n"]) == ({"phone": [NUMBER], "msg": ["水位 5 m"]}, "a" * 32)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("url: ftp://x", "'url' must be an http or https address"),
        ("url: http://x\nsuccess: 'status ='", "'success'"),
        ("url: http://x\njson: {a: '{to'}", "'json.a': the '{' at character 1 has no '}'"),
        ("url: http://x\nsecrets: [NOT_THERE]", "must have the secret 'NOT_THERE'"),
        ("url: http://x\nheaders: &a {x: y}\nform: *a", "may not refer to other parts of itself"),
        ("url: http://x\nbody: x", "unknown field `body`"),
    ],
)
def test_a_gateway_that_cannot_be_right_is_refused(content: str, said: str) -> None:
    with pytest.raises(BadRequestData) as refused:
        read_gateway(content.encode(), {})
    assert said in refused.value.detail


async def test_receipts_need_the_token_and_settle_messages(make_hub: Callable[..., Any], receiver: Receiver, outbound: HttpOutbound) -> None:
    hub = await make_hub(sms(receiver, outbound), environment=ENVIRONMENT)
    for number in (1, 2):
        await hub.ask(Notice(f"k{number}", "w", "x", {"n": number}, people=[LI.id], urgent=True))
    reports = {"reports": [{"msgid": "g1", "stat": "DELIVRD"}, {"msgid": "g2", "stat": "UNDELIV"}, {"msgid": "g9", "stat": "DELIVRD"}]}
    async with hub.client() as client:
        url = "/api/notices/receipts/sms"
        assert (await client.post(url, json=reports)).status_code == 401
        assert (await client.post(url + "?token=wrong", json=reports)).status_code == 401
        assert (await client.post("/api/notices/receipts/email?token=t0ken", json=reports)).status_code == 404
        assert (await client.post(url + "?token=t0ken", content=b"{")).status_code == 400
        answer = await client.post(url, json=reports, headers={"authorization": "Bearer t0ken"})
        assert answer.json() == {"taken": 2, "unknown": 1}
    states = {one["key"]: (one["state"], one["detail"]) for one in await hub.messages(channel="sms")}
    assert states["k1"][0] == "delivered"
    assert states["k2"] == ("dead", "the gateway says that it did not arrive: UNDELIV")


async def test_mqtt(mosquitto: int) -> None:
    came: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    listener = mqtt.Client(CallbackAPIVersion.VERSION2)
    listening = asyncio.Event()
    listener.on_message = lambda *given: loop.call_soon_threadsafe(came.put_nowait, given[2].payload)
    listener.on_subscribe = lambda *_: loop.call_soon_threadsafe(listening.set)
    listener.connect("127.0.0.1", mosquitto)
    listener.subscribe("sirens/east", 1)
    listener.loop_start()
    channel = MqttChannel(AddressPolicy(loopback_allowed=True))
    try:
        async with asyncio.timeout(20):
            await listening.wait()
            assert (await channel.send(parcel(f"mqtt://127.0.0.1:{mosquitto}/sirens/east"))).end == "sent"
            body = orjson.loads(await came.get())["body"]
        assert (body["id"], body["text"]) == ("a" * 32, "水位 5 m")
        refused = await MqttChannel(AddressPolicy()).send(parcel(f"mqtt://127.0.0.1:{mosquitto}/sirens/east"))
        assert refused.end == "failed"
    finally:
        listener.loop_stop()
        listener.disconnect()
        await channel.close()


async def test_mail_that_may_have_left_is_unknown_and_what_was_refused_is_not(mail: MailHouse) -> None:
    channel = mail.channel()
    nobody = await channel.send(parcel("nobody@example.org"))
    assert (nobody.end, nobody.again) == ("failed", False)
    assert "550" in nobody.reason
    assert "nobody@example.org" not in nobody.reason
    mail.box.answer = "451 later"
    later = await channel.send(parcel("li@example.org"))
    assert (later.end, later.again) == ("failed", True)
    mail.box.drop = True
    assert (await channel.send(parcel("li@example.org"))).end == "unknown"
    await mail.close()
    gone = await channel.send(parcel("li@example.org"))
    assert (gone.end, gone.again) == ("failed", True)
    await mail.open()


async def test_nothing_leaves_without_tls(mail: MailHouse) -> None:
    channel = mail.channel()
    channel._tls = None  # what the system trusts does not know this server
    outcome = await channel.send(parcel("li@example.org"))
    assert (outcome.end, mail.box.letters) == ("failed", [])


async def test_addresses_that_are_none_are_not_used(make_hub: Callable[..., Any], mail: MailHouse) -> None:
    hub = await make_hub(mail.channel())
    hub.people.of[WANG.id] = msgspec.structs.replace(WANG, contacts={"email": "wang@example.org\nBcc: all@example.org"})
    await hub.ask(Notice("k", "w", "x", {}, people=[WANG.id]))
    assert [one["channel"] for one in await hub.messages()] == ["screen"]


async def test_who_asks_for_a_notice_by_http(make_hub: Callable[..., Any]) -> None:
    hub = await make_hub()
    async with hub.client(LI) as client:
        assert (await client.post("/api/notices", json={"key": "k", "people": [WANG.id], "values": {"title": "会议"}})).status_code == 202
        for body in ({"key": ""}, {"key": "k"}, {"key": "k", "people": [WANG.id], "link": "http://evil.example"}, {"key": "k", "to": []}):
            assert (await client.post("/api/notices", json=body)).status_code == 400, body
    await hub.settled()
    (message,) = await hub.messages()
    assert (message["why"], message["person"]) == (LI.id, WANG.id)


async def test_the_transport_of_the_door_is_a_stranger(make_hub: Callable[..., Any]) -> None:
    """A hub without a gateway takes no receipts, whatever token is shown."""
    hub = await make_hub()
    transport = httpx.ASGITransport(hub.application, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.post("/api/notices/receipts/sms?token=", json={})).status_code == 401
