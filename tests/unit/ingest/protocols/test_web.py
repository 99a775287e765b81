"""Web services as sources: a real server in the loop, paged, slow, hostile, away."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web

from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, TroubleAtSource
from cityhub.ingest.protocols.web import Connector, Settings, connect, retry_after
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.web.addresses import AddressPolicy
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ROWS = [{"id": n, "time": f"2026-03-01T{n // 60:02}:{n % 60:02}:00Z"} for n in range(25)]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def made(kept: Kept, policy: AddressPolicy | None = None, secrets: dict[str, str] | None = None, records: str = "items", format: str = "json",
         **source: Any) -> Connector:  # fmt: skip
    settings = msgspec.convert({"every_s": 0.05, "per_second": 1000, "retries": 0, "timeout_s": 5, **source}, Settings)
    return connect(feed("web", records=records, format=format), settings, surroundings(kept, policy, secrets))


def ids(kept: Kept) -> list[int]:
    return [row["id"] for message in kept.messages if message.body for row in json.loads(message.body)["items"]]


async def page(request: web.Request) -> web.Response:
    """The rows since a time, divided in each of the usual ways."""
    query = request.query
    rows = [row for row in ROWS if str(row["time"]) > query.get("since", "")]
    size = 10
    start = (int(query["page"]) - 1) * size if "page" in query else int(query.get("offset", query.get("cursor", 0)))
    more = start + size < len(rows)
    answer = {"items": rows[start : start + size], "cursor": str(start + size) if more else None,
              "next": f"/rows?since={query.get('since', '')}&offset={start + size}" if more else None}  # fmt: skip
    headers = {"Link": f'<{request.url.update_query(offset=start + size)}>; rel="next"'} if more else {}
    return web.json_response(answer, headers=headers)


@pytest.mark.parametrize(
    ("paging", "query"),
    [
        ({"kind": "page"}, {"page": "{page}"}),
        ({"kind": "page", "size": 10}, {"page": "{page}"}),
        ({"kind": "offset", "size": 10}, {"offset": "{offset}"}),
        ({"kind": "cursor", "path": "cursor"}, {"cursor": "{cursor}"}),
        ({"kind": "next", "path": "next"}, {}),
        ({"kind": "link"}, {}),
    ],
)
async def test_every_row_comes_once_and_the_next_walk_begins_behind_them(paging: dict[str, Any], query: dict[str, Any]) -> None:
    kept = Kept()
    async with serving(page) as url:
        source = {"url": f"{url}/rows", "query": {"since": "{watermark}", **query}, "paging": paging, "watermark": "time"}
        async with running(made(kept, **source), kept):
            await kept.until(lambda: kept.bookmark == {"mark": ROWS[-1]["time"]})
            await asyncio.sleep(0.2)
    assert ids(kept) == list(range(25))
    assert kept.states[0][0] == "connecting" and kept.states[-1][0] == "running"


async def test_a_walk_that_broke_goes_on_at_its_page() -> None:
    kept, asked = Kept(), []

    async def breaking(request: web.Request) -> web.StreamResponse:
        asked.append(request.query.get("offset"))
        return web.Response(status=503) if len(asked) == 3 else await page(request)

    async with serving(breaking) as url:
        source = {"url": url, "query": {"since": "{watermark}", "offset": "{offset}"}, "paging": {"kind": "offset", "size": 10}, "watermark": "time"}
        with pytest.raises(TroubleAtSource, match="answered 503"):
            async with running(made(kept, **source), kept) as task:
                await asyncio.wait([task], timeout=60)
        assert kept.bookmark == {"high": ROWS[19]["time"], "place": {"offset": 20}}
        async with running(made(kept, **source), kept):
            await kept.until(lambda: kept.bookmark == {"mark": ROWS[-1]["time"]})
    assert ids(kept) == list(range(25))
    assert asked[:4] == ["0", "10", "20", "20"]


async def test_a_page_that_is_gone_begins_the_walk_again() -> None:
    kept = Kept()
    kept.bookmark = {"place": {"cursor": "expired"}, "high": ROWS[3]["time"]}

    async def strict(request: web.Request) -> web.StreamResponse:
        return web.Response(status=410) if request.query.get("cursor") == "expired" else await page(request)

    async with serving(strict) as url:
        async with running(made(kept, url=url, query={"cursor": "{cursor}"}, paging={"kind": "cursor", "path": "cursor"}, watermark="time"), kept):
            await kept.until(lambda: "mark" in (kept.bookmark or {}))
    assert ids(kept)[:25] == list(range(25))


async def test_an_outage_of_a_day_is_walked_in_windows_up_to_now() -> None:
    kept, asked = Kept(), []
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    rows = [{"id": n, "time": (begin + timedelta(minutes=n)).isoformat()} for n in range(1, 1440) if not 300 < n < 900]

    async def windows(request: web.Request) -> web.Response:
        low, high = (datetime.fromisoformat(request.query[name]) for name in ("from", "to"))
        asked.append(high - low)
        return web.json_response({"items": [row for row in rows if low < datetime.fromisoformat(str(row["time"])) <= high]})

    kept.bookmark = {"mark": begin.isoformat()}
    async with serving(windows) as url:
        source = {"url": url, "query": {"from": "{from}", "to": "{to}"}, "watermark": "time", "start": "2020-01-01T00:00:00Z",
                  "window_s": 3600, "every_s": 60}  # fmt: skip
        async with running(made(kept, **source), kept):
            await kept.until(lambda: rows[-1]["id"] in ids(kept))
    assert ids(kept) == [row["id"] for row in rows]
    assert max(asked) <= timedelta(hours=1) and len(asked) in (24, 25)


async def test_rows_that_come_late_are_asked_for_again_within_the_overlap() -> None:
    kept, asked = Kept(), []

    async def service(request: web.Request) -> web.Response:
        asked.append(request.query.get("since"))
        return web.json_response({"items": ROWS[:10]})

    async with serving(service) as url:
        async with running(made(kept, url=url, query={"since": "{watermark}"}, watermark="time", overlap=120), kept):
            await kept.count(2)
    assert asked[:2] == [None, "2026-03-01T00:07:00Z"]


async def test_an_answer_that_did_not_change_is_not_sent_again() -> None:
    kept, asked = Kept(), []

    async def service(request: web.Request) -> web.Response:
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == '"v1"':
            return web.Response(status=304)
        return web.Response(body=b'{"items": [{"id": 1}]}', headers={"ETag": '"v1"'})

    async with serving(service) as url:
        async with running(made(kept, url=url), kept):
            await kept.until(lambda: len(asked) >= 3)
    assert len(kept.messages) == 1
    assert asked[:3] == [None, '"v1"', '"v1"']


@pytest.mark.parametrize(
    ("access", "shown"),
    [
        ({"kind": "bearer", "secret": "env:TOKEN"}, ("Authorization", "Bearer t0p")),
        ({"kind": "basic", "user": "hub", "secret": "env:TOKEN"}, ("Authorization", "Basic aHViOnQwcA==")),
        ({"kind": "header", "name": "X-Key", "secret": "env:TOKEN"}, ("X-Key", "t0p")),
        ({"kind": "query", "name": "key", "secret": "env:TOKEN"}, ("key", "t0p")),
    ],
)
async def test_secrets_are_shown_to_the_service_and_stay_out_of_messages(access: dict[str, str], shown: tuple[str, str]) -> None:
    kept, seen = Kept(), []

    async def service(request: web.Request) -> web.Response:
        seen.append({**request.headers, **request.query})
        return web.json_response({"items": [{"id": 1}]})

    async with serving(service) as url:
        source = {"url": url, "access": access, "headers": {"X-Also": "env:TOKEN"}}
        async with running(made(kept, secrets={"env:TOKEN": "t0p"}, **source), kept):
            await kept.count(1)
    assert seen[0][shown[0]] == shown[1] and seen[0]["X-Also"] == "t0p"
    assert "t0p" not in str(kept.messages)


async def test_post_with_a_body_of_placeholders() -> None:
    kept, seen = Kept(), []

    async def service(request: web.Request) -> web.Response:
        seen.append(await request.json())
        return web.json_response({"items": [{"id": 7}]})

    async with serving(service) as url:
        source = {"url": url, "method": "POST", "body": {"after": "{watermark}", "limit": 5, "name": "n {watermark}"}, "watermark": "id", "start": 3}
        async with running(made(kept, **source), kept):
            await kept.until(lambda: len(seen) >= 2)
    assert seen[:2] == [{"after": 3, "limit": 5, "name": "n 3"}, {"after": 7, "limit": 5, "name": "n 7"}]


async def test_redirects_lead_only_to_allowed_addresses_and_carry_no_secret_elsewhere() -> None:
    kept, seen = Kept(), []

    async def target(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({"items": []})

    async with serving(target) as elsewhere:

        async def service(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": "http://10.1.2.3/secret" if request.path == "/inside" else elsewhere})

        async with serving(service) as url:
            port = int(url.rsplit(":", 1)[1])
            access = {"kind": "bearer", "secret": "abc"}
            async with running(made(kept, url=url, access=access), kept):
                await kept.until(lambda: seen)
            assert seen[0] is None
            policy = AddressPolicy([f"127.0.0.1:{port}"])
            for path in ("/inside", "/other-port"):
                with pytest.raises(Forbidden):
                    await made(kept, policy, url=url + path).run(kept)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://localhost:{port}", "http://[::ffff:127.0.0.1]:{port}"])
async def test_policy_holds_for_names_and_literal_addresses(url: str) -> None:
    async with serving(page) as served:
        with pytest.raises(Forbidden):
            await made(Kept(), AddressPolicy(), url=url.format(port=served.rsplit(":", 1)[1])).run(Kept())


async def test_the_connection_goes_to_the_address_that_was_allowed() -> None:
    """A name that leads elsewhere at a second look (DNS rebinding) gains nothing: the system's own lookup knows no such name at all."""
    kept, asked = Kept(), []
    around = surroundings(kept)

    def allow(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    async with serving(page) as url:
        port = int(url.rsplit(":", 1)[1])
        settings = msgspec.convert({"url": f"http://rebind.invalid:{port}/rows", "per_second": 1000, "watermark": "time"}, Settings)
        connector = connect(feed("web", records="items"), settings, msgspec.structs.replace(around, allow=allow))
        async with running(connector, kept):
            await kept.count(1)
    assert set(asked) == {("rebind.invalid", port)}


async def test_next_page_of_another_origin_is_not_read() -> None:
    async def service(request: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": 1}], "next": "http://elsewhere.example/2"})

    async with serving(service) as url:
        with pytest.raises(TroubleAtSource, match="only pages of"):
            await made(Kept(), url=url, paging={"kind": "next", "path": "next"}).run(Kept())


async def test_what_is_too_large_too_slow_or_garbage_is_trouble_in_words() -> None:
    bomb = gzip.compress(bytes(20_000_000), 1)

    async def service(request: web.Request) -> web.StreamResponse:
        if request.path == "/large":
            return web.Response(body=b"x" * 5000)
        if request.path == "/bomb":
            return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
        if request.path == "/garbage":
            return web.Response(body=b"{]")
        if request.path == "/packed":
            return web.Response(body=b"x", headers={"Content-Encoding": "br"})
        if request.path == "/loop":
            return web.Response(status=302, headers={"Location": "/loop"})
        if request.path == "/broken":
            return web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"})
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    expected = {"/large": "larger than 4096", "/bomb": "larger than 4096", "/garbage": "is no json", "/slow": "did not answer within",
                "/packed": "packed as 'br'", "/loop": "more than 5 times", "/broken": "cannot be had"}  # fmt: skip
    async with serving(service) as url:
        for path, words in expected.items():
            with pytest.raises(TroubleAtSource, match=words):
                await made(Kept(), url=url + path, max_bytes=4096, timeout_s=1).run(Kept())
    with pytest.raises(TroubleAtSource, match="cannot be had"):
        await made(Kept(), url=url).run(Kept())


async def test_a_busy_service_is_asked_again_when_it_says() -> None:
    kept, asked = Kept(), []

    async def service(request: web.Request) -> web.Response:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.json_response({"items": [{"id": 1}]})

    async with serving(service) as url:
        async with running(made(kept, url=url, retries=1), kept):
            await kept.count(1)
    assert 0.9 < asked[1] - asked[0] < 3
    assert ("waiting", "127.0.0.1 is asked again in 1 s") in kept.states


async def test_requests_keep_to_their_rate() -> None:
    kept, asked = Kept(), []

    async def service(request: web.Request) -> web.Response:
        asked.append(asyncio.get_running_loop().time())
        return web.json_response({"items": []})

    async with serving(service) as url:
        async with running(made(kept, url=url, every_s=0.01, per_second=20), kept):
            await kept.until(lambda: len(asked) >= 5)
    assert asked[4] - asked[0] >= 0.15  # the first came late, the others at their times


async def test_csv_with_a_watermark() -> None:
    kept, asked = Kept(), []

    async def service(request: web.Request) -> web.Response:
        asked.append(request.query.get("since"))
        return web.Response(text="station,time\nR1,2026-03-01T00:00:00Z\nR2,2026-03-01T00:05:00Z\n")

    async with serving(service) as url:
        async with running(made(kept, url=url, query={"since": "{watermark}"}, watermark="time", records="", format="csv"), kept):
            await kept.until(lambda: len(asked) >= 2)
    assert asked[1] == "2026-03-01T00:05:00Z"


async def test_an_answer_stays_unread_while_the_hub_is_away() -> None:
    kept = Kept()
    kept.away = True
    async with serving(page) as url:
        with pytest.raises(TroubleAtSource, match="hub cannot take"):
            await made(kept, url=url, watermark="time").run(kept)
    assert kept.bookmark is None


async def test_commands_are_requests() -> None:
    kept = Kept()

    async def service(request: web.Request) -> web.Response:
        if request.path == "/broken":
            return web.Response(status=500, text="valve stuck")
        return web.json_response({"got": await request.json(), "method": request.method})

    async with serving(service) as url:
        connector = made(kept, url=url, commands={"open": {"url": f"{url}/valve", "method": "PUT"}, "fail": {"url": f"{url}/broken"}})
        answer = await connector.command(Command("c1", "d1", "open", {"percent": 40}))
        assert answer == CommandResult("acknowledged", "200", {"got": {"percent": 40}, "method": "PUT"})
        failed, unknown = [await connector.command(Command("c2", "d1", name)) for name in ("fail", "close")]
        assert (failed.state, unknown.state) == ("failed", "failed")
        assert "500: valve stuck" in failed.detail and "there are: fail, open" in unknown.detail


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"url": "ftp://x.example"}, "absolute address"),
        ({"url": "http://127.0.0.1:1/{watermark}"}, "placeholder"),
        ({"url": "x", "times": "hourly"}, "crontab"),
        ({"url": "x", "watermark": "a["}, "line 1"),
    ],
)
async def test_settings_that_cannot_work_stop_the_feed(source: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequestData, match=words):
        await made(Kept(), **source).run(Kept())


def test_settings_are_checked() -> None:
    for wrong in ({"max_bytes": 10**9}, {"window_s": 60}, {"per_second": 0}, {"unknown": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"url": "http://x.example", **wrong}, Settings)


def test_retry_after() -> None:
    from cityhub.ingest.protocols.http_calls import Reply

    now = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    for text, seconds in (("120", 120), ("Sun, 01 Mar 2026 10:00:30 GMT", 30), ("soon", None), ("", None)):
        assert retry_after(Reply(503, {"retry-after": text}, b"", ""), now) == seconds
