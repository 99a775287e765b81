"""What the guard lets through, and what it refuses."""

from __future__ import annotations

import itertools
import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.history.sql.allowed import SCALARS, TABLES
from cityhub.history.sql.functions import SCALAR_NAMES, TABLE_NAMES
from cityhub.history.sql.guard import Guard
from cityhub.model.errors import BadRequestData, CityHubError, TooComplexQuery

GUARD = Guard(SCALAR_NAMES, TABLE_NAMES)
NAMES = ["t", "Station", "水位"]

GOOD = [
    "SELECT * FROM t",
    "from t select a, b where a > 3",
    "TABLE t",
    "VALUES (1, 2)",
    "WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT * FROM b JOIN t USING (x)",
    "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 9) SELECT * FROM r",
    "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a)",
    "SELECT (WITH a AS (FROM t) SELECT count(*) FROM a)",
    "SELECT * FROM \"Station\", STATION AS s, main.station",
    "SELECT * FROM 水位 WHERE 名称 = '黔江'",
    "DESCRIBE t", "SUMMARIZE t", "SUMMARIZE SELECT 1", "SHOW TABLES", "SHOW ALL TABLES", "EXPLAIN SELECT 1", "explain from t",
    "SELECT * FROM information_schema.tables", "SELECT s.a FROM hub.main.t AS s, \"hub\".\"main\".\"Station\"",
    "SELECT c.column_name FROM INFORMATION_SCHEMA.COLUMNS c",
    "SELECT count(*) FILTER (a > 1) OVER (PARTITION BY b ORDER BY c ROWS 3 PRECEDING) FROM t QUALIFY row_number() OVER () = 1",
    "SELECT [x + 1 FOR x IN [1, 2]], {'a': 1}.a, list_transform(a, lambda x: x + 1), a[1:2], MAP {'k': 1}, (1, 2) FROM t",
    "SELECT CASE WHEN a THEN 1 END, a::INT[], TRY_CAST(a AS DATE), a BETWEEN 1 AND 2, a IN (FROM t), EXISTS (FROM t), a COLLATE nocase FROM t",
    "SELECT extract(year FROM a), a AT TIME ZONE 'Asia/Shanghai', a ->> '$.x', a ~ 'x', a LIKE 'b%', now() - INTERVAL 1 DAY FROM t",
    "PIVOT t ON a IN (1, 2) USING sum(b)", "UNPIVOT t ON a, b INTO NAME n VALUE v",
    "FROM t ASOF JOIN Station s ON t.a >= s.a", "FROM t POSITIONAL JOIN Station", "FROM range(3) r(x), unnest([1, 2]) u(y), LATERAL (SELECT x + y)",
    "SELECT DISTINCT ON (a) a FROM t ORDER BY ALL LIMIT 10% OFFSET 2", "FROM t USING SAMPLE 10%",
    "SELECT ?, ? + 1", "SELECT $a, $b", "SELECT columns('a.*'), * EXCLUDE (b) REPLACE (1 AS c) FROM t",
    "SELECT 1 UNION BY NAME SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4",
    "SELECT a, grouping(a) FROM t GROUP BY ROLLUP (a)", "SELECT quantile_cont(a, 0.5), string_agg(b, ',' ORDER BY c) FROM t",
    "SELECT st_astext(st_point(1, 2)), within(1, 2, 'POINT(1 2)')", "FROM resample('a', 'b', '2026-01-01', '2026-01-02', INTERVAL 1 hour)",
    "SELECT time_bucket(INTERVAL 1 HOUR, a), date_trunc('day', b) FROM t GROUP BY ALL; ", "SELECT 'it''s -- not; a comment' /* here; one */ -- and",
]  # fmt: skip


@pytest.mark.parametrize("statement", GOOD)
def test_a_select_over_own_views_is_allowed(statement: str) -> None:
    GUARD.check(statement, NAMES)


@pytest.mark.parametrize("statement", GOOD)
def test_what_is_allowed_stays_allowed_when_the_engine_writes_it_anew(statement: str) -> None:
    checked = GUARD.check(statement, NAMES)
    with duckdb.connect() as parser:
        assert [kind.type.name for kind in parser.extract_statements(checked.sql)] in (["SELECT"], ["EXPLAIN"])


STATEMENTS = [
    "ATTACH 'x.db'", "ATTACH ':memory:' AS y", "DETACH memory", "USE memory", "INSTALL httpfs", "LOAD httpfs", "LOAD '/srv/evil.so'", "FORCE INSTALL spatial",
    "UPDATE EXTENSIONS", "COPY t TO 'x.csv'", "COPY (SELECT 1) TO '/etc/x' (FORMAT parquet)", "COPY t FROM 'x.csv'", "COPY FROM DATABASE memory TO y",
    "EXPORT DATABASE 'x'", "IMPORT DATABASE 'x'", "SET memory_limit = '1TB'", "SET VARIABLE a = 1", "RESET memory_limit", "SET threads TO 99",
    "PRAGMA database_list", "PRAGMA enable_external_access", "PRAGMA table_info('t')", "CALL pragma_version()", "CALL force_checkpoint()", "CHECKPOINT", "VACUUM",
    "VACUUM ANALYZE", "ANALYZE", "BEGIN", "COMMIT", "ROLLBACK", "CREATE TABLE x (a INT)", "CREATE TABLE x AS SELECT 1", "CREATE VIEW x AS SELECT 1",
    "CREATE OR REPLACE TEMP VIEW t AS SELECT 1", "CREATE MACRO f(x) AS x", "CREATE TYPE e AS ENUM ('a')", "CREATE SECRET s (TYPE s3)", "CREATE SCHEMA s",
    "CREATE SEQUENCE s", "CREATE INDEX i ON t (a)", "DROP VIEW t", "DROP TABLE secret", "ALTER TABLE t ADD COLUMN a INT", "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1", "DELETE FROM t", "TRUNCATE t", "MERGE INTO t USING t s ON true WHEN MATCHED THEN DELETE", "PREPARE p AS SELECT 1", "EXECUTE p",
    "DEALLOCATE p", "COMMENT ON VIEW t IS 'x'", "EXPLAIN ATTACH 'x'", "EXPLAIN ANALYZE COPY t TO 'x'", "EXPLAIN EXPLAIN SELECT 1", "EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN ANALYZE FROM t", "explain /* */ analyze from t", "EXPLAIN (ANALYZE) FROM t",
    "EXPLAIN SELECT 1; ATTACH 'x'", "SELECT 1; SELECT 2", "SELECT 1; DROP VIEW t", "FROM t; ; ATTACH 'x'", "/* */ ATTACH 'x' -- SELECT", "SHOW DATABASES", "SHOW SCHEMAS",
    "SHOW VARIABLES", "PIVOT t ON a USING sum(b)", "WITH d AS (DELETE FROM t RETURNING *) FROM d", "FROM (INSERT INTO t VALUES (1) RETURNING *)",
]  # fmt: skip
FILES = [
    "'x.csv'", "'/etc/passwd'", "\"/etc/passwd\"", "'x.parquet'", "'x.json.gz'", "'https://example.org/x.csv'", "\"s3://bucket/*.parquet\"", "'file:///etc/hosts'",
    "'../../x.db'", "'data/*.parquet'", "'x'", "secret", "main.secret", "hub.main.secret", "hub.secret", "hub.other.t", "memory.main.t", "memory.secret", "temp.t", "temp.main.secret", "system.main.duckdb_tables",
    "pg_catalog.pg_class", "pg_tables", "pg_catalog.pg_settings", "sqlite_master", "sqlite_schema", "duckdb_tables", "duckdb_secrets", "duckdb_settings",
    "information_schema.schemata2", "information_schema.character_sets", "information_schema.views", "memory.information_schema.tables", "system.information_schema.tables",
    "observations_rows", "t AT (VERSION => 1)", "Station_", "df", "globals", "recurring.t", "\"t.parquet\"", "'t'.'u'",
]  # fmt: skip
TABLE_CALLS = [
    "read_csv('x')", "read_csv_auto('x')", "read_parquet('x')", "parquet_scan('x')", "read_json('x')", "read_json_auto('x')", "read_ndjson('x')", "read_json_objects('x')",
    "read_text('/etc/passwd')", "read_blob('/etc/passwd')", "glob('/*')", "sniff_csv('x')", "parquet_metadata('x')", "parquet_schema('x')", "parquet_kv_metadata('x')",
    "parquet_file_metadata('x')", "read_duckdb('x')", "iceberg_scan('x')", "iceberg_metadata('x')", "sqlite_scan('x', 'y')", "postgres_scan('', '', '')",
    "postgres_query('a', 'b')", "mysql_query('a', 'b')", "st_read('x.gpkg')", "ST_READ('x')", "st_readshp('x')", "st_readosm('x')", "st_read_meta('x')", "st_drivers()",
    "query('SELECT 1')", "query_table('secret')", "query_table(['t', 'secret'])", "duckdb_settings()", "duckdb_tables()", "duckdb_secrets()", "duckdb_columns()",
    "duckdb_functions()", "duckdb_databases()", "duckdb_views()", "duckdb_extensions()", "duckdb_logs()", "duckdb_memory()", "duckdb_temporary_files()", "duckdb_variables()",
    "duckdb_external_file_cache()", "duckdb_prepared_statements()", "pragma_version()", "pragma_table_info('secret')", "pragma_storage_info('secret')", "pragma_show('secret')",
    "pragma_database_size()", "pragma_user_agent()", "which_secret('s3://x', 's3')", "json_execute_serialized_sql('{}')", "seq_scan('secret')", "arrow_scan(1, 2, 3)",
    "pandas_scan(1)", "python_map_function(1)", "summary((FROM t))", "checkpoint()", "force_checkpoint()", "enable_logging()", "truncate_duckdb_logs()", "histogram('secret', 'word')",
    "histogram_values(secret, word)", "duckdb_profiling_settings()", "test_all_types()", "system.main.read_text('x')", "main.read_csv('x')", "main.range(3)", "memory.main.range(3)",
    "repeat_row2(1)", "load_aws_credentials()", "http_get('x')", "shellfs('x |')", "generate_series2(1)",
]  # fmt: skip
CALLS = [
    "getenv('HOME')", "GETENV('HOME')", "\"getenv\"('HOME')", "main.getenv('HOME')", "system.main.getenv('HOME')", "current_setting('memory_limit')", "getvariable('x')",
    "current_query()", "current_schemas(true)", "pg_get_viewdef(1)", "has_table_privilege('t', 'x')", "nextval('s')", "currval('s')", "setseed(0.1)", "sleep_ms(100000)",
    "pg_sleep(100)", "write_log('x')", "txid_current()", "json_serialize_plan('FROM secret')", "json_serialize_sql('SELECT 1')", "json_deserialize_sql('{}')",
    "parse_duckdb_log_message('a', 'b')", "in_search_path('a', 'b')", "stats(1)", "vector_type(1)", "inet_client_addr()", "read_text('x')", "st_read('x')",
    "st_transform(NULL, 'a', 'b')", "icu_collate_zh('a')", "__internal_compress_string_ubigint('a')", "nope(1)", "other.length('a')",
    "pg_catalog.pg_get_expr('a', 1)", "enum_range(NULL)", "format_pg_type('a', 'b')", "(SELECT getenv('A'))", "list_transform([1], lambda x: getenv('A'))", "[getenv(x) FOR x IN ['A']]",
    "CASE WHEN true THEN getenv('A') END", "coalesce(NULL, getenv('A'))", "CAST(getenv('A') AS INT)", "'A'.getenv()", "1 IN (SELECT getenv('A'))", "sum(1) FILTER (getenv('A') = '')",
    "sum(1) OVER (PARTITION BY getenv('A'))", "sum(1) OVER (ORDER BY getenv('A'))", "{'a': getenv('A')}", "getenv('A') COLLATE nocase", "'' BETWEEN getenv('A') AND ''",
    "string_agg('a', ',' ORDER BY getenv('A'))", "EXISTS (FROM read_text('x'))", "(FROM 'x.csv')", "ARRAY(FROM secret)",
]  # fmt: skip
PLACES = [
    "SELECT {}", "SELECT 1 WHERE {} IS NULL", "SELECT 1 GROUP BY {}", "SELECT 1 ORDER BY {}", "SELECT 1 HAVING {} IS NULL", "VALUES ({})", "SELECT 1 LIMIT ({})::INT",
    "SELECT 1 OFFSET ({})::INT", "WITH a AS (SELECT {}) FROM a", "SELECT 1 QUALIFY {} IS NULL", "SELECT DISTINCT ON ({}) 1", "FROM range(({})::INT)", "FROM t JOIN t u ON {} = ''",
    "SUMMARIZE SELECT {}", "DESCRIBE SELECT {}", "EXPLAIN SELECT {}", "SELECT * REPLACE ({} AS a) FROM t", "SELECT 1 UNION ALL SELECT {}", "FROM (SELECT {})", "FROM t, LATERAL (SELECT {})",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT {} FROM r) FROM r", "SELECT columns(c -> {} = c) FROM t",
]  # fmt: skip
SOURCES = [
    "SELECT * FROM {}", "FROM {}", "FROM t, {}", "FROM t LEFT JOIN {} AS x ON true", "SELECT (SELECT count(*) FROM {})", "WITH a AS (FROM {}) FROM a", "WITH a AS MATERIALIZED (FROM {}) SELECT 1",
    "FROM (FROM {})", "SELECT 1 UNION SELECT * FROM {}", "SELECT 1 WHERE EXISTS (FROM {})", "SELECT 1 WHERE 1 IN (FROM {})", "DESCRIBE FROM {}", "SUMMARIZE FROM {}", "EXPLAIN FROM {}",
    "PIVOT (FROM {}) ON a IN (1) USING sum(b)", "WITH RECURSIVE r AS (FROM {} UNION ALL FROM r) FROM r", "WITH RECURSIVE r AS (FROM t UNION ALL FROM {}) FROM r",
]  # fmt: skip


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_is_no_single_select_is_refused(statement: str) -> None:
    with pytest.raises(BadRequestData, match=r"right would be|cannot be read|not allowed|no view"):
        GUARD.check(statement, NAMES)


@pytest.mark.parametrize("source", [*FILES, *TABLE_CALLS])
def test_files_and_foreign_tables_are_refused_wherever_they_stand(source: str) -> None:
    for form in SOURCES:
        with pytest.raises(BadRequestData):
            print(GUARD.check(form.format(source), NAMES))


@pytest.mark.parametrize("call", CALLS)
def test_functions_that_reach_out_are_refused_wherever_they_stand(call: str) -> None:
    for form in PLACES:
        with pytest.raises(BadRequestData):
            print(form, GUARD.check(form.format(call), NAMES))


@pytest.mark.parametrize("statement", [
    "WITH secret AS (SELECT * FROM secret) FROM secret",
    "WITH a AS (FROM secret), secret AS (SELECT 1) FROM a",
    "SELECT * FROM (WITH secret AS (SELECT 1) FROM secret), secret",
    "SELECT (WITH secret AS (SELECT 1) SELECT 1), (SELECT count(*) FROM secret)",
    "WITH RECURSIVE secret AS (FROM secret UNION ALL FROM secret) FROM secret",
    "WITH secret AS (SELECT 1) FROM main.secret",
    "(WITH secret AS (SELECT 1) FROM secret) UNION ALL FROM secret",
    "WITH \"x.csv\" AS (SELECT 1) SELECT * FROM (SELECT 1) UNION ALL FROM 'y.csv'",
])  # fmt: skip
def test_the_name_of_a_cte_opens_no_table_outside_of_it(statement: str) -> None:
    with pytest.raises(BadRequestData, match=r"no view|not allowed"):
        GUARD.check(statement, NAMES)


@pytest.mark.parametrize(("statement", "says"), [
    ("", "There is no statement"),
    ("  ;; ", "There is no statement"),
    ("SELEC 1", 'syntax error at or near "SELEC"'),
    ("SELECT 1\0; ATTACH 'x'", "NUL"),
    ("SELECT '\ud800'", "Unicode"),
    ("ATTACH 'x'", "ATTACH is not allowed: right would be one SELECT"),
    ("FROM 'x.csv'", "files and addresses are not read"),
    ("FROM Statoin", "did you mean 'station'"),
    ("SELECT getenv('A')", "The function 'getenv' is not allowed"),
    ("FROM read_csv('x')", "'read_csv' is not allowed after FROM: right would be"),
    ("PIVOT t ON a USING sum(b)", "must name its values"),
    ("SHOW DATABASES", "right would be SHOW TABLES"),
])  # fmt: skip
def test_a_refusal_says_what_and_what_is_right(statement: str, says: str) -> None:
    with pytest.raises(BadRequestData, match=re.escape(says)):
        GUARD.check(statement, NAMES)


@pytest.mark.parametrize("statement", [
    "SELECT '" + "x" * 200_000 + "'", "SELECT " + "+".join(["1"] * 3000), "SELECT " + "NOT " * 5000 + "true", "SELECT " + "[" * 3000 + "]" * 3000,
    "SELECT " + "(SELECT " * 900 + "1" + ")" * 900, "FROM " + "(FROM " * 900 + "t" + ")" * 900, "FROM " + ", ".join(["t"] * 3000),
    "FROM t " + "UNION ALL FROM t " * 1000,
])  # fmt: skip
def test_what_is_too_long_or_too_deep_is_refused(statement: str) -> None:
    with pytest.raises((TooComplexQuery, BadRequestData)):
        GUARD.check(statement, NAMES)


def test_every_function_that_is_allowed_is_there_or_a_part_of_speech() -> None:
    with duckdb.connect() as engine:
        known = {name.lower() for (name,) in engine.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
    words = {"coalesce", "unnest", "grouping", "grouping_id"}
    spatial = {name for name in SCALARS if name.startswith("st_")}
    assert SCALARS - spatial - known - words == {name for name in SCALARS if name.startswith("duckdb_")} == set()
    assert known >= TABLES


_WORDS = st.sampled_from([
    *itertools.chain.from_iterable(statement.split() for statement in (*GOOD, *STATEMENTS)), "'/etc/passwd'", "secret", "read_text(", "getenv(", "(", ")", ",", ";", "--", "/*", "*/", "$$",
])  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(_WORDS, max_size=14).map(" ".join) | st.text(max_size=60) | st.sampled_from(GOOD).flatmap(lambda good: st.permutations(good.split()).map(" ".join)))
def test_any_text_is_a_select_over_own_views_or_refused(statement: str) -> None:
    try:
        checked = GUARD.check(statement, NAMES)
    except CityHubError:
        return
    assert "secret" not in checked.views
    with duckdb.connect() as parser:
        assert [kind.type.name for kind in parser.extract_statements(checked.sql)] in (["SELECT"], ["EXPLAIN"])
