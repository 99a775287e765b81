"""The SQL door for tools, with real clients: ADBC, pandas, pyarrow itself, and the JDBC driver where Java and the driver are there."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pandas
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from lake_sample import STATION, Sample, SampleReading, city

from cityhub.history.sql.engine import Engine
from cityhub.history.sql.flight_messages import packed, unpacked
from cityhub.history.sql.flight_server import Caller, FlightSqlServer, LoopbackGate
from cityhub.history.sql.limits import Limits, Slots
from cityhub.model.errors import BadRequestData, Unauthenticated


class Door:
    """A server over a sample, how often it was asked to be fresh, and how many readings are open."""

    def __init__(self, sample: Sample, gate: Any = None) -> None:
        self.sample = sample
        self.fresh = 0
        self.open = 0
        self.tenants: list[str] = []
        limits = Limits(concurrent=2, wait_s=0.5)
        self.server = FlightSqlServer(("127.0.0.1", 0), Engine(limits), Slots(limits), self._reading, self._freshen, gate or LoopbackGate())
        self.url = f"grpc://127.0.0.1:{self.server.port}"

    @contextlib.contextmanager
    def _reading(self, tenant: str) -> Iterator[SampleReading]:
        self.open += 1
        self.tenants.append(tenant)
        try:
            yield self.sample.reading()
        finally:
            self.open -= 1

    def _freshen(self) -> None:
        self.fresh += 1


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(city(tmp_path))
    yield made
    made.server.shutdown()


@pytest.fixture
def client(door: Door) -> Iterator[adbc.Connection]:
    with adbc.connect(door.url, autocommit=True) as connection:
        yield connection


def test_adbc_runs_statements(door: Door, client: adbc.Connection) -> None:
    with client.cursor() as cursor:
        cursor.execute("SELECT level FROM Station WHERE level > ? AND entity = ? ORDER BY 1", (4.5, f"{STATION}1"))
        assert cursor.fetchall() == [(5.0,), (6.0,)]
        cursor.execute("SELECT level FROM Station WHERE level > ? AND entity = ? ORDER BY 1", (5.5, f"{STATION}2"))
        assert cursor.fetchall() == [(6.0,), (7.0,)]
        cursor.execute("FROM range(100000)")
        assert cursor.fetch_arrow_table().num_rows == 100_000
    assert door.fresh > 0


def test_pandas_reads_a_frame(client: adbc.Connection) -> None:
    frame = pandas.read_sql("SELECT time, entity, level, 名称 FROM (SELECT *, name AS 名称 FROM Station) WHERE level IS NOT NULL ORDER BY 1, 2", client)
    assert list(frame.columns) == ["time", "entity", "level", "名称"]
    assert frame["level"].sum() == 48.0
    assert str(frame["time"].iloc[0]) == "2026-11-01 00:00:00+00:00"


def test_adbc_sees_the_catalogue(client: adbc.Connection) -> None:
    assert client.adbc_get_info()["vendor_name"] == "CityHub"
    assert client.adbc_get_table_types() == ["VIEW"]
    catalogs = client.adbc_get_objects(depth="all").read_all().to_pylist()
    tables = {table["table_name"]: table for table in catalogs[0]["catalog_db_schemas"][0]["db_schema_tables"]}
    assert set(tables) == {"observations", "entity_versions", "Person", "Person_now", "Station", "Station_now"}
    assert [column["column_name"] for column in tables["Station"]["table_columns"]][:3] == ["entity", "time", "level"]
    some = client.adbc_get_objects(depth="tables", table_name_filter="Stat%").read_all().to_pylist()
    assert len(some[0]["catalog_db_schemas"][0]["db_schema_tables"]) == 2
    schema = client.adbc_get_table_schema("Station")
    assert schema.field("level").type == pa.float64()
    assert schema.field("level").metadata[b"ARROW:FLIGHT:SQL:REMARKS"].endswith(b"level [MTR]")


@pytest.mark.parametrize(("statement", "says"), [
    ("FROM 'x.csv'", "files and addresses are not read"),
    ("SELECT nope FROM Station", "nope"),
    ("ATTACH 'x'", "ATTACH is not allowed"),
    ("SELECT error('this') FROM Station", "this"),
    ("INSERT INTO Station VALUES (1)", "INSERT is not allowed"),
])  # fmt: skip
def test_a_refusal_says_why_and_shows_nothing_of_the_inside(client: adbc.Connection, statement: str, says: str) -> None:
    with client.cursor() as cursor, pytest.raises(adbc_driver_manager.Error) as caught:
        cursor.execute(statement)
        cursor.fetchall()
    assert says in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("statement", ["SHOW TABLES", "DESCRIBE Station", "SUMMARIZE Station", "EXPLAIN FROM Station", "SELECT 1 -- and so on", "FROM Station LIMIT 0"])
def test_every_kind_of_statement_has_the_columns_that_were_told(client: adbc.Connection, statement: str) -> None:
    with client.cursor() as cursor:
        told = cursor.adbc_execute_schema(statement)
        cursor.execute(statement)
        assert cursor.fetch_arrow_table().schema.names == told.names


def test_nothing_is_changed_by_an_update(client: adbc.Connection) -> None:
    with client.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match="Nothing can be changed here"):
        cursor.adbc_statement.set_sql_query("DELETE FROM Station")
        cursor.adbc_statement.execute_update()


def test_the_tenant_comes_with_a_header(door: Door) -> None:
    options = {"adbc.flight.sql.rpc.call_header.ngsild-tenant": "harbour"}
    with adbc.connect(door.url, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert set(door.tenants) == {"harbour"}
    with pytest.raises(adbc_driver_manager.Error, match="ngsild-tenant must be"):
        with adbc.connect(door.url, db_kwargs={"adbc.flight.sql.rpc.call_header.ngsild-tenant": "a/b"}, autocommit=True) as connection:
            connection.cursor().execute("SELECT 1")


class Strangers:
    """Lets nobody in."""

    def caller(self, peer: str, headers: dict[str, str]) -> Caller:
        """See `Gate`."""
        raise Unauthenticated("not you")


def test_whoever_the_gate_refuses_gets_nothing(tmp_path: Path) -> None:
    door = Door(city(tmp_path), Strangers())
    client = flight.connect(door.url)
    command = flight.FlightDescriptor.for_command(packed("CommandStatementQuery", query="SELECT 1"))
    for call in (
        lambda: client.get_flight_info(command),
        lambda: client.do_get(flight.Ticket(packed("TicketStatementQuery", statement_handle=b"SELECT 1"))).read_all(),
        lambda: client.do_get(flight.Ticket(packed("CommandGetTables"))).read_all(),
        lambda: list(client.do_action(flight.Action("CreatePreparedStatement", packed("ActionCreatePreparedStatementRequest", query="SELECT 1")))),
    ):  # fmt: skip
        with pytest.raises(flight.FlightUnauthenticatedError, match="not you"):
            call()
    with pytest.raises(pa.ArrowException, match="not you"):
        client.get_schema(command)
    assert door.open == 0 and not door.tenants
    client.close()
    door.server.shutdown()


@pytest.mark.parametrize("peer", ["ipv4:192.0.2.1:5000", "ipv6:%5B2001:db8::1%5D:5000", "ipv4:10.127.0.1:5", "", "dns:localhost"])
def test_only_programs_on_this_machine_pass(peer: str) -> None:
    with pytest.raises(Unauthenticated, match="own machine"):
        LoopbackGate().caller(peer, {})


@pytest.mark.parametrize("peer", ["ipv4:127.0.0.1:5000", "ipv6:%5B::1%5D:5000", "ipv6:[::1]:5000"])
def test_this_machine_passes(peer: str) -> None:
    assert LoopbackGate().caller(peer, {"ngsild-tenant": "a"}).tenant == "a"
    with pytest.raises(BadRequestData):
        LoopbackGate().caller(peer, {"ngsild-tenant": "a b"})


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"SELECT 1", packed("CommandGetTables")[:-1] + b"\xff", b"\n\x03abc\x12\x01x"])
def test_what_is_no_command_is_refused_in_words(door: Door, data: bytes) -> None:
    with flight.connect(door.url) as client, pytest.raises(flight.FlightServerError, match=r"door for Flight SQL|not offered"):
        client.do_get(flight.Ticket(data)).read_all()


def test_a_prepared_statement_is_its_owners_alone_and_can_be_forgotten(door: Door) -> None:
    def options(tenant: str) -> flight.FlightCallOptions:
        return flight.FlightCallOptions(headers=[(b"ngsild-tenant", tenant.encode())])

    with flight.connect(door.url) as client:
        create = flight.Action("CreatePreparedStatement", packed("ActionCreatePreparedStatementRequest", query="SELECT ?"))
        (result,) = client.do_action(create, options("a"))
        _, made = unpacked(result.body.to_pybytes())
        assert len(pa.ipc.read_schema(pa.py_buffer(made.parameter_schema))) == 1
        ticket = flight.Ticket(packed("CommandPreparedStatementQuery", prepared_statement_handle=made.prepared_statement_handle))
        with pytest.raises(flight.FlightServerError, match="no such prepared statement"):
            client.do_get(ticket, options("b")).read_all()
        close = flight.Action("ClosePreparedStatement", packed("ActionClosePreparedStatementRequest", prepared_statement_handle=made.prepared_statement_handle))
        list(client.do_action(close, options("a")))
        with pytest.raises(flight.FlightServerError, match="no such prepared statement"):
            client.do_get(ticket, options("a")).read_all()


def test_an_answer_that_nobody_reads_gives_back_what_it_held(door: Door) -> None:
    with flight.connect(door.url) as client:
        reader = client.do_get(flight.Ticket(packed("TicketStatementQuery", statement_handle=b"FROM range(1000000000)")))
        reader.read_chunk()
        assert door.open == 1
        reader.cancel()
        end = time.monotonic() + 10
        while door.open and time.monotonic() < end:
            time.sleep(0.02)
    assert door.open == 0


def test_too_many_at_once_are_told_to_come_again(door: Door) -> None:
    with flight.connect(door.url) as client:
        ticket = flight.Ticket(packed("TicketStatementQuery", statement_handle=b"FROM range(1000000000)"))
        readers = [client.do_get(ticket) for _ in range(2)]
        for reader in readers:
            reader.read_chunk()
        with pytest.raises(flight.FlightUnavailableError, match="try again later"):
            client.do_get(ticket).read_chunk()
        for reader in readers:
            reader.cancel()


def test_statements_run_beside_each_other(door: Door) -> None:
    found: list[int] = []

    def ask() -> None:
        with adbc.connect(door.url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM Station")
            found.append(cursor.fetchall()[0][0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [18] * 4


JAVA = """
import java.sql.*;
import java.util.*;

public class Query {
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = DriverManager.getConnection(arguments[0])) {
            DatabaseMetaData data = connection.getMetaData();
            System.out.println("product " + data.getDatabaseProductName() + " " + data.isReadOnly() + " " + data.getIdentifierQuoteString());
            try (ResultSet schemas = data.getSchemas()) { while (schemas.next()) System.out.println("schema " + schemas.getString(1)); }
            try (ResultSet types = data.getTableTypes()) { while (types.next()) System.out.println("kind " + types.getString(1)); }
            try (ResultSet tables = data.getTables(null, null, "Stat%", null)) { while (tables.next()) System.out.println("table " + tables.getString("TABLE_NAME")); }
            try (ResultSet columns = data.getColumns(null, null, "Station", "%")) {
                while (columns.next()) System.out.println("column " + columns.getString("COLUMN_NAME") + " " + columns.getInt("DATA_TYPE"));
            }
            try (ResultSet keys = data.getPrimaryKeys(null, null, "Station")) { System.out.println("keys " + keys.next()); }
            try (ResultSet types = data.getTypeInfo()) { System.out.println("types " + types.next()); }
            try (Statement statement = connection.createStatement();
                 ResultSet rows = statement.executeQuery("SELECT entity, time, level, open, name FROM \\"main\\".\\"Station_now\\" JOIN (SELECT max(time) AS time FROM Station WHERE level IS NOT NULL) ON true ORDER BY 1")) {
                while (rows.next()) System.out.println("row " + rows.getString(1) + " " + rows.getTimestamp(2).getTime() + " " + rows.getDouble(3) + " " + rows.getBoolean(4) + " " + rows.getString(5));
            }
            try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM Station WHERE entity = ? AND level > ?::DOUBLE")) {
                statement.setString(1, "urn:ngsi-ld:Station:1");
                statement.setString(2, "4.5");
                try (ResultSet rows = statement.executeQuery()) { rows.next(); System.out.println("prepared " + rows.getLong(1)); }
            }
            try (Statement statement = connection.createStatement()) { statement.executeQuery("FROM 'x.csv'"); }
            catch (SQLException error) { System.out.println("refused " + error.getMessage().contains("files and addresses are not read")); }
        }
    }
}
"""


def jdbc_driver() -> Path | None:
    """The driver: where the variable says, or where Maven puts it."""
    named = os.environ.get("CITYHUB_FLIGHT_SQL_JDBC")
    if named:
        return Path(named)
    found = sorted(Path.home().glob(".m2/repository/org/apache/arrow/flight-sql-jdbc-driver/*/flight-sql-jdbc-driver-*.jar"))
    return found[-1] if found else None


@pytest.mark.skipif(shutil.which("java") is None or jdbc_driver() is None, reason="needs Java and org.apache.arrow:flight-sql-jdbc-driver")
def test_jdbc_as_dbeaver_uses_it(door: Door, tmp_path: Path) -> None:
    source = tmp_path / "Query.java"
    source.write_text(JAVA)
    url = f"jdbc:arrow-flight-sql://127.0.0.1:{door.server.port}/?useEncryption=false"
    command = ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", str(jdbc_driver()), str(source), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout
    assert done.stdout.splitlines() == [
        'product CityHub true "', "schema main", "kind VIEW", "table Station", "table Station_now",
        "column entity 12", "column time 2014", "column level 8", "column name 12", "column location_lon 8", "column location_lat 8", "column open 16",
        "keys false", "types false",
        "row urn:ngsi-ld:Station:1 1793494200000 6.0 true 站 1", "row urn:ngsi-ld:Station:2 1793494200000 7.0 false 站 2", "prepared 2", "refused true",
    ]  # fmt: skip
