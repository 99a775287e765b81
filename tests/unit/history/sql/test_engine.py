"""Statements over a small lake: what they give, and what stops them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from lake_sample import START, STATION, VOCAB, Ask, Sample, asker, city

from cityhub.history.foresight.sql_functions import register_native
from cityhub.history.sql.engine import Engine
from cityhub.history.sql.functions import FUNCTIONS, Function
from cityhub.history.sql.guard import Guard
from cityhub.history.sql.limits import Limits, Slots
from cityhub.history.sql.questions import Statement
from cityhub.history.sql.shape import RENEW_S, Shapes
from cityhub.model.errors import BadRequestData, StoreUnavailable, TooComplexQuery


def test_a_type_has_a_row_for_each_time_and_a_column_for_each_attribute(ask: Ask) -> None:
    rows = ask("SELECT time, level, open FROM Station WHERE entity = ? AND time < ? ORDER BY time", f"{STATION}1", "2026-11-01T00:15:00Z")
    assert rows == [
        (START, 1.0, None),
        (START + timedelta(minutes=5), None, True),
        (START + timedelta(minutes=10), 2.0, None),
    ]


def test_the_latest_state_has_what_came_last(lake: Sample, ask: Ask) -> None:
    assert ask("SELECT entity, level, name, round(location_lon, 2), open FROM Station_now ORDER BY 1") == [
        (f"{STATION}1", 6.0, "站 1", 108.78, True),
        (f"{STATION}2", 7.0, "站 2", 108.79, False),
    ]
    lake.add(f"{STATION}1", "level", 20, number=-1.0)  # late, but the last that was said
    lake.add(f"{STATION}1", "name", None, text="urn:ngsi-ld:null", deleted_at=START)
    lake.version(f"{STATION}2", "deleted")
    assert ask("SELECT entity, level, name FROM Station_now") == [(f"{STATION}1", -1.0, None)]


def test_a_value_that_is_said_again_replaces_the_one_of_its_time(lake: Sample, ask: Ask) -> None:
    lake.add(f"{STATION}1", "level", 10, number=99.0)
    assert ask("SELECT level FROM Station WHERE entity = ? AND time = ?", f"{STATION}1", START + timedelta(minutes=10)) == [(99.0,)]


def test_columns_have_the_type_of_what_the_attribute_holds(lake: Sample, ask: Ask) -> None:
    lake.add(f"{STATION}1", "mixed", 1, number=1.5)
    lake.add(f"{STATION}1", "mixed", 2, text="x")
    lake.add(f"{STATION}1", "mixed", 3, json='{"a": [1]}')
    lake.add(f"{STATION}1", "level", 10, number=99.0, dataset="urn:other")
    types = dict(ask("SELECT column_name, column_type FROM (DESCRIBE Station)"))
    assert types == {
        "entity": "VARCHAR", "time": "TIMESTAMP WITH TIME ZONE", "level": "DOUBLE", "name": "VARCHAR", "open": "BOOLEAN", "mixed": "JSON",
        "location_lon": "DOUBLE", "location_lat": "DOUBLE",
    }  # fmt: skip
    assert ask("SELECT mixed FROM Station WHERE mixed IS NOT NULL ORDER BY time") == [("1.5",), ('"x"',), ('{"a": [1]}',)]
    assert ask("SELECT count(*) FROM Station WHERE level = 99") == [(0,)]


def test_names_that_collide_get_an_end_that_does_not_change(lake: Sample, ask: Ask) -> None:
    lake.add(f"{STATION}1", "https://example.org/Level", 1, number=5.0)
    lake.add(f"{STATION}1", "time", 1, number=6.0)
    lake.add("urn:ngsi-ld:Other:1", "a", 1, number=7.0, type="https://example.org/observations")
    names = [name for (name,) in ask("SELECT name FROM hub_columns WHERE table_name = 'Station'")]
    assert names[:6] == ["entity", "time", "level", "name", "location_lon", "location_lat"]
    assert [name.rpartition("_")[0] for name in names[7:]] == ["Level", "time"]
    assert len(ask("SHOW TABLES")) == len({str(row[0]).lower() for row in ask("SHOW TABLES")})
    lake.add(f"{STATION}1", "http://a.example/LEVEL", 1, number=5.0)
    assert [name for (name,) in ask("SELECT name FROM hub_columns WHERE table_name = 'Station'")][: len(names)] == names


def test_names_in_any_script_and_with_quotes(lake: Sample, ask: Ask) -> None:
    lake.add("urn:ngsi-ld:x:1", "https://example.org/水位", 1, number=5.0, type='https://example.org/监测"站\'')
    assert ask('SELECT 水位 FROM "监测""站\'"') == [(5.0,)]


def test_an_entity_of_two_types_is_in_the_views_of_both(lake: Sample, ask: Ask) -> None:
    lake.add(f"{STATION}9", "level", 1, number=5.0, type=f"{VOCAB}Station {VOCAB}Well")
    assert ask("SELECT level FROM Well") == [(5.0,)]
    assert ask("SELECT level FROM Station WHERE entity = ?", f"{STATION}9") == [(5.0,)]


def test_the_catalogue_tells_of_the_callers_views_and_of_nothing_else(ask: Ask) -> None:
    names = {"observations", "entity_versions", "Station", "Station_now", "Person", "Person_now"}
    assert {name for name, *_ in ask("SHOW TABLES")} == names
    assert {name for (name,) in ask("SELECT table_name FROM information_schema.tables")} == names
    assert {name for (name,) in ask("SELECT DISTINCT table_name FROM information_schema.columns")} == names
    assert ask("SELECT count(*) FROM hub.main.Station") == [(18,)]
    assert ask("SELECT type, unit FROM hub_columns WHERE table_name = 'Station' AND name = 'level'") == [("DOUBLE", "MTR")]


def test_the_shape_follows_what_is_new_and_forgets_in_time(tmp_path: Path) -> None:
    lake, now = city(tmp_path), [0.0]
    ask = asker(lake, Engine(shapes=Shapes(lambda: now[0])))
    ask("SHOW TABLES")
    lake.add("urn:ngsi-ld:Tree:1", "height", 1, number=3.0)
    assert ask("SELECT height FROM Tree") == [(3.0,)]
    lake.database.execute("DELETE FROM observations_rows WHERE entity = 'urn:ngsi-ld:Tree:1'")
    assert ask("SELECT height FROM Tree") == []
    now[0] = RENEW_S + 1
    with pytest.raises(BadRequestData, match="no view 'Tree'"):
        ask("SELECT height FROM Tree")


def test_filters_on_entity_and_time_reach_the_rows(lake: Sample) -> None:
    reading = lake.reading()
    reading.connection.execute("CREATE OR REPLACE TEMP VIEW observations AS SELECT * FROM observations_rows")
    with Engine().answer(reading, Statement("", f"EXPLAIN SELECT level FROM Station WHERE entity = '{STATION}1' AND time >= '2026-11-01 00:30:00+00'")) as answer:
        plan = answer.reader.read_all()["explain_value"][0].as_py()
    scans = plan[plan.index("UNION") :]
    assert "FILTER" not in plan[: plan.index("UNION")].replace("FILTER   │\n│   (WHERE", "")
    assert f"entity='{STATION}1'" in "".join(scans.split()).replace("│", "").replace("'urn:ngsi-ld:Station:1'", f"'{STATION}1'")


@pytest.mark.parametrize("condition", [
    "level IS NOT NULL", "level > 3", "3 < level AND name IS NULL", "level BETWEEN 2 AND 5", "s.level > 2 AND time > '2026-11-01'", "open", "open IS NOT NULL",
    "level > 3 OR open", "NOT (level > 3)", "level IS DISTINCT FROM 3", "level IN (3, 4)", "coalesce(level, 3) = 3", "name <> 'x'", "level > 2 AND open = true",
    "level = (SELECT max(level) FROM Station)", "EXISTS (SELECT 1 FROM Person WHERE s.level > 2)", "level > 2 AND s.level < other",
])  # fmt: skip
@pytest.mark.parametrize("chosen", ["level", "level, open", "count(*), avg(level)", "s.level, name", "count(open), time"])
def test_a_view_that_is_narrowed_to_the_statement_gives_the_same(lake: Sample, condition: str, chosen: str) -> None:
    lake.add(f"{STATION}1", "open", 10, json="true")
    lake.add(f"{STATION}1", "other", 10, number=9.0)
    lake.add(f"{STATION}2", "name", 10, text="x")
    ending = "GROUP BY time ORDER BY ALL" if "time" in chosen and "count" in chosen else "ORDER BY ALL"
    ask = asker(lake)
    # A second mention of the view, and a star, keep it whole.
    whole = ask(f"SELECT {chosen} FROM (SELECT * FROM Station) AS s WHERE {condition} {ending}")
    assert ask(f"SELECT {chosen} FROM Station AS s WHERE {condition} {ending}") == whole


def test_a_view_is_narrowed_where_nothing_can_be_lost() -> None:
    guard = Guard()

    def present(statement: str) -> dict[str, frozenset[str]]:
        return {name: columns for name, columns in guard.check(statement, ["station", "other"]).present.items() if columns}

    assert present("SELECT avg(level) FROM Station s WHERE s.level > 2 AND time > now()") == {"station": {"level", "time"}}
    assert present("SELECT 1 FROM Station WHERE level > 2 OR open") == {}
    assert present("SELECT 1 FROM Station WHERE other.level > 2") == {}
    assert present("SELECT 1 FROM Station, Other WHERE level > 2") == {}
    assert present("SELECT 1 FROM Station TABLESAMPLE 10% WHERE level > 2") == {}
    assert present("SELECT (SELECT max(level) FROM Station) FROM Station WHERE level > 2") == {}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_every_function_can_be_made(function: Function, tmp_path: Path) -> None:
    connection = Sample(tmp_path, spatial=True).reading().connection
    register_native(connection)
    connection.execute(function.sql)


def test_time_series_functions(lake: Sample, ask: Ask) -> None:
    one = f"FROM Station WHERE entity = '{STATION}1' AND time < '2026-11-01T00:25:00Z' ORDER BY time"
    assert ask(f"SELECT interpolate(level, time, entity) {one}") == [(1.0,), (1.5,), (2.0,), (3.0,)]
    assert ask(f"SELECT carry_forward(level, time, entity) {one}") == [(1.0,), (1.0,), (2.0,), (3.0,)]
    assert ask(f"SELECT rate(level, time, entity) * 600 {one}") == [(None,), (None,), (1.0,), (1.0,)]
    assert ask("SELECT interpolate(level, time, entity) FROM Station WHERE time > '2026-11-02' LIMIT 1") == [(None,)]
    assert ask("SELECT entity, last_by_time(level, time), first_by_time(level, time) FROM Station GROUP BY 1 ORDER BY 1") == [
        (f"{STATION}1", 6.0, 1.0), (f"{STATION}2", 7.0, 2.0),
    ]  # fmt: skip
    for minute, total in enumerate((10, 20, 5)):
        lake.add("urn:ngsi-ld:Meter:1", "total", minute, number=float(total))
    assert ask("SELECT round(counter_rate(total, time, entity) * 60, 6) FROM Meter ORDER BY time") == [(None,), (10.0,), (5.0,)]
    assert ask("SELECT local_time(min(time)), local_time(min(time), zone := 'UTC') FROM Meter") == [(datetime(2026, 11, 1, 8), datetime(2026, 11, 1))]  # noqa: DTZ001


def test_resample_has_a_row_for_each_span(ask: Ask) -> None:
    rows = ask("FROM resample(?, 'level', '2026-11-01T00:05:00Z', '2026-11-01T00:31:00Z', INTERVAL 10 minutes)", f"{STATION}1")
    assert rows == [
        (START, None, None, None, None, 0),
        (START + timedelta(minutes=10), 2.0, 2.0, 2.0, 2.0, 1),
        (START + timedelta(minutes=20), 3.0, 3.0, 3.0, 3.0, 1),
        (START + timedelta(minutes=30), 4.0, 4.0, 4.0, 4.0, 1),
    ]
    assert ask("SELECT count(*), sum(value) FROM series(?, ?)", f"{STATION}1", f"{VOCAB}level") == [(6, 21.0)]
    assert [row[0] for row in ask("FROM time_grid('2026-11-01', '2026-11-01 02:00:00', INTERVAL 1 hour)")] == [START, START + timedelta(hours=1)]


def test_places(tmp_path: Path) -> None:
    ask = asker(city(tmp_path, spatial=True))
    square = "POLYGON((108.7 29.5, 108.785 29.5, 108.785 29.6, 108.7 29.6, 108.7 29.5))"
    assert ask("SELECT entity FROM Station_now WHERE within(location_lon, location_lat, ?)", square) == [(f"{STATION}1",)]
    point = '{"type": "Point", "coordinates": [108.78, 29.53]}'
    assert ask("SELECT entity FROM Station_now WHERE within_geojson(location_lon, location_lat, ?)", point) == [(f"{STATION}1",)]
    # One degree of a meridian of a sphere with a radius of 6371008.8 m.
    assert ask("SELECT round(distance_m(108, 29, 108, 30), 1)") == [(111195.1,)]


def test_parameters_by_place_and_by_name(lake: Sample, ask: Ask) -> None:
    assert ask("SELECT ? + ?, ?", 1, 2.5, "水") == [(3.5, "水")]
    with Engine().answer(lake.reading(), Statement("", "SELECT $a || $b", {"a": "x", "b": "y"})) as answer:
        assert answer.reader.read_all().to_pylist() == [{"($a || $b)": "xy"}]
    with pytest.raises(BadRequestData, match="parameter"):
        ask("SELECT ?")


def test_describe_gives_columns_without_running(lake: Sample) -> None:
    schema, parameters = Engine().describe(lake.reading(), Statement("", "SELECT level, entity FROM Station WHERE time > ? AND level < ?"))
    assert (schema.names, parameters) == (["level", "entity"], 2)
    assert Engine().describe(lake.reading(), Statement("", "SELECT error('ran') AS a"))[0].names == ["a"]


@pytest.mark.parametrize(("statement", "says"), [
    ("SELECT nope FROM Station", "nope"),
    ("SELECT 'x'::INT", "Could not convert"),
    ("SELECT error('this')", "this"),
    ("SELECT forecast(list(time), list(level), 6) FROM Station WHERE level IS NOT NULL AND entity LIKE '%1'", r"wrong: 6 values at steps of 600 s are too few: [^\n]*$"),
    ("SELECT level FROM Station GROUP BY entity", "GROUP BY"),
    ("SELECT 1 FROM hub_tables, information_schema.nope", "information_schema.nope"),
])  # fmt: skip
def test_what_is_wrong_is_said(ask: Ask, statement: str, says: str) -> None:
    with pytest.raises(BadRequestData, match=says):
        ask(statement)


@pytest.mark.parametrize("statement", [
    "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE a.range + b.range = c.range * 7",
    "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r",
    "SELECT max(sin(a.range) * cos(b.range)) FROM range(10000000) a, range(10000000) b",
])  # fmt: skip
def test_what_runs_for_ever_is_stopped(ask: Ask, statement: str) -> None:
    began = time.monotonic()
    with pytest.raises(TooComplexQuery, match=r"stopped after 0.5 s"):
        ask(statement, timeout_s=0.5)
    assert time.monotonic() - began < 60
    assert ask("SELECT 1") == [(1,)]


def test_an_answer_that_is_read_too_slowly_is_stopped(lake: Sample) -> None:
    with pytest.raises(TooComplexQuery, match="stopped after"):
        with Engine().answer(lake.reading(), Statement("", "FROM range(1000000000000)", timeout_s=0.5)) as answer:
            for _ in answer.reader:
                time.sleep(0.01)


@pytest.mark.parametrize("statement", [
    "SELECT list(range) FROM range(1000000000)",
    "SELECT a.range, repeat('x', 10000) FROM range(100000000) a ORDER BY 2, 1",
    "SELECT string_agg(repeat('x', 1000000), '') FROM range(3000)",
])  # fmt: skip
def test_what_eats_memory_is_stopped(tmp_path: Path, statement: str) -> None:
    lake = city(tmp_path, Limits(memory_mb=200, spill_mb=100))
    ask = asker(lake, Engine(Limits(memory_mb=200, spill_mb=100)))
    with pytest.raises(TooComplexQuery, match="needs more than the 200 MB of memory"):
        ask(statement)
    assert ask("SELECT count(*) FROM Station") == [(18,)]
    assert sum(file.stat().st_size for file in (tmp_path / "spill").rglob("*")) < 100 * 1024 * 1024


EATERS = [
    "SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 100000)))",
    "SELECT len(range(400000000))",
    "SELECT length(array_to_string(list_transform(range(40000000), lambda x: repeat('ab', 100)), ','))",
    "SELECT printf('%2000000000d', 1) IS NULL",
]


@pytest.mark.skipif(sys.platform != "linux", reason="bounds of a process as Linux has them")
def test_a_process_survives_what_the_engine_does_not_count(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from lake_sample import city
from cityhub.history.foresight.sql_functions import register_native
from cityhub.history.sql.engine import Engine
from cityhub.history.sql.questions import Statement
from cityhub.history.sql.limits import Limits, bound_process
from cityhub.model.errors import TooComplexQuery
lake, engine = city(Path({str(tmp_path)!r}), Limits(memory_mb=200)), Engine(Limits(memory_mb=200))
bound_process(700)
for statement in {EATERS!r}:
    try:
        with engine.answer(lake.reading(), Statement("", statement, timeout_s=20)) as answer:
            answer.reader.read_all()
        print("ran", statement)
    except TooComplexQuery:
        print("stopped")
    with engine.answer(lake.reading(), Statement("", "SELECT count(*) FROM Station")) as answer:
        assert answer.reader.read_all().to_pylist() == [{{"count_star()": 18}}]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, env={**os.environ, "PYTHONPATH": "src"})
    assert (done.returncode, done.stdout.split("\n")[:-1]) == (0, ["stopped"] * len(EATERS)), done.stderr


@pytest.mark.parametrize("statement", [
    "SELECT * FROM read_text('/etc/hostname')", "FROM '/etc/hostname'", "ATTACH '/srv/x.db'", "INSTALL httpfs", "LOAD httpfs", "COPY (SELECT 1) TO '/srv/x.csv'",
    "SET memory_limit = '100GB'", "SET allowed_configs = ['threads']", "SET GLOBAL threads = 9", "SET enable_external_access = true", "RESET lock_configuration", "SELECT * FROM glob('/*')", "IMPORT DATABASE '/srv'", "SELECT * FROM read_csv('https://example.org/x.csv')",
])  # fmt: skip
def test_the_engine_itself_is_locked(lake: Sample, statement: str) -> None:
    connection = lake.reading().connection
    with pytest.raises(duckdb.Error, match=r"disabled|locked|not found|cannot|Cannot|does not exist"):
        connection.execute(statement).fetchall()


def test_variables_of_the_program_are_no_tables(lake: Sample) -> None:
    hidden = lake.reading().connection.execute("SELECT 1").to_arrow_table()
    with pytest.raises(duckdb.CatalogException):
        lake.reading().connection.execute("FROM hidden").fetchall()
    assert hidden.num_rows == 1


def test_so_many_run_and_so_many_wait() -> None:
    slots, go = Slots(Limits(concurrent=1, waiting=1, wait_s=0.2)), threading.Event()
    with slots.held_by_thread():
        with pytest.raises(StoreUnavailable, match="have run for"), slots.held_by_thread():
            pass
        waiting = threading.Thread(target=lambda: _wait(slots, go))
        waiting.start()
        go.wait(1)
        with pytest.raises(StoreUnavailable, match="wait already"), slots.held_by_thread():
            pass
    waiting.join()
    with slots.held_by_thread():
        pass


def _wait(slots: Slots, go: threading.Event) -> None:
    threading.Timer(0.05, go.set).start()
    try:
        with slots.held_by_thread():
            pass
    except StoreUnavailable:
        pass


async def test_a_slot_is_waited_for_without_a_thread() -> None:
    slots = Slots(Limits(concurrent=1, wait_s=0.1))
    async with slots.held():
        with pytest.raises(StoreUnavailable):
            async with slots.held():
                pass
    async with slots.held():
        pass


def test_utc(ask: Ask) -> None:
    assert ask("SELECT current_date - current_date, '2026-11-01 00:00:00'::TIMESTAMPTZ") == [(0, datetime(2026, 11, 1, tzinfo=UTC))]


def test_a_forecast_and_the_scores_of_anomalies(lake: Sample, ask: Ask) -> None:
    for minute in range(100, 300):
        lake.add(f"{STATION}1", "level", minute, number=50.0 if minute == 290 else float(minute % 5))
    statement = "SELECT unnest(forecast(list(time), list(level), 3, level := 0.5), recursive := true) FROM Station WHERE entity = ? AND level < 10"
    rows = ask(statement, f"{STATION}1")
    assert [len(row) for row in rows] == [4, 4, 4]
    assert all(low <= value <= high for _, value, low, high in rows)
    scores = ask(
        "SELECT unnest(list(level ORDER BY time)), unnest(anomaly_score(list(time ORDER BY time), list(level ORDER BY time)))"
        " FROM Station WHERE entity = ? AND level IS NOT NULL", f"{STATION}1",
    )  # fmt: skip
    assert max(scores, key=lambda row: row[1])[0] == 50.0
    assert ask("SELECT forecast_model(list(time), list(level), 3).step_s FROM Station WHERE entity = ?", f"{STATION}1") == [(60.0,)]


def test_a_forecast_of_too_little_says_so(ask: Ask) -> None:
    with pytest.raises(BadRequestData, match="too few"):
        ask("SELECT forecast(list(time), list(level), 3) FROM Station")
