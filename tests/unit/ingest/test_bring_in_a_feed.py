"""The page docs/bring-in-a-feed.md does what it says: its files, its commands in their order, their answers, and data of real peers."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.publish as publish
import pytest
import xlsxwriter
from aiohttp import web
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from cityhub.ingest.gateway.compiling import compile_feed
from cityhub.ingest.register.definition import read_definition
from tests.services import free_port
from tests.unit.ingest.pages import Page, running

PAGE = Page("bring-in-a-feed.md")
FEEDS = sorted(name for name in PAGE.files if name.endswith(".yaml") and not name.endswith("-plan.yaml"))


class Peers:
    """Where the real peers of the examples are."""

    def __init__(self, folder: Path, broker: int) -> None:
        self.broker, self.service, self.tank, self.folder = broker, free_port(), free_port(), folder / "inspections"

    def laid_out(self) -> dict[str, str]:
        """The page's feeds with the example addresses replaced by those of the peers."""
        changes = {
            "rain.yaml": ("host: broker.example\n", f"host: 127.0.0.1\n  port: {self.broker}\n"),
            "levels.yaml": ("https://water.example", f"http://127.0.0.1:{self.service}"),
            "tank.yaml": ("host: tank.example\n", f"host: 127.0.0.1\n  port: {self.tank}\n"),
            "inspections.yaml": ("/srv/city/inspections", str(self.folder)),
        }
        for name, (example, _) in changes.items():
            assert example in PAGE.files[name], name
        return {name: PAGE.files[name].replace(*change) for name, change in changes.items()}


@pytest.fixture
def peers(tmp_path: Path, mosquitto: int, monkeypatch: pytest.MonkeyPatch) -> Peers:
    """The peers, and the page's files in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEED_RAIN_PASSWORD", "not asked for by this broker")
    monkeypatch.setenv("FEED_WATER_TOKEN", "Bearer of-the-example")
    monkeypatch.setenv("CITYHUB_FEED_FOLDERS", str(tmp_path))
    found = Peers(tmp_path, mosquitto)
    found.folder.mkdir()
    PAGE.lay_out(tmp_path)
    for name, content in found.laid_out().items():
        (tmp_path / name).write_text(content, "utf-8")
    with xlsxwriter.Workbook(tmp_path / "inspections.xlsx") as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(csv.reader(io.StringIO(PAGE.files["inspections.csv"]))):
            sheet.write_row(number, 0, row)
    return found


@pytest.fixture
def hub(peers: Peers) -> Iterator[str]:
    with running() as url:
        yield url


@pytest.mark.parametrize("name", FEEDS)
def test_each_feed_is_whole(name: str) -> None:
    compile_feed(read_definition(PAGE.files[name].encode()), lambda term: f"https://example.org/{term}")


@pytest.mark.slow
def test_the_page_does_what_it_says(hub: str, peers: Peers, capfd: pytest.CaptureFixture[str]) -> None:
    assert PAGE.run(capfd) == 3
    asyncio.run(_data_arrive(hub, peers))


async def _data_arrive(url: str, peers: Peers) -> None:
    """What real peers have becomes entities."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client, _service(peers.service), _tank(peers.tank):
        await _until(client, "/api/feeds/rain", lambda shown: shown["status"]["state"] == "running")
        payload = PAGE.files["rain-sample.json"].replace("1.2", "201")
        await asyncio.to_thread(publish.single, "city/rain/R1", payload, 1, hostname="127.0.0.1", port=peers.broker)
        rain = await _entity(client, "RainGauge:R1")
        assert (rain["precipitation"]["value"], rain["precipitation"]["quality"]["value"]) == (201, ["range"])
        assert (await _entity(client, "Manhole:M-0031"))["coverState"]["value"] == "完好"
        (peers.folder / "today.csv").write_text(PAGE.files["inspections.csv"].replace("M-0031", "M-0041"), "utf-8")
        for feed in ("levels", "tank", "inspections"):  # they look again now, and not only at their next time
            for deed in ("stop", "start"):
                assert (await client.post(f"/api/feeds/{feed}/{deed}")).status_code == 200
        assert (await _entity(client, "WaterObserved:A120"))["waterLevel"]["value"] == 120
        tank = await _entity(client, "WaterTank:1")
        assert (tank["level"]["value"], tank["pumpRunning"]["value"]) == (3.125, True)
        assert (await _entity(client, "Manhole:M-0041"))["coverState"]["value"] == "完好"


async def _entity(client: httpx.AsyncClient, name: str) -> Any:
    return await _until(client, f"/ngsi-ld/v1/entities/urn:ngsi-ld:{name}", lambda entity: True)


async def _until(client: httpx.AsyncClient, path: str, holds: Any) -> Any:
    shown: Any = None
    for _ in range(600):
        answer = await client.get(path)
        shown = answer.json()
        if answer.status_code == 200 and holds(shown):
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError((path, shown, (await client.get("/api/feeds")).text))


@contextlib.asynccontextmanager
async def _service(port: int) -> AsyncIterator[None]:
    """The web service of the third example with 150 stations, so that it has two pages."""
    model = json.loads(PAGE.files["levels-sample.json"])["items"][0]

    async def levels(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer of-the-example"
        page, size = int(request.query["page"]), int(request.query["size"])
        stations = range(1, 151) if request.query["since"] <= model["time"] else range(0)
        items = [{**model, "station": f"A{number}", "level_m": number} for number in stations[(page - 1) * size : page * size]]
        return web.json_response({"total": len(stations), "items": items})

    application = web.Application()
    application.router.add_get("/api/levels", levels)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _tank(port: int) -> AsyncIterator[None]:
    """The tank of the fourth example: its level in cm, and its pump."""
    level = struct.unpack(">HH", struct.pack(">f", json.loads(PAGE.files["tank-sample.json"])["level"]))
    coils = SimData(0, values=[False] * 3 + [True] + [False] * 12, datatype=DataType.BITS)
    discrete = SimData(0, values=[False] * 16, datatype=DataType.BITS)
    registers = SimData(0, values=[0, 0], datatype=DataType.REGISTERS)
    inputs = SimData(0, values=list(level), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(id=1, simdata=([coils], [discrete], [registers], [inputs])), address=("127.0.0.1", port))
    task = asyncio.ensure_future(server.serve_forever())
    await asyncio.sleep(0.1)
    try:
        yield
    finally:
        await server.shutdown()
        task.cancel()
