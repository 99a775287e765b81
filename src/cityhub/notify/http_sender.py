"""Messages by HTTP POST.

Source: GS CIM 009 V1.9.1, clause 6.3.8; RFC 9112.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from cityhub import __version__
from cityhub.model.ports import Receiver
from cityhub.notify.http_pool import HttpPool, Target
from cityhub.notify.lane import Attempt, Done

AGENT: Final = f"CityHub/{__version__}"
_PORTS: Final = {"http": 80, "https": 443}
_AS_IT_IS: Final = "/?:@!$&'()*+,;=~-._%[]"
"""What of a URL's path and query goes out as it was given; everything else is percent-encoded."""


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
    parts = urlsplit(receiver.uri)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"'{receiver.uri[:200]}' is not an absolute http or https URL")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    port = parts.port or _PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_IT_IS)
    lines = [f"POST {path} HTTP/1.1", f"Host: {shown}" + ("" if port == _PORTS[scheme] else f":{port}")]
    names = {name.lower() for name, _ in receiver.headers}
    if "user-agent" not in names:
        lines.append(f"User-Agent: {AGENT}")
    if parts.username is not None and "authorization" not in names:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Authorization: Basic {b64encode(pair.encode()).decode()}")
    for name, value in receiver.headers:
        if any(letter in "\r\n\0" for letter in name + value):
            raise ValueError(f"The header '{name[:100]!r}' must not have line breaks")
        lines.append(f"{name}: {value}")
    return Target(scheme == "https", host, port), "\r\n".join([*lines, "Content-Length: "]).encode("utf-8")

