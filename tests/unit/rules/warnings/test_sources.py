"""CAP feeds of others, from a real HTTP server: each message once, updates and ends respected, what is broken among the dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from cityhub.model.alert import iri, read_alert
from cityhub.model.entity import NGSI_LD, Entity, value_of
from cityhub.model.ports import DEAD_LETTERS
from cityhub.model.time import SystemClock
from cityhub.registers.versioned import Deed
from cityhub.rules.cap.atom import Entry, write_feed
from cityhub.rules.cap.keys import development_signer
from cityhub.rules.cap.message import Area, Info, Message, Reference
from cityhub.rules.cap.signing import Signer
from cityhub.rules.cap.writing import write_message
from cityhub.rules.warnings.sources import CapSource
from tests.unit.rules.warnings.conftest import City

SQUARE = "29.2,108.7 29.2,108.9 29.4,108.9 29.4,108.7 29.2,108.7"
TIME = "2026-07-01T08:00:00+08:00"


def message(identifier: str, kind: Any = "Alert", references: tuple[str, ...] = (), **changes: Any) -> Message:
    info = Info(
        ["Met"], "暴雨", "Expected", "Moderate", "Likely", "zh-CN", expires="2026-07-01T20:00:00+08:00", headline="暴雨黄色预警",
        sender_name="邻区气象台", area=[Area("邻区", [SQUARE])],
    )  # fmt: skip
    return Message(
        identifier, "other.example", TIME, "Actual", kind, "Public",
        references=[Reference("other.example", one, TIME) for one in references], info=[] if kind == "Cancel" else [info], **changes,
    )  # fmt: skip


class Elsewhere:
    """Another system with a feed; `parts` are its messages by name, `asked` what was asked for."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""
        self.feed: bytes | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/feed":
            entries = [Entry(f"urn:x:{name}", name, f"messages/{name}", "2026-07-01T00:00:00Z", "other") for name in self.parts]
            body = self.feed or write_feed("urn:x", "Feed", f"{self.url}/feed", "2026-07-01T00:00:00Z", entries, "zh-CN")
            return web.Response(body=body, content_type="application/atom+xml")
        body = self.parts.get(request.path.rpartition("/")[2], b"")
        return web.Response(body=body, content_type="application/cap+xml") if body else web.Response(status=404)


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    system = Elsewhere()
    application = web.Application()
    application.router.add_get("/{path:.*}", system.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    system.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield system
    await runner.cleanup()


def source(system: Elsewhere, path: str = "/feed", **more: Any) -> CapSource:
    return CapSource("other", {"zh": "邻区", "en": "Neighbour"}, system.url + path, **more)


async def alerts(city: City) -> list[Entity]:
    from cityhub.model.alert import ALERT
    from cityhub.model.condition import TypeIs

    return (await city.store.find("", TypeIs(ALERT), None, limit=100)).entities


def said(entity: Entity, name: str) -> Any:
    instances = entity["attrs"].get(iri(name))
    return value_of(instances[0]) if instances else None


async def test_each_message_becomes_an_alert_once(city: City, elsewhere: Elsewhere) -> None:
    elsewhere.parts = {"1": write_message(message("m1")), "2": write_message(message("m2"))}
    for _ in range(3):
        await city.warnings.polling.read(source(elsewhere))
    found = await alerts(city)
    assert {said(one, "identifier") for one in found} == {"m1", "m2"}
    assert len(found) == 2
    one = found[0]
    assert (said(one, "severity"), said(one, "category"), said(one, "receivedFrom"), said(one, "signatureVerified")) == ("medium", "weather", "other", False)
    assert said(one, "title") == {"zh": "暴雨黄色预警"}
    assert said(one, "validTo") == "2026-07-01T12:00:00.000000Z"
    assert value_of(one["attrs"][f"{NGSI_LD}location"][0])["type"] == "Polygon"
    assert read_alert(one) is None  # it is no alert of a rule of this hub
    assert elsewhere.asked.count("/messages/1") == 1
    state = city.warnings.polling.states["other"]
    assert (state.taken, state.refused, state.trouble) == (2, 0, "")


async def test_updates_and_ends_are_respected_whatever_comes_first(city: City, elsewhere: Elsewhere) -> None:
    elsewhere.parts = {
        "3": write_message(message("m3", "Cancel", ("m2",))), "1": write_message(message("m1")),
        "2": write_message(message("m2", "Update", ("m1",))),
    }  # fmt: skip
    await city.warnings.polling.read(source(elsewhere))
    found = {said(one, "identifier"): one for one in await alerts(city)}
    assert {id: said(one, "state") for id, one in found.items()} == {"m1": "updated", "m2": "cancelled"}
    assert said(found["m2"], "validTo") == "2026-07-01T00:00:00.000000Z"
    assert said(found["m1"], "endedBy") == found["m2"]["id"]


async def test_nobody_ends_what_another_one_said(city: City, elsewhere: Elsewhere) -> None:
    elsewhere.parts = {"1": write_message(message("m1"))}
    await city.warnings.polling.read(source(elsewhere))
    stranger = Message("x1", "stranger.example", TIME, "Actual", "Cancel", "Public", references=[Reference("other.example", "m1", TIME)])
    elsewhere.parts = {"2": write_message(stranger)}
    await city.warnings.polling.read(source(elsewhere))
    elsewhere.parts = {"3": write_message(message("m9", "Cancel", ("m1",)))}
    await city.warnings.polling.read(CapSource("third", {"en": "Third"}, f"{elsewhere.url}/feed"))
    assert [said(one, "state") for one in await alerts(city)] == ["active"]


BROKEN = {
    "polygon": (write_message(message("m1")).replace(b"29.4,108.7 29.2,108.7", b"29.4,108.7 29.2,108.71"), "not closed"),
    "references": (write_message(message("m2", "Update", ("m1",))).replace(b"other.example,m1,", b"other.example;m1;"), "'sender,identifier,sent'"),
    "bomb": (b'<!DOCTYPE a [<!ENTITY b "x">]><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">&b;</alert>', "document type"),
    "old": (write_message(message("m3")).replace(b"cap:1.2", b"cap:1.1"), "CAP 1.2"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_broken_becomes_a_dead_letter_once_and_the_rest_is_taken(city: City, elsewhere: Elsewhere, name: str) -> None:
    document, reason = BROKEN[name]
    elsewhere.parts = {"bad": document, "good": write_message(message("good"))}
    for _ in range(2):
        await city.warnings.polling.read(source(elsewhere))
    ((_, letter),) = await city.store.records("", DEAD_LETTERS)
    assert letter["feed"] == "cap:other"
    assert reason in letter["reason"]
    assert letter["about"]["address"] == f"{elsewhere.url}/messages/bad"
    assert [said(one, "identifier") for one in await alerts(city)] == ["good"]
    assert city.warnings.polling.states["other"].refused == 1


async def test_a_certificate_lets_only_its_keys_messages_in(city: City, elsewhere: Elsewhere, tmp_path: Path) -> None:
    signer: Signer = development_signer(tmp_path / "theirs", SystemClock())
    pem = signer.certificate.public_bytes(serialization.Encoding.PEM).decode()
    elsewhere.parts = {"signed": signer.sign(message("m1")), "plain": write_message(message("m2")),
                       "changed": signer.sign(message("m3")).replace("邻区气象台".encode(), "某某".encode())}  # fmt: skip
    await city.warnings.polling.read(source(elsewhere, certificate=pem))
    assert [(said(one, "identifier"), said(one, "signatureVerified")) for one in await alerts(city)] == [("m1", True)]
    reasons = sorted(letter["reason"] for _, letter in await city.store.records("", DEAD_LETTERS))
    assert ["does not hold" in reasons[1], "has no signature" in reasons[0]] == [True, True]


async def test_rss_and_a_single_message_are_read_too(city: City, elsewhere: Elsewhere) -> None:
    elsewhere.parts = {"1": write_message(message("m1")), "2": write_message(message("m2"))}
    elsewhere.feed = b'<rss version="2.0"><channel><title>x</title><item><title>y</title><link>/messages/1</link></item></channel></rss>'
    await city.warnings.polling.read(source(elsewhere))
    await city.warnings.polling.read(CapSource("single", {"en": "One"}, f"{elsewhere.url}/messages/2"))
    assert {said(one, "identifier") for one in await alerts(city)} == {"m1", "m2"}


@pytest.mark.parametrize(("path", "words"), [("/nothing", "answered 404"), ("http://127.0.0.1:1/", "")])
async def test_a_source_that_cannot_be_reached_says_so(city: City, elsewhere: Elsewhere, path: str, words: str) -> None:
    target = CapSource("other", {"en": "x"}, path if path.startswith("http") else elsewhere.url + path)
    await city.warnings.sources.create(target, Deed("test"))
    await city.warnings.polling.read(target)
    state = city.warnings.polling.states["other"]
    assert state.trouble
    assert words in state.trouble
    assert [text for text in city.warnings.polling.troubles() if state.trouble in text]
    assert await city.store.records("", DEAD_LETTERS) == []


async def test_what_is_no_feed_is_told_and_kept(city: City, elsewhere: Elsewhere) -> None:
    elsewhere.feed = b"<html><body/></html>"
    await city.warnings.polling.read(source(elsewhere))
    assert "right would be a CAP 1.2 message" in city.warnings.polling.states["other"].trouble
    assert len(await city.store.records("", DEAD_LETTERS)) == 1


async def test_a_source_is_added_by_its_door_and_read_at_once(city: City, elsewhere: Elsewhere) -> None:
    import asyncio

    elsewhere.parts = {"1": write_message(message("m1"))}
    body = {"id": "other", "title": {"zh": "邻区", "en": "Neighbour"}, "url": f"{elsewhere.url}/feed", "intervalS": 3600}
    answer = await city.ask("POST", "/api/warnings/sources", body)
    assert answer.status_code == 201, answer.text
    async with asyncio.timeout(20):
        while not await alerts(city):
            await asyncio.sleep(0.05)
    shown = (await city.ask("GET", "/api/warnings/sources/other")).json()
    assert (shown["version"], shown["signatureChecked"]) == (1, False)
    assert [one["id"] for one in (await city.ask("GET", "/api/warnings/sources")).json()["sources"]] == ["other"]
    assert (await city.ask("POST", "/api/warnings/sources/other/stop")).json()["enabled"] is False
    assert (await city.ask("DELETE", "/api/warnings/sources/other")).status_code == 204


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"url": "file:///etc/passwd"}, "http or https"),
    ({"url": "https://user:secret@a.example/"}, "without a user"),
    ({"intervalS": 1}, "10 to 86400"),
    ({"certificate": "not one"}, "certificate in PEM"),
    ({"id": "a b"}, "'id' must be"),
    ({"title": {}}, "'title'"),
    ({"more": 1}, "more"),
]


async def test_a_source_that_cannot_be_right_is_refused(city: City) -> None:
    for change, words in WRONG:
        answer = await city.ask("POST", "/api/warnings/sources", {"id": "other", "title": {"en": "x"}, "url": "https://a.example/feed", **change})
        assert answer.status_code == 400
        assert words in answer.json()["detail"]
