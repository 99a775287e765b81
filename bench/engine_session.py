"""A distributed engine in a process of its own, on the hub's tables: Spark or Sail, with a number of workers.

    with spark(catalogue, warehouse, workers=2) as engine:
        engine.ask("SELECT count(*) FROM observations").rows

The process reads statements, one line of JSON each, and answers with rows and seconds. Times come back as microseconds since 1970.
Spark reads through the catalogue that the hub writes to. Sail 0.7 cannot use an SQL catalogue: it reads the table's folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.engine_jars import FOR_FILES, jars

TABLE = "observations"
MEMORY_MB = 1024


class Answer(NamedTuple):
    """Rows, and the seconds that the engine took for them."""

    rows: list[list[Any]]
    seconds: float


class Engine:
    """One running engine."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self.start_s = self._read()["seconds"]

    def ask(self, statement: str) -> Answer:
        """What a statement answers. The table is called `observations`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"sql": statement}) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return Answer(answer["rows"], answer["seconds"])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the engine ended: {self._log.read_text(errors='replace')[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def _engine(orders: dict[str, Any], **environment: str) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="cityhub-engine-") as scratch:
        log = Path(scratch) / "log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "bench.engine_session", json.dumps(orders | {"scratch": scratch})],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=Path(__file__).parents[1],
                env=os.environ | environment,
            )  # fmt: skip
        try:
            yield Engine(process, log)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextlib.contextmanager
def spark(catalogue: str, warehouse: str, *, workers: int = 2, objects: dict[str, str] | None = None) -> Iterator[Engine]:
    """Spark with workers that are processes of their own, each with one core.

    Args:
        catalogue: JDBC address of the catalogue, "jdbc:sqlite:/data/lake/catalog.sqlite".
        warehouse: Where the tables are.
        workers: How many.
        objects: Options of Iceberg's S3FileIO, for tables in an object store.
    """
    files = [str(jar) for jar in jars(FOR_FILES + 1 if objects else FOR_FILES)]
    orders = {"catalogue": catalogue, "warehouse": warehouse, "workers": workers, "jars": files, "objects": objects or {}}
    with _engine({"engine": "spark"} | orders, SPARK_LOCAL_IP="127.0.0.1") as engine:
        yield engine


@contextlib.contextmanager
def sail(table: str, *, workers: int = 2) -> Iterator[Engine]:
    """Sail's cluster of workers (threads with a driver between them, which talk as they would over a network).

    Args:
        table: The table's folder, "file:///data/lake/cityhub/observations".
        workers: How many; a statement is cut into so many parts.
    """
    number = str(workers)
    with _engine(
        {"engine": "sail", "table": table},
        SAIL_MODE="local-cluster",
        SAIL_CLUSTER__WORKER_INITIAL_COUNT=number,
        SAIL_CLUSTER__WORKER_MAX_COUNT=number,
        SAIL_CLUSTER__WORKER_TASK_SLOTS="8",
        SAIL_EXECUTION__DEFAULT_PARALLELISM=number,
    ) as engine:
        yield engine


def _open_spark(orders: dict[str, Any]) -> tuple[Any, Any]:
    from pyspark.sql import SparkSession

    path = os.pathsep.join(orders["jars"])
    catalogue = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        ".uri": orders["catalogue"],
        ".warehouse": orders["warehouse"],
        ".jdbc.schema-version": "V1",
        ".init-catalog-tables": "false",
        ".cache-enabled": "false",
        **{f".{name}": value for name, value in orders["objects"].items()},
    }
    builder = (
        SparkSession.builder.master(f"local-cluster[{orders['workers']},1,{MEMORY_MB}]")
        .config("spark.jars", ",".join(orders["jars"]))
        .config("spark.driver.extraClassPath", path)
        .config("spark.executor.extraClassPath", path)
        .config("spark.executor.memory", f"{MEMORY_MB}m")
        .config("spark.executor.cores", "1")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.sql.defaultCatalog", "cityhub")
        .config("spark.sql.shuffle.partitions", str(2 * orders["workers"]))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", orders["scratch"])
        .config("spark.local.dir", orders["scratch"])
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
    )
    for name, value in catalogue.items():
        builder = builder.config(f"spark.sql.catalog.cityhub{name}", value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    session.sql("USE cityhub.cityhub")
    return session, None


def _open_sail(orders: dict[str, Any]) -> tuple[Any, Any]:
    from pysail.spark import SparkConnectServer  # type: ignore[import-untyped]
    from pyspark.sql.connect.session import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session, server


def _plain(value: Any) -> Any:
    return round(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value


def main() -> None:
    orders = json.loads(sys.argv[1])
    os.environ["TZ"] = "UTC"
    time.tzset()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the engines print belongs into the log
    begin = time.perf_counter()
    session, _server = _open_spark(orders) if orders["engine"] == "spark" else _open_sail(orders)  # Sail ends when nothing holds its server
    print(json.dumps({"seconds": time.perf_counter() - begin}), file=out, flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        try:
            if orders["engine"] == "sail":
                session.read.format("iceberg").load(orders["table"]).createOrReplaceTempView(TABLE)
            rows = [[_plain(value) for value in row] for row in session.sql(json.loads(line)["sql"]).collect()]
            answer: dict[str, Any] = {"rows": rows, "seconds": time.perf_counter() - begin}
        except Exception as error:
            answer = {"error": str(error)[:2000]}
        print(json.dumps(answer), file=out, flush=True)
    with contextlib.suppress(Exception):
        session.stop()
    os._exit(0)


if __name__ == "__main__":
    main()
