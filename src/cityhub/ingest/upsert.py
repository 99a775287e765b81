"""The feeds' way into a hub: NGSI-LD batch upserts over one kept connection, with bounded retry and back-off."""

from __future__ import annotations

import http.client
import random
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import orjson

Entity = dict[str, Any]
MAX_BATCH = 500
"""Entities in one request."""
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 15.0
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class HubAway(Exception):
    """The hub could not be reached, or could not take the batch, for as long as the caller was willing to wait."""


class Rejected(msgspec.Struct, frozen=True):
    """An entity that the hub refused, and why."""

    id: str
    reason: str


class HubClient:
    """Writes entities into a hub.

    Args:
        url: Base address of the hub, such as "http://127.0.0.1:8080".
        context_url: The @context that the entities' short names are of; sent as Link header.
        stop: When set, every wait ends at once and pending work fails with HubAway.
        timeout_s: Longest wait for one answer.
        seed: Of the jitter of the back-off.
    """

    def __init__(self, url: str, context_url: str, stop: threading.Event, timeout_s: float = 15.0, seed: int = 0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"'{url}' is not the address of a hub; it must look like http://127.0.0.1:8080")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._stop = stop
        self._timeout_s = timeout_s
        self._random = random.Random(seed)
        self._connection: http.client.HTTPConnection | None = None
        link = f'<{context_url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
        self._headers = {"Link": link, "Accept": "application/json"}
        self.outages = 0
        """How often the hub went away; what was sent before an outage may be gone."""

    def upsert(self, entities: Sequence[Entity], patience_s: float) -> list[Rejected]:
        """Creates or updates entities; attributes that are not mentioned stay.

        Args:
            entities: In concise or normalized form.
            patience_s: How long a batch is tried again while the hub is away.

        Returns:
            The entities that the hub refused for what they are; trying again would not help.

        Raises:
            HubAway: after `patience_s`, or when asked to stop. Batches before that one have been written.
        """
        rejected: list[Rejected] = []
        for start in range(0, len(entities), MAX_BATCH):
            batch = entities[start : start + MAX_BATCH]
            body = orjson.dumps(batch)
            status, answer = self._patiently(
                "POST", "/ngsi-ld/v1/entityOperations/upsert?options=update", body, patience_s
            )
            if status not in (200, 201, 204):
                rejected.extend(_rejections(batch, status, answer))
        return rejected

    def push(self, feed: str, records: Sequence[Entity], patience_s: float) -> int:
        """Sends records to a feed as a device does, and returns how many were refused; each of those is a dead letter.

        Raises HubAway after `patience_s`, or when asked to stop.
        """
        status, answer = self._patiently("POST", f"/api/feeds/{quote(feed)}/messages", orjson.dumps(records), patience_s)
        return len(orjson.loads(answer).get("refused", ())) if status == 200 else len(records)

    def listens(self, feed: str, patience_s: float) -> str:
        """Where a feed listens, "host:port"; "" while it does not. Raises HubAway."""
        status, answer = self._patiently("GET", f"/api/feeds/{quote(feed)}", b"", patience_s)
        return str(orjson.loads(answer)["status"].get("address", "")) if status == 200 else ""

    def entities(self, types: Sequence[str], patience_s: float) -> list[Entity]:
        """Up to 1,000 entities of some types as key-value pairs. Raises HubAway."""
        query = f"/ngsi-ld/v1/entities?type={quote(','.join(types))}&options=keyValues&limit=1000"
        status, answer = self._patiently("GET", query, b"", patience_s)
        if status != 200:
            raise HubAway(f"The hub answered {status} to GET {query}")
        found: list[Entity] = orjson.loads(answer)
        return found

    def close(self) -> None:
        """Closes the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _patiently(self, method: str, path: str, body: bytes, patience_s: float) -> tuple[int, bytes]:
        wait_s = FIRST_WAIT_S
        end = time.monotonic() + patience_s
        while True:
            reason = self._try(lambda: self._once(method, path, body))
            if not isinstance(reason, str):
                return reason
            pause_s = wait_s * (0.75 + 0.5 * self._random.random())
            if time.monotonic() + pause_s > end or self._stop.wait(pause_s):
                raise HubAway(reason)
            wait_s = min(2.0 * wait_s, LONGEST_WAIT_S)

    def _try(self, send: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes] | str:
        try:
            status, answer = send()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            self.outages += 1
            return f"The hub is away: {error or type(error).__name__}"
        if status in TRANSIENT:
            return f"The hub answered {status}"
        return status, answer

    def _once(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        headers = {**self._headers, "Content-Type": "application/json"} if body else self._headers
        self._connection.request(method, self._base + path, body or None, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)


def _rejections(batch: Sequence[Entity], status: int, answer: bytes) -> list[Rejected]:
    """Who was refused: of a 207 the entities in "errors", of any other answer the whole batch."""
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        document = {}
    if status == 207 and isinstance(document, dict):
        return [Rejected(str(item.get("entityId", "")), _reason(item.get("error", item))) for item in document.get("errors", [])]
    return [Rejected(entity["id"], f"{status}: {_reason(document)}") for entity in batch]


def _reason(problem: Any) -> str:
    if isinstance(problem, dict):
        return str(problem.get("detail") or problem.get("title") or problem)[:300]
    return str(problem)[:300]
