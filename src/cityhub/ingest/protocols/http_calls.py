"""Requests to web services: only to addresses that policy allows, bounded in size and time, redirects looked at one by one."""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from base64 import b64encode
from types import TracebackType
from typing import Any, Final, Literal

import aiohttp
import msgspec
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from cityhub import __version__
from cityhub.ingest.message import Surroundings, TroubleAtSource
from cityhub.model.errors import BadRequestData

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a feed shows who it is. Secrets are written "env:NAME" or "file:PATH".

    Attributes:
        kind: "bearer" (token), "basic" (user and password), "header" or "query" (an API key under `name`).
        name: Name of the header or query parameter of an API key.
        user: User name of "basic".
        secret: Token, password or key.
    """

    kind: Literal["bearer", "basic", "header", "query"]
    secret: str
    name: str = "X-API-Key"
    user: str = ""


class Call(msgspec.Struct, frozen=True):
    """A request.

    Attributes:
        url: Where to.
        method: GET, POST, ...
        query: Parameters that are added to the URL.
        headers: Its headers.
        body: JSON value, or text that is sent as it is; None sends none.
    """

    url: str
    method: str = "GET"
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    body: Any = None


class Reply(msgspec.Struct, frozen=True):
    """An answer: status, headers by lower-case name, body without compression, and the URL that gave it."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


class PermittedAddresses(AbstractResolver):
    """Finds only addresses that policy allows; the connection is opened to exactly these (DNS rebinding gains nothing)."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await asyncio.to_thread(self._around.allow, host, port)
        return [_result(host, port, address) for address in found]

    async def close(self) -> None:
        pass


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


def tls(ca_file: str) -> ssl.SSLContext:
    """A context that verifies the peer against the system's authorities, or those of a file. Raises BadRequestData."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise BadRequestData(f"'ca_file' must be a file of certificates (PEM): {error}") from None


def open_session(around: Surroundings, ca_file: str, timeout_s: float | None) -> aiohttp.ClientSession:
    """A session without cookies, proxies of the environment or automatic decompression, bound to the policy."""
    connector = aiohttp.TCPConnector(resolver=PermittedAddresses(around), use_dns_cache=False, limit=8, ssl=tls(ca_file))
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False,
        timeout=aiohttp.ClientTimeout(total=timeout_s), headers={"User-Agent": f"CityHub/{__version__}"},
    )  # fmt: skip


async def check_address(around: Surroundings, url: URL) -> None:
    """Raises Forbidden when policy allows no address of the URL's host, BadRequestData when it is no URL.

    A literal address is never looked up by the resolver, so this is asked before each request.
    """
    if url.scheme not in ("http", "https", "ws", "wss") or not url.host or not url.port:
        raise BadRequestData(f"'{str(url)[:200]}' must be an absolute address such as 'https://data.example/rain'")
    try:
        await asyncio.to_thread(around.allow, url.host, url.port)
    except OSError as error:
        raise TroubleAtSource(f"{url.host} cannot be found: {error.strerror or error}") from None


class HttpCalls:
    """A door to web services; use it in `async with`."""

    def __init__(self, around: Surroundings, access: Access | None, timeout_s: float, max_bytes: int, ca_file: str = "") -> None:
        """Makes the door.

        Args:
            around: Policy and secrets.
            access: How the feed shows who it is; None needs nothing. It is never sent to another origin by a redirect.
            timeout_s: For a whole request with its redirects.
            max_bytes: Largest body, unpacked.
            ca_file: Certificates of authorities; "" are those of the system.
        """
        self._around, self._access, self._timeout_s, self._max_bytes, self._ca_file = around, access, timeout_s, max_bytes, ca_file
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpCalls:
        self._session = open_session(self._around, self._ca_file, self._timeout_s)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, call: Call) -> Reply:
        """Sends a request and reads the answer, whatever its status.

        Raises:
            TroubleAtSource: When nobody answers in time or rightly, or the answer is too large.
            Forbidden: When policy allows no address of the host, or of the host that a redirect leads to.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(call)
        except TimeoutError:
            raise TroubleAtSource(f"{call.url[:200]} did not answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, zlib.error) as error:
            raise TroubleAtSource(f"{call.url[:200]} cannot be had: {_reason(error)}") from None

    async def _follow(self, call: Call) -> Reply:
        target, method, body = _target(call), call.method, _body(call.body)
        origin = target.origin()
        for _ in range(MAX_REDIRECTS + 1):
            reply = await self._once(target, method, call.headers, body, trusted=target.origin() == origin)
            location = reply.headers.get("location")
            if reply.status not in _REDIRECTS or not location:
                return reply
            following = target.join(URL(location))
            if target.scheme == "https" and following.scheme != "https":
                raise TroubleAtSource(f"{call.url[:200]} leads from https to '{str(following)[:200]}'; only https may follow")
            target = following
            if reply.status == 303 or (reply.status in (301, 302) and method == "POST"):
                method, body = "GET", None
        raise TroubleAtSource(f"{call.url[:200]} leads on more than {MAX_REDIRECTS} times")

    async def _once(self, target: URL, method: str, headers: dict[str, str], body: bytes | None, *, trusted: bool) -> Reply:
        assert self._session is not None
        await check_address(self._around, target)
        sent = {"Accept-Encoding": "gzip", **({name: self._around.secret(value) for name, value in headers.items()} if trusted else {})}
        if body is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        if trusted:
            target = shown(self._around, self._access, target, sent)
        async with self._session.request(method, target, headers=sent, data=body, allow_redirects=False) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            body = await self._read(response, found.get("content-encoding", ""))
            return Reply(response.status, found, body, str(target.with_query(None)))

    async def _read(self, response: aiohttp.ClientResponse, encoding: str) -> bytes:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise TroubleAtSource(f"The answer is packed as '{encoding[:50]}'; gzip was asked for")
        unpack = zlib.decompressobj(47) if encoding not in ("", "identity") else None  # 47: gzip or zlib, whichever it is
        found = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            found += chunk if unpack is None else unpack.decompress(chunk, self._max_bytes + 1 - len(found))
            if len(found) > self._max_bytes:
                response.close()
                raise TroubleAtSource(f"The answer is larger than {self._max_bytes} bytes; ask for smaller pages")
        return bytes(found)


def shown(around: Surroundings, access: Access | None, target: URL, headers: dict[str, str]) -> URL:
    """The URL to ask, with the feed's access in it or in the headers, which are changed."""
    if access is None:
        return target
    secret = around.secret(access.secret)
    if access.kind == "query":
        return target.update_query({access.name: secret})
    if access.kind == "header":
        headers[access.name] = secret
    elif access.kind == "bearer":
        headers["Authorization"] = f"Bearer {secret}"
    else:
        headers["Authorization"] = "Basic " + b64encode(f"{access.user}:{secret}".encode()).decode()
    return target


def _target(call: Call) -> URL:
    try:
        target = URL(call.url)
        return target.update_query({name: _query_value(value) for name, value in call.query.items()}) if call.query else target
    except (ValueError, TypeError) as error:
        raise BadRequestData(f"'{call.url[:200]}' must be an address such as 'https://data.example/rain': {error}") from None


def _query_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else [str(item) for item in value] if isinstance(value, list) else str(value)


def _body(body: Any) -> bytes | None:
    return None if body is None else body.encode() if isinstance(body, str) else orjson.dumps(body)


def _reason(error: BaseException) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return str(cause)[:300] or type(cause).__name__
