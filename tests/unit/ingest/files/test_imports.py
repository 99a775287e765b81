"""Files through the doors of a whole hub: sent, looked into, planned, imported."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.hub import Hub, build
from cityhub.settings import Settings

LEVELS = "站号,时间,水位(cm),状态\n" + "".join(f"A{n % 3},2026-07-01 08:{n:02d},{3000 + n},正常\n" for n in range(30))
PLAN: dict[str, Any] = {
    "entities": [{
        "type": "Device", "id": '"urn:ngsi-ld:Device:" + 站号', "observed_at": "时间",
        "attributes": {"waterLevel": {"value": "水位", "unit": "cm", "to": "m"}, "status": {"value": "状态"}},
    }],
}  # fmt: skip


def settings(folder: Path) -> Settings:
    return Settings(data=folder / "data", feeds=False, max_body_bytes=100_000)


def client_of(hub: Hub) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(hub.application, client=("127.0.0.1", 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers={"Accept": "application/json"})


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = await build(settings(tmp_path))
    await made.imports.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(hub) as client:
        yield client


async def sent(client: httpx.AsyncClient, content: bytes, name: str = "a.csv") -> dict[str, Any]:
    """A file that was sent, with its preview."""
    made = (await client.post(f"/api/imports/files?name={name}", content=content)).json()
    while made["state"] == "reading":
        made = (await client.get(f"/api/imports/files/{made['id']}?wait=10")).json()
    return made


async def ended(client: httpx.AsyncClient, id: str) -> dict[str, Any]:
    """An import when it has come to its end."""
    for _ in range(1200):
        job: dict[str, Any] = (await client.get(f"/api/imports/{id}")).json()
        if job["state"] not in ("waiting", "running"):
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(job)


async def imported(client: httpx.AsyncClient, file: str, plan: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/imports", json={"file": file, "plan": plan, **more})
    assert answer.status_code == 201, answer.text
    return await ended(client, answer.json()["id"])


async def test_a_file_is_looked_into(client: httpx.AsyncClient) -> None:
    file = await sent(client, LEVELS.encode("gb18030"))
    preview = file["preview"]
    assert (preview["kind"], preview["rows"], preview["reading"]["encoding"]) == ("csv", 30, "gb18030")
    told = {column["name"]: (column["type"], column["unit"], column["role"]) for column in preview["columns"]}
    assert told == {"站号": ("text", "", "id"), "时间": ("time", "", "time"), "水位": ("integer", "cm", ""), "状态": ("text", "", "")}
    assert preview["first"][0] == ["A0", "2026-07-01 08:00", "3000", "正常"]
    assert preview["columns"][2]["least"] == "3000"
    proposed = preview["plan"]
    assert proposed["target"] == "observations"
    assert proposed["entities"][0]["id"] == '"urn:ngsi-ld:Device:" + 站号'
    assert proposed["entities"][0]["attributes"]["waterLevel"] == {"value": "水位", "unit": "cm"}
    key = (await client.post("/api/imports", json={"file": file["id"], "plan": proposed, "dryRun": True})).json()
    assert (await ended(client, key["id"]))["refused"] == 0
    other = (await client.get(f"/api/imports/files/{file['id']}?delimiter=;&header=0&wait=10")).json()
    assert other["preview"]["rows"] == 31
    assert (await client.get(f"/api/imports/files/{file['id']}?encoding=klingon&wait=10")).json()["reason"].startswith("'klingon' is no encoding")


async def test_parts_come_in_order_and_go_on_after_a_break(client: httpx.AsyncClient) -> None:
    content = LEVELS.encode()
    file = (await client.post("/api/imports/files", params={"name": "水位.csv", "size": len(content)})).json()
    assert (file["state"], file["received"]) == ("uploading", 0)
    address = f"/api/imports/files/{file['id']}/content"

    async def part(begin: int, end: int) -> httpx.Response:
        return await client.put(address, content=content[begin:end], headers={"Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"})

    assert (await part(0, 100)).json()["received"] == 100
    gap = await part(200, 300)
    assert (gap.status_code, gap.json()["received"]) == (409, 100)
    assert (await part(50, 150)).json()["received"] == 150  # what came twice is taken once
    assert (await part(150, len(content))).json()["received"] == len(content)
    told = (await client.get(f"/api/imports/files/{file['id']}?wait=10")).json()
    assert told["preview"]["rows"] == 30
    wrong = await client.put(address, content=b"x", headers={"Content-Range": "bytes 0-9/10"})
    assert wrong.status_code == 400


async def test_bodies_beyond_the_bounds_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/imports/files", params={"name": "a", "size": 10**14})).status_code == 413
    assert (await client.post("/api/imports/files?name=a", content=b"x" * 200_000)).status_code == 413
    assert (await client.post("/api/imports/files?name=a")).status_code == 400


async def test_a_dry_run_writes_nothing_and_shows_what_would_be(client: httpx.AsyncClient, hub: Hub) -> None:
    file = await sent(client, (LEVELS + "A1,gestern,1,x\nA1,2026-07-02,hoch,x\nA 1,2026-07-02,5,x\n").encode())
    position = hub.journal.last()
    job = await imported(client, file["id"], PLAN, dryRun=True)
    assert job["state"] == "done", job
    assert (job["total"], job["rows"], job["refused"]) == (33, 33, 3)
    said = [(problem["row"], problem["column"], problem["reason"]) for problem in job["problems"]]
    assert said[0] == (32, "", "'gestern' in '时间' is no time; right would be one such as 2026-07-01 08:00:00")
    assert said[1][:2] == (33, "水位(cm)")
    assert said[2][0] == 34 and "without blanks" in said[2][2]
    first = job["sample"][0]
    assert first["id"] == "urn:ngsi-ld:Device:A0"
    level = next(instances for name, instances in first["attributes"].items() if name.endswith("waterLevel"))[0]
    assert level == {"type": "Property", "value": 30, "unitCode": "MTR", "observedAt": "2026-07-01T00:00:00.000000Z"}
    assert (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Device:A0")).status_code == 404
    assert hub.journal.last() - position < 10  # records of the job itself
    few = await imported(client, file["id"], PLAN, dryRun=True, rows=5)
    assert few["rows"] == 5


async def test_rows_become_entities_once(client: httpx.AsyncClient) -> None:
    file = await sent(client, (LEVELS + "A1,2026-07-02,viel,gut\n").encode())
    job = await imported(client, file["id"], PLAN)
    assert (job["state"], job["written"] + job["late"], job["refused"]) == ("done", 31, 1), job
    entity = (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Device:A1")).json()
    assert entity["status"]["value"] == "gut"
    assert entity["waterLevel"]["value"] == pytest.approx(30.28)
    assert entity["waterLevel"]["observedAt"].startswith("2026-07-01T00:28")
    refused = await client.get(f"/api/imports/{job['id']}/refused")
    rows = list(csv.reader(io.StringIO(refused.content.decode("utf-8-sig"))))
    assert rows[0] == ["row", "column", "reason", "content"]
    assert rows[1][:2] == ["32", "水位(cm)"] and rows[1][3] == "viel"
    again = await imported(client, file["id"], PLAN)
    assert again["written"] == 0, again
    assert [one["id"] for one in (await client.get("/api/imports")).json()["imports"]] == [again["id"], job["id"]]


async def test_rows_become_observations_of_the_history(client: httpx.AsyncClient, hub: Hub) -> None:
    file = await sent(client, LEVELS.encode())
    plan = {**PLAN, "target": "observations"}
    job = await imported(client, file["id"], plan)
    assert (job["state"], job["made"], job["refused"]) == ("done", 60, 0), job
    backfills = (await client.get("/api/history/backfills")).json()
    assert [one["rows"] for one in backfills] == [60]
    await imported(client, file["id"], plan)
    assert len((await client.get("/api/history/backfills")).json()) == 1  # the same file with the same plan is known
    assert not list((hub.settings.data / "imports").glob("*/staged/*"))


async def test_what_sql_is_not_made_for_is_mapped_row_by_row(client: httpx.AsyncClient) -> None:
    attributes = {
        "waterLevel": {"value": "水位", "unit": "cm", "to": "m", "table": [(0, 0), (1000, 2000)]},
        "about": {"value": "data.about", "kind": "JsonProperty"},
    }
    plan = {"entities": [{"type": "Device", "id": '"urn:ngsi-ld:Device:" + 站号', "observed_at": "时间", "attributes": attributes}]}
    records = [
        {"站号": "A1", "时间": "2026-07-01 08:00", "水位": 100, "data": {"about": {"coordinates": [1, 2]}}},
        {"站号": "A2", "时间": "gestern", "水位": 100},
        {"站号": "A3", "时间": "2026-07-01 08:00", "水位": "hoch"},
    ]
    file = await sent(client, "\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode())
    plan = {**plan, "columns": {"时间": {"type": "time"}, "水位": {"type": "number"}, "data.about": {"type": "object"}}}
    job = await imported(client, file["id"], plan)
    assert (job["state"], job["written"]) == ("done", 1), job
    assert {problem["row"] for problem in job["problems"]} == {2, 3}
    entity = (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Device:A1")).json()
    assert (entity["waterLevel"]["value"], entity["about"]["json"]) == (2, {"coordinates": [1, 2]})
    assert entity["waterLevel"]["observedAt"].startswith("2026-07-01T00:00")


async def test_expressions_of_feel(client: httpx.AsyncClient) -> None:
    mapping = {
        **PLAN["entities"][0], "id": '"urn:ngsi-ld:Device:" + lower case(站号)', "when": '状态 = "正常"',
        "attributes": {"waterLevel": {"value": "水位 / 100", "unit": "m"}},
    }  # fmt: skip
    file = await sent(client, (LEVELS + "A9,2026-07-02,1,检修\n").encode())
    job = await imported(client, file["id"], {"entities": [mapping], "target": "observations"})
    assert (job["state"], job["made"], job["refused"], job["rows"]) == ("done", 30, 0, 31), job
    job = await imported(client, file["id"], {"entities": [mapping]})
    assert (job["written"], job["refused"]) == (30, 0), job
    assert (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Device:a1")).json()["waterLevel"]["value"] == 30.28


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ({"value": "水位", "unit": "cm", "to": "kg"}, "measure different things"),
        ({"value": "水位", "unit": "klafter"}, "klafter"),
        ({"value": "水位 +* 1"}, "水位 \\+\\* 1"),
    ],
)
async def test_what_a_mapping_cannot_use_fails_with_its_reason(client: httpx.AsyncClient, attribute: dict[str, str], said: str) -> None:
    file = await sent(client, LEVELS.encode())
    mapping = {**PLAN["entities"][0], "attributes": {"waterLevel": attribute}}
    job = await imported(client, file["id"], {"entities": [mapping]}, dryRun=True)
    assert job["state"] == "failed"
    assert re.search(said, job["reason"]), job["reason"]


@pytest.mark.parametrize("policy", ["first", "last", "refuse"])
async def test_rows_that_are_there_twice(client: httpx.AsyncClient, policy: str) -> None:
    text = "站号,时间,水位(cm),状态\nA1,2026-07-01,1,a\nA1,2026-07-01,2,b\nA2,2026-07-01,3,c\n"
    job = await imported(client, (await sent(client, text.encode()))["id"], {**PLAN, "duplicates": policy})
    assert job["made"] == 2
    entity = (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Device:A1")).json()
    assert entity["status"]["value"] == ("b" if policy == "last" else "a")
    assert [problem["row"] for problem in job["problems"]] == ([3] if policy == "refuse" else [])


@pytest.mark.parametrize(
    ("datum", "right"), [("CGCS2000", [112.9, 30.4]), ("GCJ-02", [112.894398, 30.402485]), ("BD-09", [112.887948, 30.396478])]
)
async def test_coordinates_of_map_services(client: httpx.AsyncClient, datum: str, right: list[float]) -> None:
    plan = {"entities": [{
        "type": "PointOfInterest", "id": '"urn:ngsi-ld:PointOfInterest:" + 编号',
        "attributes": {"location": {"value": "[经度, 纬度]", "kind": "GeoProperty", "datum": datum}},
    }]}  # fmt: skip
    job = await imported(client, (await sent(client, "编号,经度,纬度\nP1,112.9,30.4\n".encode()))["id"], plan)
    assert job["written"] == 1, job
    place = (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:PointOfInterest:P1")).json()["location"]["value"]["coordinates"]
    assert place == pytest.approx(right, abs=3e-3 if datum != "CGCS2000" else 0)
    assert (place == [112.9, 30.4]) == (datum == "CGCS2000")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"entities": []}, "at least one mapping"),
        ({**PLAN, "columns": {"x": {}}}, "There is no column 'x'"),
        ({**PLAN, "target": "moon"}, "target"),
        ({"entities": [{**PLAN["entities"][0], "observed_at": ""}], "target": "observations"}, "observed_at"),
    ],
)
async def test_plans_that_cannot_work_are_refused(client: httpx.AsyncClient, plan: dict[str, Any], said: str) -> None:
    file = await sent(client, LEVELS.encode())
    answer = await client.post("/api/imports", json={"file": file["id"], "plan": plan})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def children() -> list[int]:
    """Processes of this test that work on files."""
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "ingest.files.worker"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def many(rows: int) -> bytes:
    return ("站号,时间,水位(cm),状态\n" + "".join(f"A{n},2026-07-01 08:00,{n},x\n" for n in range(rows))).encode()


async def begun(client: httpx.AsyncClient, hub: Hub, rows: int) -> str:
    """An import that has begun to write."""
    content = many(rows)
    file = (await client.post("/api/imports/files", params={"name": "m.csv", "size": len(content)})).json()
    for begin in range(0, len(content), 90_000):
        part = content[begin : begin + 90_000]
        header = {"Content-Range": f"bytes {begin}-{begin + len(part) - 1}/{len(content)}"}
        await client.put(f"/api/imports/files/{file['id']}/content", content=part, headers=header)
    while (await client.get(f"/api/imports/files/{file['id']}?wait=10")).json()["state"] == "reading":
        pass
    job = (await client.post("/api/imports", json={"file": file["id"], "plan": PLAN})).json()
    for _ in range(6000):
        if await hub.store.entity_count() > 0:
            return str(job["id"])
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was written")


async def test_a_job_whose_process_is_killed_goes_on_and_each_row_comes_in_once(client: httpx.AsyncClient, hub: Hub) -> None:
    id = await begun(client, hub, 15_000)
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    job = await ended(client, id)
    assert (job["state"], job["rows"], await hub.store.entity_count()) == ("done", 15_000, 15_000), job
    assert job["same"] == job["late"] == 0  # no row was taken twice


async def test_cancel_and_resume(client: httpx.AsyncClient, hub: Hub) -> None:
    id = await begun(client, hub, 15_000)
    job = (await client.post(f"/api/imports/{id}/cancel")).json()
    assert job["state"] == "cancelled"
    assert not children()
    stood = await hub.store.entity_count()
    assert stood < 15_000
    await asyncio.sleep(0.2)
    assert await hub.store.entity_count() == stood
    assert (await client.post(f"/api/imports/{id}/cancel")).status_code == 409
    assert (await client.post(f"/api/imports/{id}/resume")).status_code == 200
    job = await ended(client, id)
    assert (job["state"], await hub.store.entity_count(), job["same"]) == ("done", 15_000, 0)


async def test_a_hub_that_starts_again_goes_on(tmp_path: Path) -> None:
    first = await build(settings(tmp_path))
    async with client_of(first) as client:
        id = await begun(client, first, 15_000)
    await first.stop()
    second = await build(settings(tmp_path))
    try:
        assert await second.store.entity_count() < 15_000
        await second.imports.start()
        async with client_of(second) as client:
            job = await ended(client, id)
        assert (job["state"], await second.store.entity_count(), job["same"]) == ("done", 15_000, 0)
    finally:
        await second.stop()
