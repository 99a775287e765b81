"""SQL from the hub's doors over the wire to the historian's answers and back, all real but the lake."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import duckdb
import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from lake_sample import STATION, Sample, SampleReading, city

from cityhub.access.loopback import LoopbackAccess
from cityhub.history.lake.schema import OBSERVATIONS_SCHEMA, arrow_schema
from cityhub.history.readings import Readings
from cityhub.history.sql.analysis import LakeAnalysis
from cityhub.history.sql.answers import SqlAnswers
from cityhub.history.sql.limits import Limits
from cityhub.history.sql.sql_api import SqlApi
from cityhub.model.errors import BadRequestData, StoreUnavailable, TooComplexQuery, TooManyResults
from cityhub.web.application import Application
from cityhub.web.openapi import openapi_document
from cityhub.web.wire import WireServer
from cityhub.web.wire_client import WireClient

LIMITS = Limits(rows=200_000, rows_mb=1, answer_mb=20, concurrent=2, waiting=2, wait_s=0.3)


class Site:
    """A hub's doors and the historian's answers with a socket between them."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.open = 0
        self.positions: list[int] = []
        self.last = 7
        self.broken: Path | None = None
        self.examined = 0

    @contextlib.contextmanager
    def reading(self, tenant: str) -> Iterator[SampleReading]:
        """A lake, as `Readings` sees it."""
        reading = self.sample.reading()
        if self.broken:
            reading.connection.execute(f"CREATE OR REPLACE TEMP VIEW observations AS SELECT * FROM read_parquet({self.files(self.broken)})")
        if tenant:
            reading.connection.execute("CREATE OR REPLACE TEMP VIEW observations AS SELECT * FROM observations_rows WHERE false")
        self.open += 1
        try:
            yield reading
        finally:
            self.open -= 1

    def files(self, broken: Path) -> list[str]:
        """The broken file, behind a good one when there is one."""
        return [str(file) for file in (broken.with_name("good.parquet"), broken) if file.exists()]

    def examine(self) -> None:
        """Sets the broken file aside."""
        self.examined += 1
        self.broken = None

    def tenants(self) -> set[str]:
        """The tenants there are."""
        return {"", "harbour"}

    async def seen(self, position: int) -> None:
        """Notes which position an answer had to see."""
        self.positions.append(position)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[tuple[Site, LakeAnalysis, httpx.AsyncClient]]:
    made = Site(city(tmp_path))
    readings = Readings(made)
    server = WireServer("historian", SqlAnswers(readings, LIMITS, examine=made.examine).handlers(), made.seen)
    await server.start(tmp_path / "socket")
    analysis = LakeAnalysis(WireClient("historian", tmp_path / "socket", lambda: made.last))
    application = Application(SqlApi(analysis, made).routes(), LoopbackAccess(), 1_000_000)
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield made, analysis, client
    await server.stop()
    readings.close()
    assert made.open == 0


Whole = tuple[Site, LakeAnalysis, httpx.AsyncClient]
STATEMENT = f"SELECT entity, time, level, name, open FROM Station WHERE entity = '{STATION}1' AND time < '2026-11-01T00:12:00Z' ORDER BY time"


async def test_json_has_columns_and_rows(site: Whole) -> None:
    made, _, client = site
    answer = await client.post("/api/sql", content=STATEMENT)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {
        "columns": [
            {"name": "entity", "type": "VARCHAR"}, {"name": "time", "type": "TIMESTAMP WITH TIME ZONE"}, {"name": "level", "type": "DOUBLE"},
            {"name": "name", "type": "VARCHAR"}, {"name": "open", "type": "BOOLEAN"},
        ],
        "rows": [
            [f"{STATION}1", "2026-11-01T00:00:00.000000Z", 1.0, None, None],
            [f"{STATION}1", "2026-11-01T00:05:00.000000Z", None, None, True],
            [f"{STATION}1", "2026-11-01T00:10:00.000000Z", 2.0, None, None],
        ],
        "truncated": False,
    }  # fmt: skip
    assert made.positions == [7]


async def test_every_kind_of_value_in_json(site: Whole) -> None:
    _, _, client = site
    statement = """SELECT 1::HUGEINT AS a, 170141183460469231731687303715884105727 AS b, 'nan'::DOUBLE AS c, 1.50::DECIMAL(9, 2) AS d, '2026-01-02'::DATE AS e,
        '2026-01-02 03:04:05.6'::TIMESTAMP AS f, INTERVAL 90 MINUTES AS g, [1, NULL] AS h, {'x': '水', 'y': ['2026-01-02'::DATE]} AS i, MAP {'k': 1} AS j,
        '\\xAB'::BLOB AS k, '{"z": [1]}'::JSON AS l, uuid() IS NULL AS m, '12:00:00'::TIME AS n, NULL AS o, '0001-01-01'::TIMESTAMPTZ AS p"""
    (row,) = (await client.post("/api/sql", content=statement)).json()["rows"]
    assert row[:6] == [1, "170141183460469231731687303715884105727", None, 1.5, "2026-01-02", "2026-01-02T03:04:05.600000"]
    assert row[7:9] == [[1, None], {"x": "水", "y": ["2026-01-02"]}]
    assert row[10:13] == ["AB", {"z": [1]}, False]
    assert row[13:] == ["12:00:00", None, "0001-01-01T00:00:00.000000Z"]


async def test_no_rows_in_every_format(site: Whole) -> None:
    _, _, client = site
    empty = "SELECT level, time FROM Station WHERE false"
    assert (await client.post("/api/sql", content=empty)).json()["rows"] == []
    assert (await client.post("/api/sql", content=empty, headers={"Accept": "text/csv"})).text == '"level","time"\n'
    arrow = await client.post("/api/sql", content=empty, headers={"Accept": "application/vnd.apache.arrow.stream"})
    assert pa.ipc.open_stream(arrow.content).read_all().schema.names == ["level", "time"]
    parquet = await client.post("/api/sql", content=empty, headers={"Accept": "application/vnd.apache.parquet"})
    assert pq.read_table(io.BytesIO(parquet.content)).num_rows == 0


async def test_the_same_rows_in_every_format(site: Whole) -> None:
    _, _, client = site
    statement = "SELECT range AS n, 'x' || range AS t, '2026-11-01'::TIMESTAMPTZ + range * INTERVAL 1 SECOND AS at FROM range(150000) ORDER BY n"
    arrow = await client.post("/api/sql", content=statement, headers={"Accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(arrow.content).read_all()
    parquet = pq.read_table(io.BytesIO((await client.post("/api/sql", content=statement, headers={"Accept": "application/vnd.apache.parquet"})).content))
    assert table.num_rows == 150_000
    assert parquet.cast(table.schema).equals(table)
    text = (await client.post("/api/sql", content=statement, headers={"Accept": "text/csv"})).content
    read = pyarrow.csv.read_csv(io.BytesIO(text))
    assert read.num_rows == 150_000
    assert text.decode().splitlines()[150_000] == '149999,"x149999","2026-11-02T17:39:59.000000Z"'
    assert len((await client.post("/api/sql", content=statement)).json()["rows"]) == 150_000


async def test_csv_for_spreadsheets_has_a_mark_and_no_formulas(site: Whole) -> None:
    _, _, client = site
    statement = "SELECT '=1+1' AS a, '+1' AS b, '-1' AS c, '@x' AS d, -1.5 AS \"水位\", '李\"x' AS f, '=x' || [1]::VARCHAR AS g, {'a': 1} AS h"
    safe = await client.post("/api/sql?excel=true", content=statement, headers={"Accept": "text/csv"})
    assert safe.content.startswith(b"\xef\xbb\xbf")
    assert safe.content.decode("utf-8-sig").splitlines()[1] == '''"'=1+1","'+1","'-1","'@x",-1.5,"李""x","'=x[1]","{""a"":1}"'''
    plain = await client.post("/api/sql", content=statement, headers={"Accept": "text/csv"})
    assert plain.text.splitlines() == ['"a","b","c","d","水位","f","g","h"', '"=1+1","+1","-1","@x",-1.5,"李""x","=x[1]","{""a"":1}"']


async def test_parameters_and_limits_come_with_the_request(site: Whole) -> None:
    _, _, client = site
    body = {"statement": "SELECT level FROM Station WHERE level > ? ORDER BY 1", "parameters": [5.5]}
    assert (await client.post("/api/sql", json=body)).json()["rows"] == [[6.0], [6.0], [7.0]]
    named = {"statement": "SELECT $a AS a", "parameters": {"a": "水"}}
    assert (await client.post("/api/sql", json=named)).json()["rows"] == [["水"]]
    some = (await client.post("/api/sql?limit=2", json=body)).json()
    assert (some["rows"], some["truncated"]) == ([[6.0], [6.0]], True)
    assert (await client.post("/api/sql?limit=3", json=body)).json()["truncated"] is False
    none = (await client.post("/api/sql?limit=0", json=body)).json()
    assert (none["rows"], none["truncated"]) == ([], True)
    download = await client.post("/api/sql?filename=水位", content="SELECT 1", headers={"Accept": "text/csv"})
    assert download.headers["content-disposition"] == "attachment; filename*=UTF-8''%E6%B0%B4%E4%BD%8D.csv"


@pytest.mark.parametrize(("path", "headers", "body", "status", "says"), [
    ("", {}, b"FROM 'x.csv'", 400, "files and addresses are not read"),
    ("", {}, b"SELECT nope FROM Station", 400, "nope"),
    ("", {}, b"SELECT error('late') FROM range(10)", 400, "late"),
    ("", {}, b"", 400, "There is no statement"),
    ("", {}, b"\xff", 400, "UTF-8"),
    ("", {"Content-Type": "application/json"}, b"{", 400, "The body must be"),
    ("", {"Content-Type": "application/json"}, b'{"statement": "SELECT 1", "x": 1}', 400, "unknown field `x`"),
    ("", {"Content-Type": "image/png"}, b"SELECT 1", 415, "text/plain, application/sql or application/json"),
    ("", {"Accept": "text/html"}, b"SELECT 1", 406, "text/csv"),
    ("", {"Accept": "application/geopackage+sqlite3"}, b"SELECT 1", 422, "json, csv, arrow or parquet"),
    ("", {"NGSILD-Tenant": "nowhere"}, b"SELECT 1", 404, "nowhere"),
    ("?limit=-1", {}, b"SELECT 1", 400, "'limit'"),
    ("?timeout=0", {}, b"SELECT 1", 400, "'timeout'"),
    ("?timeout=nan", {}, b"SELECT 1", 400, "'timeout'"),
    ("?excel=yes", {}, b"SELECT 1", 400, "'excel'"),
    ("?filename=a/b", {}, b"SELECT 1", 400, "'filename'"),
    ("?nope=1", {}, b"SELECT 1", 400, "nope"),
    ("?timeout=0.3", {}, b"SELECT count(*) FROM range(1000000) a, range(1000000) b", 403, "stopped after 0.3 s"),
])  # fmt: skip
async def test_refusals_have_a_status_and_say_what_is_right(
    site: Whole, path: str, headers: dict[str, str], body: bytes, status: int, says: str
) -> None:
    _, _, client = site
    answer = await client.post(f"/api/sql{path}", content=body, headers={"Content-Type": "text/plain", **headers})
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


async def test_a_tenant_sees_its_own(site: Whole) -> None:
    _, _, client = site
    tables = await client.post("/api/sql", content="SELECT name FROM hub_tables", headers={"NGSILD-Tenant": "harbour"})
    assert tables.json()["rows"] == [["observations"], ["entity_versions"]]


async def test_the_list_of_views_has_units_and_functions(site: Whole) -> None:
    _, _, client = site
    found = (await client.get("/api/sql/tables")).json()
    station = next(table for table in found["tables"] if table["name"] == "Station")
    level = next(column for column in station["columns"] if column["name"] == "level")
    assert (level["type"], level["unit"], level["attribute"].rpartition("/")[2]) == ("DOUBLE", "MTR", "level")
    assert {"resample", "interpolate", "within"} <= {function["name"] for function in found["functions"]}


async def test_strangers_are_refused(site: Whole) -> None:
    made, analysis, _ = site
    application = Application(SqlApi(analysis, made).routes(), LoopbackAccess(), 1_000_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application, client=("192.0.2.1", 1)), base_url="http://localhost") as stranger:
        assert (await stranger.post("/api/sql", content="SELECT 1")).status_code == 401
        assert (await stranger.get("/api/sql/tables")).status_code == 401
    assert made.positions == []


def test_the_doors_are_described() -> None:
    document = openapi_document(SqlApi(None, None).routes(), "x", "1")  # type: ignore[arg-type]
    query = document["paths"]["/api/sql"]["post"]
    assert query["x-permission"] == "sql.query"
    assert set(query["requestBody"]["content"]) == {"text/plain", "application/sql", "application/json"}
    assert "text/csv" in query["responses"]["200"]["content"]


async def test_the_port_gives_rows(site: Whole) -> None:
    _, analysis, _ = site
    rows = await analysis.rows("", "SELECT entity, level FROM Station WHERE level > ? ORDER BY 2, 1", [5.5], limit=2)
    assert (rows.columns, rows.types) == (["entity", "level"], ["VARCHAR", "DOUBLE"])
    assert (rows.rows, rows.truncated) == ([[f"{STATION}1", 6.0], [f"{STATION}2", 6.0]], True)
    with pytest.raises(BadRequestData, match="no value"):
        await analysis.rows("", "SELECT ?", [object()])
    with pytest.raises(TooManyResults, match="1 MB"):
        await analysis.rows("", "SELECT range, repeat('x', 100) FROM range(100000)", limit=100_000)


async def test_the_port_streams(site: Whole) -> None:
    made, analysis, _ = site
    pieces = [piece async for piece in analysis.stream("", "FROM range(50000)")]
    assert len(pieces) > 2
    assert pa.ipc.open_stream(b"".join(pieces)).read_all().num_rows == 50_000
    with pytest.raises(TooManyResults, match="200000 rows"):
        async for _ in analysis.stream("", "FROM range(1000000)"):
            pass
    with pytest.raises(TooManyResults, match="20 MB"):
        async for _ in analysis.stream("", "SELECT repeat('x', 1000) FROM range(100000)"):
            pass
    with pytest.raises(BadRequestData, match="not allowed"):
        await anext(analysis.stream("", "ATTACH 'x'"))
    assert made.open == 0


async def test_a_caller_who_leaves_ends_the_work(site: Whole) -> None:
    made, analysis, _ = site
    stream = analysis.stream("", "SELECT range, repeat('x', 100) FROM range(199999)")
    await anext(stream)
    assert made.open == 1
    await stream.aclose()
    for _ in range(1200):
        if not made.open:
            break
        await asyncio.sleep(0.05)
    assert made.open == 0


async def test_statements_wait_for_their_turn_and_not_for_ever(site: Whole) -> None:
    made, analysis, _ = site
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b"
    running = [asyncio.create_task(analysis.rows("", endless, timeout_s=2.0)) for _ in range(2)]
    while made.open < 2:
        await asyncio.sleep(0.01)
    with pytest.raises(StoreUnavailable, match="try again later"):
        await analysis.rows("", "SELECT 1")
    assert all(isinstance(one, TooComplexQuery) for one in await asyncio.gather(*running, return_exceptions=True))
    assert (await analysis.rows("", "SELECT 1")).rows == [[1]]


@pytest.mark.parametrize("fault", ["cut", "overwritten", "in the middle"])
@pytest.mark.parametrize("alone", [True, False])
async def test_a_file_that_cannot_be_read_is_set_aside_and_the_rest_answers(site: Whole, tmp_path: Path, fault: str, alone: bool) -> None:
    made, analysis, client = site
    file = tmp_path / "lake/a.parquet"  # the folder that the engine may read
    file.parent.mkdir()
    rows = ", ".join(f"{'range::VARCHAR' if name == 'entity' else 'NULL'} AS {name}" for name in arrow_schema(OBSERVATIONS_SCHEMA).names)
    with duckdb.connect() as other:
        for written in (file, file.with_name("good.parquet")):
            other.execute(f"COPY (SELECT {rows} FROM range(20000)) TO '{written}' (COMPRESSION zstd)")
    whole = file.read_bytes()
    if alone:
        file.with_name("good.parquet").unlink()
    middle = whole[:100] + b"x" * 5000 + whole[5100:]
    file.write_bytes({"cut": whole[:-30], "overwritten": b"x" * 500, "in the middle": middle}[fault])
    made.broken = file
    assert (await analysis.rows("", "SELECT count(DISTINCT entity) FROM observations")).rows == [[3]]
    assert made.examined == 1
    made.broken = file  # again, so soon: it is told
    answer = await client.post("/api/sql", content="SELECT count(DISTINCT entity) FROM observations")
    assert answer.status_code == 503
    assert "A file of the lake cannot be read" in answer.json()["detail"]
    assert str(tmp_path) not in answer.text
