"""The models, asked in SQL."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from cityhub.history.foresight.sql_functions import FUNCTIONS, register


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            "CREATE TABLE series AS SELECT 'urn:' || s AS entity, TIMESTAMPTZ '2026-01-01 00:00:00+00' + n * INTERVAL 1 hour AS time,"
            " s * 100 + 10 * sin(2 * pi() * n / 24) + hash(n + s) % 100 / 100.0 AS value FROM range(1, 3) a(s), range(24 * 30) b(n)"
        )
        register(database)
        with database.cursor() as cursor:
            register(cursor)
            yield cursor


def test_a_forecast_of_each_entity_follows_its_day(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute(
        "FROM (SELECT entity, unnest(forecast(list(time), list(value), 24), recursive := true) FROM series GROUP BY entity) ORDER BY entity, time"
    ).fetchall()
    assert len(rows) == 48
    entity, time, value, low, high = rows[6]
    assert (entity, time.isoformat()) == ("urn:1", "2026-01-31T06:00:00+00:00")
    assert low < value < high
    assert value == pytest.approx(110.5, abs=1)
    assert rows[30][2] == pytest.approx(210.5, abs=1)


def test_lower_level_narrower_bounds(connection: duckdb.DuckDBPyConnection) -> None:
    widths = [
        connection.execute(
            f"SELECT avg(p.high - p.low) FROM (SELECT unnest(forecast(list(time), list(value), 24, level := {level})) AS p FROM series WHERE entity = 'urn:1')"
        ).fetchone()[0]
        for level in (0.5, 0.95)
    ]
    assert 0 < widths[0] < widths[1]


def test_what_a_forecast_stands_on(connection: duckdb.DuckDBPyConnection) -> None:
    (row,) = connection.execute("SELECT forecast_model(list(time), list(value), 24) FROM series WHERE entity = 'urn:1'").fetchone()
    assert row["mae"] <= row["naive_mae"] < 1
    assert (row["step_s"], row["observations"], row["filled"]) == (3600, 720, 0)
    assert row["since"].isoformat() == "2026-01-01T00:00:00+00:00"


def test_scores_stand_beside_their_values_whatever_the_order(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("UPDATE series SET value = 500 WHERE entity = 'urn:1' AND time = TIMESTAMPTZ '2026-01-28 10:00:00+00'")
    rows = connection.execute(
        "SELECT unnest(list(time ORDER BY hash(time))) AS time, unnest(anomaly_score(list(time ORDER BY hash(time)), list(value ORDER BY hash(time)))) AS score"
        " FROM series WHERE entity = 'urn:1' ORDER BY score DESC"
    ).fetchall()
    assert len(rows) == 720
    assert rows[0][0].isoformat() == "2026-01-28T10:00:00+00:00"
    assert rows[0][1] > 0.9
    assert rows[2][1] < 0.333


def test_nulls_are_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.execute("SELECT forecast(NULL, [1.0], 3), anomaly_score(NULL, NULL)").fetchone() == (None, None)
    connection.execute("UPDATE series SET value = NULL WHERE extract(hour FROM time) = 5")
    rows = connection.execute(
        "SELECT unnest(forecast(list(time), list(value), 5), recursive := true) FROM series WHERE entity = 'urn:2'"
    ).fetchall()
    assert all(row[1] == row[1] for row in rows)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("forecast(list(time), list(value), 0)", "'horizon' must be from 1 to 10000"),
        ("forecast(list(time), list(value), 24, level := 2)", "'level' is a probability"),
        ("forecast(list(time)[:3], list(value)[:3], 24)", "too few"),
        ("anomaly_score(list(time), list(value)[:3])", "As many times as values"),
    ],
)
def test_what_cannot_be_done_is_told(connection: duckdb.DuckDBPyConnection, statement: str, message: str) -> None:
    with pytest.raises(duckdb.Error, match=message):
        connection.execute(f"SELECT {statement} FROM series WHERE entity = 'urn:1'").fetchall()


def test_what_would_take_too_long_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE many AS SELECT list(time) AS times, list(value) AS vals FROM series, range(20) GROUP BY entity, range")
    with pytest.raises(duckdb.Error, match="400000 steps are more than the 300000"):
        connection.execute("SELECT forecast(times, vals, 10000) FROM many").fetchall()
    with pytest.raises(duckdb.Error, match="3000001 values are more than the 3000000"):
        connection.execute("SELECT anomaly_score(list(to_timestamp(n)), list(n::DOUBLE)) FROM range(3000001) r(n)").fetchall()


def test_when_each_dataset_fills_its_room(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute(
        "SELECT entity, unnest(capacity(list(time), list(bytes), 3000), recursive := true) FROM"
        " (SELECT entity, time, sum(CASE entity WHEN 'urn:1' THEN 2 ELSE 0 END) OVER (PARTITION BY entity ORDER BY time) AS bytes FROM series)"
        " GROUP BY entity ORDER BY entity"
    ).fetchall()
    entity, size, growth, low, high, full, earliest, latest, days = rows[0]
    assert (entity, size, growth, low, high, days) == ("urn:1", 1440, 48, 48, 48, 29)
    assert earliest == full == latest
    assert full.isoformat() == "2026-03-04T23:00:00+00:00"
    assert rows[1][1:6] == (0, 0, 0, 0, None)


def test_the_examples_run(connection: duckdb.DuckDBPyConnection) -> None:
    for function in FUNCTIONS:
        call = function.example.replace("temperature", "value")
        assert connection.execute(f"SELECT {call} FROM series WHERE entity = 'urn:2'").fetchall(), function.name
