"""E-mail by SMTP.

A message goes out with a Message-ID that follows from its id. SMTP cannot say whether a message is known already, so what may have
left is not sent again.

Source: RFC 5321; RFC 5322; RFC 3207 (STARTTLS).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from cityhub.model.ports import Person
from cityhub.notify.notices.channels.channel import Outcome, Parcel
from cityhub.notify.notices.contacts import without_addresses

TIMEOUT_S: Final = 20.0
"""How long each answer of the server may take."""
SETUP: Final = frozenset((530, 534, 535, 538))
"""Answers that say that the hub itself is not let in: a fault of the settings, which somebody will mend."""
_ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,255}")
_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class MailServer(msgspec.Struct, frozen=True):
    """Where e-mail is handed in.

    Attributes:
        scheme: "smtps": TLS from the start; "smtp": STARTTLS, or nothing is sent; "smtp+plain": without encryption.
        host: Its name.
        port: Its port.
        user: "" for none.
        password: "" for none.
    """

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""


def mail_server(url: str) -> MailServer:
    """The server of a URL such as smtps://user:password@mail.example:465."""
    parts = urlsplit(url)
    return MailServer(
        parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], unquote(parts.username or ""), unquote(parts.password or "")
    )


class EmailChannel:
    """The channel "email".

    Implements `cityhub.notify.notices.channels.channel.Channel`.

    Args:
        server: Where e-mail is handed in.
        sender: Address that it comes from.
        tls: What certificates are good; None: those that the system trusts.
    """

    name = "email"
    repeatable = False

    def __init__(self, server: MailServer, sender: str, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls

    def address(self, person: Person) -> str:
        """The e-mail address, if it looks like one."""
        address = person.contacts.get("email", "")
        return address if _ADDRESS.fullmatch(address) else ""

    async def send(self, parcel: Parcel) -> Outcome:
        """Hands the message in."""
        handed = False
        client = self._client()
        try:
            await client.connect()
            await client.mail(self._sender)
            await client.rcpt(parcel.address)
            handed = True
            answer = await client.data(self._letter(parcel))
            return Outcome("sent", receipt=answer.message[:200])
        except aiosmtplib.SMTPResponseException as error:
            reason = f"the mail server answered {error.code} {without_addresses(error.message, parcel.address)[:300]}"
            return Outcome("failed", reason, again=error.code < 500 or error.code in SETUP)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            reason = without_addresses(str(error), parcel.address)[:300] or type(error).__name__
            if handed:
                return Outcome("unknown", f"the connection ended before the mail server had answered: {reason}")
            return Outcome("failed", f"the mail server could not be reached: {reason}", again=True)
        finally:
            await _leave(client)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        tls = self._tls or ssl.create_default_context()
        return aiosmtplib.SMTP(
            hostname=server.host, port=server.port, username=server.user or None, password=server.password or None, timeout=TIMEOUT_S,
            use_tls=server.scheme == "smtps", start_tls=server.scheme == "smtp",
            tls_context=None if server.scheme == "smtp+plain" else tls, local_hostname=self._sender.rpartition("@")[2],
        )  # fmt: skip

    def _letter(self, parcel: Parcel) -> bytes:
        letter = EmailMessage(policy=SMTP_POLICY)
        letter["From"] = f"CityHub <{self._sender}>"
        letter["To"] = parcel.address
        letter["Subject"] = " ".join(parcel.subject.split())
        letter["Date"] = format_datetime(datetime.fromisoformat(parcel.at))
        letter["Message-ID"] = f"<{parcel.id}@{self._sender.rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter["Content-Language"] = parcel.language
        if parcel.urgent:
            letter["Importance"] = "high"
        letter.set_content(parcel.text + (f"\n\n{parcel.link}" if parcel.link else "") + "\n")
        return letter.as_bytes()


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Ends the connection; that the server does not say goodbye is no fault of the message."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if client.is_connected:
                await client.quit()
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        pass
    finally:
        client.close()
