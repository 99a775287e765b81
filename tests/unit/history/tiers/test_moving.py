import os
import stat
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from cityhub.history.lake.parquet import FileWriter
from cityhub.history.lake.schema import NAMESPACE
from cityhub.history.tiers.access import Accesses
from cityhub.history.tiers.costs import costs
from cityhub.history.tiers.moving import clean, move
from cityhub.history.tiers.plan import Plan
from cityhub.history.tiers.shelves import copy
from cityhub.history.tiers.tables import CatalogTables, held, named
from cityhub.model.errors import StoreUnavailable
from tests.unit.history.tiers.tiered import NOW, ROWS, FixedClock, checksum, make_lake, make_plan


@pytest.fixture
def catalog(tmp_path: Path) -> SqlCatalog:
    return make_lake(tmp_path)


def where(catalog: SqlCatalog, plan: Plan) -> dict[str, int]:
    found: dict[str, int] = {}
    for file in held(CatalogTables(catalog)):
        tier = plan.tier_at(file.path).name
        found[tier] = found.get(tier, 0) + 1
    return found


def expire(catalog: SqlCatalog) -> None:
    """Lets all snapshots but the newest go."""
    table = catalog.load_table((NAMESPACE, "observations"))
    now = table.metadata.current_snapshot_id
    table.maintenance.expire_snapshots().by_ids([one.snapshot_id for one in table.snapshots() if one.snapshot_id != now]).commit()


def test_files_move_to_their_tiers_and_answers_stay(tmp_path: Path, catalog: SqlCatalog) -> None:
    plan, tables, before = make_plan(tmp_path), CatalogTables(catalog), checksum(catalog)
    heard = []
    done = move(tables, plan, None, FixedClock(), heard.append)
    assert (done.files, done.of_files, done.left) == (3, 3, {})
    assert done.bytes == done.of_bytes > 0
    assert [one.files for one in heard] == [0, 3]
    assert where(catalog, plan) == {"hot": 2, "warm": 1, "cold": 2}
    assert before == checksum(catalog)
    paths = [file.path.removeprefix("file://") for file in held(tables) if file.table == "observations"]
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet({paths})").fetchone() == (4 * ROWS,)
    assert len(tables.table("observations").metadata.snapshots) == 5  # one commit for all of them
    assert move(tables, plan, None, FixedClock()).of_files == 0


def test_what_the_table_says_of_a_file_moves_with_it(tmp_path: Path, catalog: SqlCatalog) -> None:
    tables = CatalogTables(catalog)
    before = {file.path.rsplit("/", 1)[-1]: file for file in held(tables)}
    move(tables, make_plan(tmp_path), None, FixedClock())
    for file in held(tables):
        old = before[file.path.rsplit("/", 1)[-1]]
        assert (file.newest, file.rows, file.size, file.tenant) == (old.newest, old.rows, old.size, old.tenant)
        assert file.described.lower_bounds == old.described.lower_bounds


def test_an_archive_is_written_once(tmp_path: Path, catalog: SqlCatalog) -> None:
    move(CatalogTables(catalog), make_plan(tmp_path), None, FixedClock())
    files = [path for path in (tmp_path / "cold").rglob("*") if path.is_file()]
    assert len(files) == 2
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in files)


def test_a_file_of_an_archive_is_never_written_again(tmp_path: Path, catalog: SqlCatalog) -> None:
    tables, plan = CatalogTables(catalog), make_plan(tmp_path)
    io = tables.table("observations").io
    target = tmp_path / "cold" / "taken.parquet"
    target.parent.mkdir()
    target.write_bytes(b"something else")
    with pytest.raises(StoreUnavailable, match="differs"):
        copy(io, held(tables)[0].path, target.as_uri(), plan.tier[2])
    assert target.read_bytes() == b"something else"


def test_old_files_go_when_no_snapshot_names_them(tmp_path: Path, catalog: SqlCatalog) -> None:
    tables, plan = CatalogTables(catalog), make_plan(tmp_path)
    move(tables, plan, None, FixedClock(NOW - timedelta(days=60)))
    assert where(catalog, plan)["warm"] == 1
    move(tables, plan, None, FixedClock())
    warm = list((tmp_path / "warm").rglob("*.parquet"))
    assert len(warm) == 2  # one is only of an older snapshot
    future = FixedClock(NOW + timedelta(days=400))
    assert clean(tables, plan, future, grace_s=60).files == 0
    expire(catalog)
    assert clean(tables, plan, future, grace_s=60).files == 1
    assert len(list((tmp_path / "warm").rglob("*.parquet"))) == 1
    assert checksum(catalog)[0] == 4 * ROWS


def test_copies_of_a_broken_run_are_cleaned_but_not_those_in_the_making(tmp_path: Path, catalog: SqlCatalog) -> None:
    tables, plan = CatalogTables(catalog), make_plan(tmp_path)
    move(tables, plan, None, FixedClock())
    left = tmp_path / "warm" / "observations" / "data" / "x" / "a.parquet.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    os.utime(left, (NOW.timestamp() - 100, NOW.timestamp() - 100))
    assert clean(tables, plan, FixedClock(), grace_s=200).files == 0
    assert clean(tables, plan, FixedClock(), grace_s=50).files == 1
    assert not left.parent.exists()


@pytest.mark.parametrize(("erasure", "removed", "withheld"), [("at-once", 1, 0), ("after-retention", 0, 1)])
def test_legal_deletion_reaches_the_archive(tmp_path: Path, catalog: SqlCatalog, erasure: str, removed: int, withheld: int) -> None:
    tables, plan = CatalogTables(catalog), make_plan(tmp_path, erasure=erasure)
    move(tables, plan, None, FixedClock())
    person = "urn:ngsi-ld:Device:0003"
    table = tables.table("observations")
    cold = next(file for file in held(tables) if plan.tier_at(file.path).name == "cold")
    rest = duckdb.sql(f"SELECT * FROM read_parquet('{cold.path[7:]}', hive_partitioning=false) WHERE entity <> '{person}'").to_arrow_table()
    again = FileWriter(table.io, table.metadata).write(tuple(cold.described.partition[n] for n in range(2)), [rest.cast(table.schema().as_arrow())])
    assert again is not None
    assert tables.replace("observations", [cold.described], [again])
    expire(catalog)
    later = FixedClock(NOW + timedelta(days=30))
    result = clean(tables, plan, later, grace_s=60)
    assert (result.files, len(result.withheld)) == (removed, withheld)
    assert Path(cold.path[7:]).exists() == bool(withheld)
    paths = [file.path[7:] for file in held(tables) if file.table == "observations"]
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet({paths}) WHERE entity = '{person}'").fetchone() == (3 * ROWS // 4,)
    ended = FixedClock(NOW + timedelta(days=4000))
    assert clean(tables, plan, ended, grace_s=60).withheld == {}
    assert not Path(cold.path[7:]).exists()


def test_somebody_elses_commit_is_never_undone(tmp_path: Path, catalog: SqlCatalog) -> None:
    tables = CatalogTables(catalog)
    file = held(tables)[0]
    assert tables.replace("observations", [file.described], [])
    assert not tables.replace("observations", [file.described], [file.described])
    assert checksum(catalog)[0] == 3 * ROWS


def test_a_file_that_cannot_be_copied_stays_and_is_named(tmp_path: Path, catalog: SqlCatalog) -> None:
    plan, tables, before = make_plan(tmp_path), CatalogTables(catalog), checksum(catalog)
    (tmp_path / "cold").write_text("no folder")
    done = move(tables, plan, None, FixedClock())
    assert (done.files, len(done.left)) == (1, 2)
    assert checksum(catalog) == before


def test_nothing_moves_back(tmp_path: Path, catalog: SqlCatalog) -> None:
    plan, tables = make_plan(tmp_path), CatalogTables(catalog)
    move(tables, plan, None, FixedClock())
    without = Plan(tier=plan.tier)
    assert move(tables, without, None, FixedClock()).of_files == 0


def test_costs_today_and_under_a_plan(tmp_path: Path, catalog: SqlCatalog) -> None:
    plan, tables, clock = make_plan(tmp_path), CatalogTables(catalog), FixedClock()
    accesses = Accesses(tmp_path, clock)
    files = held(tables)
    accesses.note({file.path: (2, 1000) for file in files})
    accesses.note({files[0].path: (3, 500)})
    before = costs(files, plan, accesses, clock)
    total = sum(file.size for file in files)
    assert [tier.files for tier in before.today] == [5, 0, 0]
    assert [tier.files for tier in before.planned] == [2, 1, 2]
    assert sum(tier.bytes for tier in before.planned) == total
    assert before.today[0].storage == pytest.approx(total / 1e9 * 1.0)
    assert before.today[0].requests == 5 * 2 + 3
    assert before.total_planned <= before.total_today
    cold = before.planned[2]
    moved = [file for file in files if file.table == "observations" and file.newest is not None and (NOW - file.newest).days >= 90]
    touched = sum(accesses.month(file.path)[1] for file in moved)
    assert touched > 0
    assert cold.total == pytest.approx(sum(file.size for file in moved) / 1e9 * 0.03 + touched / 1e9 * 0.2)
    move(tables, plan, accesses, clock)
    after = costs(held(tables), plan, accesses, clock)
    assert after.today == after.planned == before.planned
    assert "示例" in {tier.source for tier in after.today}


def test_accesses_are_kept_and_forgotten(tmp_path: Path) -> None:
    clock = FixedClock()
    accesses = Accesses(tmp_path, clock)
    accesses.note({"file:///hot/a.parquet": (4, 90), "file:///hot/b.parquet": (1, 10)})
    accesses.save(["s3://warm/a.parquet"])
    again = Accesses(tmp_path, clock)
    assert (again.month("file:///cold/a.parquet"), again.month("b.parquet"), again.last("b.parquet")) == ((4, 90), (0, 0), None)
    assert again.last("a.parquet") == NOW
    clock.moment = NOW + timedelta(days=31)
    again.save(["a.parquet"])
    assert Accesses(tmp_path, clock).month("a.parquet") == (0, 0)


def test_every_file_is_named_or_not_there(tmp_path: Path, catalog: SqlCatalog) -> None:
    tables, plan = CatalogTables(catalog), make_plan(tmp_path)
    move(tables, plan, None, FixedClock())
    for name in ("observations", "entity_versions"):
        assert all(Path(path[7:]).is_file() for path in named(tables.table(name)))
