"""The hub's own functions in SQL: time series and places. `docs/sql.md` shows each in use."""

from __future__ import annotations

from typing import Final

import msgspec

from cityhub.history.foresight.sql_functions import FUNCTIONS as MODELS


class Function(msgspec.Struct, frozen=True):
    """A function that statements may call.

    Attributes:
        name: Its name.
        parameters: As SQL writes them, with defaults.
        body: What it stands for: an expression, or a SELECT for one that stands after FROM.
        about: What it gives.
        example: A call.
        table: Whether it stands after FROM.
    """

    name: str
    parameters: str
    body: str
    about: str
    example: str
    table: bool = False

    @property
    def sql(self) -> str:
        """The statement that makes it, for one connection."""
        kind = "TABLE " if self.table else ""
        return f"CREATE OR REPLACE TEMP MACRO {self.name}({self.parameters}) AS {kind}{self.body}"


_SERIES: Final = (
    "SELECT coalesce(observed_at, modified_at) AS time, arg_max(number, position) AS value FROM observations"
    " WHERE entity = of_entity AND (attribute = of_attribute OR ends_with(attribute, '/' || of_attribute)"
    " OR ends_with(attribute, '#' || of_attribute)) AND dataset IS NULL AND deleted_at IS NULL AND number IS NOT NULL GROUP BY 1"
)

_GRID: Final = (
    "SELECT unnest(generate_series(time_bucket(width, since::TIMESTAMPTZ), until::TIMESTAMPTZ - INTERVAL 1 microsecond, width)) AS time"
)

_OVER: Final = "OVER (PARTITION BY series ORDER BY moment)"
_BEFORE: Final = "OVER (PARTITION BY series ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
_AFTER: Final = "OVER (PARTITION BY series ORDER BY moment ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
_AT: Final = "CASE WHEN value IS NOT NULL THEN epoch_us(moment) END"
_PER_SECOND: Final = f"/ nullif(epoch_us(moment) - lag({_AT} IGNORE NULLS) {_OVER}, 0) * 1e6"

FUNCTIONS: Final = (
    Function(
        "last_by_time", "value, moment", "arg_max(value, moment)",
        "the last value by time; an aggregate", "last_by_time(temperature, time)",
    ),
    Function(
        "first_by_time", "value, moment", "arg_min(value, moment)",
        "the first value by time; an aggregate", "first_by_time(temperature, time)",
    ),
    Function(
        "interpolate", "value, moment, series",
        f"CASE WHEN value IS NOT NULL THEN value ELSE last_value(value IGNORE NULLS) {_BEFORE}"
        f" + (first_value(value IGNORE NULLS) {_AFTER} - last_value(value IGNORE NULLS) {_BEFORE})"
        f" * (epoch_us(moment) - last_value({_AT} IGNORE NULLS) {_BEFORE})"
        f" / (first_value({_AT} IGNORE NULLS) {_AFTER} - last_value({_AT} IGNORE NULLS) {_BEFORE}) END",
        "the value, or where it is NULL the one on the straight line between its neighbours in time in the series; NULL outside of them",
        "interpolate(temperature, time, entity)",
    ),
    Function(
        "carry_forward", "value, moment, series", f"last_value(value IGNORE NULLS) {_BEFORE}",
        "the value, or where it is NULL the last one before it in the series", "carry_forward(temperature, time, entity)",
    ),
    Function(
        "rate", "value, moment, series", f"(value - lag(value IGNORE NULLS) {_OVER}) {_PER_SECOND}",
        "the change per second since the value before in the series; NULL for the first", "rate(level, time, entity)",
    ),
    Function(
        "counter_rate", "value, moment, series",
        f"(CASE WHEN value >= lag(value IGNORE NULLS) {_OVER} THEN value - lag(value IGNORE NULLS) {_OVER}"
        f" WHEN value < lag(value IGNORE NULLS) {_OVER} THEN value END) {_PER_SECOND}",
        "the increase per second of a counter that begins again at 0 when its device does; NULL for the first",
        "counter_rate(total, time, entity)",
    ),
    Function(
        "local_time", "moment, zone := 'Asia/Shanghai'", "timezone(zone, moment)",
        "the time as clocks show it there, without a zone", "local_time(time)",
    ),
    Function(
        "time_grid", "since, until, width", f"SELECT time FROM ({_GRID})",
        "the beginnings of the spans of a width from since on (which may lie within the first) and before until",
        "FROM time_grid('2026-11-01', '2026-11-02', INTERVAL 1 hour)", table=True,
    ),
    Function(
        "series", "of_entity, of_attribute", f"SELECT time, value FROM ({_SERIES})",
        "the numbers of one attribute (short name or IRI) of one entity by time; filters on time reach the files",
        "FROM series('urn:ngsi-ld:Sensor:1', 'level') ORDER BY time", table=True,
    ),
    Function(
        "resample", "of_entity, of_attribute, since, until, width",
        f"SELECT grid.time AS time, avg(value) AS mean, min(value) AS min, max(value) AS max, last(value ORDER BY given.time) AS last,"
        f" count(value) AS count FROM ({_GRID}) AS grid LEFT JOIN (SELECT time, value, time_bucket(width, time) AS bucket FROM"
        f" ({_SERIES}) WHERE time >= since::TIMESTAMPTZ AND time < until::TIMESTAMPTZ) AS given ON grid.time = given.bucket"
        " GROUP BY grid.time ORDER BY grid.time",
        "one row for each span of a width, also for those without a value (gap fill): mean, min, max, last, count",
        "FROM resample('urn:ngsi-ld:Sensor:1', 'level', '2026-11-01', '2026-11-02', INTERVAL 1 hour)", table=True,
    ),
    Function(
        "distance_m", "lon1, lat1, lon2, lat2",
        "2 * 6371008.8 * asin(least(1, sqrt(sin(radians(lat2 - lat1) / 2) ** 2"
        " + cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(lon2 - lon1) / 2) ** 2)))",
        "metres between two points on a sphere of the earth's mean radius", "distance_m(location_lon, location_lat, 108.77, 29.53)",
    ),
    Function(
        "within", "lon, lat, area", "ST_Intersects(ST_Point(lon, lat), ST_GeomFromText(area::VARCHAR))",
        "whether a point lies in an area (WKT, in degrees) or on its edge",
        "within(location_lon, location_lat, 'POLYGON((108.7 29.5, 108.8 29.5, 108.8 29.6, 108.7 29.6, 108.7 29.5))')",
    ),
    Function(
        "within_geojson", "lon, lat, area", "ST_Intersects(ST_Point(lon, lat), ST_GeomFromGeoJSON(area::VARCHAR))",
        "whether a point lies in a GeoJSON geometry or on its edge", "within_geojson(location_lon, location_lat, area)",
    ),
    *(Function(model.name, model.parameters, model.body, model.about, model.example) for model in MODELS),
)  # fmt: skip
"""All of them, by name in `BY_NAME`."""

BY_NAME: Final = {function.name: function for function in FUNCTIONS}
SCALAR_NAMES: Final = frozenset(function.name for function in FUNCTIONS if not function.table)
MODEL_NAMES: Final = frozenset(model.name for model in MODELS)
"""Those that stand on functions of Python, which `register_native` brings into the database."""
TABLE_NAMES: Final = frozenset(function.name for function in FUNCTIONS if function.table)
