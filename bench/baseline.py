"""The yardstick: the smallest possible NGSI-LD-shaped server. A dict behind plain ASGI; it keeps nothing on disk and checks nothing.

It has the create, retrieve, list, partial update and batch upsert of the NGSI-LD paths and no more, so that
`bench/compare.py` can say which part of that speed the hub keeps while it validates, expands, journals and syncs.
It keeps JSON values rather than encoded bytes, since a partial update has to change them.

    python -m bench.baseline [--port 0]     prints {"port": N} when it listens on loopback
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import islice
from socket import socket
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Entities = dict[str, dict[str, Any]]

ROOT = "/ngsi-ld/v1/entities"
ENTITY = ROOT + "/"
BATCH_UPSERT = "/ngsi-ld/v1/entityOperations/upsert"
JSON_HEADERS = [(b"content-type", b"application/json")]


class Baseline:
    """The ASGI application: entities by id, and by type in the order of their creation."""

    def __init__(self) -> None:
        self.entities: Entities = {}
        self.by_type: dict[str, Entities] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, body = await self.answer(scope, receive)
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: Scope, receive: Receive) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of the answer to a request."""
        method, path = scope["method"], scope["path"]
        if method == "GET" and path == ROOT:
            return self.query(scope["query_string"].decode())
        if method == "GET" and path.startswith(ENTITY):
            return self.retrieve(unquote(path[len(ENTITY) :]))
        if method == "PATCH" and path.startswith(ENTITY):
            id, _, attribute = path[len(ENTITY) :].partition("/attrs/")
            return self.update(unquote(id), attribute, orjson.loads(await body_of(receive)))
        if method == "POST" and path == ROOT:
            return self.create(orjson.loads(await body_of(receive)))
        if method == "POST" and path == BATCH_UPSERT:
            return self.upsert(orjson.loads(await body_of(receive)))
        return 404, [], b""

    def retrieve(self, id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        entity = self.entities.get(id)
        if entity is None:
            return 404, [], b""
        return 200, JSON_HEADERS.copy(), orjson.dumps(entity)

    def query(self, query_string: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        query = parse_qs(query_string)
        if query.keys() != {"type", "limit"}:
            return 501, [], b""
        found = self.by_type.get(query["type"][0], {})
        limit = int(query["limit"][0])
        return 200, JSON_HEADERS.copy(), orjson.dumps(list(islice(found.values(), limit)))

    def create(self, entity: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        id = entity["id"]
        if id in self.entities:
            return 409, [], b""
        self.put(entity)
        return 201, [(b"location", f"{ENTITY}{id}".encode())], b""

    def update(self, id: str, attribute: str, fragment: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        entity = self.entities.get(id)
        if entity is None or attribute not in entity:
            return 404, [], b""
        entity[attribute] |= fragment
        return 204, [], b""

    def upsert(self, entities: list[dict[str, Any]]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        created = [entity["id"] for entity in entities if entity["id"] not in self.entities]
        for entity in entities:
            self.put(entity)
        if not created:
            return 204, [], b""
        return 201, JSON_HEADERS.copy(), orjson.dumps(created)

    def put(self, entity: dict[str, Any]) -> None:
        self.entities[entity["id"]] = entity
        self.by_type.setdefault(entity["type"], {})[entity["id"]] = entity


async def body_of(receive: Receive) -> bytes:
    """The whole request body."""
    message = await receive()
    if not message.get("more_body"):
        return bytes(message["body"])
    chunks = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message["body"])
    return b"".join(chunks)


class Announced(uvicorn.Server):
    """A server that says on standard output where it listens, once it does."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        print(json.dumps({"port": self.servers[0].sockets[0].getsockname()[1]}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    options = parser.parse_args()
    config = uvicorn.Config(
        Baseline(), host="127.0.0.1", port=options.port, http="httptools", loop="uvloop", lifespan="off", ws="none",
        access_log=False, log_level="warning", server_header=False,
    )  # fmt: skip
    Announced(config).run()


if __name__ == "__main__":
    main()
