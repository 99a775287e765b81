"""The models as functions of DuckDB: `register(connection)`, then

    SELECT entity, unnest(forecast(list(time), list(value), 24), recursive := true) FROM ... GROUP BY entity

Each takes a series as two lists, in any order, and is computed for each row (group) on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from duckdb.func import PythonUDFType

from cityhub.history.foresight.anomalies import anomaly_scores
from cityhub.history.foresight.capacity import capacity
from cityhub.history.foresight.forecasts import Forecast, forecast
from cityhub.history.foresight.models import NAIVE
from cityhub.history.foresight.series import Floats
from cityhub.model.errors import BadRequestData, TooComplexQuery

MAX_SCORED: Final = 3_000_000
"""Values that are scored at once; about ten seconds. Between blocks of some thousand series a statement can be stopped, within one not."""
MAX_STEPS: Final = 300_000
"""Steps that are forecast at once, of all series together; some seconds."""
_TIME: Final = pa.timestamp("us", "UTC")
_POINT: Final = pa.struct([("time", _TIME), ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64())])
_RECORD: Final = pa.struct(
    [
        ("model", pa.string()), ("version", pa.string()), ("mae", pa.float64()), ("smape", pa.float64()), ("coverage", pa.float64()),
        ("naive_mae", pa.float64()), ("naive_smape", pa.float64()), ("origins", pa.int64()), ("since", _TIME), ("until", _TIME),
        ("step_s", pa.float64()), ("observations", pa.int64()), ("filled", pa.float64()),
    ]
)  # fmt: skip
_CAPACITY: Final = pa.struct(
    [
        ("size", pa.float64()), ("growth_per_day", pa.float64()), ("growth_low", pa.float64()), ("growth_high", pa.float64()),
        ("full_at", _TIME), ("full_earliest", _TIME), ("full_latest", _TIME), ("days", pa.int64()),
    ]
)  # fmt: skip
_TIMES, _VALUES = "TIMESTAMPTZ[]", "DOUBLE[]"
_POINTS: Final = 'STRUCT("time" TIMESTAMPTZ, "value" DOUBLE, low DOUBLE, high DOUBLE)[]'
_RECORDS: Final = (
    "STRUCT(model VARCHAR, version VARCHAR, mae DOUBLE, smape DOUBLE, coverage DOUBLE, naive_mae DOUBLE, naive_smape DOUBLE,"
    " origins BIGINT, since TIMESTAMPTZ, until TIMESTAMPTZ, step_s DOUBLE, observations BIGINT, filled DOUBLE)"
)

_CAPACITIES: Final = (
    "STRUCT(size DOUBLE, growth_per_day DOUBLE, growth_low DOUBLE, growth_high DOUBLE,"
    " full_at TIMESTAMPTZ, full_earliest TIMESTAMPTZ, full_latest TIMESTAMPTZ, days BIGINT)"
)


class SqlFunction(msgspec.Struct, frozen=True):
    """A function that statements may call.

    Attributes:
        name: Its name.
        parameters: As SQL writes them, with defaults.
        about: What it gives.
        example: A call.
        body: The expression it stands for; it calls the function of Python below it.
        native: Name of that function.
        takes, gives: Its types.
        work: Columns of Arrow in, a column out.
    """

    name: str
    parameters: str
    about: str
    example: str
    body: str
    native: str
    takes: list[str]
    gives: str
    work: Callable[..., Any]


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the functions known to a connection; a second time changes nothing."""
    register_native(connection)
    for function in FUNCTIONS:
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {function.name}({function.parameters}) AS {function.body}")


def register_native(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes what the functions stand on known to the connection's database, for all its cursors, once."""
    known = _natives(connection)
    for function in FUNCTIONS:
        if function.native in known:
            continue
        takes: list[Any] = [duckdb.sqltype(kind) for kind in function.takes]
        try:
            connection.create_function(function.native, function.work, takes, duckdb.sqltype(function.gives), type=PythonUDFType.ARROW)
        except duckdb.Error:
            # Another thread may have been first.
            if function.native not in _natives(connection):
                raise


def _natives(connection: duckdb.DuckDBPyConnection) -> set[str]:
    found = connection.execute("SELECT function_name FROM duckdb_functions() WHERE starts_with(function_name, 'foresight_')")
    return {name for (name,) in found.fetchall()}


def _scores(times: Any, values: Any) -> pa.Array:
    series = list(_pairs(times, values))
    total = sum(len(at) for at, _ in series)
    if total > MAX_SCORED:
        raise TooComplexQuery(f"{total} values are more than the {MAX_SCORED} that are scored at once: take a shorter span or fewer series")
    return pa.array([_scored(at, value) for at, value in series], pa.list_(pa.float64()))


def _scored(times: Floats, values: Floats) -> Floats:
    if len(times) != len(values):
        raise BadRequestData(f"As many times as values are needed: there are {len(times)} and {len(values)}")
    order = np.argsort(times, kind="stable")
    scores = np.zeros(len(times))
    scores[order] = anomaly_scores(times[order], values[order])
    return scores


def _points(times: Any, values: Any, horizons: Any, levels: Any) -> pa.Array:
    answers = []
    for made in _forecasts(times, values, horizons, levels):
        moments = np.round(made.times * 1e6).astype("datetime64[us]")
        columns = [pa.array(moments).cast(_TIME), *(pa.array(column) for column in (made.values, made.low, made.high))]
        answers.append(pa.StructArray.from_arrays(columns, fields=list(_POINT)))
    offsets = np.concatenate([[0], np.cumsum([len(answer) for answer in answers])]).astype(np.int32)
    together = pa.concat_arrays(answers) if answers else pa.array([], _POINT)
    return pa.ListArray.from_arrays(pa.array(offsets), together)


def _records(times: Any, values: Any, horizons: Any, levels: Any) -> pa.Array:
    return pa.array([_record(made) for made in _forecasts(times, values, horizons, levels)], _RECORD)


def _record(made: Forecast) -> dict[str, Any]:
    chosen, naive = made.scores[0], next(score for score in made.scores if score.model == NAIVE)
    return {
        "model": made.model, "version": made.version, "mae": chosen.mae, "smape": chosen.smape, "coverage": chosen.coverage,
        "naive_mae": naive.mae, "naive_smape": naive.smape, "origins": chosen.origins, "since": round(made.start_s * 1e6),
        "until": round(made.end_s * 1e6), "step_s": made.step_s, "observations": made.observations, "filled": made.filled,
    }  # fmt: skip


def _capacities(times: Any, sizes: Any, rooms: Any, levels: Any) -> pa.Array:
    answers = []
    for (at, size), room, level in zip(_pairs(times, sizes), rooms.to_pylist(), levels.to_pylist(), strict=True):
        made = capacity(at, size, room, level)
        moments = [None if moment is None else round(moment * 1e6) for moment in (made.full_at, made.full_earliest, made.full_latest)]
        growth = made.growth_bytes_per_day, made.growth_low, made.growth_high
        answers.append(dict(zip(_CAPACITY.names, (made.bytes_now, *growth, *moments, made.days), strict=True)))
    return pa.array(answers, _CAPACITY)


def _forecasts(times: Any, values: Any, horizons: Any, levels: Any) -> Iterator[Forecast]:
    steps = sum(max(horizon, 0) for horizon in horizons.to_pylist())
    if steps > MAX_STEPS:
        raise TooComplexQuery(
            f"{steps} steps are more than the {MAX_STEPS} that are forecast at once: look less far ahead, or at fewer series"
        )
    for (at, value), horizon, level in zip(_pairs(times, values), horizons.to_pylist(), levels.to_pylist(), strict=True):
        yield forecast(at, value, horizon, level=level)


def _pairs(times: Any, values: Any) -> Iterator[tuple[Floats, Floats]]:
    """Each row's series: seconds since 1970 UTC, NaN for a NULL, and its values."""
    return zip(_lists(times, pa.int64(), 1e-6), _lists(values, pa.float64(), 1.0), strict=True)


def _lists(column: Any, kind: pa.DataType, unit: float) -> Iterator[Floats]:
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        for row in chunk:
            inner = row.values.cast(kind).cast(pa.float64(), safe=False)
            yield inner.to_numpy(zero_copy_only=False) * unit


_SERIES: Final = "times, vals"
FUNCTIONS: Final = (
    SqlFunction(
        "anomaly_score", _SERIES,
        "for each value how unusual it is after those before it in time, 0 to 1 (from 0.333 on worth a look), in the order of the lists",
        "unnest(anomaly_score(list(time), list(temperature)))",
        "foresight_scores(times::TIMESTAMPTZ[], vals::DOUBLE[])", "foresight_scores", [_TIMES, _VALUES], "DOUBLE[]", _scores,
    ),
    SqlFunction(
        "forecast", f"{_SERIES}, horizon, level := 0.9",
        "the next `horizon` steps: a list of structs of time, value, low and high; a value lies within with probability `level`",
        "unnest(forecast(list(time), list(temperature), 24), recursive := true)",
        "foresight_points(times::TIMESTAMPTZ[], vals::DOUBLE[], horizon::BIGINT, level::DOUBLE)",
        "foresight_points", [_TIMES, _VALUES, "BIGINT", "DOUBLE"], _POINTS, _points,
    ),
    SqlFunction(
        "forecast_model", f"{_SERIES}, horizon, level := 0.9",
        "what `forecast` of the same arguments stands on: model, version, training span, and its back-test beside the seasonal-naive one's",
        "unnest(forecast_model(list(time), list(temperature), 24))",
        "foresight_records(times::TIMESTAMPTZ[], vals::DOUBLE[], horizon::BIGINT, level::DOUBLE)",
        "foresight_records", [_TIMES, _VALUES, "BIGINT", "DOUBLE"], _RECORDS, _records,
    ),
    SqlFunction(
        "capacity", "times, sizes, room, level := 0.9",
        "when a size reaches the room, from readings over at least five days: growth a day and the moment, each with bounds; NULL: not"
        " within ten years",
        "unnest(capacity(list(time), list(temperature), 1e12))",
        "foresight_capacities(times::TIMESTAMPTZ[], sizes::DOUBLE[], room::DOUBLE, level::DOUBLE)",
        "foresight_capacities", [_TIMES, _VALUES, "DOUBLE", "DOUBLE"], _CAPACITIES, _capacities,
    ),
)  # fmt: skip
"""The functions; their bodies are macros over Python functions (`native`), which nobody needs to call."""
