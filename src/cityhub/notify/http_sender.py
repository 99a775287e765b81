"""Messages by HTTP POST.

Source: GS CIM 009 V1.9.1, clause 6.3.8; RFC 9112.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Final
from urllib.parse import urlsplit

from yarl import URL

from cityhub import __version__
from cityhub.model.ports import Receiver
from cityhub.notify.http_pool import HttpPool, Target
from cityhub.notify.lane import Attempt, Done

AGENT: Final = f"CityHub/{__version__}"
_PORTS: Final = {"http": 80, "https": 443}


class HttpSender:
    """POSTs the messages of one receiver. The head of the request is made once."""

    __slots__ = ("_fault", "_head", "_pool", "_target", "_timeout_s")

    def __init__(self, receiver: Receiver, pool: HttpPool) -> None:
        self._pool = pool
        self._timeout_s = receiver.timeout_s
        self._fault = ""
        self._head = b""
        self._target = Target(False, "", 0)
        try:
            self._target, self._head = request_head(receiver)
        except ValueError as error:
            self._fault = str(error)

    def send(self, body: bytes, done: Done) -> None:
        """See `cityhub.notify.lane.Sender`."""
        if self._fault:
            asyncio.get_running_loop().call_soon(done, Attempt(self._fault))
            return
        self._pool.send(self._target, b"%b%d\r\n\r\n%b" % (self._head, len(body), body), self._timeout_s, done)

    def close(self) -> None:
        """Holds nothing; connections belong to the pool."""


def request_head(receiver: Receiver) -> tuple[Target, bytes]:
    """Where to send to, and the head of the request up to the number of its Content-Length.

    Raises:
        ValueError: The URI is no URL, or a header has what a header must not have.
    """
    url = URL(receiver.uri)
    scheme, host = urlsplit(receiver.uri).scheme.lower(), url.raw_host
    if scheme not in _PORTS or not host:
        raise ValueError(f"'{receiver.uri[:200]}' is not an absolute http or https URL")
    port = url.port or _PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    lines = [f"POST {url.raw_path_qs or '/'} HTTP/1.1", f"Host: {shown}" + ("" if port == _PORTS[scheme] else f":{port}")]
    names = {name.lower() for name, _ in receiver.headers}
    if "user-agent" not in names:
        lines.append(f"User-Agent: {AGENT}")
    if url.user is not None and "authorization" not in names:
        lines.append(f"Authorization: {_basic(url)}")
    for name, value in receiver.headers:
        if any(letter in "\r\n\0" for letter in name + value):
            raise ValueError(f"The header '{name[:100]!r}' must not have line breaks")
        lines.append(f"{name}: {value}")
    return Target(scheme == "https", host, port), "\r\n".join([*lines, "Content-Length: "]).encode("utf-8")


def _basic(url: URL) -> str:
    return "Basic " + b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
