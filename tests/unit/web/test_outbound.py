"""The outbound door against a real server on loopback."""

import asyncio
import time

import pytest
from aiohttp import web

from cityhub.web.addresses import AddressPolicy
from cityhub.web.outbound import HttpOutbound


@pytest.fixture
async def server():
    """A server that answers by path; gives its address and the number of connections that were opened to it."""
    connections = []

    async def answer(request):
        connections.append(request.transport)
        match request.path:
            case "/echo":
                return web.Response(status=201, body=await request.read(), headers={"X-Method": request.method, "X-Kind": request.content_type})
            case "/moved":
                return web.Response(status=302, headers={"Location": "/echo"})
            case "/large":
                return web.Response(body=b"x" * 2000)
            case "/stream":
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(20):
                    await response.write(b"x" * 100)
                return response
            case "/slow":
                await asyncio.sleep(100)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", connections
    await runner.cleanup()


@pytest.fixture
async def outbound():
    door = HttpOutbound(AddressPolicy(loopback_allowed=True), max_body_bytes=1000)
    yield door
    await door.close()


async def test_sends_and_reads(outbound, server):
    answer = await outbound.request("POST", server[0] + "/echo", {"content-type": "application/json"}, b'{"a":1}')
    assert (answer.status, answer.body, answer.reason) == (201, b'{"a":1}', "")
    assert answer.headers["x-method"] == "POST"
    assert answer.headers["x-kind"] == "application/json"
    assert (await outbound.request("GET", server[0] + "/")).status == 204


async def test_connections_are_kept(outbound, server):
    for _ in range(5):
        await outbound.request("POST", server[0] + "/echo", body=b"x")
    assert len(set(server[1])) == 1


async def test_redirects_are_not_followed(outbound, server):
    answer = await outbound.request("GET", server[0] + "/moved")
    assert (answer.status, answer.headers["location"]) == (302, "/echo")


@pytest.mark.parametrize("path", ["/large", "/stream"])
async def test_large_answers_are_cut(outbound, server, path):
    answer = await outbound.request("GET", server[0] + path)
    assert (answer.status, answer.body) == (0, b"")
    assert "larger than 1000 bytes" in answer.reason


async def test_time_is_bounded(outbound, server):
    began = time.monotonic()
    answer = await outbound.request("GET", server[0] + "/slow", timeout_s=0.2)
    assert (answer.status, answer.reason) == (0, "no answer within 0.2 s")
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("url", ["", "x", "ftp://example.org/", "file:///etc/passwd", "http://", "http://[::1", "//example.org", "http://a:b:c/"])
async def test_other_urls_are_refused(outbound, url):
    answer = await outbound.request("GET", url)
    assert answer.status == 0
    assert "URL" in answer.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]", "LOCALHOST"])
async def test_forbidden_addresses_are_never_called(server, host):
    door = HttpOutbound(AddressPolicy())
    answer = await door.request("GET", server[0].replace("127.0.0.1", host) + "/echo")
    await door.close()
    assert answer.status == 0
    assert "is not public" in answer.reason
    assert server[1] == []


async def test_an_allowed_host_may_lead_to_a_private_address(server):
    door = HttpOutbound(AddressPolicy(["localhost"]))
    assert (await door.request("GET", server[0].replace("127.0.0.1", "localhost") + "/")).status == 204
    assert (await door.request("GET", server[0] + "/")).status == 0
    await door.close()


async def test_unknown_hosts_and_closed_ports_fail_at_once(outbound):
    began = time.monotonic()
    assert "unknown" in (await outbound.request("GET", "http://no-such-host.invalid/", timeout_s=100)).reason
    assert (await outbound.request("GET", "http://127.0.0.1:1/", timeout_s=100)).status == 0
    assert time.monotonic() - began < 60


async def test_header_injection_is_refused(outbound, server):
    answer = await outbound.request("GET", server[0] + "/echo", {"x": "a\r\nb: c"})
    assert answer.status == 0


async def test_many_posts_at_once(outbound, server):
    answers = await asyncio.gather(*(outbound.request("POST", server[0] + "/echo", body=b"%d" % number) for number in range(300)))
    assert [answer.body for answer in answers] == [b"%d" % number for number in range(300)]
