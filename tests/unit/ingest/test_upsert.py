"""The feeds' client against a server that misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from cityhub.ingest.upsert import MAX_BATCH, HubAway, HubClient

CONTEXT = "https://cityhub.example/context.jsonld"


class Site:
    """A server on loopback that answers from a list and notes what it was sent."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.requests.append((self.path, dict(self.headers.items()), orjson.loads(body)))
                self.answer()

            def do_GET(self) -> None:
                site.requests.append((self.path, dict(self.headers.items()), None))
                self.answer()

            def answer(self) -> None:
                status, document = site.answers.pop(0) if site.answers else (204, None)
                if status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                body = b"" if document is None else orjson.dumps(document)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def client(site: Site) -> Iterator[HubClient]:
    client = HubClient(site.url, CONTEXT, threading.Event())
    yield client
    client.close()


def some(count: int) -> list[dict[str, Any]]:
    return [{"id": f"urn:x:{number}", "type": "T"} for number in range(count)]


def test_sends_batches_with_the_context_over_one_connection(site: Site, client: HubClient) -> None:
    assert client.upsert(some(MAX_BATCH + 1), 1.0) == []
    assert [len(body) for _, _, body in site.requests] == [MAX_BATCH, 1]
    path, headers, _ = site.requests[0]
    assert path == "/ngsi-ld/v1/entityOperations/upsert?options=update"
    assert headers["Link"] == f'<{CONTEXT}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    assert headers["Content-Type"] == "application/json"


def test_tries_again_after_a_broken_connection_and_a_busy_hub(site: Site, client: HubClient) -> None:
    site.answers = [(0, None), (503, None), (429, None), (201, ["urn:x:0"])]
    assert client.upsert(some(1), 10.0) == []
    assert len(site.requests) == 4
    assert client.outages == 1


def test_patience_is_bounded(site: Site, client: HubClient) -> None:
    site.answers = [(503, None)] * 100
    began = time.monotonic()
    with pytest.raises(HubAway, match="answered 503"):
        client.upsert(some(1), 1.0)
    assert time.monotonic() - began < 60
    assert 2 <= len(site.requests) <= 5


def test_away_hub_is_told_from_a_refusal() -> None:
    client = HubClient("http://127.0.0.1:9", CONTEXT, threading.Event())
    with pytest.raises(HubAway, match="away"):
        client.upsert(some(1), 0.3)


def test_stop_ends_the_waiting(site: Site) -> None:
    stop = threading.Event()
    client = HubClient(site.url, CONTEXT, stop)
    site.answers = [(503, None)] * 100
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(HubAway):
        client.upsert(some(1), 600.0)
    assert time.monotonic() - began < 60
    client.close()


def test_refused_entities_are_named_and_not_sent_again(site: Site, client: HubClient) -> None:
    error = {"title": "Bad request data", "detail": "'type' must be there"}
    site.answers = [(207, {"success": ["urn:x:0"], "errors": [{"entityId": "urn:x:1", "error": error}]}), (400, error)]
    rejected = client.upsert(some(2), 1.0)
    assert [(item.id, item.reason) for item in rejected] == [("urn:x:1", "'type' must be there")]
    rejected = client.upsert(some(2), 1.0)
    assert [item.id for item in rejected] == ["urn:x:0", "urn:x:1"]
    assert rejected[0].reason == "400: 'type' must be there"
    assert len(site.requests) == 2


def test_reads_entities(site: Site, client: HubClient) -> None:
    site.answers = [(200, [{"id": "urn:x:0"}])]
    assert client.entities(["Dataset", "Feed"], 1.0) == [{"id": "urn:x:0"}]
    assert site.requests[0][0] == "/ngsi-ld/v1/entities?type=Dataset%2CFeed&options=keyValues&limit=1000"


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://127.0.0.1", "http://"])
def test_address_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="not the address of a hub"):
        HubClient(url, CONTEXT, threading.Event())
