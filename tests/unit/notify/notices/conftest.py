"""Notices on a real store behind a real application, with people and a duty that a test sets, and a mail server of its own."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message as Letter
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP

from cityhub.model.ports import Notice, Person, Principal
from cityhub.notify.notices.assembly import Around, NoticeService, Outlets
from cityhub.notify.notices.channels.channel import Channel, Outcome, Parcel
from cityhub.notify.notices.channels.email import EmailChannel, MailServer
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application

WANG = Person("urn:ngsi-ld:Person:wang", "王模拟", "urn:ngsi-ld:Organization:water", ["duty"], {"email": "wang@example.org"}, simulated=True)
LI = Person(
    "urn:ngsi-ld:Person:li", "李模拟", "urn:ngsi-ld:Organization:water", ["leader"], {"email": "li@example.org", "sms": "13812345678"},
    simulated=True,
)  # fmt: skip
ANN = Person("urn:ngsi-ld:Person:ann", "Ann", "urn:ngsi-ld:Organization:press", ["leader"], {}, "en", simulated=True)


class SetClock:
    """A clock that tests set; it goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def go_on(self, **span: float) -> None:
        self.moment += timedelta(**span)


class SomePeople:
    """Implements `cityhub.model.ports.People`."""

    def __init__(self, *people: Person) -> None:
        self.of = {person.id: person for person in people}

    def person(self, id: str) -> Person | None:
        return self.of.get(id)

    def find(self, department: str = "", role: str = "") -> list[Person]:
        return [
            one for one in self.of.values() if one.active and department in ("", one.department) and (not role or role in one.roles)
        ]


class SomeDuty:
    """Implements `cityhub.model.ports.Duty`."""

    def __init__(self, **posts: list[str]) -> None:
        self.posts = posts

    def on_duty(self, post: str, at: str) -> list[str]:
        return self.posts.get(post, [])


class Pager:
    """A channel that does as the test says; `sent` has every parcel that it was given."""

    def __init__(self, name: str = "sms", repeatable: bool = False) -> None:
        self.name = name
        self.repeatable = repeatable
        self.sent: list[Parcel] = []
        self.outcome: Callable[[Parcel], Outcome] = lambda parcel: Outcome("sent", receipt=f"r{len(self.sent)}")
        self.hold: asyncio.Event | None = None

    def address(self, person: Person) -> str:
        return person.contacts.get(self.name, "")

    async def send(self, parcel: Parcel) -> Outcome:
        self.sent.append(parcel)
        if self.hold is not None:
            await self.hold.wait()
        return self.outcome(parcel)


class AsPerson:
    """The caller is the person that the header names."""

    def identify(self, headers: dict[str, str], peer: str) -> Principal:
        return Principal(headers.get("cityhub-person", "local"))

    def decide(self, principal: Principal, permission: str, tenant: str) -> str:
        return "allow"


class Hub:
    """What a test has in hand."""

    def __init__(self, store: SqliteStore, clock: SetClock, folder: Path | None, channels: tuple[Channel, ...], environment: dict[str, str]) -> None:
        self.store = store
        self.clock = clock
        self.people = SomePeople(WANG, LI, ANN)
        self.duty = SomeDuty(command=[WANG.id])
        around = Around(store, store, self.people, self.duty, clock, base="http://hub.example", folder=folder, outlets=Outlets(environment=environment))
        self.service = NoticeService(around, channels)
        self.application = Application(self.service.routes(), AsPerson(), 1_000_000)  # type: ignore[arg-type]

    def client(self, person: Person | None = None) -> httpx.AsyncClient:
        headers = {"cityhub-person": person.id} if person else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.application), base_url="http://localhost", headers=headers)

    async def ask(self, notice: Notice, tenant: str = "") -> None:
        """Asks for a notice and waits until it has become messages and what is due was sent."""
        await self.store.write(tenant, [self.service.notices.write(notice)])
        await self.settled()

    async def settled(self) -> None:
        """Waits until the journal was read, and nothing that is due waits."""
        dispatch = self.service.dispatch
        async with asyncio.timeout(20):
            while self.service.expander.position < self.store.last():
                await asyncio.sleep(0.005)
            dispatch.step()
            while dispatch.waiting():
                await asyncio.sleep(0.005)
                dispatch.step()

    async def messages(self, **filters: str) -> list[dict[str, Any]]:
        async with self.client() as client:
            answer = await client.get("/api/notices", params=filters)
            assert answer.status_code == 200, answer.text
            return list(answer.json()["notices"])


@pytest.fixture
async def make_hub(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Makes hubs on the test's one folder, one after the other; the one before is left as a kill would leave it."""
    made: list[Hub] = []
    clock = SetClock()

    async def make(*channels: Channel, folder: Path | None = None, environment: dict[str, str] | None = None) -> Hub:
        hub = Hub(await open_sqlite(tmp_path / "data", clock), clock, folder, channels, environment or {})
        await hub.service.start()
        made.append(hub)
        return hub

    yield make
    for hub in made:
        await hub.service.stop()
        await hub.store.close()


class Mailbox:
    """What the mail server took; `answer` may say something else than 250."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.answer = "250 taken"
        self.drop = False

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address.startswith("nobody"):
            return f"550 no mailbox {address} here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.drop:
            server.transport.abort()
            return "250 never read"
        if self.answer.startswith("250"):
            self.letters.append(message_from_bytes(envelope.content, policy=default))
        return self.answer


class MailHouse:
    """A mail server on loopback with TLS."""

    def __init__(self, folder: Path, implicit: bool) -> None:
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True,
        )  # fmt: skip
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self.box = Mailbox()
        self.trust = ssl.create_default_context(cafile=str(certificate))
        self._scheme = "smtps" if implicit else "smtp"
        self._from_the_start = tls if implicit else None
        self._how: dict[str, Any] = {} if implicit else {"tls_context": tls, "require_starttls": True}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self.box, hostname="localhost", loop=loop, **self._how), "127.0.0.1", 0, ssl=self._from_the_start
        )

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def channel(self) -> EmailChannel:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return EmailChannel(MailServer(self._scheme, "localhost", port), "hub@cityhub.example", self.trust)


@pytest.fixture(params=["STARTTLS", "TLS"])
async def mail(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailHouse]:
    house = MailHouse(tmp_path, request.param == "TLS")
    await house.open()
    yield house
    await house.close()
