"""Requests to other hosts: the `Outbound` port over pooled connections, with the address policy at the point of connection."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from cityhub import __version__
from cityhub.model.ports import Answer
from cityhub.web.addresses import AddressPolicy

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_CONNECTIONS: Final = 1_000
MAX_CONNECTIONS_PER_HOST: Final = 64
KEEP_ALIVE_S: Final = 4.5
"""Shorter than the five seconds after which many servers close an idle connection."""

_LOOKUP_THREADS: Final = 16


class _RefusedError(OSError):
    """The policy forbids every address of the host."""


class _GuardedResolver(AbstractResolver):
    """Looks names up and keeps only the addresses that the policy permits.

    The connection is opened to exactly these addresses, so a name that resolves differently a moment later
    (DNS rebinding) gains nothing.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="cityhub-dns")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        everywhere = self._policy.permits_host(host, port)
        permitted = [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in found
            if everywhere or self._policy.permits(address, port)
        ]
        if not permitted:
            raise _RefusedError(f"the address of {host} is not public and not on the list of allowed hosts")
        return permitted

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[tuple[socket.AddressFamily, str]]:
    infos = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    return [(kind, str(address[0])) for kind, _, _, _, address in infos if kind in (socket.AF_INET, socket.AF_INET6)]


class HttpOutbound:
    """Sends requests over HTTP/1.1 with connections that are kept open. Never follows a redirect by itself.

    Implements `cityhub.model.ports.Outbound`.
    """

    def __init__(self, policy: AddressPolicy, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        """Makes the door; connections are opened when they are needed.

        Args:
            policy: Which addresses may be called.
            max_body_bytes: How large the body of an answer may be.
        """
        self._policy = policy
        self._max_body_bytes = max_body_bytes
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"", timeout_s: float = 5.0
    ) -> Answer:
        """Sends one request and reads the whole answer.

        Returns:
            The answer; status 0 with a reason when the URL is no http(s) URL, the policy forbids its address, the host
            is unknown, nobody answers in time, or the answer is no HTTP or larger than the bound.
        """
        try:
            target = URL(url)
        except ValueError:
            return Answer(0, reason=f"'{url[:200]}' is not a URL")
        if refusal := self._refusal(target, url):
            return Answer(0, reason=refusal)
        session = self._session or self._open()
        try:
            async with session.request(
                method, target, headers=headers, data=body or None, timeout=self._timeout(timeout_s), allow_redirects=False
            ) as response:
                return await self._answer(response)
        except TimeoutError:
            return Answer(0, reason=f"no answer within {timeout_s:g} s", left=True)
        except aiohttp.ClientConnectorError as error:
            return Answer(0, reason=_reason(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(0, reason=_reason(error), left=True)

    async def close(self) -> None:
        """Closes all connections; the door cannot be used afterwards."""
        if self._session is not None:
            await self._session.close()

    def _refusal(self, target: URL, url: str) -> str:
        host = target.host
        if target.scheme not in ("http", "https") or not host:
            return f"'{url[:200]}' is not an absolute http or https URL"
        is_literal = ":" in host or host.replace(".", "").isdecimal()
        port = target.port or 0
        if is_literal and not self._policy.permits(host, port):
            return f"the address {host} is not public and not on the list of allowed hosts"
        return ""

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_GuardedResolver(self._policy),
            limit=MAX_CONNECTIONS,
            limit_per_host=MAX_CONNECTIONS_PER_HOST,
            keepalive_timeout=KEEP_ALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"CityHub/{__version__}"},
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
            auto_decompress=False,
        )
        return self._session

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        timeout = self._timeouts.get(seconds)
        if timeout is None:
            timeout = aiohttp.ClientTimeout(total=seconds)
            if len(self._timeouts) < 100:
                self._timeouts[seconds] = timeout
        return timeout

    async def _answer(self, response: aiohttp.ClientResponse) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        length = response.content_length
        if length == 0:
            return Answer(response.status, headers)
        chunks: list[bytes] = []
        size = 0
        if length is None or length <= self._max_body_bytes:
            async for chunk in response.content.iter_any():
                size += len(chunk)
                chunks.append(chunk)
                if size > self._max_body_bytes:
                    break
            else:
                return Answer(response.status, headers, b"".join(chunks))
        response.close()
        return Answer(0, reason=f"the answer is larger than {self._max_body_bytes} bytes", left=True)


def _reason(error: BaseException) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, socket.gaierror):
        return f"the host is unknown ({cause.strerror})"
    return str(cause) or type(cause).__name__
