"""Hostile input over HTTP: the error of the clause, in bounded time and memory, and never a failure of the hub."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.e2e.hub_process import RunningHub, running_hub

PREFIX = "/ngsi-ld/v1"
JSON = {"content-type": "application/json"}
LD_JSON = {"content-type": "application/ld+json"}
BOUND_S = 20.0
"""No answer may take longer, on a slow machine either."""
MEGABYTE = 1_000_000
GROWTH = 650 * MEGABYTE
"""So much more memory than at the start a hub may hold after all of it: what its caches, bounded in bytes of JSON, hold as objects."""
BAD_REQUEST = "https://uri.etsi.org/ngsi-ld/errors/BadRequestData"
INVALID = "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest"
TOO_COMPLEX = "https://uri.etsi.org/ngsi-ld/errors/TooComplexQuery"

pytestmark = pytest.mark.timeout(120)


class Attacked(RunningHub):
    """A hub that is asked for the impossible."""

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        """The answer, which must come in time."""
        began = time.monotonic()
        response = httpx.request(method, self.url + path, content=body, headers=headers or {}, timeout=4 * BOUND_S)
        assert time.monotonic() - began < BOUND_S, f"{method} {path[:100]} took {time.monotonic() - began:.1f} s"
        assert response.status_code < 500 or response.status_code == 504, response.text[:500]
        return response

    def create(self, document: Any, headers: dict[str, str] = JSON) -> httpx.Response:
        """The answer to the creation of an entity, given as JSON or as bytes."""
        return self.send("POST", f"{PREFIX}/entities", document if isinstance(document, bytes) else json.dumps(document).encode(), headers)

    def memory(self) -> int:
        """Resident bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with running_hub(tmp_path_factory.mktemp("hub"), "--no-feeds") as running:
        hub = Attacked(running.run)
        before = hub.memory()
        yield hub
        assert hub.get("/health").status_code == 200
        assert hub.memory() - before < GROWTH


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and type of a problem."""
    return response.status_code, response.json()["type"]


# -- Bodies ----------------------------------------------------------------------------------------------------------


def connection(hub: Attacked) -> http.client.HTTPConnection:
    parts = urlsplit(hub.url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)


def test_a_body_of_100_megabytes_is_refused_before_it_is_read(hub: Attacked) -> None:
    line = connection(hub)
    line.putrequest("POST", f"{PREFIX}/entities")
    for name, value in {**JSON, "content-length": str(100 * MEGABYTE)}.items():
        line.putheader(name, value)
    line.endheaders()
    assert line.getresponse().status == 413
    line.close()


def test_a_body_that_is_longer_than_it_says_is_cut(hub: Attacked) -> None:
    """What follows is read as another request, and is none."""
    line = connection(hub)
    line.request("POST", f"{PREFIX}/entities", b" " * 10 + b"x" * MEGABYTE, {**JSON, "content-length": "10"})
    assert line.getresponse().status == 400
    line.close()


@pytest.mark.parametrize("chunk", [MEGABYTE])
def test_an_endless_chunked_body_is_refused(hub: Attacked, chunk: int) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * chunk

    before = hub.memory()
    line = connection(hub)
    try:
        line.request("POST", f"{PREFIX}/entities", parts(), JSON, encode_chunked=True)
        assert line.getresponse().status in (411, 413)
    except OSError:
        pass  # the hub closed the connection while it was being flooded
    finally:
        line.close()
    assert hub.memory() - before < 60 * MEGABYTE


def test_concurrent_huge_bodies(hub: Attacked) -> None:
    """Callers send large bodies, at once and again: what the hub holds of it does not grow with the repetitions."""
    body = b'[{"id":"urn:ngsi-ld:T:1","type":"T","a":"' + b"x" * (8 * MEGABYTE) + b'"}]'
    statuses: list[int] = []

    def attack() -> None:
        statuses.append(httpx.post(f"{hub.url}{PREFIX}/entityOperations/upsert", content=body, headers=JSON, timeout=120).status_code)

    held = []
    for _ in range(4):
        threads = [threading.Thread(target=attack) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held.append(hub.memory())
    assert all(status < 500 for status in statuses)
    assert held[-1] - min(held[:2]) < 200 * MEGABYTE
    httpx.delete(f"{hub.url}{PREFIX}/entities/urn:ngsi-ld:T:1", timeout=60)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nul", b"\xff\xfe{}", b'{"id": "\xc3\x28"}', b'{"id": "\xed\xa0\x80"}', b'{"a": 1} x', b'{"a": NaN}', b"{'a': 1}",
        b'{"a": "\x00"}', b"[" * 100_000, b'{"a":' * 100_000, b"[" * 1_000 + b"]" * 1_000, b'{"a": 1e}', b"\xef\xbb\xbf",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/entities", "/subscriptions", "/csourceRegistrations", "/entityOperations/query", "/snapshots",
                                  "/temporal/entities", "/entityOperations/upsert", "/jsonldContexts", "/entityMaps"])  # fmt: skip
def test_what_is_no_json(hub: Attacked, path: str, body: bytes) -> None:
    response = hub.send("POST", PREFIX + path, body, JSON)
    if path.endswith("upsert") and body.endswith(b"]"):
        assert response.status_code == 207  # a batch, with an item that is none
    else:
        assert response.status_code == 400
        assert response.json()["type"] in (INVALID, BAD_REQUEST)


@pytest.mark.parametrize("document", [[], None, 1, "x", True, [[]], [1], {}, {"id": 1}, {"type": "T"}, {"id": "x", "type": "T"}])
@pytest.mark.parametrize("path", ["/entities", "/subscriptions", "/csourceRegistrations", "/entityOperations/query", "/snapshots",
                                  "/temporal/entities", "/jsonldContexts", "/entityMaps"])  # fmt: skip
def test_json_that_is_something_else(hub: Attacked, path: str, document: Any) -> None:
    assert hub.send("POST", PREFIX + path, json.dumps(document).encode(), JSON).status_code == 400


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("depth", [65, 500, 900])
def test_values_that_are_nested_too_deep(hub: Attacked, depth: int) -> None:
    response = hub.create({"id": "urn:ngsi-ld:T:deep", "type": "T", "a": {"type": "Property", "value": nested(depth)}})
    assert problem(response)[0] == 400


@pytest.mark.parametrize("depth", [70, 300])
def test_attributes_that_are_nested_too_deep(hub: Attacked, depth: int) -> None:
    attribute: dict[str, Any] = {"type": "Property", "value": 1}
    for _ in range(depth):
        attribute = {"type": "Property", "value": 1, "a": attribute}
    assert problem(hub.create({"id": "urn:ngsi-ld:T:deep", "type": "T", "a": attribute})) == (400, BAD_REQUEST)


def test_names_that_occur_twice(hub: Attacked) -> None:
    """RFC 8259 leaves open which counts: it is the last, for all readers of the hub alike, and nothing breaks."""
    body = b'{"id":"urn:ngsi-ld:T:twice","id":"urn:ngsi-ld:T:once","type":"T","a":{"type":"Property","value":1,"value":2}}'
    assert hub.create(body).status_code == 201
    assert hub.get(f"{PREFIX}/entities/urn:ngsi-ld:T:twice").status_code == 404
    assert hub.get(f"{PREFIX}/entities/urn:ngsi-ld:T:once").json()["a"]["value"] == 2


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("1e308", 201), ("-1e308", 201), ("9007199254740993", 201), ("9223372036854775807", 201), ("1e309", 400), ("-1e999999", 400),
        ("1" * 400, 400), ("0." + "1" * 100_000, 201), ("1" * 100_000, 400), ("1e-400", 201),
    ],
)  # fmt: skip
def test_huge_numbers(hub: Attacked, number: str, status: int) -> None:
    response = hub.create(f'{{"id":"urn:ngsi-ld:N:1","type":"N","a":{{"type":"Property","value":{number}}}}}'.encode())
    assert response.status_code == status, response.text[:300]
    if status == 201:
        assert hub.get(f"{PREFIX}/entities/urn:ngsi-ld:N:1").status_code == 200
        assert hub.send("GET", f"{PREFIX}/entities?type=N&q=a>0&orderBy=a").status_code == 200
        assert hub.send("DELETE", f"{PREFIX}/entities/urn:ngsi-ld:N:1").status_code == 204


@pytest.mark.parametrize("name", ["a" * 100_000, "", " ", "a b", "<a>", "a\u0000", "\ud800", "__proto__", "@id2", "a/b", "🙂"])
def test_names_of_attributes(hub: Attacked, name: str) -> None:
    response = hub.create({"id": "urn:ngsi-ld:Name:1", "type": "T", name: {"type": "Property", "value": 1}})
    assert response.status_code in (201, 400)
    hub.send("DELETE", f"{PREFIX}/entities/urn:ngsi-ld:Name:1")


@pytest.mark.parametrize("id", ["x", "", "urn:" + "x" * 100_000, "urn:a\u0000b", "urn:a b", "urn:<script>", 7, None, []])
def test_ids(hub: Attacked, id: Any) -> None:
    assert problem(hub.create({"id": id, "type": "T"})) == (400, BAD_REQUEST)


def test_half_of_a_character(hub: Attacked) -> None:
    assert problem(hub.create({"id": "urn:\ud800", "type": "T"})) == (400, INVALID)


def test_very_many_attributes_and_instances(hub: Attacked) -> None:
    many = {f"a{at}": {"type": "Property", "value": at} for at in range(20_000)}
    assert hub.create({"id": "urn:ngsi-ld:T:wide", "type": "T", **many}).status_code in (201, 400)
    instances = [{"type": "Property", "value": at, "datasetId": f"urn:d:{at}"} for at in range(20_000)]
    assert hub.create({"id": "urn:ngsi-ld:T:long", "type": "T", "a": instances}).status_code in (201, 400)
    for name in ("wide", "long"):
        hub.send("DELETE", f"{PREFIX}/entities/urn:ngsi-ld:T:{name}")


# -- Geometries and queries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [1e308, 0]}, {"type": "Point", "coordinates": []}, {"type": "Point", "coordinates": ["8", "40"]},
        {"type": "Point"}, {"type": "Polygon", "coordinates": [[[0, 0]]]}, {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]},
        {"type": "Circle", "coordinates": [0, 0]}, {"type": "Point", "coordinates": [[[[[[0]]]]]]}, {"type": "LineString", "coordinates": [[0, 0]]},
        {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": []}]}, {"type": [], "coordinates": {}},
        {"type": "Point", "coordinates": [None, None]}, {"type": "Point", "coordinates": [True, False]},
    ],
)  # fmt: skip
def test_geometries(hub: Attacked, geometry: Any) -> None:
    response = hub.create({"id": "urn:ngsi-ld:G:1", "type": "G", "location": {"type": "GeoProperty", "value": geometry}})
    assert problem(response) == (400, BAD_REQUEST)


@pytest.mark.parametrize(
    "q",
    [
        "(" * 10_000 + "a==1" + ")" * 10_000, "(" * 10_000, ";".join(["a==1"] * 10_000), "|".join(["a"] * 5_000), "a[" * 5_000 + "b" + "]" * 5_000,
        "a." * 9_000 + "b==1", "a==" + "1" * 15_000, "a==1.." + "9" * 15_000, "a~=" + "(a+)+" * 2_000 + "$", "a~=(", "a~=" + "(" * 5_000,
        "a==" + ",".join(["1"] * 9_000), "a{" * 5_000 + "b" + "}" * 5_000, "!" * 10_000 + "a", '"', "a==\"" + "x" * 15_000, "\u0000", ";", "a==",
        "a" * 19_000, "a==1;" * 3_000, "%", "a==%00",
    ],
)  # fmt: skip
def test_queries_of_great_depth_and_width(hub: Attacked, q: str) -> None:
    hub.create({"id": "urn:ngsi-ld:Q:1", "type": "Q", "a": {"type": "Property", "value": "a" * 5_000}})
    response = hub.send("POST", f"{PREFIX}/entityOperations/query", json.dumps({"type": "Query", "entities": [{"type": "Q"}], "q": q}).encode(), JSON)
    assert response.status_code in (200, 400, 403)
    if response.status_code != 200:
        assert response.json()["type"] in (BAD_REQUEST, TOO_COMPLEX)
    if len(q) < 15_000:
        assert hub.send("GET", f"{PREFIX}/entities?type=Q&q={quote(q)}").status_code in (200, 400, 403, 414)


def test_patterns_that_would_take_for_ever(hub: Attacked) -> None:
    hub.create({"id": "urn:ngsi-ld:Q:" + "a" * 1_500, "type": "Q", "a": {"type": "Property", "value": "a" * 50_000 + "!"}})
    for pattern in ("(a+)+$", "(a|a)*$", "(.*a){20}$", "(a{1,1000}){1,1000}$"):
        assert hub.send("GET", f"{PREFIX}/entities?type=Q&idPattern={quote(pattern)}").status_code in (200, 400, 403)
        assert hub.send("GET", f"{PREFIX}/entities?type=Q&q={quote(f'a~={pattern}')}").status_code in (200, 400, 403)


@pytest.mark.parametrize(
    "parameters",
    [
        "limit=-1", "limit=99999999999999999999", "limit=1e3", "offset=-5", "offset=99999999999999999999999", "limit=0", "count=perhaps",
        "type=" + "(" * 5_000, "type=" + "a," * 5_000, "type=", "scopeQ=(((", "id=x", "id=" + "urn:a," * 10_000,
        "georel=near", "georel=near;maxDistance==-1&geometry=Point&coordinates=[0,0]", "georel=within&geometry=Polygon&coordinates=[[[0,0]]]",
        "georel=near;maxDistance==1e400&geometry=Point&coordinates=[0,0]", "georel=x&geometry=y&coordinates=" + "[" * 10_000,
        "pick=" + "a{" * 2_000, "attrs=,", "lang=" + "x;q=" * 1_000, "join=inline&joinLevel=99999999999999999999",
        "orderBy=" + "a," * 1_000, "orderBy=a[[[", "options=" + "x," * 1_000, "unknown=1", "a=%ff", "%ff=a", "q=%C3%28", "datasetId=x",
        "entityMap=true&entityMapLifetime=P99999999999Y", "idPattern=" + "(" * 5_000, "orderBy=a&collation=" + "x-" * 1_000,
    ],
)  # fmt: skip
def test_parameters(hub: Attacked, parameters: str) -> None:
    given = "" if parameters.startswith("type=") else "type=Q&"
    assert hub.send("GET", f"{PREFIX}/entities?{given}{parameters}").status_code in (400, 403, 414)


def test_a_thousand_parameters(hub: Attacked) -> None:
    assert hub.send("GET", f"{PREFIX}/entities?" + "&".join(f"a{at}=1" for at in range(5_000))).status_code in (400, 414)


@pytest.mark.parametrize("path", ["/entities/" + "%00", "/entities/%ff%fe", "/entities/" + "a" * 50_000, "/entities/..%2f..%2fetc%2fpasswd",
                                  "/types/%ff", "/entities/urn:a/attrs/" + "b" * 50_000, "/entityMaps/x", "/snapshots/x",
                                  "/temporal/entities/%00", "/jsonldContexts/..", "/subscriptions/%0d%0aX:y"])  # fmt: skip
def test_paths(hub: Attacked, path: str) -> None:
    assert hub.send("GET", PREFIX + path).status_code in (400, 404, 414)


# -- Headers -----------------------------------------------------------------------------------------------------------


def raw(hub: Attacked, text: bytes) -> bytes:
    """The first line of the answer to bytes on the wire; empty when the hub hangs up."""
    parts = urlsplit(hub.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=BOUND_S) as line:
        try:
            line.sendall(text)
            return line.recv(4096).split(b"\r\n", 1)[0]
        except OSError:
            return b""


def refused(answer: bytes) -> bool:
    return answer == b"" or b" 4" in answer


HEAD = b"GET /ngsi-ld/v1/types HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + b"".join(b"X-%d: y\r\n" % at for at in range(100_000)) + b"\r\n", HEAD + b"X: " + b"y" * 5_000_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 5_000_000 + b" HTTP/1.1\r\n\r\n", b"\x00" * 10_000 + b"\r\n\r\n", b"GET\r\n\r\n", b"BREW / HTTP/9.9\r\n\r\n",
        HEAD + b"No colon\r\n\r\n", b"POST /ngsi-ld/v1/entities HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /ngsi-ld/v1/entities HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /ngsi-ld/v1/entities HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999999999999999\r\n\r\n",
        b"POST /ngsi-ld/v1/entities HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    ],
    ids=range(11),
)  # fmt: skip
def test_floods_and_broken_heads(hub: Attacked, text: bytes) -> None:
    assert refused(raw(hub, text))
    assert hub.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NGSILD-Tenant", "a/b"), ("NGSILD-Tenant", "/x/y/urn:z"), ("NGSILD-Tenant", "x" * 5_000),
        ("Link", '<x>; rel="http://www.w3.org/ns/json-ld#context"'), ("Accept", "x/y," * 2_000), ("Accept", "text/plain;q=x"),
        ("Accept", "application/geo+json"), ("NGSILD-Snapshot", "x"), ("NGSILD-Snapshot", "urn:none"),
        ("Link", '<file:///etc/passwd>; rel="http://www.w3.org/ns/json-ld#context"'),
        ("Link", '<http://169.254.169.254/>; rel="http://www.w3.org/ns/json-ld#context"'),
    ],
)  # fmt: skip
def test_header_values(hub: Attacked, name: str, value: str) -> None:
    response = hub.send("GET", f"{PREFIX}/types", headers={name: value})
    assert response.status_code in (400, 404, 406, 504), response.text[:300]


@pytest.mark.parametrize(("name", "value", "status"), [
    ("If-Match", '"' * 1_001, 400), ("If-Match", '"a",' * 5_000, 400), ("If-Match", "x", 400), ("If-Match", '"x"', 412), ("If-Match", 'W/"x"', 412),
])  # fmt: skip
def test_preconditions(hub: Attacked, name: str, value: str, status: int) -> None:
    hub.create({"id": "urn:ngsi-ld:H:1", "type": "H"})
    assert hub.send("DELETE", f"{PREFIX}/entities/urn:ngsi-ld:H:1", headers={name: value}).status_code == status


@pytest.mark.parametrize("link", ["<" * 5_000, "<>;" * 2_000, '<x' + ">;rel=" * 2_000])
def test_links_that_are_none(hub: Attacked, link: str) -> None:
    assert hub.send("GET", f"{PREFIX}/types", headers={"Link": link}).status_code in (200, 400)


def test_a_tenant_of_the_hub_itself_cannot_be_named(hub: Attacked) -> None:
    response = hub.send("GET", f"{PREFIX}/types", headers={"NGSILD-Tenant": "/4f/water/urn:s:1"})
    assert problem(response) == (400, BAD_REQUEST)


# -- @contexts ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A server of @contexts that lead nowhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://{self.headers['host']}"
            pages: dict[str, Callable[[], Any]] = {
                "/loop": lambda: {"@context": f"{base}/loop"},
                "/a": lambda: {"@context": [f"{base}/b"]},
                "/b": lambda: {"@context": [f"{base}/a"]},
                "/huge": lambda: {"@context": {f"t{at}": f"https://ex.org/{at}" for at in range(200_000)}},
                "/deep": lambda: {"@context": {f"t{at}": f"t{at + 1}:x" for at in range(5_000)}},
            }
            name = self.path.partition("?")[0]
            if name.startswith("/chain/"):
                document: Any = {"@context": f"{base}/chain/{int(name[7:]) + 1}"}
            else:
                document = pages[name]()
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/ld+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["loop", "a", "chain/0", "huge", "deep"])
def test_contexts_that_loop_or_never_end(hub: Attacked, site: str, name: str) -> None:
    response = hub.create({"@context": f"{site}/{name}", "id": "urn:ngsi-ld:C:1", "type": "T"}, LD_JSON)
    assert response.status_code in (201, 400, 504)
    assert hub.send("DELETE", f"{PREFIX}/entities/urn:ngsi-ld:C:1").status_code in (204, 404)


@pytest.mark.parametrize(
    "context",
    [
        {"a": "b:x", "b": "a:y"}, {"a": {"@id": "a"}}, {"a": {"@context": {"a": {"@context": {}}}}}, [[[[[["x"]]]]]], 7, True, {"@vocab": 7},
        {"@base": "x", "@version": 9}, {"a": {"@type": "@nothing"}}, {"@context": {}}, {"a": {"@reverse": "b"}}, {"@import": 7}, [None] * 5_000,
        {f"t{at}": f"t{at + 1}:x" for at in range(3_000)}, "ftp://ex.org/", "//", "x" * 10_000, {"type": "https://ex.org/x"},
    ],
)  # fmt: skip
def test_contexts_in_the_body(hub: Attacked, context: Any) -> None:
    response = hub.create({"@context": context, "id": "urn:ngsi-ld:C:2", "type": "T", "a": {"type": "Property", "value": 1}}, LD_JSON)
    assert response.status_code in (201, 400, 504)
    hub.send("DELETE", f"{PREFIX}/entities/urn:ngsi-ld:C:2")


def test_a_batch_of_rubbish_names_each_item(hub: Attacked) -> None:
    batch = [{"id": f"urn:ngsi-ld:B:{at}", "type": "T", "a": nested(80)} if at % 2 else 7 for at in range(2_000)]
    response = hub.send("POST", f"{PREFIX}/entityOperations/create", json.dumps(batch).encode(), JSON)
    assert response.status_code == 207
    assert len(response.json()["errors"]) == 2_000
