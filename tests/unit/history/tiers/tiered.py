"""A small lake of four months in files, and a plan of three tiers beside it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from cityhub.history.lake.parquet import FileWriter
from cityhub.history.lake.schema import ENTITY_VERSIONS_SCHEMA, NAMESPACE, OBSERVATIONS_SCHEMA, arrow_schema
from cityhub.history.lake.tables import open_tables
from cityhub.history.tiers.plan import Plan, Policy, Tier

NOW = datetime(2026, 11, 20, tzinfo=UTC)
MONTHS = (5, 8, 10, 11)
ROWS = 200


class FixedClock:
    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def catalog_at(folder: Path, **io: str) -> SqlCatalog:
    """The catalogue; a warehouse in an object store is named by `warehouse`."""
    warehouse = io.pop("warehouse", (folder / "lake").as_uri())
    return SqlCatalog("cityhub", uri=f"sqlite:///{folder}/catalog.sqlite", warehouse=warehouse, **io)


def observations(month: int, rows: int = ROWS, sensors: int = 4, tenant: str = "") -> pa.Table:
    """Rows of one month, in the table's order."""
    schema = arrow_schema(OBSERVATIONS_SCHEMA)
    begin = datetime(2026, month, 1, tzinfo=UTC)
    each = rows // sensors
    columns: dict[str, list[object]] = {name: [None] * rows for name in schema.names}
    columns["tenant"] = [tenant] * rows
    columns["entity"] = [f"urn:ngsi-ld:Device:{n // each:04}" for n in range(rows)]
    columns["type"] = ["https://smartdatamodels.org/Device"] * rows
    columns["attribute"] = ["https://smartdatamodels.org/level"] * rows
    columns["observed_at"] = [begin + timedelta(minutes=20 * (n % each)) for n in range(rows)]
    columns["modified_at"] = columns["observed_at"]
    columns["number"] = [month * 1000 + n / 8 for n in range(rows)]
    columns["position"] = [month * 10_000 + n for n in range(rows)]
    columns["ordinal"] = [0] * rows
    columns["kind"] = ["Property"] * rows
    return pa.table(columns, schema=schema)


def make_lake(folder: Path, *, rows: int = ROWS, sensors: int = 4, **io: str) -> SqlCatalog:
    """Tables with a file for each month, and one file of entity versions."""
    catalog = catalog_at(folder, **io)
    lake_table, versions = open_tables(catalog, 0, "seed")
    for month in MONTHS:
        table = lake_table.table
        rows_of = observations(month, rows, sensors)
        file = FileWriter(table.io, table.metadata).write(("", (2026 - 1970) * 12 + month - 1), [rows_of])
        assert file is not None
        lake_table.commit(lake_table.version(), [file], [], {"cityhub.position": str(month)})
    schema = arrow_schema(ENTITY_VERSIONS_SCHEMA)
    row = dict.fromkeys(schema.names) | {
        "tenant": "", "entity": "urn:ngsi-ld:Device:0000", "type": "https://smartdatamodels.org/Device", "kind": "created",
        "document": "{}", "modified_at": datetime(2026, 5, 1, tzinfo=UTC), "position": 1,
    }  # fmt: skip
    written = FileWriter(versions.table.io, versions.table.metadata).write(("",), [pa.Table.from_pylist([row], schema)])
    assert written is not None
    versions.commit(versions.version(), [written], [], {})
    return catalog


def make_plan(folder: Path, **archive: object) -> Plan:
    """Hot, warm after 30 days, an archive after 90; entity versions stay."""
    options: dict[str, object] = {"retention_days": 3650.0} | archive
    return Plan(
        tier=(
            Tier(name="hot", title="闪存", storage_per_gb_month=1.0, reads_per_1000=0.0),
            Tier(name="warm", title="分布式存储", location=str(folder / "warm"), storage_per_gb_month=0.12, reads_per_1000=0.01, writes_per_1000=0.02),
            Tier(name="cold", title="蓝光", kind="archive", location=str(folder / "cold"), storage_per_gb_month=0.03, retrieval_per_gb=0.2, **options),  # type: ignore[arg-type]
        ),
        policy=(
            Policy(tier="cold", tables=("observations",), older_than_days=90),
            Policy(tier="warm", tables=("observations",), older_than_days=30),
        ),
    )


def checksum(catalog: SqlCatalog) -> tuple[int, str]:
    """Rows of `observations` and a digest of what stands in them."""
    found = catalog.load_table((NAMESPACE, "observations")).scan().to_arrow().sort_by("position")
    digest = hashlib.sha256()
    for name in ("entity", "observed_at", "number", "position"):
        digest.update(repr(found[name].to_pylist()).encode())
    return found.num_rows, digest.hexdigest()
